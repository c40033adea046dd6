"""Progress bars, where one was asked for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from desgd_fast.common import check


@contextmanager
def progress_bar(show: bool, **options: Any) -> Iterator[Any | None]:
    """A tqdm bar with these options, or None."""
    if not show:
        yield None
        return
    check.installed("progress=True needs", "cli", "tqdm")
    # A bar of the notebook's own kind where there is one.
    from tqdm.auto import tqdm

    # Its default lock between processes is not needed here, and left behind at exit.
    if not hasattr(tqdm, "_lock"):
        tqdm.set_lock(threading.RLock())
    with tqdm(**options) as bar:
        yield bar


@contextmanager
def count_steps(show: bool, total: int) -> Iterator[Callable[[int], object]]:
    """What to call with the number of steps done."""
    with progress_bar(show, total=total, unit="step", unit_scale=True, smoothing=0.1) as bar:
        yield (lambda done: None) if bar is None else bar.update
