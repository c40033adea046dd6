"""The Zarr arrays of a sweep: one per coordinate and field, plus the status of every cell, written last.

Every write of a chunk is atomic, and overwrites finished cells with what they already hold. A cell counts as
finished once its status says so, which is written after all its fields: whatever instant a kill hits,
statuses never promise more than the arrays hold.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.sweeps.grid import Job
from desgd_fast.sweeps.records import FAILURE, STATUS, Field, Fields
from desgd_fast.sweeps.store import Folder

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
class Column:
    """Kind and own axes of a variable, wide enough for the values of all cells seen."""

    kind: str
    dims: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, field: Field) -> "Column":
        """The column that holds just this."""
        return cls(field.kind, field.dims, field.values.shape)

    def holding(self, other: "Column") -> "Column":
        """The least column that holds what both hold; it does not matter which comes first."""
        kind = max(self.kind, other.kind, key=_KINDS.index)
        low, high = sorted((self, other), key=lambda column: (len(column.dims), column.dims))
        dims = low.dims if len(low.dims) == len(high.dims) else high.dims
        padded = (1,) * (len(high.sizes) - len(low.sizes)) + low.sizes
        return Column(kind, dims, tuple(map(max, padded, high.sizes)))


class Arrays:
    """The arrays of one sweep in a folder."""

    def __init__(self, job: Job, folder: Folder) -> None:
        self.job = job
        self.folder = folder
        self.columns: dict[str, Column] = {}
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
        for name in self._arrays.keys() - {STATUS, FAILURE} - self.job.labels(0).keys():
            array: Any = self._arrays[name]
            kind = "O" if array.dtype.kind in "TUO" else "b" if array.dtype == np.int8 else array.dtype.kind
            dims = tuple(str(dim) for dim in array.metadata.dimension_names[depth:])
            self.columns[name] = Column(kind, dims, array.shape[depth:])
        return self.status()

    def reset(self) -> None:
        """Let all cells wait again, and drop the columns."""
        # The status first and last: without one, or with one of another shape, nothing else counts.
        for name in (STATUS, *(self._arrays.keys() - {STATUS})):
            self.folder.delete_folder(name)
        self.columns, self._arrays = {}, {}
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
        longest: dict[str, int] = {}
        for column in columns.values():
            for dim, size in zip(column.dims, column.sizes, strict=True):
                longest[dim] = max(size, longest.get(dim, 0))
        return {
            name: replace(column, sizes=tuple(longest[dim] for dim in column.dims))
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
        order = [*self.job.labels(0), *self.columns, STATUS, FAILURE]
        metadata = {name: json.loads(self.folder.read(f"{name}/zarr.json") or b"") for name in order}
        root = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": dict(attributes),
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
        }
        self.folder.write("zarr.json", json.dumps(root, indent=1).encode())

    def _dims(self, column: Column) -> tuple[str, ...]:
        return (*(axis.name for axis in self.job.axes), *column.dims)

    def _make_empty(self) -> None:
        for axis in self.job.axes:
            labels = np.array(axis.labels, dtype=object if isinstance(axis.labels[0], str) else None)
            self._make(axis.name, Column(labels.dtype.kind), labels.shape, (axis.name,))
            self._arrays[axis.name][:] = labels
            self._settle(axis.name, labels.dtype.kind, complete=True)
        self._make(FAILURE, Column("O"), self.job.shape, self._dims(Column("O")))
        self._make(STATUS, Column("b"), self.job.shape, self._dims(Column("b")), WAITING)
        meaning: Any = {"flag_values": [WAITING, DONE, FAILED], "flag_meanings": "waiting done failed"}
        self._arrays[STATUS].attrs.put(meaning)

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
        values = values.reshape((1,) * (len(column.sizes) - values.ndim) + values.shape)
        whole[tuple(slice(size) for size in values.shape)] = values
    return whole


def _as_text(number: complex) -> str:
    """The same for a number and for what wider types make of it; empty for nan, which is missing."""
    if number != number:
        return ""
    return repr(number if number.imag else number.real)


def _trimmed(stored: NDArray[Any], column: Column) -> Field | None:
    """A field that :func:`_padded` turns into what is stored; None if all is missing."""
    if column.kind not in "bi":
        return Field(column.dims, np.asarray(stored, dtype=object) if column.kind == "O" else stored)
    there = np.argwhere(stored != _MISSING[column.kind])
    if not len(there):
        return None
    box = stored[tuple(slice(int(last) + 1) for last in there.max(axis=0))]
    return Field(column.dims, box.astype(bool) if column.kind == "b" else box)
