"""What an engine is: it refuses a task with its reason, or says what it costs and makes a chain for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from desgd_fast.experiment import Experiment

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """Runs of an experiment on a problem, and what is to be kept of them."""

    problem: Any
    experiment: Experiment
    keep: str = "all"
    dtype: str = "float64"


class Chain(Protocol):
    """Some runs side by side, in blocks of ``lanes``, that advance together."""

    @property
    def lanes(self) -> int:
        """Runs of a block."""

    @property
    def block_bytes(self) -> int:
        """Working memory of a block."""

    @property
    def draws_per_step(self) -> int:
        """Variates that a block takes at a step."""

    def start(self, runs: range, deviation: Real, summing: bool) -> None:
        """Every run of the blocks at x − x* = ``deviation``, (n_nodes, dim)."""

    def advance(self, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        """Go on by some steps; ``first_run`` is the number of the first block's first run."""

    def read(self, which: int, n_summed: int) -> tuple[Real, Real]:
        """Norms (runs, n_nodes), and deviations: 0 of the last iterates, 1 of a mean of so many."""

    def inner_products(self) -> Real:
        """Of the last deviations, (runs, n_nodes, n_nodes)."""


@dataclass(frozen=True)
class Engine:
    """One way to draw the runs of a task.

    Attributes
    ----------
    name : str
        As ``engine=`` calls it; several engines may share a name, for different tasks.
    refusal : callable
        refusal(task): why it cannot, as the rest of a sentence that begins with "needs"; None where it can.
    cost : callable
        cost(task): about how many nanoseconds a step of a node takes on one core.
    chain : callable
        chain(task): the runs, ready to start.
    """

    name: str
    refusal: Callable[[Task], str | None]
    cost: Callable[[Task], float]
    chain: Callable[[Task], Chain]


def n_blocks(runs: range, lanes: int) -> int:
    """Blocks that hold the runs."""
    return -(-(runs.stop - runs.start // lanes * lanes) // lanes)
