"""What a cell's function returned, as named fields, and as one line of JSON that gives back the same bits."""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What every cell has beside the fields of its result.
STATUS, FAILURE = "cell_status", "cell_failure"

# Fields of a result that would hide a coordinate or a variable of the sweep get this before their name.
CLASH = "result_"


@dataclass(frozen=True, eq=False)
class Field:
    """Values of one field of one cell over axes of its own: bool, int64, float64, complex128 or text.

    An axis has ``labels`` where the result gave it coordinates. A ``coordinate`` is a field that the result
    called one, of any other shape.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    labels: tuple[NDArray[Any] | None, ...] = ()
    coordinate: bool = False

    @property
    def kind(self) -> str:
        """One of b, i, f, c and O, as in ``numpy.dtype.kind``; O is text."""
        return self.values.dtype.kind


Fields = dict[str, Field]


class NotAField(TypeError):
    """A result that no variable of a dataset can hold."""


def fields_of(result: Any, name: str, taken: Iterable[str] = ()) -> Fields:
    """Fields of a dataclass, mapping, Dataset, tuple, array or scalar; None leaves a field out.

    ``name`` is that of a result without fields; those called as one of ``taken`` are renamed.
    """
    avoided = {*taken, STATUS, FAILURE}
    named = {key: field for key, field in _flat(result, name).items() if field is not None}

    def free(word: str) -> str:
        return CLASH + word if word in avoided else word

    return {
        free(key): replace(field, dims=tuple(free(dim) for dim in field.dims)) for key, field in named.items()
    }


def _flat(result: Any, name: str) -> dict[str, Field | None]:
    result = _from_pandas(result)
    if _is_dataset(result):
        variables = {str(key): _labelled(str(key), variable) for key, variable in result.data_vars.items()}
        return _coordinates(result) | variables
    if _is_data_array(result):
        own = str(result.name or name)
        return _coordinates(result) | {own: _labelled(own, result)}
    if isinstance(result, tuple) and hasattr(result, "_asdict"):
        result = result._asdict()
    if isinstance(result, Mapping):
        return _nested(result)
    if is_dataclass(result) and not isinstance(result, type):
        return _of_dataclass(result)
    if isinstance(result, tuple):
        return _nested({f"{name}_{i}": value for i, value in enumerate(result)})
    return {name: _field(name, result)}


def _nested(values: Mapping[Any, Any]) -> dict[str, Field | None]:
    flat: dict[str, Field | None] = {}
    for key, value in values.items():
        if not isinstance(key, str) or not key or "/" in key:
            raise NotAField(f"names of fields must be texts without '/', got {key!r}")
        part = _from_pandas(value)
        if _is_data_array(part):
            flat |= _flat(part.rename(key), key)
        elif isinstance(part, Mapping) or (is_dataclass(part) and not isinstance(part, type)):
            # A Dataset is a mapping too.
            flat |= {f"{key}_{inner}": field for inner, field in _flat(part, key).items()}
        else:
            flat[key] = _field(key, value)
    return flat


def _of_dataclass(result: Any) -> dict[str, Field | None]:
    """Fields and properties; axes are named by the result's own ``to_xarray`` where it has one."""
    kind = type(result)
    names = [field.name for field in fields(result)]
    names += [name for name in dir(kind) if isinstance(getattr(kind, name), property)]
    values = {name: getattr(result, name) for name in names if not name.startswith("_")}
    plain: dict[str, Field | None] = {}
    for name, value in values.items():
        try:
            plain |= _nested({name: value})
        except NotAField:
            if not hasattr(result, "to_xarray"):
                raise
    arrays = any(isinstance(value, np.ndarray) and value.ndim for value in values.values())
    if hasattr(result, "to_xarray") and (arrays or plain.keys() < values.keys()):
        labelled = _flat(result.to_xarray(), kind.__name__)
        scalars = {name: field for name, field in plain.items() if field is not None and not field.dims}
        return scalars | labelled
    return plain


def _from_pandas(result: Any) -> Any:
    """A Series or DataFrame as xarray has it, its index a coordinate."""
    kind = type(result)
    return result.to_xarray() if hasattr(kind, "to_xarray") and hasattr(kind, "iloc") else result


def _is_dataset(result: Any) -> bool:
    return hasattr(type(result), "data_vars")


def _is_data_array(result: Any) -> bool:
    return hasattr(type(result), "coords") and not _is_dataset(result)


def _labelled(name: str, variable: Any) -> Field:
    field = _field(name, variable.values)
    assert field is not None
    dims = tuple(str(dim) for dim in variable.dims)
    labels = tuple(
        _labels(str(dim), variable.coords[dim].values) if dim in variable.coords else None
        for dim in variable.dims
    )
    return replace(field, dims=dims, labels=labels if any(part is not None for part in labels) else ())


def _labels(dim: str, values: NDArray[Any]) -> NDArray[Any]:
    """Coordinates along an axis that can be joined with those of other cells."""
    field = _field(f"coordinate {dim}", values)
    assert field is not None
    labels = field.values
    if field.kind == "c" or (field.kind == "f" and np.isnan(labels).any()):
        raise NotAField(f"coordinate {dim} must hold real numbers or texts, got {field.values!r:.80}")
    if len(set(labels.tolist())) < labels.size:
        raise NotAField(f"coordinate {dim} must hold every value once, got {field.values!r:.80}")
    return labels + 0.0 if field.kind == "f" else labels  # −0 is 0


def _coordinates(result: Any) -> dict[str, Field | None]:
    """Coordinates that are not the labels of their own axis."""
    return {
        str(name): replace(_labelled(str(name), coordinate), coordinate=True)
        for name, coordinate in result.coords.items()
        if coordinate.dims != (name,)
    }


def _field(name: str, value: Any) -> Field | None:
    if value is None:
        return None
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        value = "; ".join(value)  # the notes of an estimate
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise NotAField(f"{name}: {error}") from None
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype.kind == "O" and array.size and all(type(part) is int for part in array.flat):
        array = _of_large_integers(name, array)
    if array.dtype.kind in "UO" and all(isinstance(part, str) for part in array.flat):
        values = array.astype(object)
    elif array.dtype.kind == "b":
        values = array
    elif array.dtype.kind in "iu":
        # The least int64 marks what is missing.
        fits = array.size == 0 or (int(array.max()) < 2**63 and int(array.min()) > -(2**63))
        values = array.astype(np.int64 if fits else np.float64)
    elif array.dtype.kind in "fc":
        values = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    else:
        odd = type(value).__name__
        if array.dtype.kind == "O" and array.ndim:
            first = next((part for part in array.flat if not isinstance(part, str | Number)), array.flat[0])
            odd = f"{odd} with {first!r:.40} among its entries"
        raise NotAField(f"{name} must be a number, a text, or an array of numbers or texts, got {odd}")
    return Field(tuple(f"{name}_dim_{i}" for i in range(values.ndim)), values)


def _of_large_integers(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """Python's integers beyond 64 bits, as the nearest floats."""
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise NotAField(f"{name} must be below 1.8e308 in size, got an integer beyond that") from None


def encode(cell: int, result: Fields | str) -> str:
    """One line of JSON: the fields of a cell, or the text of its failure."""
    if isinstance(result, str):
        return json.dumps({"cell": cell, "failure": result})
    return json.dumps({"cell": cell, "fields": {name: _encoded(field) for name, field in result.items()}})


def decode(line: str) -> tuple[int, Fields | str]:
    """The cell and the result that :func:`encode` was given."""
    record = json.loads(line)
    if "failure" in record:
        return record["cell"], record["failure"]
    return record["cell"], {name: _decoded(value) for name, value in record["fields"].items()}


def _encoded(field: Field) -> Any:
    if not (field.dims or field.coordinate) and field.kind in "bifO":
        value = field.values.item()
        # One nan for all, as JSON has no other.
        return math.nan if isinstance(value, float) and math.isnan(value) else value
    head: dict[str, Any] = {"dims": field.dims, "shape": field.values.shape}
    if field.labels:
        head["labels"] = [
            None if labels is None else _encoded(Field((dim,), labels))
            for dim, labels in zip(field.dims, field.labels, strict=True)
        ]
    if field.coordinate:
        head["coordinate"] = True
    if field.kind == "O":
        return head | {"texts": field.values.ravel().tolist()}
    data = np.ascontiguousarray(field.values)
    return head | {"dtype": data.dtype.str, "data": base64.b64encode(data.tobytes()).decode()}


def _decoded(value: Any) -> Field:
    if isinstance(value, str):
        return Field((), np.array(value, dtype=object))
    if not isinstance(value, dict):
        return Field((), np.array(value))
    if "texts" in value:
        values = np.empty(len(value["texts"]), dtype=object)
        values[:] = value["texts"]
    else:
        values = np.frombuffer(base64.b64decode(value["data"]), dtype=value["dtype"])
    labels = tuple(None if part is None else _decoded(part).values for part in value.get("labels", ()))
    coordinate = value.get("coordinate", False)
    return Field(tuple(value["dims"]), values.reshape(value["shape"]), labels, coordinate)
