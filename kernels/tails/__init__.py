"""Order statistics, thresholds and resampling."""
