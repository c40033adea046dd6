"""Gradient coding: workers do more than their share, so that the sum is there without the slowest.

The schemes of Krishnan, Ram & Rini, "Sequential gradient coding for straggler mitigation" (ICLR 2023, arXiv
2211.13802). A round's stragglers are the workers that need more than (1 + tolerance) times the fastest's
time. While they are as few as the scheme is made for, the master goes on at that time; otherwise it waits for
all. A worker's time grows with its load: ``compute`` is what it needs for its own share.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.walltime import checks
from desgd_fast.walltime.clock import Clock

Late = NDArray[np.bool_]


def _ends(
    times: NDArray[np.float64], tolerance: float, fits: Callable[[Late, list[Late]], bool]
) -> NDArray[np.float64]:
    """When rounds end, given what stragglers a scheme can do without, after those of earlier rounds."""
    seen: list[Late] = []
    seconds = np.empty(len(times))
    for r, needed in enumerate(times):
        limit = (1 + tolerance) * needed.min()
        late = needed > limit
        waits = not fits(late, seen)
        seconds[r] = needed.max() if waits or not late.any() else limit
        seen.append(np.zeros_like(late) if waits else late)
    return np.cumsum(seconds)


def _bursty(window: int, burst: int, most: int) -> Callable[[Late, list[Late]], bool]:
    """At most so many stragglers in a window of rounds, each of them for a burst at most."""

    def fits(late: Late, seen: list[Late]) -> bool:
        before = seen[max(len(seen) + 1 - window, 0) :]
        together = late | np.any(before, axis=0) if before else late
        old = seen[max(len(seen) + 1 - window, 0) : max(len(seen) + 1 - burst, 0)]
        return bool(together.sum() <= most and not (old and (late & np.any(old, axis=0)).any()))

    return fits


def gradient_coding(
    compute: ArrayLike, stragglers: int, *, tolerance: float = 1.0, fixed: float = 0.0
) -> Clock:
    """Any n − s workers suffice, for each computes s + 1 shares (Tandon et al., ICML 2017).

    The authors' code of the sequential schemes does without at most s − 1 of them.

    Parameters
    ----------
    compute : (n_rounds, n_workers) array
        Seconds for a worker's own share, 1/n of the batch.
    stragglers : int
        s, below n_workers.
    tolerance : float
        Who needs more than 1 + tolerance times the fastest is late.
    fixed : float
        Seconds of a round that do not grow with the load.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.walltime.gradient_coding([[1.0, 1.0, 9.0]], 1).ends.tolist()
    [4.0]
    """
    times = checks.times("compute", compute)
    stragglers = check.integer("stragglers", stragglers, 0, times.shape[1] - 1)
    loaded = _loaded(times, stragglers + 1, fixed)
    ends = _ends(loaded, _tolerance(tolerance), lambda late, seen: bool(late.sum() <= stragglers))
    return Clock(ends, name=f"gradient_coding({stragglers})")


def selective_repetition(
    compute: ArrayLike,
    burst: int,
    window: int,
    stragglers: int,
    *,
    tolerance: float = 1.0,
    fixed: float = 0.0,
) -> Clock:
    """SR-SGC: who was late repeats its task B rounds later, so that ⌈B λ / (W − 1 + B)⌉ + 1 shares do.

    Good for stragglers that are at most λ different ones in any W rounds, each late for B of them at most.
    A step is done B rounds after it was begun, with as many further models under way.

    Parameters
    ----------
    compute, tolerance, fixed
        As for :func:`gradient_coding`.
    burst, window, stragglers : int
        B, W and λ; B divides W − 1.

    Examples
    --------
    >>> import numpy as np, desgd_fast as dsf
    >>> dsf.walltime.selective_repetition(np.ones((4, 6)), 1, 2, 2).ends.tolist()
    [4.0, 6.0, 8.0]
    """
    times = checks.times("compute", compute)
    burst, window, most = _model(times, burst, window, stragglers)
    if (window - 1) % burst:
        raise ValueError(f"window must be a multiple of burst={burst} and one more, got {window}")
    shares = -(-burst * most // (window - 1 + burst)) + 1
    ends = _sequential(times, shares, burst, _bursty(window, burst, most), tolerance, fixed)
    return Clock(ends, name=f"selective_repetition({burst}, {window}, {most})")


def multiplexed_coding(
    compute: ArrayLike,
    burst: int,
    window: int,
    stragglers: int,
    *,
    tolerance: float = 1.0,
    fixed: float = 0.0,
) -> Clock:
    """M-SGC: a part of the batch is repeated and a part coded, over W − 1 + B rounds that steps share.

    A worker's load is (λ + 1)(W − 1 + B) / (B + (W − 1)(λ + 1)) shares for λ below the number of workers,
    less than gradient coding's; a step is done W − 2 + B rounds after it was begun.

    Parameters
    ----------
    compute, burst, window, stragglers, tolerance, fixed
        As for :func:`selective_repetition`, ``burst`` below ``window``.

    Examples
    --------
    >>> import numpy as np, desgd_fast as dsf
    >>> dsf.walltime.multiplexed_coding(np.ones((4, 6)), 1, 2, 2).ends.tolist()
    [3.0, 4.5, 6.0]
    """
    times = checks.times("compute", compute)
    burst, window, most = _model(times, burst, window, stragglers)
    shares = (most + 1) * (window - 1 + burst) / (burst + (window - 1) * (most + 1))
    ends = _sequential(times, shares, window - 2 + burst, _bursty(window, burst, most), tolerance, fixed)
    return Clock(ends, name=f"multiplexed_coding({burst}, {window}, {most})")


def _model(times: NDArray[np.float64], burst: int, window: int, stragglers: int) -> tuple[int, int, int]:
    window = check.integer("window", window, 2)
    return (
        check.integer("burst", burst, 1, window - 1),
        window,
        check.integer("stragglers", stragglers, 0, times.shape[1] - 1),
    )


def _tolerance(value: float) -> float:
    return checks.seconds("tolerance", value)


def _loaded(times: NDArray[np.float64], shares: float, fixed: float) -> NDArray[np.float64]:
    return checks.seconds("fixed", fixed) + shares * times


def _sequential(
    times: NDArray[np.float64],
    shares: float,
    later: int,
    fits: Callable[[Late, list[Late]], bool],
    tolerance: float,
    fixed: float,
) -> NDArray[np.float64]:
    """When steps are done, so many rounds after they were begun."""
    checks.rounds("compute", len(times), later)
    return _ends(_loaded(times, shares, fixed), _tolerance(tolerance), fits)[later:]
