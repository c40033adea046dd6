"""What values of numerical libraries hold, in terms of plainer values: what tells one from another."""

import hashlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Parts = dict[str, Any]


def digest(*parts: bytes) -> str:
    """Sixteen hexadecimal digits that tell these bytes from others."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()[:16]


def array(values: NDArray[Any]) -> Any:
    """Type, shape and digest of a plain array; entries or fields where its bytes do not tell."""
    kind = values.dtype.str if values.dtype.names is None else str(values.dtype)
    head = f"{kind} {values.shape}"
    if values.dtype.names is not None:
        # Between the fields lie bytes that mean nothing.
        return {"dtype": head, "fields": {name: values[name] for name in values.dtype.names}}
    if values.dtype.hasobject or values.dtype.kind == "T":
        return {"dtype": head, "entries": values.ravel().tolist()}
    if values.dtype.char in "gG":
        # Extended precision is padded with anything.
        return {"dtype": head, "entries": [repr(value) for value in values.ravel()]}
    return f"{head} {digest(np.ascontiguousarray(values).tobytes())}"


def unfolded(value: Any) -> tuple[str, Parts] | None:
    """Kind and parts of a value that a library's own state would not tell well; None for all others.

    The state of such objects remembers their history: caches, block layouts, what has been compiled.
    """
    if sparse.issparse(value):
        rows = value.tocsr(copy=True)
        rows.sum_duplicates()
        parts = {"indptr": rows.indptr.astype(np.int64), "indices": rows.indices.astype(np.int64)}
        return type(value).__name__, {"shape": value.shape, **parts, "data": rows.data}
    for module, name, parts_of in _KNOWN:
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and isinstance(value, kind):
            return type(value).__name__, parts_of(value)
    return None


def _masked(values: Any) -> Parts:
    return {"data": np.asarray(values.data), "mask": np.ma.getmaskarray(values), "fill": values.fill_value}


def _column(values: Any) -> Any:
    if isinstance(values.dtype, np.dtype) or type(values).__name__ == "NumpyExtensionArray":
        return np.asarray(values)
    if hasattr(values.dtype, "categories"):
        categories = values.dtype.categories
        return {"categories": categories, "ordered": values.dtype.ordered, "values": values.astype(object)}
    return {"dtype": repr(values.dtype), "values": np.asarray(values.astype(object))}


def _index(index: Any) -> Parts:
    levels = [_column(index.get_level_values(level).array) for level in range(index.nlevels)]
    return {"names": list(index.names), "levels": levels, "frequency": getattr(index, "freqstr", None)}


def _series(series: Any) -> Parts:
    parts = {"name": series.name, "index": series.index, "values": _column(series.array)}
    return parts | {"attrs": series.attrs}


def _frame(frame: Any) -> Parts:
    columns = [_column(frame.iloc[:, place].array) for place in range(frame.shape[1])]
    return {"columns": frame.columns, "index": frame.index, "values": columns, "attrs": frame.attrs}


def _variable(variable: Any) -> Parts:
    return {"dims": list(variable.dims), "values": variable.values, "attrs": variable.attrs}


def _coordinates(labelled: Any) -> Parts:
    return {name: _variable(coordinate) for name, coordinate in labelled.coords.items()}


def _data_array(labelled: Any) -> Parts:
    return {"name": labelled.name, **_variable(labelled), "coordinates": _coordinates(labelled)}


def _dataset(labelled: Any) -> Parts:
    variables = {name: _variable(variable) for name, variable in labelled.data_vars.items()}
    return {"variables": variables, "coordinates": _coordinates(labelled), "attrs": labelled.attrs}


def _graph(graph: Any) -> Parts:
    # Order counts: the rows of matrices and the sums of floats follow it.
    return {
        "attributes": graph.graph,
        "directed": graph.is_directed(),
        "nodes": list(graph.nodes(data=True)),
        "neighbours": [list(neighbours.items()) for _, neighbours in graph.adjacency()],
    }


def _tensor(tensor: Any) -> Parts:
    import torch

    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "values": raw}


def _dispatcher(compiled: Any) -> Parts:
    fixed = [] if compiled._can_compile else [str(types) for types in compiled.overloads]
    options = {name: value for name, value in compiled.targetoptions.items() if value is not None}
    return {"function": compiled.py_func, "options": dict(sorted(options.items())), "signatures": fixed}


def _ufunc_of_numba(compiled: Any) -> Parts:
    return {"function": compiled._dispatcher.py_func}


def _generalised_ufunc_of_numba(compiled: Any) -> Parts:
    builder = compiled.gufunc_builder
    return {"function": builder.py_func, "signature": builder.signature, "types": compiled.types}


def _callback(compiled: Any) -> Parts:
    return {"function": compiled._pyfunc, "signature": str(compiled._sig)}


def _vectorised(function: Any) -> Parts:
    names = ("pyfunc", "otypes", "signature", "excluded", "cache")
    return {name: getattr(function, name) for name in names}


# Only of what has been imported can there be values.
_KNOWN: tuple[tuple[str, str, Callable[[Any], Parts]], ...] = (
    ("numpy.ma", "MaskedArray", _masked),
    ("numpy", "vectorize", _vectorised),
    ("pandas", "DataFrame", _frame),
    ("pandas", "Series", _series),
    ("pandas", "Index", _index),
    ("xarray", "Dataset", _dataset),
    ("xarray", "DataArray", _data_array),
    ("xarray", "Variable", _variable),
    ("networkx", "Graph", _graph),
    ("torch", "Tensor", _tensor),
    ("numba.core.dispatcher", "Dispatcher", _dispatcher),
    ("numba.np.ufunc.dufunc", "DUFunc", _ufunc_of_numba),
    ("numba.np.ufunc.gufunc", "GUFunc", _generalised_ufunc_of_numba),
    ("numba.core.ccallback", "CFunc", _callback),
)
