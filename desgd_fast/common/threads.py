"""How many threads a kernel may use, safely under foreign threads and forks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numba
from numba.core import config

from desgd_fast.common import check, forks

# Numba's workqueue layer aborts the process when two Python threads enter it, so they take turns.
_lock = threading.RLock()


def _check_fork() -> None:
    if forks.openmp_lost():
        raise RuntimeError(
            "this process was forked after compiled kernels had run, and OpenMP does not survive a fork; "
            "start workers with the 'forkserver' or 'spawn' method "
            "(multiprocessing.get_context('forkserver'))"
        )


@contextmanager
def limited_to(threads: int | None) -> Iterator[int]:
    """Run the body with at most ``threads`` Numba threads (None: all), restoring the old limit."""
    limit = config.NUMBA_NUM_THREADS
    count = limit if threads is None else min(check.positive_integer("threads", threads), limit)
    with _lock:
        _check_fork()
        before = numba.get_num_threads()
        numba.set_num_threads(count)
        try:
            yield count
        finally:
            numba.set_num_threads(before)
