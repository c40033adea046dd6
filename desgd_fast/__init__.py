"""How heavy are the tails of decentralized stochastic gradient descent?

Three instruments that check each other: :func:`simulate` runs it,
:mod:`desgd_fast.theory` computes it, :mod:`desgd_fast.tails` measures it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from desgd_fast.common import forks as _forks  # noqa: F401  (sees every fork from now on)

if TYPE_CHECKING:
    from desgd_fast import algorithms as algorithms
    from desgd_fast import mixing as mixing
    from desgd_fast import paper as paper
    from desgd_fast import plots as plots
    from desgd_fast import tails as tails
    from desgd_fast import theory as theory
    from desgd_fast.algorithms import schedules as schedules
    from desgd_fast.common import warnings as warnings
    from desgd_fast.measurement.layers import layer_tails as layer_tails
    from desgd_fast.measurement.noise import gradient_noise as gradient_noise
    from desgd_fast.measurement.tail import measure_tail as measure_tail
    from desgd_fast.mixing.report import mixing_report as mixing_report
    from desgd_fast.mixing.rules import mixing_matrix as mixing_matrix
    from desgd_fast.problems import laws as laws
    from desgd_fast.problems import losses as losses
    from desgd_fast.problems.data import images as images
    from desgd_fast.problems.data import partitions as partitions
    from desgd_fast.problems.data.poisoning import label_flip as label_flip
    from desgd_fast.problems.gaussian import GaussianRegression as GaussianRegression
    from desgd_fast.problems.laws import Law as Law
    from desgd_fast.problems.losses import Loss as Loss
    from desgd_fast.problems.networks import NeuralNetwork as NeuralNetwork
    from desgd_fast.problems.rows import DatasetRegression as DatasetRegression
    from desgd_fast.problems.rows import EmpiricalRisk as EmpiricalRisk
    from desgd_fast.problems.streams import StreamingRisk as StreamingRisk
    from desgd_fast.simulation.running import simulate as simulate
    from desgd_fast.simulation.training import train as train
    from desgd_fast.sweeps.sweeping import sweep as sweep
    from desgd_fast.theory import initialisation as initialisation

__version__ = "0.1.0"

# Public name -> module that holds it; loaded on first use so that the import stays cheap (PEP 562).
_HOME = {
    "mixing_matrix": "mixing.rules",
    "mixing_report": "mixing.report",
    "GaussianRegression": "problems.gaussian",
    "DatasetRegression": "problems.rows",
    "simulate": "simulation.running",
    "NeuralNetwork": "problems.networks",
    "train": "simulation.training",
    "layer_tails": "measurement.layers",
    "measure_tail": "measurement.tail",
    "sweep": "sweeps.sweeping",
    "Loss": "problems.losses",
    "Law": "problems.laws",
    "EmpiricalRisk": "problems.rows",
    "StreamingRisk": "problems.streams",
    "gradient_noise": "measurement.noise",
    "label_flip": "problems.data.poisoning",
}
# Public module -> where it stands.
_MODULES = {
    "algorithms": "algorithms",
    "images": "problems.data.images",
    "initialisation": "theory.initialisation",
    "laws": "problems.laws",
    "losses": "problems.losses",
    "mixing": "mixing",
    "paper": "paper",
    "partitions": "problems.data.partitions",
    "plots": "plots",
    "schedules": "algorithms.schedules",
    "tails": "tails",
    "theory": "theory",
    "walltime": "walltime",
    "warnings": "common.warnings",
}
# Needs an extra, so that "from desgd_fast import *" must not load it.
_OPTIONAL_MODULES = {"torch": "simulation.torch"}

__all__ = ["__version__", *sorted(_HOME), *_MODULES]


def __getattr__(name: str) -> object:
    modules = _MODULES | _OPTIONAL_MODULES
    if name in modules:
        return import_module(f"{__name__}.{modules[name]}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
