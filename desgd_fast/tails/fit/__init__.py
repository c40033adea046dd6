"""Whether a power law describes the tail: distances, rivals, several estimators on one sample."""
