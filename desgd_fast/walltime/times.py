"""Seconds that nodes need for a step: drawn from a law, or measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check
from desgd_fast.common.files.contents import content, text
from desgd_fast.common.memory import told
from desgd_fast.common.rng import RNG, generator_from
from desgd_fast.walltime import checks


def draw_times(
    law: Callable[..., Any] | Any, n_steps: int, n_nodes: int, *, rng: RNG = None
) -> NDArray[np.float64]:
    """(n_steps, n_nodes) independent times from a law.

    Parameters
    ----------
    law : scipy.stats distribution, callable, or (n_rounds, n_nodes) array
        A frozen distribution; a function of (generator, shape) that returns seconds; or a measured trace,
        from which whole rounds are drawn, so that nodes stay as alike in a round as they were.
    n_steps, n_nodes : int
        Steps and nodes.
    rng : optional
        Whatever ``numpy.random.default_rng`` takes.

    Raises
    ------
    ValueError, TypeError
        If a time is negative, or a trace has other nodes.
    MemoryError
        If they would take more memory than is free.

    Examples
    --------
    >>> import scipy.stats, desgd_fast as dsf
    >>> dsf.walltime.draw_times(scipy.stats.expon(loc=1.0), 3, 4, rng=0).shape
    (3, 4)
    """
    n_steps, n_nodes = check.positive_integer("n_steps", n_steps), check.positive_integer("n_nodes", n_nodes)
    generator = generator_from(rng)
    told(f"n_steps={n_steps:,}", 24 * n_steps * n_nodes)
    if hasattr(law, "rvs"):
        return checks.times("law", law.rvs(size=(n_steps, n_nodes), random_state=generator))
    if callable(law):
        drawn = check.answer("law", law, "law(generator, shape)", generator, (n_steps, n_nodes))
        return checks.times("law", drawn)
    trace = checks.times("law", law)
    checks.nodes("law", trace.shape[1], n_nodes)
    return trace[generator.integers(0, len(trace), n_steps)]


def read_times(path: str | Path) -> NDArray[np.float64]:
    r"""(n_rounds, n_nodes) seconds from a text file: a round a line, a number a node.

    Commas or blanks stand between them; lines that begin with # are left out.

    Raises
    ------
    ValueError, TypeError
        If the file cannot be read, lines differ in length or hold something else than seconds.

    Examples
    --------
    >>> import pathlib, tempfile, desgd_fast as dsf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "seconds.txt"
    ...     _ = path.write_text("0.5 0.7\n0.6 0.9\n")
    ...     dsf.walltime.read_times(path).shape
    (2, 2)
    """
    lines = text("path", str(path), content("path", path)).replace(",", " ").splitlines()
    try:
        table = np.loadtxt(lines, ndmin=2)
    except ValueError as error:
        raise ValueError(
            f"path must hold as many seconds on every line, but {str(path)!r}: {error}"
        ) from None
    return checks.times("path", table)
