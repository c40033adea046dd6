"""Ratios of times: two calls run in turn (A B A B …) in one process, medians and their spread.

A machine's speed drifts by more than most effects worth measuring, but hardly from one call to the next:
each pair of neighbouring calls gives one ratio, and the median over many short pairs is what counts.
"""

import json
import operator
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

import desgd_fast as dsf

# The clock of a process leaves out what other processes take; the wall's is the one users feel.
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
RESULTS = Path(__file__).parent / "results.json"


class Skip(Exception):
    """Why a case cannot be measured here."""


@dataclass(frozen=True)
class Timed:
    """A call, and how many units of work it does."""

    call: Callable[[], object]
    work: float = 1.0


def steps_of(problem: Any, weights: Any, *, n_runs: int, n_steps: int, **options: Any) -> Timed:
    """A call of ``simulate`` that keeps norms, by default on one thread; a unit is a step of one node."""
    n_nodes = dsf.mixing.as_process("weights", weights).n_nodes
    asked = {"keep": "norms", "rng": 0, "threads": 1, "n_runs": n_runs, "n_steps": n_steps} | options
    return Timed(lambda: dsf.simulate(problem, weights, **asked), n_runs * n_steps * n_nodes)


@dataclass(frozen=True)
class Case:
    """The time of ``numerator`` over the time of ``denominator``, each per unit of its own work.

    ``prepare`` builds both when the case's turn comes; it may raise :class:`Skip`. ``goal`` is a bound on the
    ratio such as "≤ 1.4", or on the seconds of the numerator, such as "≤ 15 s"; "" sets none. One thread
    is timed by the clock "cpu", several by the "wall"; calls that return their own seconds, as fresh
    processes do, by "own". ``seconds`` is the time to spend on repeats. ``difference`` is the largest
    relative difference of the two results, where they are comparable: that both did the same work.
    """

    name: str
    numerator: str
    denominator: str
    prepare: Callable[[], tuple[Timed, Timed]]
    goal: str = ""
    unit: str = "step of one node"
    clock: str = "cpu"
    seconds: float = 4.0
    least_repeats: int = 5
    note: str = ""
    difference: Callable[[], float] | None = None


@dataclass(frozen=True)
class Figure:
    """What was measured: medians over interleaved repeats, quartiles of the ratio, seconds per unit."""

    name: str
    numerator: str
    denominator: str
    unit: str
    goal: str
    met: bool | None
    ratio: float
    ratio_low: float
    ratio_high: float
    numerator_seconds: float
    denominator_seconds: float
    repeats: int
    clock: str
    note: str
    difference: float | None


def measure(case: Case, quick: bool = False) -> Figure:
    """Run the case's two calls in turn for its time."""
    numerator, denominator = case.prepare()
    if case.clock != "own":  # a fresh process has nothing to warm up, but a cache to fill
        numerator.call()
    denominator.call()
    end = time.perf_counter() + (case.seconds / 8 if quick else case.seconds)
    least = min(3, case.least_repeats) if quick else case.least_repeats
    times: list[tuple[float, float]] = []
    while len(times) < least or time.perf_counter() < end:
        times.append((seconds_per_unit(numerator, case.clock), seconds_per_unit(denominator, case.clock)))
    above, below = np.array(times).T
    low, ratio, high = np.percentile(above / below, [25, 50, 75])
    seconds = float(np.median(above))
    return Figure(
        name=case.name,
        numerator=case.numerator,
        denominator=case.denominator,
        unit=case.unit,
        goal=case.goal,
        met=meets(case.goal, float(ratio), seconds),
        ratio=float(ratio),
        ratio_low=float(low),
        ratio_high=float(high),
        numerator_seconds=seconds,
        denominator_seconds=float(np.median(below)),
        repeats=len(times),
        clock=case.clock,
        note=case.note,
        difference=case.difference() if case.difference else None,
    )


def seconds_per_unit(timed: Timed, clock: str) -> float:
    """Seconds per unit of work of one call."""
    if clock == "own":
        return float(cast(float, timed.call())) / timed.work
    now = CLOCKS[clock]
    start = now()
    timed.call()
    return (now() - start) / timed.work


def meets(goal: str, ratio: float, seconds: float) -> bool | None:
    """Whether a figure reaches its goal; None if it has none."""
    if not goal:
        return None
    sign, bound, *unit = goal.split()
    compare = {"≤": operator.le, "≥": operator.ge}[sign]
    return bool(compare(seconds if unit else ratio, float(bound)))


def fastest(candidates: dict[str, Timed]) -> tuple[str, Timed]:
    """The configuration that does most work per second, each run twice and timed once."""
    best, best_time = "", np.inf
    for name, timed in candidates.items():
        timed.call()
        start = time.perf_counter()
        timed.call()
        taken = (time.perf_counter() - start) / timed.work
        if taken < best_time:
            best, best_time = name, taken
    return best, candidates[best]


def in_words(seconds: float) -> str:
    """A time in the unit that leaves it between 1 and 1000."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def significant(value: float) -> str:
    """Three digits, or all of a larger integer."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def load(path: Path) -> dict[str, Any]:
    """The JSON of earlier measurements; an empty document if there is none."""
    empty: dict[str, Any] = {"machine": {}, "figures": {}, "scaling": {}}
    return empty | json.loads(path.read_text(encoding="utf-8")) if path.exists() else empty


def save(path: Path, results: dict[str, Any]) -> None:
    """Write measurements as JSON that a diff can show."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def as_json(figure: Figure) -> dict[str, Any]:
    """The figure with its times to four digits."""
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in asdict(figure).items()
    }
