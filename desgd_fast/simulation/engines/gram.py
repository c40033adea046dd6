"""The engine that keeps inner products only, at a cost that does not depend on the dimension."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desgd_fast.kernels.draw import random
from desgd_fast.kernels.jit.lanes import LANES
from desgd_fast.kernels.loops import gram, steps
from desgd_fast.simulation.engines import closed_law
from desgd_fast.simulation.engines.engine import Engine, Real, Task, n_blocks
from desgd_fast.simulation.results import euclidean


@dataclass
class InnerProducts:
    """Triangular factors 2^exponent·L of the Gram matrices of √variance·(x − x*), in blocks of runs."""

    n_nodes: int
    combination: steps.Combination
    steps: gram.GramSteps
    variance: float
    key: NDArray[np.uint64]

    lanes: int = LANES

    @property
    def block_bytes(self) -> int:
        """Working memory of a block."""
        return 8 * self.lanes * self.n_nodes**2

    @property
    def draws_per_step(self) -> int:
        """Variates that a block takes at a step."""
        return 2 * self.n_nodes**2 + 6 * self.n_nodes

    def start(self, runs: range, deviation: Real, summing: bool) -> None:
        """Every run at the same deviation from the optimum."""
        count = n_blocks(runs, self.lanes)
        # Nodes that start together span one direction; a QR of them all would outlast the run at large d.
        together = bool((deviation == deviation[0]).all())
        columns = np.asarray(np.linalg.qr(deviation[: 1 if together else None].T, mode="r"))
        self.states = np.zeros((count, self.n_nodes, self.n_nodes, self.lanes))
        self.states[:, : len(columns)] = np.sqrt(self.variance) * columns[:, :, None]
        self.exponents = np.zeros((count, self.lanes))

    def advance(self, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        """Go on by some steps."""
        span = steps.Span(first_step, n_steps, first_step + n_steps, first_run)
        gram.advance_gram(self.states, self.exponents, self.combination, self.steps, self.key, span)

    def _factors(self) -> Real:
        with np.errstate(invalid="ignore", over="ignore"):
            unit = np.ldexp(1.0, self.exponents.astype(np.int64).clip(-5000, 5000)) / np.sqrt(self.variance)
            factors = self.states * unit[:, None, None, :]
        return np.asarray(factors.transpose(0, 3, 2, 1)).reshape(-1, self.n_nodes, self.n_nodes)

    def read(self, which: int, n_summed: int) -> tuple[Real, Real]:
        """Norms and factors."""
        factors = self._factors()
        return euclidean(factors), factors

    def inner_products(self) -> Real:
        """Of the last deviations."""
        factors = self._factors()
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(factors @ factors.transpose(0, 2, 1))


def refusal(task: Task) -> str | None:
    """Isotropic features in enough dimensions, plain steps, and a question about inner products alone."""
    refused = closed_law.refusal(task)
    if refused is not None:
        return refused
    dim, n_nodes, averaged = task.problem.dim, task.experiment.n_nodes, task.experiment.average_last
    for fault, reason in (
        (not task.problem.isotropic, "isotropic features, but the covariance has different eigenvalues"),
        (dim < 2 * n_nodes, f"dim ≥ 2 n_nodes, got dim={dim} and {n_nodes} nodes"),
        (task.keep == "all", "keep='norms' or 'gram': it has no iterates to keep"),
        (averaged > 0, f"average_last=0: it cannot average iterates, got {averaged}"),
    ):
        if fault:
            return reason
    return None


def cost(task: Task) -> float:
    """N normals of a node, and its share of a factorisation."""
    n_nodes = task.experiment.n_nodes
    return 33.0 + 4.0 * n_nodes + 0.2 * n_nodes**2


def chain(task: Task) -> InnerProducts:
    """Runs side by side."""
    problem, experiment = task.problem, task.experiment
    n_nodes, variance = experiment.n_nodes, float(problem.eigenvalues[0])
    feature_stds, noise_stds = problem.stds(n_nodes)
    degrees = np.concatenate([experiment.batch_sizes, problem.dim - n_nodes - np.arange(n_nodes)])
    chi = random.chi_square_parameters(np.repeat(degrees, LANES))
    sizes = np.ascontiguousarray(experiment.step_sizes[:, 0]) * variance
    stepping = gram.GramSteps(sizes, feature_stds, noise_stds, experiment.batch_sizes, chi)
    combination = closed_law.combination_of(experiment)
    return InnerProducts(n_nodes, combination, stepping, variance, experiment.key)


ENGINE = Engine("gram", refusal, cost, chain)
