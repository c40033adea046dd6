"""Which node holds which rows of a data set."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from desgd_fast._validate.values import choice, given


def assignment(name: str, value: Any, n_rows: int) -> Any:
    """Either "even", "sorted", "shared", a rule, the node (≥ 0) of every row, or who holds what."""
    if isinstance(value, str):
        return choice(name, value, ("even", "sorted", "shared"))
    if callable(value):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "iub":
        raise TypeError(
            f"{name} must be 'even', 'sorted', 'shared', a rule, an integer array or an array of bools, "
            f"got {given(value)}"
        )
    return nodes_of_rows(name, array, n_rows)


def nodes_of_rows(name: str, value: Any, n_rows: int) -> NDArray[Any]:
    """The node (≥ 0) of every row, or who holds what: given, or returned by a rule."""
    array = np.asarray(value)
    if array.dtype.kind == "b" and array.ndim == 2 and array.shape[1] == n_rows:
        return array
    if array.dtype.kind not in "iu" or array.shape != (n_rows,):
        raise ValueError(
            f"{name} must give the node of every row, integers of shape ({n_rows},), or bools of shape "
            f"(n_nodes, {n_rows}), got {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0:
        raise ValueError(f"{name} must name nodes from 0 on, got {array.min()}")
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
