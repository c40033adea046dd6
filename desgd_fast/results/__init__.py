"""What comes back: frozen results with named axes."""

from desgd_fast.results._warnings import (
    DivergenceWarning,
    FailedCellsWarning,
    LightTailWarning,
    NotStationaryWarning,
    OptimumWarning,
    OtherVersionWarning,
    PrecisionWarning,
)
from desgd_fast.results.comparisons import Comparison, Contender, RegimeMap, Verdict
from desgd_fast.results.fits import GoodnessOfFit, LikelihoodRatio, TailComparison, ThresholdChoice
from desgd_fast.results.noise import GradientNoise
from desgd_fast.results.reports import MixingReport, PartitionReport, SweepEstimate
from desgd_fast.results.runs import Runs, euclidean
from desgd_fast.results.tails import TailEstimate, TailPath
from desgd_fast.results.theory import CriticalStepSize, Growth, TailIndex
from desgd_fast.results.training import Training

__all__ = [
    "Comparison",
    "Contender",
    "CriticalStepSize",
    "DivergenceWarning",
    "FailedCellsWarning",
    "GoodnessOfFit",
    "GradientNoise",
    "Growth",
    "LightTailWarning",
    "LikelihoodRatio",
    "MixingReport",
    "NotStationaryWarning",
    "OptimumWarning",
    "OtherVersionWarning",
    "PartitionReport",
    "PrecisionWarning",
    "RegimeMap",
    "Runs",
    "SweepEstimate",
    "TailComparison",
    "TailEstimate",
    "TailIndex",
    "TailPath",
    "ThresholdChoice",
    "Training",
    "Verdict",
    "euclidean",
]
