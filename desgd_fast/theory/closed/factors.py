"""One multiplicative factor with a known law: x⁺ = A x + q, and h(s) = E|A|^s for every s (Kesten, 1973)."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from desgd_fast.experiment import Experiment
from desgd_fast.problems.protocols import OwnRows

Array = NDArray[np.float64]

# Minibatches that are listed, at most.
_MOST_BATCHES = 2**16


class Factor(ABC):
    """The law of |A|; ``method`` says how its averages are taken."""

    method: ClassVar[str]

    @abstractmethod
    def log_growth(self, s: float) -> float:
        """Log h(s) = log E|A|^s."""

    @abstractmethod
    def lyapunov_exponent(self) -> float:
        """The slope rho = E log|A|."""

    def tail_index(self, cap: float) -> float:
        """The alpha > 0 with h(alpha) = 1; nan where rho ≥ 0 and inf where it lies above ``cap``."""
        if self.lyapunov_exponent() >= 0:
            return math.nan
        high = 1.0
        while self.log_growth(high) < 0:
            if high >= cap:
                return math.inf
            high = min(2 * high, cap)
        low = high / 2
        while self.log_growth(low) > 0:
            low /= 2
        return float(optimize.toms748(self.log_growth, low, high, xtol=1e-300, rtol=1e-13))


@dataclass(frozen=True, eq=False)
class BatchFactor(Factor):
    """A node that holds rows of one coordinate: A = 1 − η (c mean a² + ridge) over the rows drawn."""

    sizes: Array
    probabilities: Array

    method = "exact"

    @classmethod
    def of(cls, far: Any, asked: Experiment) -> "BatchFactor | None":
        """Of one node that takes plain steps on such rows, where its minibatches can be listed."""
        if not (isinstance(far, OwnRows) and far.dim == 1 and asked.n_nodes == 1 and asked.plain):
            return None
        size = int(asked.batch_sizes[0])
        rows = far.partition(1, asked.batch_sizes).features[:, 0]
        squares, counts = np.unique(rows**2, return_counts=True)
        if far.sampling == "replacement" and _few(squares.size + size - 1, size):
            drawn = np.array(list(combinations_with_replacement(range(squares.size), size)))
            times, orders = np.ones(len(drawn)), np.full(len(drawn), math.factorial(size), float)
            for k in range(1, size):  # b! orders over those of equal rows, which lie side by side
                times = np.where(drawn[:, k] == drawn[:, k - 1], times + 1, 1)
                orders /= times
            probabilities = orders * (counts / rows.size)[drawn].prod(axis=1)
            means = squares[drawn].mean(axis=1)
        elif far.sampling == "without-replacement" and _few(rows.size, size):
            means = (rows**2)[np.array(list(combinations(range(rows.size), size)))].mean(axis=1)
            probabilities = np.full(means.size, 1 / means.size)
        else:
            return None
        curvature = float(far.loss.curvature_at_infinity or 0.0)
        contraction = float(asked.step_sizes.flat[0]) * (curvature * means + far.loss.ridge)
        return cls(np.abs(1 - contraction), probabilities)

    def log_growth(self, s: float) -> float:
        with np.errstate(divide="ignore"):
            return float(special.logsumexp(s * np.log(self.sizes), b=self.probabilities))

    def lyapunov_exponent(self) -> float:
        with np.errstate(divide="ignore"):
            return float(self.probabilities @ np.log(self.sizes))


def _few(n: int, size: int) -> bool:
    """Whether so many may be chosen out of n in few enough ways, and their orders are a number."""
    return size <= 100 and math.comb(n, size) <= _MOST_BATCHES
