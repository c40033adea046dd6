"""One multiplicative factor with a known law: x⁺ = A x + q, and h(s) = E|A|^s for every s (Kesten, 1973)."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from desgd_fast.experiment import Experiment
from desgd_fast.problems.protocols import OwnRows

Array = NDArray[np.float64]

# rho counts as negative when it is so by this many standard errors.
SIGNIFICANT = 3.0
# A moment that rests on fewer equal draws than this rests on luck.
FEW_DRAWS = 500.0
# Minibatches that are listed, at most.
_MOST_BATCHES = 2**16


class Factor(ABC):
    """The law of |A|, or of a small matrix of such numbers."""

    @property
    @abstractmethod
    def method(self) -> str:
        """How its averages are taken."""

    @property
    def size(self) -> int:
        """Over how many draws, 0 where none is drawn."""
        return 0

    @abstractmethod
    def log_growth(self, s: float) -> float:
        """Log h(s) = log E|A|^s per step."""

    @abstractmethod
    def lyapunov_exponent(self) -> float:
        """The slope rho = E log|A|."""

    def log_growth_stderr(self, s: float) -> float:
        """Standard error of :meth:`log_growth`."""
        return 0.0

    def lyapunov_stderr(self) -> float:
        """Standard error of :meth:`lyapunov_exponent`."""
        return 0.0

    def slope(self, s: float) -> float:
        """The derivative of log h."""
        return (self.log_growth(s * (1 + 1e-4)) - self.log_growth(s * (1 - 1e-4))) / (2e-4 * s)

    def seen(self) -> float:
        """The largest moment that the draws show."""
        return math.inf

    def precise(self, rtol: float, s: float | None = None) -> "Factor":
        """The same from as many draws as show log h(s) to rtol of s times its slope; rho where s is 0.

        None is the tail index.
        """
        return self

    def tail_index(self, cap: float) -> float:
        """The alpha > 0 with h(alpha) = 1; nan where rho ≥ 0 and inf where it lies above ``cap``."""
        if self.lyapunov_exponent() >= -SIGNIFICANT * self.lyapunov_stderr():
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
    def of(cls, far: Any, asked: Experiment, node: int) -> "BatchFactor | None":
        """Of one node's plain steps on such rows, where its minibatches can be listed."""
        if not (isinstance(far, OwnRows) and far.dim == 1):
            return None
        size, parts = int(asked.batch_sizes[node]), far.partition(asked.n_nodes, asked.batch_sizes)
        rows = parts.features[parts.offsets[node] : parts.offsets[node + 1], 0]
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
        step_size = float(np.broadcast_to(asked.step_sizes, (1, 1, asked.n_nodes))[0, 0, node])
        return cls(np.abs(1 - step_size * (curvature * means + far.loss.ridge)), probabilities)

    def log_growth(self, s: float) -> float:
        with np.errstate(divide="ignore"):
            return float(special.logsumexp(s * np.log(self.sizes), b=self.probabilities))

    def lyapunov_exponent(self) -> float:
        with np.errstate(divide="ignore"):
            return float(self.probabilities @ np.log(self.sizes))


def _few(n: int, size: int) -> bool:
    """Whether so many may be chosen out of n in few enough ways, and their orders are a number."""
    return size <= 100 and math.comb(n, size) <= _MOST_BATCHES
