"""How many order statistics to use: given, or chosen from the data."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.rng import RNG, key_from
from desgd_fast.kernels.jit.lanes import LANES
from desgd_fast.kernels.tails import resampling as tails_resampling
from desgd_fast.kernels.tails import selection as kernels
from desgd_fast.kernels.tails import threshold as tails_threshold
from desgd_fast.tails import checks
from desgd_fast.tails.fit.resamples import resamples
from desgd_fast.tails.samples import TopValues

MIN_AMSE, DOUBLE_BOOTSTRAP, KOLMOGOROV_SMIRNOV = "min-amse", "double-bootstrap", "ks"
RULES = (MIN_AMSE, DOUBLE_BOOTSTRAP, KOLMOGOROV_SMIRNOV)

# Fewest order statistics that the smallest error may ask for.
LEAST_CHOSEN = 10

# Attempts of the double bootstrap before it gives up.
MOST_ATTEMPTS = 10

Counts = NDArray[np.int64]
Array = NDArray[np.float64]


def log_ratio_constant(a: float) -> float:
    """(a/(2 − a))^(2(1 − a)), a = log k1/log n1: k0·k2/k1² of Danielsson et al. (2001, eq. 8)."""
    return float((a / (2 - a)) ** (2 * (1 - a)))


def square_root_constant(a: float) -> float:
    """Its square root, found in several packages; it makes k too large."""
    return math.sqrt(log_ratio_constant(a))


CONSTANTS: dict[str, Callable[[float], float]] = {
    "danielsson": log_ratio_constant,
    "qi": square_root_constant,
}


def second_order(top: TopValues) -> Array:
    """(rho, beta) of each sample, shape (n_samples, 2); the whole samples must be at hand."""
    width = top.ordered.shape[1]
    log_index = np.log(np.maximum(np.arange(width + 1), 1))
    estimates = np.empty((len(top.ordered), 2))
    kernels.estimate_second_order(top.ordered, top.n_positive, top.n_infinite, log_index, estimates)
    return estimates


def minimal_error(n: Counts, estimates: Array) -> tuple[Counts, NDArray[np.bool_]]:
    """k0 = ⌊[(1 − rho)² n^(−2 rho)/(−2 rho beta²)]^(1/(1 − 2 rho))⌋ , and where it is undefined.

    Where rho and beta cannot be estimated, √n. At least LEAST_CHOSEN and at most n − 1: the estimated
    second-order parameters of a few Pareto samples in a hundred would leave no values to measure.
    """
    rho, beta = estimates.T
    with np.errstate(all="ignore"):
        log_k = (2 * np.log(1 - rho) - 2 * rho * np.log(n) - np.log(-2 * rho * beta**2)) / (1 - 2 * rho)
        undefined = ~(np.isfinite(rho) & np.isfinite(beta) & (rho < 0)) | np.isnan(log_k)
        k = np.exp(np.minimum(np.where(undefined, 0.5 * np.log(np.maximum(n, 1)), log_k), np.log(2.0**53)))
    return np.clip(k.astype(np.int64), LEAST_CHOSEN, np.maximum(n - 1, 1)), undefined


def first_resample_size(n: Counts, ratio: float) -> Counts:
    """n1 with n2 = n1²/n = ratio·n, nearly: n^((1 + log(ratio·n)/log n)/2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = n ** (0.5 * (1 + np.log(np.floor(ratio * n)) / np.log(n)))
    return np.where(n >= 16, np.nan_to_num(size), 0).astype(np.int64)


def _resample_minima(
    ascending: Array, n1: int, stream: tuple[NDArray[np.uint64], int], n_resamples: int, progress: bool
) -> tuple[int, int, int]:
    """(k1, k2, attempts) of one sample: k1 minimises the criterion at resamples of n1 values, k2 at n1²/n.

    k2 > k1 betrays a false minimum at small k: another attempt leaves out 0.5% more of it. More than the
    most attempts say that none helped.
    """
    n = ascending.size
    n2 = n1 * n1 // max(n, 1)
    if n2 >= 8:
        logs = np.empty(n + 1)
        tails_resampling.descend_logs(ascending, logs)
        for attempt in range(MOST_ATTEMPTS):
            least = 2 + int(0.005 * n) * attempt
            if least >= int(0.99 * n2):
                break
            k1, k2 = (
                _least_square_error(logs, size, least, (*stream, stage), n_resamples, progress)
                for stage, size in ((2 * attempt, n1), (2 * attempt + 1, n2))
            )
            if k2 <= k1:
                return k1, k2, attempt + 1
    return 1, 1, MOST_ATTEMPTS + 1


def _least_square_error(
    logs: Array,
    size: int,
    least: int,
    stream: tuple[NDArray[np.uint64], int, int],
    n_resamples: int,
    progress: bool,
) -> int:
    """The k from ``least`` to 0.99·size with the smallest sum of (M2 − 2·M1²)² over resamples."""
    key, sample, stage = stream
    totals = np.zeros((tails_resampling.N_GROUPS, size))
    for first, stop in resamples(n_resamples, size, progress, together=LANES):
        tails_resampling.bootstrap_square_errors(logs, key, stage, sample, first, stop, totals)
    return least + int(np.argmin(totals.sum(axis=0)[least : int(0.99 * size) + 1]))


def double_bootstrap(
    top: TopValues,
    *,
    n_resamples: int,
    ratio: float,
    constant: str,
    key: NDArray[np.uint64],
    progress: bool = False,
) -> tuple[Counts, Counts, NDArray[np.bool_]]:
    """k0 = (k1²/k2)·c of each sample, (k1, k2, attempts), and where every attempt failed."""
    size = first_resample_size(top.n_positive, ratio)
    minima = np.array(
        [
            _resample_minima(row[row.size - n :], int(n1), (key, top.where.start + i), n_resamples, progress)
            for i, (row, n, n1) in enumerate(zip(top.ordered, top.n_positive, size, strict=True))
        ],
        np.int64,
    )
    k1, k2, attempts = minima.T
    failed = attempts > MOST_ATTEMPTS
    a = np.log(k1) / np.log(np.maximum(size, 2))
    factor = np.array([CONSTANTS[constant](value) if value > 0 else 1.0 for value in a])
    k = np.rint(k1**2 / k2 * factor).astype(np.int64)
    return np.clip(k, 1, np.maximum(top.n_positive - 1, 1)), minima, failed


def best_threshold(top: TopValues) -> Array:
    """(values below the threshold, alpha, Kolmogorov–Smirnov distance) of each sample, (n_samples, 3)."""
    found = np.empty((len(top.ordered), 3))
    tails_threshold.find_thresholds(top.ordered, top.n_positive, found)
    return found


class Choice:
    """Chooses k for every chunk of samples, and remembers what went wrong."""

    def __init__(self, k: str | float | Counts, rng: RNG, n_resamples: int = 500, ratio: float = 0.5) -> None:
        self.k = k
        self.n_resamples = n_resamples
        self.ratio = ratio
        self.notes: list[str] = []
        # Drawn once, so that all samples and chunks share the key.
        self.key = key_from(rng) if isinstance(k, str) and k == DOUBLE_BOOTSTRAP else np.zeros(2, np.uint64)

    def least_values(self, n: int, reach: Callable[[Counts], Counts]) -> Counts | int:
        """How many of the largest values of a sample of n the choice and the estimate take."""
        if isinstance(self.k, str):
            return n
        if isinstance(self.k, float):
            return min(n, int(reach(np.array([int(self.k * n) + 1]))[0]))
        values = np.minimum(n, reach(self.k))
        return int(values[0]) if values.size == 1 else values

    def __call__(self, top: TopValues) -> Counts:
        """K of each sample of the chunk."""
        if isinstance(self.k, np.ndarray):
            return np.broadcast_to(self.k[top.where] if self.k.size > 1 else self.k, top.n_positive.shape)
        if isinstance(self.k, float):
            return np.maximum(1, (self.k * top.n_positive).astype(np.int64))
        checks.no_infinite("x", int(top.n_infinite.sum()) if self.k != MIN_AMSE else 0, censoring=False)
        if self.k == KOLMOGOROV_SMIRNOV:
            below = best_threshold(top)[:, 0]
            return np.where(np.isnan(below), 1, top.n_positive - np.nan_to_num(below) - 1).astype(np.int64)
        if self.k == DOUBLE_BOOTSTRAP:
            k, _, failed = double_bootstrap(
                top, n_resamples=self.n_resamples, ratio=self.ratio, constant="danielsson", key=self.key
            )
            if failed.any():
                self._note("the double bootstrap found no minimum; min-amse was used")
                k = np.where(failed, self._minimal_error(top), k)
            return k
        return self._minimal_error(top)

    def _minimal_error(self, top: TopValues) -> Counts:
        n = top.n_positive - top.n_infinite
        k, undefined = minimal_error(n, second_order(top))
        if undefined.any():
            self._note("the second-order parameters could not be estimated; k = √n was used")
        return k + top.n_infinite

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
