"""Runs whose state are vectors: x̃ = root·(basisᵀ(x − x*) + offset), coordinate by coordinate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from desgd_fast.loop.layout import Layout
from desgd_fast.simulation.engines.engine import Real, n_blocks
from desgd_fast.simulation.results import euclidean


@dataclass
class Vectors:
    """Blocks of runs in a layout; ``step(state, sums, n_steps …)`` is what an engine adds.

    ``memory_bytes`` is what a block keeps beyond its iterates.
    """

    layout: Layout
    root: Real
    basis: Real | None
    offset: Real
    draws_per_step: int
    step: Callable[..., None]
    dtype: str = "float64"
    memory_bytes: int = 0
    begin: Callable[[int], Any] = lambda n_blocks: None

    @property
    def lanes(self) -> int:
        """Runs of a block."""
        return self.layout.lanes

    @property
    def block_bytes(self) -> int:
        """Working memory of a block."""
        return 16 * self.layout.n_nodes * self.layout.size + self.memory_bytes

    def start(self, runs: range, deviation: Real, summing: bool) -> None:
        """Every run at the same deviation from the optimum."""
        count = n_blocks(runs, self.lanes)
        rotated = deviation if self.basis is None else deviation @ self.basis
        self.state = self.layout.zeros(count, self.dtype)
        with np.errstate(over="ignore"):
            self.layout.pack(self.root * (rotated + self.offset), self.state)
        self.sums = self.layout.zeros(count) if summing else np.empty((count, 0, 0))
        self.memory = self.begin(count)

    def advance(self, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        """Go on by some steps."""
        self.step(self, first_step, n_steps, first_run, threads)

    def read(self, which: int, n_summed: int) -> tuple[Real, Real]:
        """Norms and deviations."""
        unpacked = self.layout.unpack(self.sums if which else self.state)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = unpacked / (self.root * n_summed)
            deviation -= self.offset
            lengths = euclidean(deviation)
            return lengths, deviation if self.basis is None else deviation @ self.basis.T

    def inner_products(self) -> Real:
        """Of the last deviations."""
        _, deviation = self.read(0, 1)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(deviation @ deviation.transpose(0, 2, 1))
