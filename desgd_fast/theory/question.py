"""What a question of theory is about: the plain arrays of one problem on one graph."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.experiment import Experiment, experiment
from desgd_fast.mixing import checks as mixing_checks
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.problems.protocols import ClosedLaw, Homogeneous, OwnRows, offers
from desgd_fast.theory import checks


@dataclass(frozen=True, eq=False)
class Setting:
    """Streaming regression on a graph in the eigenbasis of the common covariance.

    ``eigenvalues`` (n_groups,) are the distinct λ of Σ and ``multiplicities`` how often each occurs;
    the remaining arrays hold one entry per node: s_i² [``power``], σ_i² [``noise``], b_i, η_i.
    """

    weights: sparse.csr_array
    eigenvalues: NDArray[np.float64]
    multiplicities: NDArray[np.int64]
    power: NDArray[np.float64]
    noise: NDArray[np.float64]
    batch_size: NDArray[np.int64]
    step_size: NDArray[np.float64]
    adapt_first: bool

    @property
    def n_nodes(self) -> int:
        return int(self.weights.shape[0])

    @property
    def dim(self) -> int:
        return int(self.multiplicities.sum())

    @property
    def contraction(self) -> float:
        """What the longest step changes of an iterate, on average."""
        return float((self.step_size * self.power).max() * self.eigenvalues[-1])

    @property
    def isotropic(self) -> bool:
        return self.eigenvalues.size == 1

    @property
    def uniform(self) -> bool:
        """Whether every node follows the same law (the noise in y aside)."""
        return all(bool((a == a[0]).all()) for a in (self.power, self.batch_size, self.step_size))

    @cached_property
    def symmetric(self) -> bool:
        difference = abs(self.weights - self.weights.T)
        return bool(difference.max() <= 1e-14)

    @cached_property
    def spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues and eigenvectors (in columns) of a symmetric W."""
        values, vectors = np.linalg.eigh(self.weights.toarray())
        return values, vectors

    def at_step_size(self, step_size: float) -> "Setting":
        """The same question with one common step size."""
        other = replace(self, step_size=np.full(self.n_nodes, step_size))
        for name in ("symmetric", "spectrum"):  # W is the same, and costly to look at again
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other

    def components(self) -> list["Setting"]:
        """Parts that never hear from each other, identical single nodes only once.

        A product of block triangular matrices grows as its fastest diagonal block, so
        every growth rate of the graph is the largest one over these parts.
        """
        count, label = connected_components(self.weights, directed=True, connection="strong")
        if count == 1:
            return [self._merge_average()]
        parts: dict[Any, Setting] = {}
        order = np.argsort(label, kind="stable")
        for nodes in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
            weights = sparse.csr_array(self.weights[nodes][:, nodes])
            if not weights.nnz:  # a node that keeps nothing of its own iterate
                if self.adapt_first:
                    continue
                weights = sparse.csr_array(([0.0], ([0], [0])), shape=(1, 1))
            part = replace(
                self,
                weights=weights,
                power=self.power[nodes],
                noise=self.noise[nodes],
                batch_size=self.batch_size[nodes],
                step_size=self.step_size[nodes],
            )
            alone = (part.weights.data[0], part.power[0], part.batch_size[0], part.step_size[0])
            key: Any = alone if nodes.size == 1 else int(nodes[0])
            parts.setdefault(key, part._merge_average())
        return list(parts.values())

    def _merge_average(self) -> "Setting":
        """Adapt-then-combine with W = J/N is one node with the joint minibatch: the same draws."""
        n_nodes = self.n_nodes
        full = self.weights.nnz == n_nodes**2 and bool((abs(self.weights.data * n_nodes - 1) < 1e-12).all())
        if n_nodes == 1 or not (self.adapt_first and self.uniform and full):
            return self
        return replace(
            self,
            weights=sparse.csr_array(np.ones((1, 1))),
            power=self.power[:1],
            noise=self.noise.mean(keepdims=True),
            batch_size=self.batch_size[:1] * n_nodes,
            step_size=self.step_size[:1],
        )


# What a moment may lack to one that a row carries alone: other rows add to it.
_NEARLY = 3.0


@dataclass(frozen=True, eq=False)
class Distant:
    """Any homogeneous algorithm on any problem, as it is far from the optimum."""

    problem: Any
    far: Any
    experiment: Experiment

    def at_step_size(self, step_size: float) -> "Distant":
        """The same question with one common step size."""
        sizes = np.full_like(self.experiment.step_sizes, step_size)
        return replace(self, experiment=replace(self.experiment, step_sizes=sizes))

    @property
    def contraction(self) -> float:
        """What the longest step changes of an iterate, to its order; of samples by their squares."""
        far, step_size = self.far, float(self.experiment.step_sizes.max())
        if isinstance(far, ClosedLaw):
            return step_size * float(far.stds(self.experiment.n_nodes)[0].max() ** 2 * far.eigenvalues.max())
        asked = self.experiment
        rows = far.partition(asked.n_nodes, asked.batch_sizes).features if isinstance(far, OwnRows) else None
        square = float(np.square(far.law.draw(64, rng=0)[0] if rows is None else rows).sum(axis=1).max())
        return step_size * float((far.loss.curvature_at_infinity or 0.0) * square + far.loss.ridge)

    def rarest_row(self, s: float) -> float:
        """Steps between two draws of the rarest row that nearly carries the moment of order s alone.

        Drawn again and again it multiplies what lies along it by 1 − c, c = η‖a‖²/b: n·h(s) ≥ |1 − c|^s, if a
        node draws it once in n steps. 1 where there is no such row.
        """
        if not isinstance(self.far, OwnRows):
            return 1.0
        asked = self.experiment
        rows = self.far.partition(asked.n_nodes, asked.batch_sizes)
        squares = np.square(rows.features).sum(axis=1) * (self.far.loss.curvature_at_infinity or 0.0)
        batches, sizes = (np.repeat(of, rows.shares) for of in (asked.batch_sizes, asked.step_sizes[0, 0]))
        between = np.repeat(rows.shares, rows.shares) / batches
        with np.errstate(over="ignore"):
            carries = np.abs(1 - sizes * squares / batches) ** s * _NEARLY >= between
        return float(between[carries & (between > 1)].max(initial=1.0))

    @property
    def bounded(self) -> str | None:
        """Why steps stay bounded however far nodes are, so that every moment is finite; None if they grow."""
        bounded = [repr(part) for part in self.experiment.algorithm.parts if part.degree == "bounded"]
        if bounded:
            return f"steps under {bounded[0]} stay bounded"
        loss = getattr(self.far, "loss", None)
        if loss is not None and loss.curvature_at_infinity == 0 and loss.ridge == 0:
            return f"gradients of {self.problem.loss!r} stay bounded"
        return None


def question(
    problem: Any,
    weights: Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm,
    allow_row_stochastic: bool,
    rng: Any = None,
) -> Setting | Distant:
    """Check every argument that the questions of theory share: a setting where its formulas hold."""
    problems_checks.offers_gradients("problem", problem, offers(problem))
    check.instance("algorithm", algorithm, (Algorithm,))
    checks.known_degree("algorithm", algorithm)
    arguments: dict[str, Any] = {"step_size": step_size, "batch_size": batch_size, "algorithm": algorithm}
    asked = experiment(
        weights,
        **arguments,
        n_steps=1,
        n_runs=1,
        first_run=0,
        average_last=0,
        allow_row_stochastic=allow_row_stochastic,
        allow_negative=True,
        rng=rng,
    )
    checks.step_size_that_stays("step_size", step_size)
    if isinstance(problem, ClosedLaw) and asked.plain:
        matrix = asked.process.base
        return setting(problem, matrix, **arguments, allow_row_stochastic=allow_row_stochastic)
    checks.homogeneous_at_infinity("problem", problem, Homogeneous)
    checks.own_coordinates("problem", problem, algorithm)
    epoch(problem, asked)  # refuses a permutation that is kept
    return Distant(problem, problem.at_infinity(), asked)


def epoch(problem: Any, experiment: Experiment) -> int:
    """Steps after which every node begins with a new permutation of its rows; one where it draws none."""
    if not isinstance(problem, OwnRows):
        return 1
    checks.forgets_permutations("problem", problem.sampling)
    permutations = {"reshuffle": 1, "flip-flop": 2}.get(problem.sampling, 0)
    if not permutations:
        return 1
    rows = permutations * problem.partition(experiment.n_nodes, experiment.batch_sizes).shares
    return math.lcm(*(rows // np.gcd(rows, experiment.batch_sizes)).tolist())


def cycle(problem: Any, experiment: Experiment) -> int:
    """Steps after which the law of a step is the same again, and nothing is left over from those before."""
    algorithm = experiment.algorithm
    lengths = [algorithm.period * max(1, len(experiment.process.turns))]
    if algorithm.participation is not None:
        lengths.append(algorithm.participation.period)
    return math.lcm(*lengths, epoch(problem, experiment))


def setting(
    problem: Any,
    weights: Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm,
    allow_row_stochastic: bool,
) -> Setting:
    """Check every argument that the questions of theory share, and gather them."""
    problems_checks.closed_gradient_law("problem", problem, GaussianRegression)
    # W = I − δL with a large δ has negative weights; every formula holds for it.
    matrix = mixing_checks.stochastic_matrix(
        "W",
        weights,
        allow_row_stochastic=check.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=True,
    )
    n_nodes = int(matrix.shape[0])
    feature_std, noise_std = problem.stds(n_nodes)
    eigenvalues, multiplicities = np.unique(problem.eigenvalues, return_counts=True)
    with np.errstate(over="ignore"):
        power, noise = feature_std**2, noise_std**2
    return Setting(
        weights=matrix,
        eigenvalues=eigenvalues,
        multiplicities=multiplicities.astype(np.int64),
        power=power,
        noise=noise,
        batch_size=check.counts_per_node("batch_size", batch_size, n_nodes),
        step_size=check.positive_per_node("step_size", step_size, n_nodes),
        adapt_first=checks.plain_algorithm("algorithm", algorithm).adapt_first,
    )
