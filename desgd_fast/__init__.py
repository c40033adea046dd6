"""How heavy are the tails of decentralized stochastic gradient descent?

Three instruments that check each other: :func:`simulate` runs it,
:mod:`desgd_fast.theory` computes it, :mod:`desgd_fast.tails` measures it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desgd_fast import images as images
    from desgd_fast import initialisation as initialisation
    from desgd_fast import laws as laws
    from desgd_fast import losses as losses
    from desgd_fast import networks as networks
    from desgd_fast import paper as paper
    from desgd_fast import partitions as partitions
    from desgd_fast import schedules as schedules
    from desgd_fast import tails as tails
    from desgd_fast import theory as theory
    from desgd_fast import updates as updates
    from desgd_fast.laws import Law as Law
    from desgd_fast.losses import Loss as Loss
    from desgd_fast.measurement import measure_tail as measure_tail
    from desgd_fast.mixing import mixing_matrix as mixing_matrix
    from desgd_fast.mixing import mixing_report as mixing_report
    from desgd_fast.networks import NeuralNetwork as NeuralNetwork
    from desgd_fast.networks import layer_tails as layer_tails
    from desgd_fast.networks import train as train
    from desgd_fast.noise import gradient_noise as gradient_noise
    from desgd_fast.problems import DatasetRegression as DatasetRegression
    from desgd_fast.problems import GaussianRegression as GaussianRegression
    from desgd_fast.risks import EmpiricalRisk as EmpiricalRisk
    from desgd_fast.risks import StreamingRisk as StreamingRisk
    from desgd_fast.simulation import simulate as simulate
    from desgd_fast.sweeps import sweep as sweep

__version__ = "0.1.0"

# Public name -> module that holds it; loaded on first use so that the import stays cheap (PEP 562).
_HOME = {
    "mixing_matrix": "mixing",
    "mixing_report": "mixing",
    "GaussianRegression": "problems",
    "DatasetRegression": "problems",
    "simulate": "simulation",
    "NeuralNetwork": "networks",
    "train": "networks",
    "layer_tails": "networks",
    "measure_tail": "measurement",
    "sweep": "sweeps",
    "Loss": "losses",
    "Law": "laws",
    "EmpiricalRisk": "risks",
    "StreamingRisk": "risks",
    "gradient_noise": "noise",
}
_MODULES = (
    "images",
    "initialisation",
    "laws",
    "losses",
    "networks",
    "paper",
    "partitions",
    "plots",
    "schedules",
    "tails",
    "theory",
    "updates",
)
# Needs an extra, so that "from desgd_fast import *" must not load it.
_OPTIONAL_MODULES = ("torch",)

__all__ = ["__version__", *sorted(_HOME), *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES + _OPTIONAL_MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
