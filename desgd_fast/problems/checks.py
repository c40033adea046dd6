"""What problems, their data and networks are checked for."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common.check.arrays import entries, integer_array, n_axes, real_array
from desgd_fast.common.check.functions import takes
from desgd_fast.common.check.values import (
    belongs_to,
    choice,
    given,
    number,
    positive_integer,
    positive_number,
)


def samples(name: str, value: ArrayLike, dim: int | None = None) -> NDArray[np.float64]:
    """(n_rows, dim) finite numbers with at least one row and one column, and as many columns as told."""
    array = real_array(name, value)
    if array.ndim != 2 or 0 in array.shape or dim not in (None, array.shape[1]):
        width = "dim" if dim is None else dim
        raise ValueError(f"{name} must have shape (n_rows, {width}), not empty, got shape {array.shape}")
    return array.copy()


def one_per_row(name: str, value: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    """(n_rows,) finite numbers."""
    array = real_array(name, value)
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one entry per row of features ({n_rows},), got shape {array.shape}"
        )
    return array.copy()


def same_rows(name: str, shape: tuple[int, ...], targets_name: str, targets_shape: tuple[int, ...]) -> None:
    """Features and targets of equally many samples, at least one."""
    if not shape or shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {shape}")
    if not targets_shape or targets_shape[0] != shape[0]:
        raise ValueError(
            f"{targets_name} must have one entry per row of features ({shape[0]}), got shape {targets_shape}"
        )


def labels(name: str, value: ArrayLike, n_rows: int, n_outputs: int | None) -> NDArray[np.int64]:
    """(n_rows,) whole numbers from 0 to n_outputs - 1."""
    array = integer_array(name, value, "be integer labels for loss='cross-entropy'")
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one label per row of features ({n_rows},), got shape {array.shape}"
        )
    if array.min() < 0 or (n_outputs is not None and array.max() >= n_outputs):
        bound = "" if n_outputs is None else f" to {n_outputs - 1}"
        raise ValueError(
            f"{name} must be labels from 0{bound}, got values from {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)


def responses(name: str, value: ArrayLike, n_rows: int, n_outputs: int | None) -> NDArray[np.float64]:
    """(n_rows,) or (n_rows, n_outputs) finite numbers, as an array of two axes."""
    array = real_array(name, value)
    array = array[:, np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[0] != n_rows or n_outputs not in (None, array.shape[1]):
        width = "n_outputs" if n_outputs is None else n_outputs
        raise ValueError(
            f"{name} must have shape ({n_rows},) or ({n_rows}, {width}) for loss='squared', "
            f"got shape {np.shape(value)}"
        )
    return array


def allowed_labels(name: str, targets: NDArray[np.float64], labels: tuple[float, ...] | None) -> None:
    """Targets that the loss knows."""
    if labels is None:
        return
    strange = ~np.isin(targets, labels)
    if strange.any():
        known = ", ".join(f"{label:g}" for label in labels[:12]) + (", …" if len(labels) > 12 else "")
        row = int(np.argmax(strange))
        raise ValueError(f"{name} must be among {known} for this loss, got {targets[row]:g} in row {row}")


def labels_of_outputs(name: str, least: int, most: int, shape: tuple[int, ...]) -> None:
    """Labels that the outputs of a module, (n_rows, n_outputs, …), have a column for."""
    if len(shape) < 2 or least < 0 or most >= shape[1]:
        raise ValueError(
            f"{name} must be labels from 0 to {shape[1] - 1 if len(shape) > 1 else 0}, one per output of the "
            f"module, got values from {least} to {most}"
        )


def held_out(name: str, value: Any) -> tuple[Any, Any]:
    """A pair (features, targets)."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} must be None or a pair (features, targets), got {given(value)}")
    return value


def layer_sizes(name: str, value: Any) -> tuple[int, ...]:
    """Numbers of hidden units, each at least 1; none for a linear model."""
    if isinstance(value, str | bytes) or n_axes(name, value) != 1:
        raise TypeError(
            f"{name} must be a sequence of integers ≥ 1, one per hidden layer, got {given(value)}"
        )
    return tuple(positive_integer(name, size) for size in value)


def layer_widths(name: str, value: Any) -> tuple[int, ...]:
    """One width, or those before and after every layer."""
    if n_axes(name, value) == 0 and not isinstance(value, str | bytes):
        width = positive_integer(name, value)
        return width, width
    sizes = layer_sizes(name, value)
    if len(sizes) < 2:
        raise ValueError(f"{name} must be an integer ≥ 1 or at least two, got {given(value)}")
    return sizes


def slope_of(name: str, value: Any, activation: str) -> float:
    """The slope of a leaky ReLU below zero, in [0, 1]; fixed for every other activation."""
    belongs_to(name, value, "activation", "leaky-relu", activation)
    if activation != "leaky-relu":
        return 1.0 if activation == "linear" else 0.0
    if value is None:
        return 0.01
    return number(name, value, "a number from 0 to 1", lambda slope: 0 <= slope <= 1)


def module_with_parameters(name: str, value: Any, kind: Any) -> None:
    """A torch module that has something to train."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a torch.nn.Module, got {given(value)}")
    if not any(True for _ in value.parameters()):
        raise ValueError(f"{name} must have at least one parameter to train, got {given(value)}")


def initial_parameters(
    name: str, value: Any, n_runs: int, n_nodes: int, n_parameters: int, *, drawn: bool = True
) -> str | float | NDArray[np.float64]:
    """The parameters of one node, of all nodes, or of all runs; or how to draw them, "uniform" or a scale."""
    whole = (n_runs, n_nodes, n_parameters)
    allowed = f"have shape {whole[2:]}, {whole[1:]} or {whole}"
    if drawn:
        allowed = f"be 'uniform', a positive number or {allowed}"
        if isinstance(value, str) and value == "uniform":
            return value
    if isinstance(value, str):
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    array = real_array(name, value)
    if drawn and array.ndim == 0:
        return positive_number(name, value)
    if array.shape not in (whole, whole[1:], whole[2:]):
        raise ValueError(f"{name} must {allowed}, got shape {array.shape}")
    return np.broadcast_to(array, whole)


def assignment(name: str, value: Any, n_rows: int) -> Any:
    """Either "even", "sorted", "shared", a rule, the node (≥ 0) of every row, or who holds what."""
    if isinstance(value, str):
        return choice(name, value, ("even", "sorted", "shared"))
    if callable(value):
        takes(name, value, "rule(targets, n_nodes)")
        return value
    array = entries(value)
    if array.dtype.kind not in "iub":
        raise TypeError(
            f"{name} must be 'even', 'sorted', 'shared', a rule, an integer array or an array of bools, "
            f"got {given(value)}"
        )
    return nodes_of_rows(name, value, n_rows)


def nodes_of_rows(name: str, value: Any, n_rows: int) -> NDArray[Any]:
    """The node (≥ 0) of every row, or who holds what: given, or returned by a rule."""
    array = entries(value)
    if array.dtype.kind == "b" and array.ndim == 2 and array.shape[1] == n_rows:
        return array
    if array.dtype.kind not in "iu" or array.shape != (n_rows,) or np.ma.is_masked(value):
        raise ValueError(
            f"{name} must give the node of every row, integers of shape ({n_rows},), or bools of shape "
            f"(n_nodes, {n_rows}), got {given(value)}"
        )
    if array.min() < 0 or array.max() > 2**53:
        raise ValueError(f"{name} must name nodes from 0 on, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def every_node_used(name: str, nodes: NDArray[Any], n_nodes: int) -> None:
    """Every node of the graph holds a row, and no other node does; every row has a node."""
    if nodes.ndim == 2:
        if len(nodes) != n_nodes:
            raise ValueError(f"{name} must have a row for each of {n_nodes} nodes, got shape {nodes.shape}")
        for what, other, held in (("node", "row", nodes.any(axis=1)), ("row", "node", nodes.any(axis=0))):
            if not held.all():
                raise ValueError(
                    f"{name} must give every {what} at least one {other}, but {what} {held.argmin()} has none"
                )
        return
    if nodes.max() >= n_nodes:
        raise ValueError(f"{name} must name nodes from 0 to {n_nodes - 1}, got {nodes.max()}")
    empty = np.flatnonzero(np.bincount(nodes, minlength=n_nodes) == 0)
    if empty.size:
        raise ValueError(f"{name} must give every node at least one row, but node {empty[0]} has none")


def enough_rows(name: str, n_nodes: int, n_rows: int) -> None:
    """At least one row of data for every node."""
    if n_rows < n_nodes:
        raise ValueError(f"{name} must be at most the number of rows of the data ({n_rows}), got {n_nodes}")


def batches_within(name: str, batch_sizes: NDArray[np.int64], shares: NDArray[np.int64]) -> None:
    """A batch without replacement is at most its node's number of rows."""
    over = np.flatnonzero(batch_sizes > shares)
    if over.size:
        node = over[0]
        raise ValueError(
            f"{name} must be at most the {shares[node]} rows of node {node} when drawing without "
            f"replacement, got {batch_sizes[node]}"
        )


def room_for_shares(name: str, least_rows: int, n_nodes: int, n_rows: int) -> None:
    """Rows enough for every node's smallest share."""
    if least_rows * n_nodes > n_rows:
        raise ValueError(
            f"{name} must be at most {n_rows // n_nodes} for {n_rows} rows on {n_nodes} nodes, "
            f"got {least_rows}"
        )


def no_partition(name: str, least_rows: int, n_nodes: int, attempts: int) -> NoReturn:
    """Refuse: the rule found no partition with such shares."""
    raise ValueError(
        f"{name}={least_rows} was not reached by all {n_nodes} nodes in {attempts} draws; "
        "a larger beta or a smaller least_rows would do"
    )


def covariance(
    name: str, value: ArrayLike | None, dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Eigenvalues (dim,) and eigenvectors (dim, dim) in columns; no eigenvectors where it is diagonal."""
    if value is None:
        return np.ones(dim), None
    array = real_array(name, value)
    if array.shape == (dim,):
        eigenvalues, basis = array.copy(), None
    elif array.shape == (dim, dim):
        if not np.allclose(array, array.T, rtol=1e-10, atol=0):
            raise ValueError(f"{name} must be symmetric, got a matrix that differs from its transpose")
        eigenvalues, basis = np.linalg.eigh(array)
    else:
        raise ValueError(
            f"{name} must be None or have shape ({dim},) or ({dim}, {dim}), got shape {array.shape}"
        )
    if eigenvalues.min() <= dim * np.finfo(float).eps * max(eigenvalues.max(), 0.0):
        raise ValueError(f"{name} must be positive definite, got smallest eigenvalue {eigenvalues.min():.3g}")
    return eigenvalues, basis


def full_rank(name: str, rank: int, dim: int) -> None:
    """Linearly independent columns, so that the least squares solution is unique."""
    if rank < dim:
        raise ValueError(
            f"{name} must have linearly independent columns unless ridge > 0, got rank {rank} with {dim} "
            "columns; drop the redundant columns or pass a ridge"
        )


def truth(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """(dim,) or (n_nodes, dim) finite numbers, as rows (1 or n_nodes, dim)."""
    array = real_array(name, value)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"{name} must have shape (dim,) or (n_nodes, dim), got shape {array.shape}")
    return np.array(np.atleast_2d(array))


def law_truth(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A scalar, (dim,) or (n_nodes, dim) finite numbers."""
    array = real_array(name, value)
    if array.ndim > 2 or array.size == 0:
        raise ValueError(f"{name} must be a number or have shape (dim,) or (n_nodes, dim), got {array.shape}")
    return array


def moments(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """Numbers ≥ 0, or infinity, as many as there are moments."""
    array = real_array(name, value, finite=False)
    if array.shape != shape or not (array >= 0).all():
        raise ValueError(f"{name} must be {'two numbers' if shape else 'a number'} ≥ 0, got {given(value)}")
    return array.tolist()


def columns(name: str, value: Any, n_axes: int, n_rows: int | None = None) -> None:
    """An array of numbers with so many axes, and rows."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != n_axes:
        raise TypeError(f"{name} must be an array of numbers with {n_axes} axes, got {given(value)}")
    if n_rows not in (None, len(value)):
        raise ValueError(f"{name} must have {n_rows} rows, one for each target, got {len(value)}")


def truth_per_node(name: str, rows: NDArray[np.float64] | None, n_nodes: int) -> None:
    """A truth common to all nodes, or one for each node of the graph."""
    if rows is not None and rows.shape[0] not in (1, n_nodes):
        raise ValueError(
            f"{name} must have a truth common to all nodes or one for each of the {n_nodes}, "
            f"got {rows.shape[0]}"
        )


def offers_gradients(name: str, value: Any, offered: tuple[str, ...]) -> None:
    """A problem with a dimension, an optimum, and gradients to draw."""
    if not offered:
        raise TypeError(
            f"{name} must be a problem such as GaussianRegression, EmpiricalRisk or StreamingRisk, "
            f"got {given(value)}"
        )


def closed_gradient_law(name: str, value: object, kind: type) -> None:
    """A problem whose gradient has a closed law, which the theory needs."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{name} must be a {kind.__name__}, whose gradient has a closed law, got {given(value)}; "
            "for any other problem only simulation applies: measure simulate(...) with desgd_fast.tails"
        )


def finite_variance(name: str, growth: float) -> None:
    """A step size at which the second moments have a limit."""
    if growth >= 1:
        raise ValueError(
            f"{name} must keep the second moments finite, but here h(2) = {growth:.12g} ≥ 1: the variance is "
            "infinite; stay below critical_step_size(..., at='infinite-variance')"
        )
