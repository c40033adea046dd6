"""Published values beside our own, with the difference in standard errors."""

import csv
import math
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Row:
    """One published value beside ours.

    ``stderr`` is that of the difference, nan where the two cannot be compared; ``remark`` is empty where they
    must agree.
    """

    label: str
    place: float
    published: float
    ours: float
    stderr: float
    remark: str = ""

    @property
    def deviation(self) -> float:
        """(ours − published)/stderr, 0 where both are the same number, nan where they cannot be compared."""
        if math.isnan(self.stderr):
            return math.nan
        difference = self.ours - self.published
        return difference / self.stderr if difference else difference


@dataclass(frozen=True)
class Table:
    """Rows over ``label`` and ``place``, and remarks on the whole; prints as text."""

    label: str
    place: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def largest_deviation(self) -> float:
        """Over the rows that must agree."""
        return max((abs(row.deviation) for row in self._binding()), default=math.nan)

    def _binding(self) -> list[Row]:
        return [row for row in self.rows if not row.remark and not math.isnan(row.deviation)]

    def __str__(self) -> str:
        if not self.rows:
            return "\n".join(("no published values for this figure", *self.notes))
        width = max(len(self.label), *(len(row.label) for row in self.rows))
        lines = [f"{self.label:<{width}} {self.place:>10} {'published':>10} {'ours':>10} {'difference':>10}"]
        lines += [
            f"{row.label:<{width}} {row.place:>10.6g} {row.published:>10.4f} {row.ours:>10.4f} "
            f"{_standard_errors(row.deviation):>10}  {row.remark}".rstrip()
            for row in self.rows
        ]
        binding = self._binding()
        if binding:
            squares = [row.deviation**2 for row in binding]
            lines.append(
                f"{len(binding)} of {len(self.rows)} values must agree: they differ by at most "
                f"{self.largest_deviation:.1f} standard errors, "
                f"{math.sqrt(sum(squares) / len(squares)):.2f} in the root mean square"
            )
        return "\n".join((*lines, *self.notes))

    def write(self, path: "str | PathLike[str]") -> None:
        """As CSV."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([self.label, self.place, "published", "ours", "stderr", "deviation", "remark"])
            writer.writerows(
                [row.label, row.place, row.published, row.ours, row.stderr, row.deviation, row.remark]
                for row in self.rows
            )


def _standard_errors(deviation: float) -> str:
    return "-" if math.isnan(deviation) else f"{deviation:.1f} se"


def crossing(places: ArrayLike, values: ArrayLike, level: float) -> float:
    """Where the values first fall through a level, between points by a straight line; nan if nowhere."""
    x, y = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    for k in range(x.size - 1):
        if y[k] >= level > y[k + 1]:
            return float(x[k] + (x[k + 1] - x[k]) * (y[k] - level) / (y[k] - y[k + 1]))
    return math.nan
