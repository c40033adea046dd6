"""The only place that raises on input: every check names the argument, what was given and what is allowed."""

import importlib.util
import inspect
import math
import operator
import sys
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse


def _given(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def number(name: str, value: Any, allowed: str = "a finite number") -> float:
    """A real finite scalar."""
    if isinstance(value, bool | str | bytes | complex) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}")
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}") from None
    if not math.isfinite(result):
        raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
    return result


def positive_number(name: str, value: Any) -> float:
    """A finite scalar above zero."""
    result = number(name, value, "a positive finite number")
    if result <= 0:
        raise ValueError(f"{name} must be a positive finite number, got {_given(value)}")
    return result


def non_negative_number(name: str, value: Any) -> float:
    """A finite scalar of at least zero."""
    result = number(name, value, "a finite number ≥ 0")
    if result < 0:
        raise ValueError(f"{name} must be a finite number ≥ 0, got {_given(value)}")
    return result


def fraction(name: str, value: Any) -> float:
    """A scalar strictly between 0 and 1."""
    result = number(name, value, "a number strictly between 0 and 1")
    if not 0 < result < 1:
        raise ValueError(f"{name} must be a number strictly between 0 and 1, got {_given(value)}")
    return result


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number in [least, most]; whole floats such as 5.0 are refused."""
    allowed = f"an integer ≥ {least}" if most is None else f"an integer from {least} to {most}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}")
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}") from None
    if result < least or (most is not None and result > most):
        raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
    return result


def positive_integer(name: str, value: Any) -> int:
    """A whole number of at least one."""
    return integer(name, value, 1)


def choice(name: str, value: Any, options: Collection[str]) -> str:
    """One of the named options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {_given(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_given(value)}")
    return bool(value)


def real_array(name: str, value: ArrayLike, *, finite: bool = True) -> NDArray[np.float64]:
    """A C-contiguous float64 array, finite unless told otherwise."""
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "fiu":
            raise TypeError
        result = np.ascontiguousarray(raw, dtype=np.float64).reshape(raw.shape)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {_given(value)}") from None
    if finite and not np.isfinite(result).all():
        raise ValueError(
            f"{name} must be finite, got {np.count_nonzero(~np.isfinite(result))} nan or infinite entries"
        )
    return result


def _per_node_shape(name: str, shape: tuple[int, ...], n_nodes: int) -> None:
    if shape not in ((), (n_nodes,)):
        raise ValueError(f"{name} must be a scalar or have one entry per node ({n_nodes}), got shape {shape}")


def positive_per_node(
    name: str, value: ArrayLike, n_nodes: int, *, zero: bool = False
) -> NDArray[np.float64]:
    """A scalar or one value per node, all positive (or also zero), as an array of length n_nodes."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number or one number per node, got {value!r}")
    array = real_array(name, value)
    _per_node_shape(name, array.shape, n_nodes)
    if (array < 0).any() or (not zero and (array == 0).any()):
        raise ValueError(f"{name} must be {'at least 0' if zero else 'positive'}, got {_given(value)}")
    return np.broadcast_to(array, (n_nodes,)).copy()


def counts_per_node(name: str, value: ArrayLike, n_nodes: int) -> NDArray[np.int64]:
    """A scalar or one whole number from 1 to 2^53 per node, as an int64 array of length n_nodes."""
    # Kernels divide by them: a larger integer has no double of its own.
    allowed = "an integer from 1 to 2**53 or one per node"
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}")
    _per_node_shape(name, array.shape, n_nodes)
    if (array < 1).any() or (array > 2**53).any():
        raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
    return np.broadcast_to(array, (n_nodes,)).astype(np.int64)


def vector(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """A scalar or (dim,) array of finite numbers, as an array of length dim."""
    array = real_array(name, value)
    if array.shape not in ((), (dim,)):
        raise ValueError(f"{name} must be a scalar or have shape ({dim},), got shape {array.shape}")
    return np.broadcast_to(array, (dim,)).copy()


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


def stochastic_matrix(
    name: str, value: Any, *, allow_row_stochastic: bool = False, allow_negative: bool = False
) -> sparse.csr_array:
    """Entries ≥ 0, rows and columns summing to one: float64 CSR with sorted int64 indices, no zeros."""
    if sparse.issparse(value):
        if value.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be an array of real numbers, got one of {value.dtype}")
        matrix = sparse.csr_array(value, dtype=np.float64, copy=True)
    else:
        matrix = sparse.csr_array(np.atleast_2d(real_array(name, value, finite=False)))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix with at least one row, got shape {matrix.shape}")
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"{name} must be finite, got nan or infinite entries")
    if not allow_negative and (matrix.data < 0).any():
        raise ValueError(
            f"{name} must have no negative weights, got {matrix.data.min():.6g}; "
            "pass allow_negative=True to permit that"
        )
    for axis, kind in ((1, "row"), (0, "column")):
        sums = np.asarray(matrix.sum(axis=axis)).ravel()
        worst = int(np.argmax(np.abs(sums - 1)))
        if abs(sums[worst] - 1) > 1e-9 and not (allow_row_stochastic and kind == "column"):
            hint = "; pass allow_row_stochastic=True to permit that" if kind == "column" else ""
            raise ValueError(
                f"{name} must be doubly stochastic, but {kind} {worst} sums to {sums[worst]:.12g}{hint}"
            )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return sparse.csr_array(
        (matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)), shape=matrix.shape
    )


# Graphs


def undirected_graph(name: str, graph: Any) -> None:
    """An undirected networkx graph with at least one node."""
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(f"{name} must be an undirected networkx graph, got {_given(graph)}")
    if graph.is_directed():
        raise ValueError(f"{name} must be undirected, got a {type(graph).__name__}; see its to_undirected()")
    if graph.number_of_nodes() == 0:
        raise ValueError(f"{name} must have at least one node, got an empty graph")


def edge_weights(name: str, graph: Any, weight: Any, rule: str) -> None:
    """None, or the name of an attribute that is a positive finite number on every edge."""
    if weight is None:
        return
    if not isinstance(weight, str):
        raise TypeError(f"{name} must be None or the name of an edge attribute, got {_given(weight)}")
    if rule == "uniform":
        raise ValueError(
            f"{name} must be None for rule='uniform', which weighs all edges alike, got {weight!r}"
        )
    for start, end, value in graph.edges(data=weight):
        if value is None:
            raise ValueError(
                f"{name} must name an attribute of every edge, but ({start!r}, {end!r}) has no {weight!r}"
            )
        try:
            positive_number(f"{weight!r} of edge ({start!r}, {end!r})", value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} must name positive edge weights: {error}") from None


def laplacian_step(name: str, delta: Any, rule: str, largest_degree: float, *, allow_negative: bool) -> float:
    """The edge weight of rule="laplacian", in [0, 1 / largest degree]; absent for every other rule."""
    if rule != "laplacian":
        if delta is not None:
            raise ValueError(
                f"{name} belongs to rule='laplacian' only, got {_given(delta)} with rule={rule!r}"
            )
        return 0.0
    limit = np.inf if allow_negative or largest_degree == 0 else 1.0 / largest_degree
    allowed = "a number ≥ 0" if limit == np.inf else f"a number from 0 to 1/(largest degree) = {limit:.6g}"
    if delta is None:
        raise ValueError(f"{name} must be {allowed} for rule='laplacian', got None")
    result = number(name, delta, allowed)
    if result < 0 or result > limit * (1 + 1e-12):
        hint = "; allow_negative=True permits more" if result > 0 else ""
        raise ValueError(f"{name} must be {allowed}, got {_given(delta)}{hint}")
    return result


# Data sets


def samples(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """(n_rows, dim) finite numbers with at least one row and one column."""
    array = real_array(name, value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (n_rows, dim), both at least 1, got shape {array.shape}")
    return array.copy()


def one_per_row(name: str, value: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    """(n_rows,) finite numbers."""
    array = real_array(name, value)
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one entry per row of features ({n_rows},), got shape {array.shape}"
        )
    return array.copy()


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
            f"got {_given(value)}"
        )
    if array.dtype.kind == "b":
        if array.ndim != 2 or array.shape[1] != n_rows:
            raise ValueError(f"{name} must have shape (n_nodes, {n_rows}) for bools, got {array.shape}")
        return array
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one entry per row of features ({n_rows},), got shape {array.shape}"
        )
    if array.min() < 0:
        raise ValueError(f"{name} must name nodes from 0 on, got {array.min()}")
    return array.astype(np.int64)


def enough_rows(name: str, n_nodes: int, n_rows: int) -> None:
    """At least one row of data for every node."""
    if n_rows < n_nodes:
        raise ValueError(f"{name} must be at most the number of rows of the data ({n_rows}), got {n_nodes}")


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


def batches_within(name: str, batch_sizes: NDArray[np.int64], shares: NDArray[np.int64]) -> None:
    """A batch without replacement is at most its node's number of rows."""
    over = np.flatnonzero(batch_sizes > shares)
    if over.size:
        node = over[0]
        raise ValueError(
            f"{name} must be at most the {shares[node]} rows of node {node} when drawing without "
            f"replacement, got {batch_sizes[node]}"
        )


def full_rank(name: str, rank: int, dim: int) -> None:
    """Linearly independent columns, so that the least squares solution is unique."""
    if rank < dim:
        raise ValueError(
            f"{name} must have linearly independent columns unless ridge > 0, got rank {rank} with {dim} "
            "columns; drop the redundant columns or pass a ridge"
        )


def csv_columns(name: str, path: Any) -> tuple[list[str], NDArray[np.float64]]:
    """Column names and the (n_rows, n_columns) numbers of a complete numeric CSV file with a header."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "reading CSV files needs pandas: pip install 'desgd-fast[cli]'", name="pandas"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, index_col=False, skipinitialspace=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"{name} must be a readable CSV file, got {str(path)!r}: {reason}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{name} must be a CSV file with a header, got {str(path)!r}: {error}") from None
    names = [str(column) for column in frame.columns]
    if len(frame) == 0 or len(names) < 2:
        raise ValueError(
            f"{name} must hold a target, at least one feature and one row, "
            f"got {len(frame)} rows of {len(names)} columns in {str(path)!r}"
        )
    for label, column in zip(names, frame.columns, strict=True):
        if not pd.api.types.is_numeric_dtype(frame[column]) or pd.api.types.is_bool_dtype(frame[column]):
            bad = pd.to_numeric(frame[column], errors="coerce").isna() & frame[column].notna()
            shown = frame[column][bad].iloc[0] if bad.any() else frame[column].iloc[0]
            raise ValueError(f"{name}: column {label!r} of {str(path)!r} is not numeric, it holds {shown!r}")
        missing = int(frame[column].isna().sum())
        if missing:
            raise ValueError(
                f"{name}: column {label!r} of {str(path)!r} has {missing} missing values; "
                "fill or drop those rows"
            )
    return names, real_array(name, frame.to_numpy(dtype=np.float64))


def column(name: str, value: Any, names: list[str]) -> int:
    """Position of a named column."""
    if value not in names:
        raise ValueError(f"{name} must be one of the columns {', '.join(names)}, got {_given(value)}")
    return names.index(value)


def varying_columns(name: str, path: Any, names: list[str], table: NDArray[np.float64]) -> None:
    """No column holds the same number in every row."""
    constant = np.flatnonzero(np.ptp(table, axis=0) == 0)
    if constant.size:
        raise ValueError(
            f"{name}: column {names[constant[0]]!r} of {str(path)!r} is constant; "
            "every feature and the target must vary"
        )


# Samples for tail estimators.


def level(value: Any) -> float:
    """A confidence level, strictly between 0 and 1."""
    return fraction("level", value)


def sample_rows(name: str, value: Any, axis: int | None) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Samples as contiguous rows (n_samples, n), masked entries as nan, and the shape over the samples."""
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    array = real_array(name, value, finite=False)
    if axis is None:
        if array.ndim != 1:
            raise ValueError(
                f"{name} must be one-dimensional, got shape {array.shape}; pass axis= for one estimate per "
                f"sample, or tails.norms({name}) for vectors"
            )
        return array[np.newaxis], ()
    if array.ndim == 0:
        raise ValueError(f"{name} must have at least one axis, got a single number")
    position = integer("axis", axis, -array.ndim, array.ndim - 1)
    moved = np.moveaxis(array, position, -1)
    if moved.size == 0:
        raise ValueError(f"{name} must hold at least one value, got shape {array.shape}")
    return np.ascontiguousarray(moved).reshape(-1, moved.shape[-1]), moved.shape[:-1]


def no_missing(name: str, n_missing: int) -> None:
    """No nan or masked values."""
    if n_missing:
        raise ValueError(
            f"{name} must have no missing values, got {n_missing} nan or masked entries; "
            "drop them with nan_policy='omit'"
        )


def no_infinite(name: str, n_infinite: int, *, censoring: bool = True) -> None:
    """No infinite values."""
    hint = "; count them as larger than all others with on_infinite='censor'" if censoring else ""
    if n_infinite:
        raise ValueError(f"{name} must be finite, got {n_infinite} infinite entries{hint}")


def enough_positive(name: str, n_positive: int, least: int, side: str) -> None:
    """Enough positive values in the chosen tail."""
    if n_positive < least:
        raise ValueError(
            f"{name} must have at least {least} non-zero values in its tail (tail={side!r}), got {n_positive}"
        )


def some_spread(name: str, spread: bool, k: int) -> None:
    """Values above the threshold that differ from it."""
    if not spread:
        raise ValueError(
            f"{name} must vary above the threshold, got {k + 1} equal largest values; choose a larger k"
        )


def threshold_count(
    name: str, value: Any, rules: Collection[str], shape: tuple[int, ...]
) -> str | float | NDArray[np.int64]:
    """A rule's name, a fraction in (0, 1), or whole numbers ≥ 1, one for all samples or one each."""
    allowed = (
        f"an integer ≥ 1 (or one per sample), a fraction in (0, 1), or one of {', '.join(map(repr, rules))}"
    )
    if isinstance(value, str):
        if value not in rules:
            raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
        return value
    array = np.asarray(value)
    if array.dtype.kind == "f" and array.ndim == 0:
        if not 0 < array < 1:
            raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
        return float(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be {allowed}, got {_given(value)}")
    if array.shape not in ((), shape):
        raise ValueError(
            f"{name} must be a scalar or have one entry per sample, shape {shape}, got {array.shape}"
        )
    if array.size and array.min() < 1:
        raise ValueError(f"{name} must be {allowed}, got {_given(value)}")
    return array.astype(np.int64).ravel()


def threshold_below(name: str, k: int, most: int, n_used: int, why: str = "") -> None:
    """A number of order statistics that the sample can serve."""
    if k > most:
        raise ValueError(f"{name} must be at most {most} for {n_used} positive values{why}, got {k}")


def threshold_above(name: str, k: int, n_censored: int) -> None:
    """More order statistics than values that are censored or trimmed."""
    if k <= n_censored:
        raise ValueError(f"{name} must exceed the {n_censored} censored or trimmed values, got {k}")


def not_a_rule(name: str, value: Any) -> None:
    """A number of order statistics, not the name of a rule."""
    if isinstance(value, str):
        raise ValueError(f"{name} must be an integer ≥ 1 or a fraction in (0, 1) here, got {value!r}")


def vectors(name: str, value: Any) -> NDArray[np.float64]:
    """An array (n, …, dim) of vectors, masked entries as nan."""
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    array = real_array(name, value, finite=False)
    if array.ndim < 2:
        raise ValueError(f"{name} must have shape (n, …, dim), got shape {array.shape}")
    return array


def norm(name: str, value: Any) -> float:
    """The order of a norm: 1, 2 or inf."""
    if isinstance(value, bool) or value not in (1, 2, math.inf):
        raise ValueError(f"{name} must be 1, 2 or inf, got {_given(value)}")
    return float(value)


def block_shape(name: str, shape: tuple[int, ...], axis: int | None, are_vectors: bool) -> None:
    """Scalars (n,), vectors (n, dim), or more axes with axis= given."""
    if axis is None and len(shape) != (2 if are_vectors else 1):
        raise ValueError(f"{name} must have shape (n,) or (n, dim) unless axis= is given, got shape {shape}")
    if are_vectors and len(shape) < 2:
        raise ValueError(f"{name} must have a last axis of coordinates for vectors=True, got shape {shape}")
    if 0 in shape:
        raise ValueError(f"{name} must hold at least one value, got shape {shape}")


def block_sizes(name: str, value: Any) -> tuple[int, ...]:
    """One whole number ≥ 2, or several."""
    if np.ndim(value) == 0:
        return (integer(name, value, 2),)
    sizes = tuple(integer(name, size, 2) for size in value)
    if not sizes:
        raise ValueError(f"{name} must be an integer ≥ 2 or several, got none")
    return sizes


def block_fits(name: str, n: int, block_size: int, preset: str | None) -> None:
    """Two blocks at least, each of two values at least."""
    if block_size < 2 or n < 2 * block_size:
        source = "" if preset is None else f" of preset={preset!r}"
        raise ValueError(
            f"{name} must hold at least two blocks of at least two values, got {n} values for blocks of "
            f"{block_size}{source}"
        )


def no_remainder(name: str, n: int, sizes: tuple[int, ...]) -> None:
    """A whole number of blocks."""
    for size in sizes:
        if n % size:
            raise ValueError(
                f"{name} must hold whole blocks of {size}, got {n} values; or pass remainder='trim'"
            )


def preset_alone(name: str, **others: Any) -> None:
    """A preset decides everything that it names."""
    for other, value in others.items():
        if value is not None:
            raise ValueError(f"{name} already fixes {other}, got {other}={_given(value)}; pass one")


def closed_gradient_law(name: str, value: object, kind: type) -> None:
    """A problem whose gradient has a closed law, which the theory needs."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{name} must be a {kind.__name__}, whose gradient has a closed law, got {_given(value)}; "
            "for any other problem only simulation applies: measure simulate(...) with desgd_fast.tails"
        )


def finite_variance(name: str, growth: float) -> None:
    """A step size at which the second moments have a limit."""
    if growth >= 1:
        raise ValueError(
            f"{name} must keep the second moments finite, but here h(2) = {growth:.12g} ≥ 1: the variance is "
            "infinite; stay below critical_step_size(..., at='infinite-variance')"
        )


def instance(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """An object of one of these classes."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be a {' or '.join(k.__name__ for k in kinds)}, got {_given(value)}")


def starting_point(name: str, value: ArrayLike | None, n_nodes: int, dim: int) -> NDArray[np.float64]:
    """None, a scalar, (dim,) or (n_nodes, dim), as an array (n_nodes, dim)."""
    array = real_array(name, 0.0 if value is None else value)
    if array.shape not in ((), (dim,), (n_nodes, dim)):
        raise ValueError(
            f"{name} must be None, a scalar or have shape ({dim},) or ({n_nodes}, {dim}), "
            f"got shape {array.shape}"
        )
    return np.broadcast_to(array, (n_nodes, dim))


def engine_for_data(name: str, engine: str) -> None:
    """An engine that does not need the closed law of a Gaussian minibatch gradient."""
    if engine not in ("auto", "direct"):
        raise ValueError(
            f"{name}={engine!r} needs the closed gradient law of GaussianRegression; use 'auto' or 'direct'"
        )


def engine_for_gaussian(
    name: str,
    engine: str,
    isotropic: bool,
    dim: int,
    n_nodes: int,
    keep: str,
    average_last: int,
    plain: bool,
) -> None:
    """An engine that can answer what is asked of it."""
    if engine != "gram":
        return
    for fault, reason in (
        (not isotropic, "isotropic features, but the covariance has different eigenvalues"),
        (dim < 2 * n_nodes, f"dim ≥ 2 n_nodes, got dim={dim} and {n_nodes} nodes"),
        (keep == "all", "keep='norms' or 'gram': it has no iterates to keep"),
        (average_last > 0, f"average_last=0: it cannot average iterates, got {average_last}"),
        (not plain, "the plain update and a constant step size"),
    ):
        if fault:
            raise ValueError(f"{name}='gram' needs {reason}; 'auto' or 'collapsed' would do")


def was_kept(name: str, value: str, result: object) -> None:
    """A result that the simulation was asked to keep."""
    if result is None:
        raise ValueError(f"{name}={value!r} was not computed; call simulate with average_last of at least 1")


def named_graphs(name: str, value: object) -> None:
    """A mapping from labels to mixing matrices, with at least one entry."""
    if not isinstance(value, Mapping) or not value:
        raise TypeError(
            f"{name} must be a mapping from labels to mixing matrices, not empty, got {_given(value)}"
        )


def common_size(name: str, sizes: dict[str, int]) -> int:
    """The number of nodes that all graphs share."""
    if len(set(sizes.values())) != 1:
        raise ValueError(f"{name} must all have the same number of nodes, got {_given(sizes)}")
    return next(iter(sizes.values()))


def positive_list(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """One or more positive numbers, increasing."""
    array = real_array(name, value)
    if array.ndim != 1 or array.size == 0 or (array <= 0).any() or (np.diff(array) <= 0).any():
        raise ValueError(
            f"{name} must be a list of positive numbers in increasing order, got {_given(value)}"
        )
    return array


def counts_list(name: str, value: ArrayLike) -> NDArray[np.int64]:
    """One or more whole numbers of at least one."""
    array = np.asarray(value)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu" or (array < 1).any():
        raise ValueError(f"{name} must be a list of integers ≥ 1, got {_given(value)}")
    return array.astype(np.int64)


def distinct_counters(name: str, batch_sizes: NDArray[np.int64], most: int, where: str) -> None:
    """Batches whose variates all have counters of their own, so that none is drawn twice."""
    if batch_sizes.max() > most:
        raise ValueError(f"{name} must be at most {most} {where}, got {batch_sizes.max()}")


# Sweeps


def is_callable(name: str, value: object) -> None:
    """A function."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {_given(value)}")


def named_arguments(name: str, value: Any, *, empty: bool = True) -> dict[str, Any]:
    """A mapping from the names of arguments, perhaps absent."""
    if value is None and empty:
        return {}
    if not isinstance(value, Mapping) or (not value and not empty):
        kind = "a mapping from argument names" + ("" if empty else ", not empty")
        raise TypeError(f"{name} must be {kind}, got {_given(value)}")
    for key in value:
        if not isinstance(key, str) or not key.isidentifier():
            raise ValueError(f"{name} must be keyed by argument names, got {_given(key)}")
    return dict(value)


def axis_values(name: str, value: Any) -> list[Any]:
    """The values along one axis, in a sequence."""
    if not isinstance(value, list | tuple | range) and not (
        isinstance(value, np.ndarray) and value.ndim == 1
    ):
        raise TypeError(
            f"{name} must be a sequence of values or a mapping from labels to values, got {_given(value)}"
        )
    return list(value)


def axis_labels(name: str, values: Collection[Any]) -> list[bool | int | float | str]:
    """Coordinates: all numbers, all texts or all booleans, none of them twice."""
    labels = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not labels:
        raise ValueError(f"{name} must hold at least one value, got none")
    for kinds in (bool, str, int, int | float):
        if all(
            isinstance(label, kinds) and (kinds is bool or not isinstance(label, bool)) for label in labels
        ):
            break
    else:
        odd = next((label for label in labels if not isinstance(label, bool | int | float | str)), labels)
        raise TypeError(
            f"{name} must hold numbers, texts or booleans, all of one kind, got {_given(odd)}; anything else "
            "goes into a mapping from labels: {'label': value}"
        )
    if isinstance(labels[0], int | float) and not all(isinstance(label, int) for label in labels):
        labels = [float(label) for label in labels]
    seen = set()
    for label in labels:
        if label != label:
            raise ValueError(f"{name} must not hold nan")
        if label in seen:
            raise ValueError(f"{name} must hold every value once, got {label!r} more than once")
        seen.add(label)
    return labels


def not_both(name: str, fixed: Mapping[str, Any], varied: Mapping[str, Any]) -> None:
    """Arguments that are fixed do not vary."""
    for key in fixed:
        if key in varied:
            raise ValueError(f"{name} must not set {key!r}, which the grid varies")


def fits_signature(name: str, function: Any, arguments: Mapping[str, Any]) -> None:
    """Arguments that the function can be called with, every required one among them."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin without one
    try:
        signature.bind(**arguments)
    except TypeError as error:
        called = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"{name} must name the arguments of {called}{signature}: {error}, got {', '.join(arguments)}"
        ) from None


def describable(name: str, value: object) -> str:
    """A value whose printed form tells it from others, whatever the process."""
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(
            f"{name} must be something that a store can tell from other values: a number, text, array, "
            f"graph, dataclass or function, got {_given(value)}; give its class a repr of its values"
        )
    return f"{type(value).__qualname__} {text}"


def not_picklable(name: str, error: Exception) -> NoReturn:
    """Something that reaches other processes."""
    raise TypeError(
        f"{name} must be picklable to reach workers in other processes, but: {error}; use workers=1, or "
        "build such things inside the function"
    ) from error


def same_sweep(name: str, stored: Any, asked: Any) -> None:
    """A store made by the same function over the same grid with the same fixed arguments and rng."""
    differences = list(_differences("", stored, asked))
    if differences:
        shown = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
        raise ValueError(
            f"{name} must be new or hold the same sweep, but it was made with other parameters: {shown}. "
            "Choose another store, or delete this one"
        )


_ABSENT = object()


def _differences(place: str, stored: Any, asked: Any) -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        for key in [*stored, *(key for key in asked if key not in stored)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(inner, stored.get(key, _ABSENT), asked.get(key, _ABSENT))
    elif stored != asked:
        was, now = ("absent" if value is _ABSENT else _given(value) for value in (stored, asked))
        yield f"{place} was {was}, now {now}"


def is_a_sweep(name: str, value: object, ours: bool) -> None:
    """Nothing yet, or the store of a sweep."""
    if not ours:
        raise ValueError(
            f"{name} must be new or the store of a sweep, got {_given(value)}, which holds other things"
        )


def unlocked(name: str, value: object, locked: bool) -> None:
    """A store that no other process is writing."""
    if not locked:
        raise ValueError(
            f"{name}={_given(value)} is being written by another process; wait for it, or stop it"
        )


def workers(name: str, value: Any) -> None:
    """A number of processes, an executor, or a Dask client."""
    if isinstance(value, bool) or not (isinstance(value, int | np.integer) or hasattr(value, "submit")):
        raise TypeError(
            f"{name} must be a number of processes, a concurrent.futures executor or a dask.distributed "
            f"Client, got {_given(value)}"
        )
    if isinstance(value, int | np.integer):
        integer(name, value, 1)


def installed(what: str, extra: str, libraries: tuple[str, ...]) -> None:
    """Optional libraries that are there."""
    for library in libraries:
        if sys.modules.get(library, True) is None or importlib.util.find_spec(library) is None:
            raise ImportError(f"{what} need {library}: pip install 'desgd-fast[{extra}]'", name=library)


# Neural networks


def layer_sizes(name: str, value: Any) -> tuple[int, ...]:
    """Numbers of hidden units, each at least 1; none for a linear model."""
    if isinstance(value, str | bytes) or np.ndim(value) != 1:
        raise TypeError(
            f"{name} must be a sequence of integers ≥ 1, one per hidden layer, got {_given(value)}"
        )
    return tuple(positive_integer(name, size) for size in value)


def labels(name: str, value: ArrayLike, n_rows: int, n_outputs: int | None) -> NDArray[np.int64]:
    """(n_rows,) whole numbers from 0 to n_outputs - 1."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integer labels for loss='cross-entropy', got {_given(value)}")
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


def slope_of(name: str, value: Any, activation: str) -> float:
    """The slope of a leaky ReLU below zero, in [0, 1]; fixed for every other activation."""
    if activation != "leaky-relu":
        if value is not None:
            raise ValueError(
                f"{name} belongs to activation='leaky-relu' only, got {_given(value)} with {activation!r}"
            )
        return 1.0 if activation == "linear" else 0.0
    result = 0.01 if value is None else number(name, value, "a number from 0 to 1")
    if not 0 <= result <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {_given(value)}")
    return result


def held_out(name: str, value: Any) -> tuple[Any, Any]:
    """None, or a pair (features, targets)."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} must be None or a pair (features, targets), got {_given(value)}")
    return value


def held_out_features(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """(n_rows, dim) finite numbers of at least one row."""
    array = real_array(name, value)
    if array.ndim != 2 or array.shape[1] != dim or array.shape[0] == 0:
        raise ValueError(f"{name} features must have shape (n_rows, {dim}), got shape {array.shape}")
    return array


def step_sizes_of_runs(name: str, value: Any, n_steps: int, n_runs: int, n_nodes: int) -> NDArray[np.float64]:
    """A positive scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes), or a schedule of the steps' numbers.

    As an array (1, n_runs, n_nodes), or (n_steps, 1, n_nodes) from a schedule.
    """
    if callable(value):
        return step_sizes(name, value, n_steps, n_nodes)[:, np.newaxis]
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r}")
    array = real_array(name, value)
    if array.shape not in ((), (n_nodes,), (n_runs, 1), (n_runs, n_nodes)):
        raise ValueError(
            f"{name} must be a scalar or have shape ({n_nodes},) for the nodes, ({n_runs}, 1) for the runs "
            f"or ({n_runs}, {n_nodes}) for both, got shape {array.shape}"
        )
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive, got {_given(value)}")
    return np.array(np.broadcast_to(array, (1, n_runs, n_nodes)), order="C")


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
        raise ValueError(f"{name} must {allowed}, got {_given(value)}")
    array = real_array(name, value)
    if drawn and array.ndim == 0:
        return positive_number(name, value)
    if array.shape not in (whole, whole[1:], whole[2:]):
        raise ValueError(f"{name} must {allowed}, got shape {array.shape}")
    return np.broadcast_to(array, whole)


def module_with_parameters(name: str, value: Any, kind: Any) -> None:
    """A torch module that has something to train."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a torch.nn.Module, got {_given(value)}")
    if not any(True for _ in value.parameters()):
        raise ValueError(f"{name} must have at least one parameter to train, got {_given(value)}")


def same_rows(name: str, shape: tuple[int, ...], targets_name: str, targets_shape: tuple[int, ...]) -> None:
    """Features and targets of equally many samples, at least one."""
    if not shape or shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {shape}")
    if not targets_shape or targets_shape[0] != shape[0]:
        raise ValueError(
            f"{targets_name} must have one entry per row of features ({shape[0]}), got shape {targets_shape}"
        )


def labels_of_outputs(name: str, least: int, most: int, shape: tuple[int, ...]) -> None:
    """Labels that the outputs of a module, (n_rows, n_outputs, …), have a column for."""
    if len(shape) < 2 or least < 0 or most >= shape[1]:
        raise ValueError(
            f"{name} must be labels from 0 to {shape[1] - 1 if len(shape) > 1 else 0}, one per output of the "
            f"module, got values from {least} to {most}"
        )


# Files of images


def one_file_of(name: str, folder: Any, names: Collection[str]) -> Path:
    """The first of these files that the folder holds."""
    try:
        found = [path for path in (Path(folder) / entry for entry in names) if path.is_file()]
    except TypeError:
        raise TypeError(f"{name} must be a path, got {_given(folder)}") from None
    if not found:
        raise ValueError(f"{name} must hold one of the files {', '.join(names)}, got {_given(str(folder))}")
    return found[0]


def file_content(name: str, path: Any, opener: Any) -> bytes:
    """Everything in a file."""
    try:
        with opener(path, "rb") as file:
            return bytes(file.read())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name} must name a readable file, got {_given(str(path))}: {error}") from None


def idx_head(name: str, path: Any, content: bytes) -> None:
    """Start of an IDX file of unsigned bytes."""
    if (
        len(content) < 4
        or content[:3] != b"\x00\x00\x08"
        or not content[3]
        or len(content) < 4 + 4 * content[3]
    ):
        raise ValueError(
            f"{name} must name an IDX file of unsigned bytes, which begins with 00 00 08, got {str(path)!r} "
            f"that begins with {content[:4].hex(' ') or 'nothing'}"
        )


def idx_length(name: str, path: Any, shape: tuple[int, ...], n_bytes: int) -> None:
    """As many bytes as the axes say."""
    if math.prod(shape) != n_bytes:
        raise ValueError(
            f"{name}: {str(path)!r} says it holds {' × '.join(map(str, shape))} bytes, but {n_bytes} follow; "
            "it is damaged or was cut short"
        )


def as_many(name: str, what: str, count: int, other: str, other_count: int) -> None:
    """Two files of equally many entries."""
    if count != other_count:
        raise ValueError(f"{name} must hold as many {what} as {other}, got {count} and {other_count}")


def layer_widths(name: str, value: Any) -> tuple[int, ...]:
    """One width, or those before and after every layer."""
    if np.ndim(value) == 0 and not isinstance(value, str | bytes):
        width = positive_integer(name, value)
        return width, width
    sizes = layer_sizes(name, value)
    if len(sizes) < 2:
        raise ValueError(f"{name} must be an integer ≥ 1 or at least two, got {_given(value)}")
    return sizes


def belongs_to(name: str, value: Any, right: bool, owner: str) -> None:
    """An argument that only one choice takes."""
    if not right:
        raise ValueError(f"{name} belongs to {owner} only, got {_given(str(value))}")


# Losses, laws and update rules


def compiled_function(name: str, value: Any, expected: str) -> None:
    """A function compiled by numba.njit with as many arguments as ``expected`` shows."""
    import inspect

    from numba import config
    from numba.core.dispatcher import Dispatcher

    if not (isinstance(value, Dispatcher) or (config.DISABLE_JIT and callable(value))):
        hint = "; put @numba.njit above its def" if callable(value) else ""
        raise TypeError(
            f"{name} must be a function {expected} compiled with numba.njit, got {_given(value)}{hint}"
        )
    parameters = inspect.signature(getattr(value, "py_func", value)).parameters
    if len(parameters) != expected.count(",") + 1:
        raise TypeError(
            f"{name} must be a compiled function {expected}, got one with arguments ({', '.join(parameters)})"
        )


def compiles(name: str, build: Any, expected: str) -> Any:
    """What ``build()`` returns, unless the user's function within it does not compile."""
    from numba.core.errors import NumbaError

    try:
        return build()
    except NumbaError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "Failed in" not in line), "no reason given")
        raise TypeError(
            f"{name} must compile as {expected}, x, a and out being float64 arrays and y a float; "
            f"numba says: {reason}"
        ) from error


def writes_finite(name: str, values: NDArray[np.float64], expected: str, where: str) -> None:
    """A user's function that fills its result with finite numbers."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        place = "a value" if values.size == 1 else f"entry {bad[0]} of {values.size}"
        raise ValueError(
            f"{name} must give finite numbers in every entry, as {expected}, but left {place} nan or "
            f"infinite at {where}"
        )


def allowed_labels(name: str, targets: NDArray[np.float64], labels: tuple[float, ...] | None) -> None:
    """Targets that the loss knows."""
    if labels is None:
        return
    strange = ~np.isin(targets, labels)
    if strange.any():
        known = ", ".join(f"{label:g}" for label in labels[:12]) + (", …" if len(labels) > 12 else "")
        row = int(np.argmax(strange))
        raise ValueError(f"{name} must be among {known} for this loss, got {targets[row]:g} in row {row}")


def nodes_of_rows(name: str, value: Any, n_rows: int) -> NDArray[Any]:
    """What an assignment rule returned: the node (≥ 0) of every row, or who holds what."""
    array = np.asarray(value)
    if array.dtype.kind == "b" and array.ndim == 2 and array.shape[1] == n_rows:
        return array
    if array.dtype.kind not in "iu" or array.shape != (n_rows,):
        raise ValueError(
            f"{name} must return the node of every row, integers of shape ({n_rows},), or bools of shape "
            f"(n_nodes, {n_rows}), got {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0:
        raise ValueError(f"{name} must name nodes from 0 on, got {array.min()}")
    return array.astype(np.int64)


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


def update_rule(
    momentum: Any, nesterov: Any, tracking: Any, weight_decay: Any, clip_norm: Any, local_steps: Any
) -> None:
    """The numbers of an update rule, and that they go together."""
    allowed = "a number from 0 to below 1"
    if not 0 <= number("momentum", momentum, allowed) < 1:
        raise ValueError(f"momentum must be {allowed}, got {_given(momentum)}")
    flag("nesterov", nesterov)
    if flag("tracking", tracking) and momentum != 0:
        raise ValueError(f"tracking excludes momentum, got momentum={momentum!r}")
    non_negative_number("weight_decay", weight_decay)
    if clip_norm != math.inf:
        positive_number("clip_norm", clip_norm)
    integer("local_steps", local_steps, 1, 2**32)


def step_sizes(name: str, value: Any, n_steps: int, n_nodes: int) -> NDArray[np.float64]:
    """A scalar, one per node, or a schedule of the steps' numbers: (1 or n_steps, n_nodes)."""
    if not callable(value):
        return positive_per_node(name, value, n_nodes)[np.newaxis]
    array = real_array(f"{name}(k)", value(np.arange(n_steps)))
    if array.shape not in ((n_steps,), (n_steps, n_nodes)):
        raise ValueError(
            f"{name} must return shape ({n_steps},) or ({n_steps}, {n_nodes}) for the {n_steps} steps' "
            f"numbers, got {array.shape}"
        )
    if (array < 0).any():
        raise ValueError(f"{name} must return step sizes of at least 0, got {array.min():g}")
    return np.array(np.broadcast_to(array.reshape(n_steps, -1), (n_steps, n_nodes)))


def truth(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """(dim,) or (n_nodes, dim) finite numbers, as rows (1 or n_nodes, dim)."""
    array = real_array(name, value)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"{name} must have shape (dim,) or (n_nodes, dim), got shape {array.shape}")
    return np.array(np.atleast_2d(array))


def truth_per_node(name: str, rows: NDArray[np.float64] | None, n_nodes: int) -> None:
    """A truth common to all nodes, or one for each node of the graph."""
    if rows is not None and rows.shape[0] not in (1, n_nodes):
        raise ValueError(
            f"{name} must have a truth common to all nodes or one for each of the {n_nodes}, "
            f"got {rows.shape[0]}"
        )


def was_kept_all(name: str, final: object) -> None:
    """Runs that kept their iterates."""
    if final is None:
        raise ValueError(f"{name} must be runs with iterates; call simulate with keep='all'")


def some_converged(name: str, diverged: NDArray[np.bool_]) -> None:
    """Runs of which at least one did not diverge."""
    if diverged.all():
        raise ValueError(f"{name} must hold a run that did not diverge, but all {diverged.size} did")


def points(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """(n_nodes, dim) or (n_points, n_nodes, dim) finite numbers, as the latter."""
    array = real_array(name, value)
    if array.ndim not in (2, 3) or array.shape[-1] != dim or 0 in array.shape:
        raise ValueError(
            f"{name} must have shape (n_nodes, {dim}) or (n_points, n_nodes, {dim}), got {array.shape}"
        )
    return array.reshape(-1, *array.shape[-2:])


def coordinate_groups(name: str, value: Any, dim: int) -> dict[str, NDArray[np.int64]]:
    """Named groups of coordinates, after that of all of them."""
    groups = {"all": np.arange(dim)}
    if value is None:
        return groups
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of names to coordinates, got {_given(value)}")
    for label, coordinates in value.items():
        array = np.asarray(coordinates)
        allowed = f"integers from 0 to {dim - 1}"
        if array.dtype.kind not in "iu" or array.ndim != 1 or array.size == 0:
            raise TypeError(f"{name}[{label!r}] must be a list of {allowed}, got {_given(coordinates)}")
        if array.min() < 0 or array.max() >= dim:
            raise ValueError(f"{name}[{label!r}] must be a list of {allowed}, got {_given(coordinates)}")
        groups[str(label)] = array.astype(np.int64)
    return groups


def all_finite_runs(name: str, finite: list[bool]) -> None:
    """A training none of whose runs diverged."""
    if not all(finite):
        raise ValueError(
            f"{name} must hold no diverged runs, but layer {finite.index(False) + 1} overflowed; "
            "train with a smaller step_size, or keep the runs that training.diverged does not flag"
        )
