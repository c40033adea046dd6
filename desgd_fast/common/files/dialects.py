"""How a table is written as text: its separators and decimals, told only where one reading makes sense."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from desgd_fast.common.check.values import given

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "blanks": " "}
DECIMALS = {"point": ".", "comma": ","}

# Numbers by what stands before their decimals, and entries that stand for a missing one.
NUMBER = {
    ".": re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)", re.I),
    ",": re.compile(r"[+-]?(?:(?:[0-9]+|[0-9]*,[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)", re.I),
}
MISSING = frozenset(("", "na", "n/a", "nan", "-nan", "null", "none", "<na>", "#n/a", "#na"))

_SPOKEN = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "blanks"}
# What may be thousands as well as decimals: 1,234.
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
# Two tabs with nothing between them hold an empty cell.
_EMPTY_BETWEEN_TABS = re.compile(r"^\t|\t *\t", re.M)
# A separator that no file holds: the whole line is one cell.
_WHOLE_LINE = "\x1f"

# A dialect is told from this much of a file, and the rest is held to it.
_HEAD_CHARACTERS = 2**20
_HEAD_RECORDS = 500

Record = tuple[int, list[str]]


def place(argument: str, label: str, line: int) -> str:
    return f"{argument}: {label!r}" + (f", line {line}" if line else "")


class Misread(ValueError):
    """A line that does not go with those above it."""

    def __init__(self, place: str, line: int, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.line = line


def records(argument: str, label: str, text: str, separator: str) -> Iterator[Record]:
    """(line, cells) of what is neither a comment above it all nor blank at an end; no cells: a blank line."""

    def lines() -> Iterator[str]:
        above = True
        for line in io.StringIO(text, newline=""):
            above = above and (not line.strip() or line.lstrip().startswith("#"))
            yield "\n" if above else line.replace("\t", " ") if separator == " " else line

    reader = csv.reader(lines(), delimiter=separator, skipinitialspace=True, strict=True)
    blank: list[Record] = []
    started, line = False, 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if len(cells) > 1 or any(cells):
                yield from blank
                yield line, cells
                started, blank = True, []
            elif started:
                blank.append((line, []))
            line = reader.line_num + 1
    except csv.Error as error:
        why = "more text behind a closing quote" if "expected after" in str(error) else str(error)
        raise Misread(place(argument, label, line), line, why) from None


def _used(cells: Sequence[str]) -> int:
    """Cells up to the last that is not empty."""
    return next((n for n in range(len(cells), 0, -1) if cells[n - 1]), 0)


def shape(argument: str, label: str, found: Iterator[Record] | Sequence[Record]) -> tuple[int, int]:
    """(n_columns, n_rows) of records that are equally long but for separators at their ends."""
    first_line, first, odd_line = 0, [""], 0
    widest, n_rows, n_blank = 0, 0, 0
    for line, cells in found:
        if not cells:
            n_blank += 1
            continue
        n_rows += 1
        if not first_line:
            first_line, first = line, cells
        used, length = _used(cells), len(cells)
        widest = max(widest, used)
        core = _used(first)
        if length != len(first):
            odd_line = odd_line or line
            if length < core or used > core:
                why = f"{used if length > core else length} cells where line {first_line} has {core}"
                raise Misread(place(argument, label, line), line, why)
    if odd_line and widest > _used(first):
        why = f"another number of separators than in line {first_line}"
        raise Misread(place(argument, label, odd_line), odd_line, why)
    if not widest:
        raise Misread(place(argument, label, 0), 0, "holds no values")
    return widest, n_rows + (n_blank if widest == 1 else 0)


@dataclass(frozen=True)
class Reading:
    """The head of a file under one dialect: which columns are numbers but for some odd entries."""

    separator: str
    decimal: str
    rows: list[list[str]]
    numeric: frozenset[int]
    complete: bool

    def options(self) -> str:
        """The words that choose this reading."""
        words = {mark: f"separator={name!r}" for name, mark in SEPARATORS.items()}
        decimals = {mark: f"decimal={name!r}" for name, mark in DECIMALS.items()}
        parts = [words[self.separator]] if self.separator in words else []
        return ", ".join([*parts, decimals[self.decimal]])

    def form(self) -> str:
        """In words."""
        parts = [f"separated by {_SPOKEN[self.separator]}"] if len(self.rows[0]) > 1 else []
        return ", ".join([*parts, *(["decimal commas"] if self.decimal == "," else [])])


class Reader:
    """Which dialect a text is written in."""

    def __init__(self, argument: str, label: str, text: str) -> None:
        self.argument, self.label = argument, label
        self.head = text[:_HEAD_CHARACTERS]
        self.cut = len(text) > len(self.head)

    def dialect(self, separator: str | None, decimal: str | None) -> Reading:
        """The only reading that makes sense."""
        # Commas are not taken for both unless both are said, or quotes tell them apart.
        sure_not = "," if separator is None else ""
        readings: list[Reading] = []
        failures: list[Misread] = []
        for mark in self._separators(separator):
            for point in DECIMALS.values() if decimal is None else (DECIMALS[decimal],):
                try:
                    reading = self._reading(mark, point, sure=decimal is not None and mark != sure_not)
                except Misread as error:
                    failures.append(error)
                    continue
                if reading is not None and (reading.rows, point) not in (
                    (r.rows, r.decimal) for r in readings
                ):
                    readings.append(reading)
        best = [r for r in readings if r.complete] or [r for r in readings if r.numeric]
        # More numbers between the same separators are the better reading of the decimals.
        best = [
            r for r in best if not any(r.separator == o.separator and r.numeric < o.numeric for o in best)
        ]
        if not best:
            raise self._no_numbers(readings, failures)
        if len(best) > 1:
            ways = " or ".join(
                f"{len(r.rows[0])} column{'s' * (len(r.rows[0]) > 1)} ({r.options()})" for r in best
            )
            raise ValueError(f"{place(self.argument, self.label, 0)} can be read as {ways}; say which")
        if decimal is None and best[0].decimal == ",":
            self._decimals_without_doubt(best[0])
        return best[0]

    def _separators(self, given: str | None) -> list[str]:
        if given is not None:
            return [SEPARATORS[given]]
        found = [mark for mark in SEPARATORS.values() if mark != " " and mark in self.head]
        if re.search(r"\S[ \t]+\S", self.head) and not _EMPTY_BETWEEN_TABS.search(self.head):
            found.append(" ")
        return [*found, _WHOLE_LINE]

    def _reading(self, separator: str, decimal: str, *, sure: bool) -> Reading | None:
        """None where decimal commas make no difference, or would be what separates a header's words."""
        found: list[Record] = []
        try:
            found.extend(islice(records(self.argument, self.label, self.head, separator), _HEAD_RECORDS))
        except Misread:
            if not self.cut:
                raise
        if self.cut and len(found) < _HEAD_RECORDS:
            # The last one may go on behind the head.
            found = found[:-1]
        width, _ = shape(self.argument, self.label, found)
        rows = [(cells + [""] * width)[:width] for _, cells in found if cells or width == 1]
        number = NUMBER[decimal].fullmatch
        if decimal == "," and not sure:
            commas = any("," in cell and number(cell) for row in rows for cell in row)
            header = any("," in cell and not number(cell) for cell in rows[0])
            if not commas or (header and separator in (" ", _WHOLE_LINE)):
                return None
        numeric, complete = set(), True
        for position, cells in enumerate(zip(*(rows[1:] or rows), strict=True)):
            present = [cell for cell in cells if cell.lower() not in MISSING]
            good = sum(1 for cell in present if number(cell))
            if 2 * good > len(present):
                numeric.add(position)
            complete = complete and 0 < good == len(present)
        return Reading(separator, decimal, rows, frozenset(numeric), complete)

    def _decimals_without_doubt(self, reading: Reading) -> None:
        """Commas that may stand between thousands, or behind row numbers, are not taken for decimal ones."""
        number = NUMBER[","].fullmatch
        cells = [cell for row in reading.rows for cell in row if "," in cell and number(cell)]
        whole = [cell.partition(",")[0] for cell in cells]
        numbered = len(whole) > 1 and any(whole == [str(k + n) for k in range(len(whole))] for n in (0, 1))
        if all(map(_THOUSANDS.fullmatch, cells)) or (numbered and reading.separator == _WHOLE_LINE):
            raise ValueError(
                f"{place(self.argument, self.label, 0)} holds numbers like {cells[0]}, whose comma may stand "
                "before decimals or not; say decimal='comma' if it does"
            )

    def _no_numbers(self, readings: list[Reading], failures: list[Misread]) -> ValueError:
        if failures:
            return max(failures, key=lambda error: error.line)
        widest = max(readings, key=lambda r: len(r.rows[0]), default=None)
        entry = "" if widest is None else next((c for c in (widest.rows[1:] or widest.rows)[0] if c), "")
        return ValueError(
            f"{place(self.argument, self.label, 0)} holds no column of numbers, but "
            f"entries like {given(entry)}"
        )
