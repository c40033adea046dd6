"""From whatever holds the data to the largest values of each sample, in order."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.kernels.tails import selection as kernels
from desgd_fast.tails import checks

SIDES = {"abs": kernels.ABS, "upper": kernels.UPPER, "lower": kernels.LOWER}
NAN_POLICIES = ("raise", "omit", "propagate")
INFINITE_POLICIES = ("raise", "censor")

# Top values of one chunk of samples: few enough to stay in cache between selection and estimate.
CHUNK_VALUES = 2**20
BLOCK = 2**14

# Fewer values than this are sorted before a second thread has woken up.
WORTH_THREADS = 2**18


@dataclass(frozen=True)
class Samples:
    """Validated samples as rows, and what to do with the odd values in them."""

    rows: NDArray[np.float64]
    shape: tuple[int, ...]
    tail: str
    nan_policy: str
    on_infinite: str | None

    @property
    def bulk(self) -> bool:
        """Whether there is one estimate per sample rather than one."""
        return self.shape != () or len(self.rows) != 1

    @property
    def side(self) -> NDArray[np.uint64]:
        """The tail as the kernels know it."""
        return SIDES[self.tail]


@dataclass(frozen=True)
class TopValues:
    """The largest values of some samples, ascending, in the last places of each row of ``ordered``."""

    where: slice
    ordered: NDArray[np.float64]
    n_positive: NDArray[np.int64]
    n_zero: NDArray[np.int64]
    n_nan: NDArray[np.int64]
    n_infinite: NDArray[np.int64]


def read(
    x: ArrayLike,
    axis: int | None,
    *,
    tail: str,
    nan_policy: str,
    on_infinite: str | None,
    name: str = "x",
) -> Samples:
    """Samples from any array-like of real numbers, its options checked; on_infinite=None offers no choice."""
    rows, shape = checks.sample_rows(name, x, axis)
    return Samples(
        rows,
        shape,
        check.choice("tail", tail, SIDES),
        check.choice("nan_policy", nan_policy, NAN_POLICIES),
        None if on_infinite is None else check.choice("on_infinite", on_infinite, INFINITE_POLICIES),
    )


def top_values(samples: Samples, m: NDArray[np.int64] | int) -> Iterator[TopValues]:
    """The m largest of each sample, chunk by chunk of samples; odd values raise as the policies say.

    The arrays of a chunk are reused by the next one.
    """
    n_samples, n = samples.rows.shape
    most = min(n, int(np.max(m)))
    step = max(1, CHUNK_VALUES // max(1, most))
    buffer = np.empty((min(step, n_samples), most))
    for start in range(0, n_samples, step):
        where = slice(start, min(start + step, n_samples))
        rows = samples.rows[where]
        ordered = buffer[: len(rows)]
        positive, zero, nan, infinite = _fill(
            samples, rows, m[where] if isinstance(m, np.ndarray) else most, ordered
        )
        if samples.nan_policy == "raise":
            checks.no_missing("x", int(nan.sum()))
        if samples.on_infinite != "censor":
            checks.no_infinite("x", int(infinite.sum()), censoring=samples.on_infinite is not None)
        _sort_rows(ordered)
        yield TopValues(where, ordered, positive, zero, nan, infinite)


def _fill(
    samples: Samples, rows: NDArray[np.float64], m: NDArray[np.int64] | int, ordered: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The m largest of each row into ``ordered``, in any order; counts of each kind of value, (4, n_rows)."""
    n = rows.shape[1]
    if ordered.shape[1] == n:
        counts = np.empty((len(rows), max(1, n // BLOCK), 4), np.int64)
        kernels.copy_magnitudes(rows, samples.side, ordered, counts)
        return np.asarray(counts.sum(axis=1).T)
    wanted = np.broadcast_to(m, len(rows)).astype(np.int64)
    per_row = np.empty((len(rows), 4), np.int64)
    kernels.select_top_values(rows, samples.side, wanted, ordered, per_row)
    return per_row.T


def _sort_rows(rows: NDArray[np.float64]) -> None:
    """Ascending rows, in place: numpy's sort on as many threads as kernels may use."""
    threads = numba.get_num_threads()
    if threads == 1 or rows.size < WORTH_THREADS:
        rows.sort(axis=1)
        return
    if len(rows) == 1:
        # Between these ranks the pieces can be sorted apart.
        edges = np.linspace(0, rows.size, threads + 1).astype(np.int64)
        rows[0].partition(edges[1:-1])
        pieces = [rows[:, start:stop] for start, stop in itertools.pairwise(edges)]
    else:
        pieces = np.array_split(rows, threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda piece: piece.sort(axis=1), pieces))
