"""Tables of numbers in files: one reader for all of them, which refuses what it would have to guess."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.values import choice, given
from desgd_fast.common.files import contents
from desgd_fast.common.files.dialects import (
    DECIMALS,
    MISSING,
    NUMBER,
    SEPARATORS,
    Reader,
    Reading,
    place,
    records,
    shape,
)

_WHOLE = re.compile(r"[0-9]+")
# How pandas calls a column without a name when it writes one that it has read.
_UNNAMED = re.compile(r"|Unnamed: [0-9]+")
_YEARS = (1900, 2100)
_CHUNK = 2**13
# 1.234.567,8 and 1,234,567.8, which no reading of decimals makes a number.
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}([.,' ][0-9]{3})+([.,][0-9]+)?")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of numbers as a file has them.

    Attributes
    ----------
    argument, label : str
        What to call the file in messages: the argument that names it, and its own name.
    names : tuple of str
        One a column; empty without a header. Columns are numbered from 0 as they stand in the file.
    values : (n_columns, n_rows) array
        nan where an entry is missing, or no number.
    lines : (n_rows,) array
        The line of each row, for messages; empty where the file has no lines.
    odd : dict of int to (int, str)
        Columns with entries that are no numbers: the line of the first one, and the entry.
    n_row_numbers : int
        So many first columns hold row numbers, written without a name, and are no data.
    form : str
        How the table is written, in words.
    """

    argument: str
    label: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    lines: NDArray[np.int64]
    odd: dict[int, tuple[int, str]]
    n_row_numbers: int
    form: str

    def notes(self) -> tuple[str, ...]:
        """What of the file is no data."""
        if not self.n_row_numbers:
            return ()
        which = "the first column" if self.n_row_numbers == 1 else f"the first {self.n_row_numbers} columns"
        return (f"{self.label!r}: {which}, row numbers without a name, left out",)

    def describe(self) -> str:
        """What was read, in a line."""
        n_columns, n_rows = self.values.shape
        size = f"{n_rows} row{'s' * (n_rows != 1)} of {n_columns} column{'s' * (n_columns != 1)}"
        return ", ".join(part for part in (f"{self.label}: {size}", self.form) if part)

    def column(self, argument: str, which: str | None) -> int:
        """Position of a column by its name or number; None stands for the only one."""
        own = range(self.n_row_numbers, len(self.values))
        listed = [repr(name) for name in self.names[self.n_row_numbers :] if name][:20]
        choices = f"the columns {', '.join(listed)}" if listed else f"the numbers {own[0]} to {own[-1]}"
        if which is None:
            if len(own) > 1:
                raise ValueError(f"{argument} must name one of {choices}, got none")
            return own[0]
        found = {j for j in own if self.names and self.names[j] == which}
        if which.isascii() and which.isdecimal() and int(which) in own:
            found.add(int(which))
        if not found:
            raise ValueError(f"{argument} must be one of {choices}, got {given(which)}")
        if len(found) > 1:
            raise ValueError(f"{argument}: {which!r} is the name of one column and the number of another")
        return found.pop()

    def numbers(self, position: int) -> NDArray[np.float64]:
        """The entries of a column, nan where one is missing."""
        if position in self.odd:
            line, entry = self.odd[position]
            hint = "; thousands are not to be separated" if _THOUSANDS.fullmatch(str(entry)) else ""
            raise ValueError(
                f"{self._at(line)}: {self.called(position)} is not numeric, it holds {given(entry)}{hint}"
            )
        return np.asarray(self.values[position])

    def complete(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Names, and the (n_rows, n_columns) entries, all of them finite numbers and every column named."""
        own = range(self.n_row_numbers, len(self.values))
        if len(own) < 2:
            raise ValueError(
                f"{self.argument} must hold a target and at least one feature, got {len(own)} column in "
                f"{self.label!r}"
            )
        for position in own:
            if self.names and not self.names[position]:
                raise ValueError(
                    f"{self.argument}: column {position} of {self.label!r} has no name; name or remove it"
                )
        table = np.stack([self.numbers(position) for position in own])
        for kind, found in (("missing", np.isnan(table)), ("infinite", np.isinf(table))):
            if found.any():
                first = int(np.argmax(found.any(axis=0)))
                counts = zip(own, np.count_nonzero(found, axis=1).tolist(), strict=True)
                where = ", ".join(f"{self.called(position)} {n}" for position, n in counts if n)
                raise ValueError(
                    f"{self._at(int(self.lines[first]) if self.lines.size else 0)}: the first of "
                    f"{np.count_nonzero(found.any(axis=0))} rows with {kind} values ({where}); fill or drop "
                    "them"
                )
        names = self.names[own.start :] or tuple(map(str, own))
        return names, np.ascontiguousarray(self.values[own.start :].T)

    def called(self, position: int) -> str:
        """A column in words."""
        named = self.names and self.names[position]
        return f"column {self.names[position]!r}" if named else f"column {position}"

    def _at(self, line: int) -> str:
        return place(self.argument, self.label, line)


def read(
    argument: str,
    path: Any,
    *,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Table:
    r"""The table in a file: CSV with any usual separator, gzipped or not, .npy or .npz.

    What is not said is read off the file where only one reading makes sense, and refused where several do.

    Parameters
    ----------
    argument : str
        What to call the file in messages.
    path : str or path
        The file; told by how it begins, not by its suffix.
    header : bool, optional
        Whether the first line holds the columns' names.
    separator : {"comma", "semicolon", "tab", "blanks"}, optional
        What stands between two cells.
    decimal : {"point", "comma"}, optional
        What stands before the decimals.

    Raises
    ------
    ValueError, TypeError
        If the file is absent, damaged, ragged, no table of numbers, or can be read in more than one way; the
        message names the file and the line.

    Examples
    --------
    >>> from pathlib import Path; from tempfile import mkdtemp
    >>> from desgd_fast.common.files import tables
    >>> path = Path(mkdtemp(), "data.csv")
    >>> _ = path.write_text("time;size\n1;0,5\n2;12,25\n")
    >>> table = tables.read("path", path)
    >>> table.names, table.values.tolist()
    (('time', 'size'), [[1.0, 2.0], [0.5, 12.25]])
    """
    data = contents.content(argument, path)
    return parse(argument, str(path), data, header=header, separator=separator, decimal=decimal)


def parse(
    argument: str,
    label: str,
    data: bytes,
    *,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Table:
    """The table in the bytes of a file; see :func:`read`."""
    if separator is not None:
        choice("separator", separator, SEPARATORS)
    if decimal is not None:
        choice("decimal", decimal, DECIMALS)
    data = contents.unpacked(argument, label, data)
    if data.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        for name, value in (("header", header), ("separator", separator), ("decimal", decimal)):
            if value is not None:
                raise ValueError(f"{name} is for text, but {label!r} holds arrays of NumPy, got {value!r}")
        return _from_arrays(argument, label, data)
    text = contents.text(argument, label, data)
    dialect = Reader(argument, label, text).dialect(separator, decimal)
    return _from_text(argument, label, text, dialect, header)


def _from_text(argument: str, label: str, text: str, reading: Reading, header: bool | None) -> Table:
    first_line, first = next(records(argument, label, text, reading.separator))
    below = _regular_rows(text, reading, first_line)
    if below is None:
        first, values, lines, odd = _cell_by_cell(argument, label, text, reading)
    else:
        first = first[: below.shape[1]]
        values = np.concatenate([np.full((below.shape[1], 1), np.nan), below.T], axis=1)
        lines, odd = np.arange(first_line, first_line + values.shape[1]), {}
    n_rows = values.shape[1]
    words = {j: (first_line, entry) for j, entry in _convert(first, values[:, 0], reading.decimal)}
    if header is None:
        header = n_rows > 1 and _has_header(argument, label, first, words, values[:, 1:], reading)
    form = reading.form()
    if not header:
        return Table(argument, label, (), values, lines, odd | words, 0, form)
    twice = [name for name, count in Counter(filter(None, first)).items() if count > 1]
    if twice:
        raise ValueError(
            f"{place(argument, label, first_line)}: the name {twice[0]!r} stands over two columns"
        )
    if n_rows == 1:
        raise ValueError(f"{place(argument, label, first_line)}: a header, but no rows below it")
    form = ", ".join(filter(None, (form, f"header in line {first_line}")))
    values, lines = values[:, 1:], lines[1:]
    n_row_numbers = _row_numbers(first, values, odd)
    return Table(argument, label, tuple(first), values, lines, odd, n_row_numbers, form)


def _regular_rows(text: str, reading: Reading, first_line: int) -> NDArray[np.float64] | None:
    """(n_rows, n_columns) numbers below the first line by NumPy's reader, which is ten times as fast.

    None where a text is not that regular, and has to be read cell by cell.
    """
    if not reading.complete or '"' in text or (reading.decimal == "," == reading.separator):
        return None
    plain = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    plain = plain.replace(",", ".") if reading.decimal == "," else plain
    mark = None if reading.separator == " " else reading.separator
    n_rows = plain.count("\n") + 1 - first_line
    if not n_rows:
        return None
    try:
        # No comments, no blank lines: both would be skipped.
        found = np.loadtxt(io.StringIO(plain), delimiter=mark, skiprows=first_line, comments=None, ndmin=2)
    except ValueError:
        return None
    return found if found.shape == (n_rows, len(reading.rows[0])) else None


def _cell_by_cell(
    argument: str, label: str, text: str, reading: Reading
) -> tuple[list[str], NDArray[np.float64], NDArray[np.int64], dict[int, tuple[int, str]]]:
    """The first record's cells, the numbers of the others, every row's line, and what is no number."""
    width, n_rows = shape(argument, label, records(argument, label, text, reading.separator))
    rows = (
        (line, (cells + [""] * width)[:width])
        for line, cells in records(argument, label, text, reading.separator)
        if cells or width == 1
    )
    values, lines = np.full((width, n_rows), np.nan), np.empty(n_rows, np.int64)
    lines[0], first = next(rows)
    odd: dict[int, tuple[int, str]] = {}
    for start in range(1, n_rows, _CHUNK):
        numbered = list(islice(rows, _CHUNK))
        block = slice(start, start + len(numbered))
        lines[block] = [line for line, _ in numbered]
        for j, cells in enumerate(zip(*(cells for _, cells in numbered), strict=True)):
            for row, entry in _convert(cells, values[j, block], reading.decimal):
                odd.setdefault(j, (int(lines[start + row]), entry))
    return first, values, lines, odd


def _convert(cells: Sequence[str], out: NDArray[np.float64], decimal: str) -> list[tuple[int, str]]:
    """Cells as numbers into ``out``; the places and words of those that are none, which stay nan."""
    number = NUMBER[decimal].fullmatch
    if all(map(number, cells)):
        out[:] = [float(cell.replace(",", ".")) for cell in cells]
        return []
    found = []
    for at, cell in enumerate(cells):
        if number(cell):
            out[at] = float(cell.replace(",", "."))
        elif cell.lower() not in MISSING:
            found.append((at, cell))
    return found


def _counts_up(values: NDArray[np.float64]) -> bool:
    """Whether these are 0, 1, 2, … or 1, 2, 3, … in order."""
    return bool(values.size and values[0] in (0, 1) and (values == values[0] + np.arange(values.size)).all())


def _row_numbers(names: Sequence[str], values: NDArray[np.float64], odd: dict[int, tuple[int, str]]) -> int:
    """How many first columns, all but the last one at most, hold distinct whole numbers and have no name."""
    found = 0
    while found < len(names) - 1 and _UNNAMED.fullmatch(names[found]) and found not in odd:
        column = values[found]
        if not (np.isfinite(column) & (column >= 0) & (column == np.floor(column))).all():
            break
        if np.unique(column).size < column.size:
            break
        found += 1
    return found


def _has_header(
    argument: str,
    label: str,
    first: Sequence[str],
    words: dict[int, tuple[int, str]],
    below: NDArray[np.float64],
    reading: Reading,
) -> bool:
    """Whether the first line names the columns: words over numbers do, numbers unlike those below may."""
    named = [first[j] for j in reading.numeric & words.keys()]
    if any(name[0].isalpha() or name[0] == "_" for name in named):
        return True
    if not named and not first[0] and len(first) > 1 and _counts_up(below[0]):
        return True
    over = [j for j in sorted(reading.numeric) if first[j].lower() not in MISSING]
    labels = [first[j] for j in over]
    # What begins like a number over numbers may be a damaged one.
    doubt = bool(named) or (bool(words) and not labels)
    if labels and all(map(_WHOLE.fullmatch, labels)):
        # Whole numbers over numbers with decimals, or what tables count or date their columns with.
        whole = any(_WHOLE.fullmatch(row[j]) for row in reading.rows[1:] for j in over)
        figures = [float(entry) for entry in labels]
        columns = range(len(labels))
        counted = figures == [*columns] or (len(labels) > 1 and figures == [j + 1 for j in columns])
        dated = all(_YEARS[0] <= figure <= _YEARS[1] for figure in figures) and not all(
            np.median((below[j] >= _YEARS[0]) & (below[j] <= _YEARS[1])) for j in over
        )
        doubt = doubt or not whole or counted or dated
    if doubt:
        raise ValueError(
            f"{place(argument, label, 0)}: the first line ({', '.join(first[:5])}) may be a header or a row; "
            "say header=True or header=False"
        )
    return False


def _from_arrays(argument: str, label: str, data: bytes) -> Table:
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"": loaded}
    except Exception as error:
        # numpy passes on whatever zipfile and its own parsers raise.
        raise ValueError(
            f"{argument} must hold arrays of numbers, got {label!r}: {str(error) or type(error).__name__}"
        ) from None
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError(
            f"{argument} must hold arrays of NumPy, got {label!r}: an archive without or of others"
        )
    if len(arrays) == 1:
        (array,) = arrays.values()
        if array.dtype.names:
            arrays = {name: array[name] for name in array.dtype.names}
        elif array.ndim == 2:
            arrays = {str(j): column for j, column in enumerate(array.T)}
        names = tuple(arrays) if array.dtype.names else ()
    else:
        names = tuple(arrays)
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(
            f"{argument} must hold a vector, a table, or vectors of one length, got {label!r} with shapes "
            f"{', '.join(str(array.shape) for array in arrays.values())}"
        )
    (n_rows,) = shapes.pop()
    if not n_rows:
        raise ValueError(f"{argument} must hold numbers, got none in {label!r}")
    values, odd = np.full((len(arrays), n_rows), np.nan), {}
    for j, array in enumerate(arrays.values()):
        if array.dtype.kind in "fiu":
            values[j] = array
        else:
            odd[j] = (0, str(array[0]))
    return Table(argument, label, names, values, np.empty(0, np.int64), odd, 0, "an array of NumPy")
