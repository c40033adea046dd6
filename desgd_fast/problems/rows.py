"""Data sets whose rows are spread over the nodes, under any loss."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check, threads
from desgd_fast.common.files import tables
from desgd_fast.common.pieces import pieces
from desgd_fast.common.warnings import LeftOutWarning, OptimumWarning
from desgd_fast.kernels.draw.samples import DISTINCT, FLIP_FLOP, REPLACEMENT, RESHUFFLE, SHUFFLE_ONCE
from desgd_fast.kernels.gradients import oracles
from desgd_fast.problems import checks, losses
from desgd_fast.problems.data import partitions
from desgd_fast.problems.data.partition_report import PartitionReport
from desgd_fast.problems.data.partitions import Partition
from desgd_fast.problems.losses import CURVATURE, GRADIENT, HESSIAN, SLOPE, SLOPES, VALUE, Loss

SAMPLINGS = {
    "replacement": REPLACEMENT,
    "without-replacement": DISTINCT,
    "reshuffle": RESHUFFLE,
    "shuffle-once": SHUFFLE_ONCE,
    "flip-flop": FLIP_FLOP,
}


# Sums over all rows go in so many parts, whatever the number of threads.
_PARTS = 16


# Newton's method solves with a matrix of dim² entries, computed row by row of the data.
_NEWTON_DIM = 300
# Multiplications of one call, unless a single gradient has more: some tenths of a second.
_CALL_PRODUCTS = 1 << 28


Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EmpiricalRisk:
    """The mean of a loss over the rows of a data set that are spread over the nodes.

    Node i, holding the n_i rows (a_r, y_r), minimises f_i(x) = (1 / n_i) Σ_r loss(x, a_r, y_r), and at
    every step takes the mean gradient of a minibatch of its own rows.

    Parameters
    ----------
    loss : Loss
        Ready from ``dsf.losses``, or of the user's own compiled functions.
    features : (n_rows, n_features) array
        One row per sample, finite, used as they are; an intercept is a column of ones.
    targets : (n_rows,) array
        What the features predict; labels where the loss expects them.
    assignment : "even", "sorted", "shared", rule, (n_rows,) integer or (n_nodes, n_rows) bool array
        Which node holds each row: a rule of ``dsf.partitions``, any function ``rule(targets, n_nodes)`` that
        returns the node of every row, or the nodes themselves; or, where nodes hold rows in common, who holds
        what, with a copy of the row for each ("shared": every node holds all). No node may be left without
        a row.
    sampling : {"replacement", "without-replacement", "reshuffle", "shuffle-once", "flip-flop"}
        How a node picks its minibatches. The first two draw every batch anew, its rows independent or
        distinct. The others go through permutations of the node's rows, one an epoch, a batch taking up
        where the last one ended: a fresh permutation every epoch, the same one always, or a fresh one
        every second epoch and its reverse in between (Rajput, Lee & Papailiopoulos, ICLR 2022).
    reference : (dim,) array, optional
        The point that distances are measured from, in place of the optimum.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range, a label is unknown to the loss, or the loss does
        not compile for these data or is not finite at the origin.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> features, labels = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], [-1, 1, -1, 1]
    >>> problem = dsf.EmpiricalRisk(dsf.losses.logistic(ridge=0.1), features, labels)
    >>> problem.optimum.round(3)
    array([-0.472,  0.449])
    """

    loss: Loss
    features: Real
    targets: Real
    assignment: Any = "even"
    sampling: str = "replacement"
    reference: ArrayLike | None = None

    def __repr__(self) -> str:
        assignment = repr(self.assignment) if isinstance(self.assignment, str) else "given"
        return (
            f"{type(self).__name__}({self.n_rows} rows, {self.dim} coordinates, loss={self.loss!r}, "
            f"assignment={assignment}, sampling={self.sampling!r})"
        )

    def __post_init__(self) -> None:
        check.instance("loss", self.loss, (Loss,))
        features = checks.samples("features", self.features)
        targets = checks.one_per_row("targets", self.targets, features.shape[0])
        checks.allowed_labels("targets", targets, self.loss.labels)
        for name, value in (
            ("features", features),
            ("targets", targets),
            ("assignment", checks.assignment("assignment", self.assignment, features.shape[0])),
            ("sampling", check.choice("sampling", self.sampling, SAMPLINGS)),
        ):
            object.__setattr__(self, name, value)
        if self.reference is not None:
            object.__setattr__(self, "reference", check.vector("reference", self.reference, self.dim))
        self._try_out()

    def _try_out(self) -> None:
        """Refuse a loss that does not compile or is not finite at the origin."""
        try_out(self.loss, self.features, self.targets, self.dim)

    @property
    def dim(self) -> int:
        """Number of coordinates of an iterate."""
        return self.loss.outputs * int(self.features.shape[1])

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return int(self.features.shape[0])

    def value(self, x: ArrayLike) -> float:
        """The mean loss over all rows at x (dim,), whoever holds them."""
        point = np.ascontiguousarray(check.vector("x", x, self.dim))
        return value(self.loss, point, self.features, self.targets)

    def gradient(self, x: ArrayLike) -> Real:
        """The gradient of :meth:`value` at x, (dim,)."""
        point = np.ascontiguousarray(check.vector("x", x, self.dim))
        return gradient(self.loss, point, self.features, self.targets)

    @cached_property
    def optimum(self) -> Real:
        """The minimiser of :meth:`value`, or the ``reference``: (dim,).

        Found from the origin by L-BFGS, and Newton's method where the loss has a hessian and dim ≤ 300; for
        a loss that is not convex it is one of the minimisers. Warns (OptimumWarning) where neither settled.
        """
        if self.reference is not None:
            return np.asarray(self.reference)
        return _minimiser(self)

    def at_infinity(self) -> "EmpiricalRisk":
        """What is left far from the optimum: the loss at infinity, on the same features of the same nodes."""
        far, origin = self.loss.at_infinity(), np.zeros(self.dim)
        return EmpiricalRisk(far, self.features, self.targets, self.assignment, self.sampling, origin)

    def partition(self, n_nodes: int, batch_size: ArrayLike | None = None) -> Partition:
        """Group the rows by the node that holds them.

        Parameters
        ----------
        n_nodes : int
            Number of nodes of the graph.
        batch_size : int or (n_nodes,) integer array, optional
            Checked against the nodes' shares where minibatches are drawn without replacement.

        Returns
        -------
        Partition

        Raises
        ------
        ValueError, TypeError
            If there are fewer rows than nodes, ``assignment`` leaves a node empty or names one
            beyond the graph, or a batch without replacement exceeds its node's share.
        """
        distinct = self.sampling == "without-replacement"
        return partitions.group(self.features, self.targets, self.assignment, n_nodes, batch_size, distinct)

    def report(self, n_nodes: int, x: ArrayLike | None = None) -> PartitionReport:
        """How the nodes' data differ.

        Parameters
        ----------
        n_nodes : int
            Number of nodes of the graph.
        x : (dim,) array, optional
            Where gradients are compared; the optimum by default.

        Returns
        -------
        PartitionReport

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> problem = dsf.EmpiricalRisk(
        ...     dsf.losses.least_squares(), [[1.0], [1.0], [1.0]], [0.0, 0.0, 3.0], assignment=[0, 0, 1]
        ... )
        >>> report = problem.report(2)
        >>> report.shares.tolist(), round(report.effective_sample_size, 3), report.gradient_distance.round(3)
        ([2, 1], 2.667, array([1., 2.]))
        """
        parts = self.partition(n_nodes)
        point = self.optimum if x is None else check.vector("x", x, self.dim)
        local = local_gradients(self.loss, np.tile(point, (1, n_nodes, 1)), parts)[0]
        labels, label_of_row = np.unique(self.targets, return_inverse=True)
        node_of_row = np.repeat(np.arange(n_nodes), parts.shares)
        counts = np.zeros((n_nodes, labels.size), np.int64)
        np.add.at(counts, (node_of_row, label_of_row[parts.rows]), 1)
        proportions = counts / parts.shares[:, None]
        overall = np.bincount(label_of_row) / self.n_rows
        # Of every row in the average of the nodes' means.
        row_weights = np.bincount(parts.rows, 1 / (n_nodes * parts.shares[node_of_row]))
        return PartitionReport(
            shares=parts.shares,
            labels=labels,
            label_counts=counts,
            label_distance=0.5 * np.abs(proportions - overall).sum(axis=1),
            gradient_distance=np.linalg.norm(local - self.gradient(point), axis=1),
            effective_sample_size=float(1 / np.square(row_weights).sum()),
        )


def try_out(loss: Loss, features: Real, targets: Real, dim: int) -> None:
    """Refuse a loss that does not compile or is not finite at the origin."""
    slope = SLOPE if loss.outputs == 1 else SLOPES
    for expected, evaluate in ((GRADIENT if loss.slope is None else slope, gradient), (VALUE, value)):
        _result_of(expected, evaluate, loss, np.zeros(dim), features, targets)


def _result_of(
    expected: str,
    evaluate: Callable[[Loss, Real, Real, Real], Any],
    loss: Loss,
    point: Real,
    features: Real,
    targets: Real,
) -> Any:
    """What a function of the loss gives at a point, if it compiles and that is finite."""
    name = expected.partition("(")[0]
    result = check.compiles(name, partial(evaluate, loss, point, features, targets), expected)
    where = f"{'a point' if point.any() else 'the origin'} of {point.size} coordinates"
    check.writes_finite(name, np.ravel(result), expected, where)
    return result


def _parts(n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cuts = np.linspace(0, n_rows, min(_PARTS, n_rows) + 1).astype(np.int64)
    return cuts[:-1], cuts[1:]


def value(loss: Loss, point: Real, features: Real, targets: Real) -> float:
    """Mean value of the loss over all rows at one point."""
    pointer = oracles.mean_value(loss.value)
    first, last = _parts(targets.size)
    values = np.full(first.size, np.nan)
    with threads.limited_to(None):
        oracles.evaluate_values(
            pointer, np.tile(point, (first.size, 1)), first, last, features, targets, values
        )
    return float(values @ (last - first) / targets.size)


def gradient(loss: Loss, point: Real, features: Real, targets: Real) -> Real:
    """Mean gradient of the loss over all rows at one point."""
    first, last = _parts(targets.size)
    gradients = _gradients(loss, np.tile(point, (first.size, 1)), first, last, features, targets)
    return np.asarray((last - first) @ gradients / targets.size)


def hessian(loss: Loss, point: Real, features: Real, targets: Real) -> Real:
    """Mean matrix of second derivatives over all rows at one point."""
    matrix = np.full((point.size, point.size), np.nan)
    oracles.evaluate_hessian(oracles.mean_hessian(loss.hessian), point, features, targets, matrix)
    return matrix


def local_gradients(loss: Loss, points: Real, parts: Partition) -> Real:
    """∇f_i(points[p, i]) for (n_points, n_nodes, dim) points."""
    n_points, _, dim = points.shape
    first, last = (np.tile(ends, n_points) for ends in (parts.offsets[:-1], parts.offsets[1:]))
    flat = np.ascontiguousarray(points).reshape(-1, dim)
    return _gradients(loss, flat, first, last, parts.features, parts.targets).reshape(points.shape)


def _gradients(
    loss: Loss,
    points: Real,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    features: Real,
    targets: Real,
) -> Real:
    oracle = loss.oracle
    out = np.zeros(points.shape)
    products = int((last - first).max(initial=0)) * features.shape[1]
    with threads.limited_to(None):
        for start, stop in pieces(len(points), products, _CALL_PRODUCTS):
            here = slice(start, stop)
            oracles.evaluate_gradients(
                oracle, points[here], first[here], last[here], features, targets, out[here]
            )
    return out


def _minimiser(problem: EmpiricalRisk) -> Real:
    from scipy import optimize

    loss, features, targets = problem.loss, problem.features, problem.targets
    found = optimize.minimize(
        problem.value,
        np.zeros(problem.dim),
        jac=problem.gradient,
        method="L-BFGS-B",
        options={"maxiter": 10_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-12, "maxcor": 20},
    )
    x, slope, walking = np.asarray(found.x), problem.gradient(found.x), False
    if loss.hessian is not None and problem.dim <= _NEWTON_DIM:
        expected = HESSIAN if loss.slope is None else CURVATURE
        for _ in range(20):
            curvature = _result_of(expected, hessian, loss, x, features, targets)
            if np.linalg.eigvalsh(curvature)[0] <= 0:
                break
            nearer = x - np.linalg.solve(curvature, slope)
            slope_there = problem.gradient(nearer)
            if not np.linalg.norm(slope_there) < np.linalg.norm(slope):
                break
            walking = bool(np.linalg.norm(nearer - x) > 1e-6 * np.linalg.norm(nearer))
            x, slope = nearer, slope_there
        else:
            # Newton's method settles in a few steps, or walks on for ever where labels can be separated.
            if walking:
                warnings.warn(
                    "the search for the optimum walked on with an ever smaller gradient: the loss seems to "
                    "have no minimiser (separable labels?). Distances are measured from where it stopped; "
                    "pass reference= to measure from a point of your own, or regularise the loss.",
                    OptimumWarning,
                    stacklevel=4,
                )
    # What rows pull with at the origin: how large a gradient is, whatever the units.
    rows = np.arange(len(features))
    pulls = _gradients(loss, np.zeros(features.shape), rows, rows + 1, features, targets)
    largest = np.abs(pulls).max(initial=0.0)
    typical = largest * np.sqrt(np.mean(np.sum((pulls / largest) ** 2, axis=1))) if largest > 0 else 0.0
    if not np.abs(slope).max() <= 1e-6 * typical:
        warnings.warn(
            f"the search for the optimum ended where the gradient still has length "
            f"{np.abs(slope).max():.2g}: distances are measured from there. The loss may have no "
            "minimiser, or a kink there; pass reference= to measure from a point of your own.",
            OptimumWarning,
            stacklevel=4,
        )
    return x


class DatasetRegression(EmpiricalRisk):
    """Least squares on a data set whose rows are spread over the nodes.

    An :class:`EmpiricalRisk` whose loss is ``dsf.losses.ridge`` and whose optimum is exact: node i, holding
    the n_i rows (a_r, y_r), minimises

        f_i(x) = (1 / 2n_i) Σ_r (a_rᵀx − y_r)² + ½ ridge ‖x‖²

    and draws a fresh minibatch of its own rows at every step.

    Parameters
    ----------
    features : (n_rows, dim) array
        One row per sample, finite, used as they are: nothing is centred or scaled here (see
        :meth:`from_csv`), and an intercept is a column of ones.
    targets : (n_rows,) array
        What the features predict.
    assignment : "even", "sorted", "shared", rule, (n_rows,) integer or (n_nodes, n_rows) bool array
        Which node holds each row. "even" deals the rows out in turn, row r to node r mod n_nodes;
        "sorted" orders them by target and cuts the order into blocks, so that every node sees
        another part of the target's range. Either way the shares differ by at most one row. "shared"
        gives every node all rows. An array names each row's node, from 0 to n_nodes − 1, and leaves no
        node empty; see :class:`desgd_fast.EmpiricalRisk` for the others.
    replacement : bool
        Whether a minibatch may hold the same row twice. Without replacement a batch is at most
        as large as the node's share.
    ridge : float
        Weight of the penalty, at least 0.

    Attributes
    ----------
    optimum : (dim,) array
        The global least squares solution: the minimiser of (1 / 2n_rows) Σ_r (a_rᵀx − y_r)² +
        ½ ridge ‖x‖² over all rows, whoever holds them. Where all nodes hold equally many rows it
        is also the minimiser of the average of the f_i.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range, or if the optimum is not unique because columns
        of ``features`` depend on each other linearly and ``ridge`` is 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.DatasetRegression([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> problem.optimum.round(12)
    array([1., 2.])
    >>> problem.partition(2).offsets
    array([0, 2, 3])
    """

    def __init__(
        self,
        features: ArrayLike,
        targets: ArrayLike,
        assignment: Any = "even",
        replacement: bool = True,
        ridge: float = 0.0,
    ) -> None:
        A = checks.samples("features", features)
        y = checks.one_per_row("targets", targets, A.shape[0])
        loss = losses.ridge(check.non_negative_number("ridge", ridge))
        sampling = "replacement" if check.flag("replacement", replacement) else "without-replacement"
        super().__init__(loss, A, y, assignment, sampling, _least_squares(A, y, loss.ridge))

    def _try_out(self) -> None:
        """Nothing to try: squares compile, and are finite where the data are."""

    @property
    def replacement(self) -> bool:
        """Whether a minibatch may hold the same row twice."""
        return self.sampling == "replacement"

    @property
    def ridge(self) -> float:
        """Weight of the penalty."""
        return self.loss.ridge

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        target: str,
        *,
        standardise: bool = True,
        assignment: str | ArrayLike = "even",
        replacement: bool = True,
        ridge: float = 0.0,
        header: bool | None = None,
        separator: str | None = None,
        decimal: str | None = None,
    ) -> "DatasetRegression":
        """Read a table from a file: one column is the target, all others are features.

        Row numbers in a first column without a name, as pandas writes them, are no feature.

        Parameters
        ----------
        path : str or path
            CSV with any usual separator, gzipped or not, .npy or .npz. Every column must be numeric,
            complete, and not constant.
        target : str
            The target's column: its name, or its number from 0 where there are no names.
        standardise : bool
            Shift and scale every feature and the target to mean 0 and standard deviation 1, which
            makes an intercept superfluous and step sizes comparable between data sets. The
            optimum is then in standard deviations of the target per standard deviation of the feature.
        assignment, replacement, ridge
            As in :class:`DatasetRegression`.
        header : bool, optional
            Whether the first line holds the names; by default read off the file, as the next two.
        separator : {"comma", "semicolon", "tab", "blanks"}, optional
            What stands between two cells.
        decimal : {"point", "comma"}, optional
            What stands before decimals.

        Raises
        ------
        ValueError, TypeError
            If the file is absent, not a table, or can be read in more than one way, ``target`` is no
            column of it, or a column is constant, not numeric or incomplete; with the file's line.

        Warns
        -----
        LeftOutWarning
            If row numbers are left out.

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> problem = dsf.DatasetRegression.from_csv("examples/diabetes.csv", "target")
        >>> problem.features.shape, problem.optimum[2].round(3)
        ((442, 10), np.float64(0.321))
        """
        if not isinstance(target, str):
            raise TypeError(f"target must be the name of a column, got {target!r}")
        read = tables.read("path", path, header=header, separator=separator, decimal=decimal)
        column = read.column("target", target) - read.n_row_numbers
        names, table = read.complete()
        for note in read.notes():
            warnings.warn(note, LeftOutWarning, stacklevel=2)
        check.flag("standardise", standardise)
        check.varying_columns("path", path, names, table)
        if standardise:
            table = (table - table.mean(axis=0)) / table.std(axis=0)
        return cls(np.delete(table, column, axis=1), table[:, column].copy(), assignment, replacement, ridge)


def _least_squares(
    features: NDArray[np.float64], targets: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Minimiser of (1 / 2n) ‖A x − y‖² + ½ ridge ‖x‖² by the singular values of A stacked on √(n·ridge)·I."""
    n_rows, dim = features.shape
    if ridge > 0:
        features = np.vstack([features, np.sqrt(n_rows * ridge) * np.eye(dim)])
        targets = np.concatenate([targets, np.zeros(dim)])
    optimum, _, rank, _ = np.linalg.lstsq(features, targets, rcond=None)
    checks.full_rank("features", int(rank), dim)
    return np.asarray(optimum)
