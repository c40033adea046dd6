"""Long bootstraps in calls of bounded length: between two of them an interrupt is heard and a bar moves."""

from collections.abc import Iterator

import numba

from desgd_fast.common.pieces import pieces
from desgd_fast.common.progress import progress_bar

# Values that a thread visits in one call, unless a single resample has more: some tenths of a second.
CALL_VALUES = 2**21


def resamples(
    n_resamples: int, values_each: int, progress: bool, together: int = 1
) -> Iterator[tuple[int, int]]:
    """Ranges (first, stop) of resamples, ``together`` of which one thread takes at a time."""
    n_threads = numba.get_num_threads()
    with progress_bar(progress, total=n_resamples, unit="resample") as bar:
        for first, stop in pieces(n_resamples, values_each, n_threads * CALL_VALUES, n_threads * together):
            yield first, stop
            if bar is not None:
                bar.update(stop - first)
