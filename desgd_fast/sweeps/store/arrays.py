"""The Zarr arrays of a sweep: one per coordinate and field, plus the status of every cell, written last.

Every write of a chunk is atomic, and overwrites finished cells with what they already hold. A cell counts as
finished once its status says so, which is written after all its fields: whatever instant a kill hits,
statuses never promise more than the arrays hold.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.sweeps.grid import Job
from desgd_fast.sweeps.store.journal import Folder
from desgd_fast.sweeps.store.records import CLASH, FAILURE, STATUS, Field, Fields

if TYPE_CHECKING:
    import zarr

WAITING, DONE, FAILED = 0, 1, 2

# Bytes of a chunk at most: large enough for few files, small enough to rewrite often.
_CHUNK_BYTES = 1 << 20
_TEXT_BYTES = 128

# From narrow to wide: numbers widen to numbers, and next to a text they become texts.
_KINDS = "bifcO"
_STORED: dict[str, Any] = {"b": "int8", "i": "int64", "f": "float64", "c": "complex128", "O": str}
_MISSING: dict[str, Any] = {
    "b": -1,
    "i": int(np.iinfo(np.int64).min),
    "f": math.nan,
    "c": complex(math.nan, math.nan),
    "O": "",
}

Result = Fields | str


@dataclass(frozen=True)
class Labels:
    """Coordinates along an axis: integers, floats, booleans or texts, none of them twice."""

    kind: str
    values: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.values)

    def as_kind(self, kind: str) -> tuple[Any, ...]:
        """The values as another kind of labels would have them."""
        if kind == self.kind:
            return self.values
        if kind == "O":
            return tuple(_as_text(complex(value)) for value in self.values)
        return tuple(map(int if kind == "i" else float, self.values))

    def joined(self, other: "Labels") -> "Labels":
        """These if both are the same, else all that are in either, sorted; it does not matter who asks."""
        if self == other:
            return self
        kind = max(self.kind, other.kind, key=_KINDS.index)
        return Labels(kind, tuple(sorted({*self.as_kind(kind), *other.as_kind(kind)})))

    @cached_property
    def places(self) -> dict[Any, int]:
        """Where each value is."""
        return {value: place for place, value in enumerate(self.values)}


# How far an axis goes: so many entries, or those at these coordinates.
Extent = int | Labels


def _size(extent: Extent) -> int:
    return extent if isinstance(extent, int) else len(extent)


def _numbered(extent: Extent) -> Labels:
    """An axis without coordinates, next to others that have some, counts 0, 1, 2, …."""
    return Labels("i", tuple(range(extent))) if isinstance(extent, int) else extent


def _joined(one: Extent, other: Extent) -> Extent:
    if isinstance(one, int) and isinstance(other, int):
        return max(one, other)
    return _numbered(one).joined(_numbered(other))


def _extents(field: Field) -> tuple[Extent, ...]:
    labels = field.labels or (None,) * field.values.ndim
    return tuple(
        size if part is None else Labels(part.dtype.kind, tuple(part.tolist()))
        for size, part in zip(field.values.shape, labels, strict=True)
    )


@dataclass(frozen=True)
class Column:
    """Kind and own axes of a variable, wide enough for the values of all cells seen."""

    kind: str
    dims: tuple[str, ...] = ()
    extents: tuple[Extent, ...] = ()
    coordinate: bool = False

    @classmethod
    def of(cls, field: Field) -> "Column":
        """The column that holds just this."""
        return cls(field.kind, field.dims, _extents(field), field.coordinate)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries along each of the own axes."""
        return tuple(map(_size, self.extents))

    def holding(self, other: "Column") -> "Column":
        """The least column that holds what both hold; it does not matter which comes first."""
        kind = max(self.kind, other.kind, key=_KINDS.index)
        low, high = sorted((self, other), key=lambda column: (len(column.dims), column.dims))
        dims = low.dims if len(low.dims) == len(high.dims) else high.dims
        padded = (1,) * (len(high.extents) - len(low.extents)) + low.extents
        extents = tuple(map(_joined, padded, high.extents))
        return Column(kind, dims, extents, self.coordinate and other.coordinate)


class Arrays:
    """The arrays of one sweep in a folder."""

    def __init__(self, job: Job, folder: Folder) -> None:
        self.job = job
        self.folder = folder
        self.columns: dict[str, Column] = {}
        self._labels: set[str] = set()
        self._arrays: dict[str, zarr.Array[Any]] = {}

    def create(self, attributes: Mapping[str, Any]) -> None:
        """Coordinates, and cells that all wait."""
        self._make_empty()
        self.write_root(attributes)

    def open(self) -> NDArray[np.int8]:
        """Take up what is there; the status of every cell."""
        import zarr

        root = zarr.open_group(self.folder.url, mode="r+", use_consolidated=False)
        listed = json.loads(self.folder.read("zarr.json") or b"{}")["consolidated_metadata"]["metadata"]
        for name in listed:
            if name in root:
                self._arrays[name] = zarr.open_array(self.folder.url, path=name, mode="r+", zarr_format=3)
        if STATUS not in self._arrays or self._arrays[STATUS].shape != self.job.shape:
            # Killed on the way to other columns, or the grid has grown: the journal has every cell.
            self.reset()
        depth = len(self.job.axes)
        names = self._arrays.keys() - {STATUS, FAILURE} - self.job.labels(0).keys()
        self._labels = {name for name in names if self._arrays[name].ndim == 1 and not self._over_grid(name)}
        labels = {self._dims_of(name)[0]: self._read_labels(name) for name in self._labels}
        coordinates = str(root.attrs.get("coordinates", "")).split()
        for name in names - self._labels:
            array: Any = self._arrays[name]
            dims = self._dims_of(name)[depth:]
            sizes = zip(dims, array.shape[depth:], strict=True)
            extents = tuple(labels.get(dim, size) for dim, size in sizes)
            self.columns[name] = Column(_kind_of(array), dims, extents, name in coordinates)
        return self.status()

    def _dims_of(self, name: str) -> tuple[str, ...]:
        metadata: Any = self._arrays[name].metadata
        return tuple(map(str, metadata.dimension_names))

    def _over_grid(self, name: str) -> bool:
        return self._dims_of(name)[0] == self.job.axes[0].name

    def _read_labels(self, name: str) -> Labels:
        array: Any = self._arrays[name]
        kind = _kind_of(array)
        values = np.asarray(array[...]).tolist()
        return Labels(kind, tuple(map(bool, values)) if kind == "b" else tuple(values))

    def reset(self) -> None:
        """Let all cells wait again, and drop the columns."""
        # The status first and last: without one, or with one of another shape, nothing else counts.
        for name in (STATUS, *(self._arrays.keys() - {STATUS})):
            self.folder.delete_folder(name)
        self.columns, self._labels, self._arrays = {}, set(), {}
        self._make_empty()

    def status(self) -> NDArray[np.int8]:
        """WAITING, DONE or FAILED for every cell."""
        return np.asarray(self._arrays[STATUS][...], dtype=np.int8).ravel()

    @staticmethod
    def columns_with(results: Mapping[int, Result], columns: Mapping[str, Column]) -> dict[str, Column]:
        """The columns that hold what these hold, and the results too."""
        columns = dict(columns)
        for fields in results.values():
            if isinstance(fields, str):
                continue
            for name, field in fields.items():
                known, new = columns.get(name), Column.of(field)
                if known is None or known != new:
                    columns[name] = new if known is None else known.holding(new)
        whole: dict[str, Extent] = {}
        for column in columns.values():
            for dim, extent in zip(column.dims, column.extents, strict=True):
                whole[dim] = _joined(extent, whole.get(dim, extent))
        return {
            name: replace(column, extents=tuple(whole[dim] for dim in column.dims))
            for name, column in columns.items()
        }

    def fit(self, columns: Mapping[str, Column]) -> bool:
        """Whether the arrays can hold these columns without being made anew."""
        return all(columns[name] == column for name, column in self.columns.items())

    def write(self, results: Mapping[int, Result], columns: Mapping[str, Column]) -> None:
        """Write the results of some cells, and then that they are finished."""
        for name, column in columns.items():
            if name not in self.columns:
                self._make(name, column, self.job.shape + column.sizes, self._dims(column))
                self.columns[name] = column
        for column in columns.values():
            for dim, extent in zip(column.dims, column.extents, strict=True):
                name = CLASH + dim if dim in columns else dim
                if isinstance(extent, Labels) and name not in self._labels:
                    self._make_labels(name, dim, extent.kind, extent.values)
                    self._labels.add(name)
        done = {cell: fields for cell, fields in results.items() if not isinstance(fields, str)}
        for name, column in self.columns.items():
            self._overwrite(
                name, _stacked([fields.get(name) for fields in done.values()], column), list(done)
            )
        cells = list(results)
        texts = np.array(["" if cell in done else results[cell] for cell in cells], dtype=object)
        self._overwrite(FAILURE, texts, cells)
        self._overwrite(STATUS, np.array([DONE if cell in done else FAILED for cell in cells]), cells)

    def results(self, most_bytes: int) -> Iterator[dict[int, Result]]:
        """Every finished cell, in portions of so many bytes."""
        cell_bytes = sum(
            _item_bytes(column.kind) * math.prod(column.sizes) for column in self.columns.values()
        )
        status = self.status().reshape(self.job.shape)
        numbers = np.arange(self.job.n_cells).reshape(self.job.shape)
        for region in _regions(self.job.shape, max(1, most_bytes // max(1, cell_bytes))):
            finished = status[region] != WAITING
            places = list(
                zip(numbers[region][finished].tolist(), np.argwhere(finished).tolist(), strict=True)
            )
            if not places:
                continue
            failures: Any = self._arrays[FAILURE][region]
            values = {name: np.asarray(self._arrays[name][region]) for name in self.columns}
            yield {
                cell: str(failures[tuple(at)])
                if status[region][tuple(at)] == FAILED
                else {
                    name: field
                    for name, column in self.columns.items()
                    if (field := _trimmed(np.asarray(values[name][tuple(at)]), column)) is not None
                }
                for cell, at in places
            }

    def write_root(self, attributes: Mapping[str, Any]) -> None:
        """The root: attributes and, for plain readers, which arrays there are; one atomic write."""
        complete = bool((self.status() == DONE).all())
        for name, column in self.columns.items():
            self._settle(name, column.kind, complete)
        order = [*self.job.labels(0), *sorted(self._labels), *self.columns, STATUS, FAILURE]
        coordinates = [name for name, column in self.columns.items() if column.coordinate]
        attributes = {key: value for key, value in attributes.items() if key != "coordinates"}
        if coordinates:
            attributes["coordinates"] = " ".join(coordinates)
        metadata = {name: json.loads(self.folder.read(f"{name}/zarr.json") or b"") for name in order}
        root = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": attributes,
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
        }
        self.folder.write("zarr.json", json.dumps(root, indent=1).encode())

    def _dims(self, column: Column) -> tuple[str, ...]:
        return (*(axis.name for axis in self.job.axes), *column.dims)

    def _make_empty(self) -> None:
        for axis in self.job.axes:
            kind = "O" if isinstance(axis.labels[0], str) else np.array(axis.labels).dtype.kind
            self._make_labels(axis.name, axis.name, kind, axis.labels)
        self._make(FAILURE, Column("O"), self.job.shape, self._dims(Column("O")))
        self._make(STATUS, Column("b"), self.job.shape, self._dims(Column("b")), WAITING)
        meaning: Any = {"flag_values": [WAITING, DONE, FAILED], "flag_meanings": "waiting done failed"}
        self._arrays[STATUS].attrs.put(meaning)

    def _make_labels(self, name: str, dim: str, kind: str, values: Sequence[Any]) -> None:
        self._make(name, Column(kind), (len(values),), (dim,))
        self._arrays[name][:] = np.array(values, dtype=object if kind == "O" else None)
        self._settle(name, kind, complete=True)

    def _make(
        self, name: str, column: Column, shape: tuple[int, ...], dims: tuple[str, ...], fill: Any = None
    ) -> None:
        import zarr

        self._arrays[name] = zarr.create_array(
            store=self.folder.url,
            name=name,
            shape=shape,
            dtype=_STORED[column.kind],
            chunks=_chunk(tuple(max(1, size) for size in shape), _CHUNK_BYTES // _item_bytes(column.kind)),
            fill_value=_MISSING[column.kind] if fill is None else fill,
            dimension_names=dims,
            zarr_format=3,
            overwrite=True,
        )
        if fill is None:
            self._settle(name, column.kind, complete=False)

    def _settle(self, name: str, kind: str, complete: bool) -> None:
        """Say which number stands for a missing one, unless all are there."""
        if kind not in "bi":
            return
        array: Any = self._arrays[name]
        missing = _MISSING[kind]
        whole = complete and not any(
            (np.asarray(array[region]) == missing).any() for region in _regions(array.shape, 1 << 22)
        )
        wanted = ({"dtype": "bool"} if kind == "b" else {}) if whole else {"_FillValue": missing}
        if dict(array.attrs) != wanted:
            array.attrs.put(wanted)

    def _overwrite(self, name: str, values: NDArray[Any], cells: Sequence[int]) -> None:
        """Put values, one row a cell, in the places of some cells, chunk by chunk."""
        if not cells:
            return
        array: Any = self._arrays[name]
        places = np.stack(np.unravel_index(cells, self.job.shape), axis=1)
        chunk = np.array(array.chunks[: len(self.job.axes)])
        order = np.lexsort((places // chunk).T[::-1])
        changes = np.flatnonzero((np.diff(places[order] // chunk, axis=0) != 0).any(axis=1)) + 1
        for members in np.split(order, changes):
            first = places[members[0]] // chunk * chunk
            region = tuple(
                slice(int(start), int(min(start + length, size)))
                for start, length, size in zip(first, chunk, self.job.shape, strict=True)
            )
            block = np.asarray(array[region])
            block[tuple((places[members] - first).T)] = values[members]
            array[region] = block


def _item_bytes(kind: str) -> int:
    return {"b": 1, "c": 16, "O": _TEXT_BYTES}.get(kind, 8)


def _chunk(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The shape of at most so many neighbours in row-major order."""
    chunk: list[int] = []
    for size in reversed(shape):
        chunk.insert(0, max(1, min(size, most)))
        most //= size
    return tuple(chunk)


def _regions(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes of at most so many entries."""
    chunk = _chunk(tuple(max(1, size) for size in shape), most)
    for box in np.ndindex(*(-(-size // length) for size, length in zip(shape, chunk, strict=True))):
        yield tuple(
            slice(i * length, min((i + 1) * length, size))
            for i, length, size in zip(box, chunk, shape, strict=True)
        )


def _stacked(rows: Sequence[Field | None], column: Column) -> NDArray[Any]:
    """The values of several cells, one row each."""
    if not rows or column.dims or column.kind == "O":
        empty: NDArray[Any] = np.empty((len(rows), *column.sizes), dtype=_dtype(column))
        for i, field in enumerate(rows):
            empty[i] = _padded(field, column)
        return empty
    missing = _MISSING[column.kind]
    return np.array([missing if field is None else field.values.item() for field in rows], _dtype(column))


def _dtype(column: Column) -> Any:
    return object if column.kind == "O" else _STORED[column.kind]


def _padded(field: Field | None, column: Column) -> NDArray[Any]:
    """The field's values in the column's type and shape, what is missing filled in."""
    whole: NDArray[Any] = np.full(column.sizes, _MISSING[column.kind], dtype=_dtype(column))
    if field is not None:
        values = field.values
        if column.kind == "O" and field.kind != "O":
            texts = [_as_text(complex(value)) for value in values.ravel().tolist()]
            values = np.array(texts, dtype=object).reshape(values.shape)
        missing = len(column.extents) - values.ndim
        extents = (1,) * missing + _extents(field)
        whole[_region(extents, column.extents)] = values.reshape((1,) * missing + values.shape)
    return whole


def _region(part: Sequence[Extent], whole: Sequence[Extent]) -> Any:
    """Where entries at these coordinates are among those at all."""
    if all(isinstance(extent, int) for extent in whole):
        return tuple(slice(_size(extent)) for extent in part)
    places = []
    for extent, among in zip(part, whole, strict=True):
        if isinstance(among, int):
            places.append(list(range(_size(extent))))
        else:
            places.append([among.places[value] for value in _numbered(extent).as_kind(among.kind)])
    return np.ix_(*places)


def _as_text(number: complex) -> str:
    """The same for a number and for what wider types make of it; empty for nan, which is missing."""
    if number != number:
        return ""
    return repr(number if number.imag else number.real)


def _trimmed(stored: NDArray[Any], column: Column) -> Field | None:
    """A field that :func:`_padded` turns into what is stored; None if all is missing."""
    kept = [np.arange(size) for size in column.sizes]
    if column.kind in "bi":
        there = stored != _MISSING[column.kind]
        if not there.any():
            return None
        for axis, extent in enumerate(column.extents):
            used = np.flatnonzero(
                there.any(axis=tuple(other for other in range(there.ndim) if other != axis))
            )
            # Whole numbers have no nan: holes among the coordinates are not the cell's.
            kept[axis] = used if isinstance(extent, Labels) else np.arange(used[-1] + 1)
    labels = tuple(
        None
        if isinstance(extent, int)
        else np.array([extent.values[i] for i in at], dtype=object if extent.kind == "O" else None)
        for extent, at in zip(column.extents, kept, strict=True)
    )
    values: NDArray[Any] = np.asarray(stored, dtype={"O": object, "b": bool}.get(column.kind))
    values = values[np.ix_(*kept)] if kept else values
    known = labels if any(part is not None for part in labels) else ()
    return Field(column.dims, values, known, column.coordinate)


def _kind_of(array: Any) -> str:
    """The kind of column that is stored so."""
    return "O" if array.dtype.kind in "TUO" else "b" if array.dtype == np.int8 else array.dtype.kind
