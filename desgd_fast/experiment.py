"""What is asked of an instrument: who talks to whom, an algorithm, and its numbers; checked once."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.algorithms import checks as algorithm_checks
from desgd_fast.common import check
from desgd_fast.common.check.arrays import positive_per_node, real_array
from desgd_fast.common.check.values import given
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.mixing.processes import MixingProcess, as_process

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Experiment:
    """Runs of one algorithm on one problem; :func:`experiment` checks and makes it.

    ``step_sizes[k, run, node]`` belongs to step k of a run; an axis of length 1 to all of them.
    """

    process: MixingProcess
    algorithm: Algorithm
    step_sizes: Real
    batch_sizes: NDArray[np.int64]
    n_steps: int
    n_runs: int
    first_run: int
    average_last: int
    key: NDArray[np.uint64]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.process.n_nodes

    @property
    def runs(self) -> range:
        """Numbers of the runs."""
        return range(self.first_run, self.first_run + self.n_runs)

    @property
    def plain(self) -> bool:
        """Whether every step is x_i ← Σ_j W_ij x_j − η_i g_i, or mixes after it, with the same W."""
        return self.algorithm.plain and self.process.fixed

    def warn_of_divergence(self, diverged: NDArray[np.bool_], what: str) -> None:
        """Say how many runs overflowed, to whoever called the function that called this."""
        if diverged.any():
            warnings.warn(
                f"{np.count_nonzero(diverged)} of {self.n_runs} runs diverged (overflowed); they are kept, "
                f"see {what}.diverged. A smaller step_size may be stable: "
                "theory.critical_step_size(at='divergence').",
                DivergenceWarning,
                stacklevel=3,
            )


def experiment(
    W: Any,
    *,
    step_size: Any,
    batch_size: Any,
    n_steps: int,
    n_runs: int = 1,
    first_run: int = 0,
    average_last: int = 0,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
    allow_negative: bool = False,
    rng: RNG = None,
) -> Experiment:
    """Check the arguments that all instruments share, and gather them.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.
    """
    process = as_process(
        "W",
        W,
        allow_row_stochastic=check.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=check.flag("allow_negative", allow_negative),
    )
    check.instance("algorithm", algorithm, (Algorithm,))
    algorithm_checks.fits_nodes(algorithm, process.n_nodes)
    algorithm_checks.fits_process(algorithm, process)
    batch_sizes = check.counts_per_node("batch_size", batch_size, process.n_nodes)
    n_steps = check.integer("n_steps", n_steps, 1, 2**32 - 1)
    n_runs = check.integer("n_runs", n_runs, 1, 2**32 - 1)
    return Experiment(
        process=process,
        algorithm=algorithm,
        step_sizes=_step_sizes("step_size", step_size, n_steps, n_runs, process.n_nodes),
        batch_sizes=batch_sizes,
        n_steps=n_steps,
        n_runs=n_runs,
        first_run=check.integer("first_run", first_run, 0, 2**32 - n_runs),
        average_last=check.integer("average_last", average_last, 0, n_steps),
        key=key_from(rng),
    )


def _step_sizes(name: str, value: Any, n_steps: int, n_runs: int, n_nodes: int) -> Real:
    """A positive scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes), or a schedule."""
    if callable(value):
        return _scheduled(name, value, n_steps, n_nodes)
    if check.n_axes("step_size", value) < 2:
        return positive_per_node(name, value, n_nodes)[np.newaxis, np.newaxis]
    array = real_array(name, value)
    if array.shape not in ((n_runs, 1), (n_runs, n_nodes)):
        raise ValueError(
            f"{name} must be a scalar or have shape ({n_nodes},) for the nodes, ({n_runs}, 1) for the runs "
            f"or ({n_runs}, {n_nodes}) for both, got shape {array.shape}"
        )
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive, got {given(value)}")
    return np.array(np.broadcast_to(array, (1, n_runs, n_nodes)), order="C")


def _scheduled(name: str, schedule: Any, n_steps: int, n_nodes: int) -> Real:
    with np.errstate(all="ignore"):
        array = real_array(f"{name}(k)", check.answer(name, schedule, "step_size(k)", np.arange(n_steps)))
    if array.shape not in ((n_steps,), (n_steps, n_nodes)):
        raise ValueError(
            f"{name} must return shape ({n_steps},) or ({n_steps}, {n_nodes}) for the {n_steps} steps' "
            f"numbers, got {array.shape}"
        )
    if (array < 0).any():
        raise ValueError(f"{name} must return step sizes of at least 0, got {array.min():g}")
    each = np.broadcast_to(array.reshape(n_steps, 1, -1), (n_steps, 1, n_nodes))
    return np.array(each, order="C")
