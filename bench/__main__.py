"""``python -m bench``: print every ratio, write them as JSON, draw the scaling curves."""

import argparse
import importlib
import importlib.util
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from bench import _measure
from bench._measure import Case, Figure, in_words, significant

# Modules with a function cases(quick) -> Iterator[Case].
MODULES = (
    "simulation",
    "parts",
    "systems",
    "losses",
    "theory",
    "tails",
    "networks",
    "rows",
    "start",
    "sweeps",
)


def machine() -> dict[str, str | int]:
    """Return what the figures depend on, beside this package."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    packages = ("numba", "numpy", "scipy", "jax", "torch")
    found = {name: metadata.version(name) for name in packages if importlib.util.find_spec(name)}
    return {"processor": model, "cores": os.cpu_count() or 1, "python": platform.python_version(), **found}


def every_case(quick: bool) -> Iterator[Case]:
    """Yield the cases of every module, each made when its turn comes: some hold gigabytes."""
    for name in MODULES:
        yield from importlib.import_module(f"bench.{name}").cases(quick)


def line(figure: Figure) -> str:
    """One row of the printed table."""
    spread = f"[{significant(figure.ratio_low)}, {significant(figure.ratio_high)}]"
    times = f"{in_words(figure.numerator_seconds)} / {in_words(figure.denominator_seconds)} per {figure.unit}"
    verdict = {None: "", True: f"; {figure.goal}: met", False: f"; {figure.goal}: MISSED"}[figure.met]
    apart = "" if figure.difference is None else f"; results differ by {figure.difference:.1e}"
    return (
        f"{significant(figure.ratio):>9} {spread:20} {figure.name}{verdict}\n"
        f"{'':31}{figure.numerator} / {figure.denominator}\n{'':31}{times}{apart}"
    )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, default=_measure.RESULTS, metavar="FILE", help="where to write")
    parser.add_argument("--only", metavar="NAME", help="cases whose name holds NAME; the rest of FILE stays")
    parser.add_argument("--quick", action="store_true", help="short and rough; writes nothing")
    options = parser.parse_args()

    results, here = _measure.load(options.json), machine()
    if not options.only:
        results |= {"machine": here, "figures": {}}
    # The machine of the figures that say no other.
    results["machine"] = results["machine"] or here
    elsewhere = here["processor"] != results["machine"]["processor"]
    for case in every_case(options.quick):
        if options.only and options.only not in case.name:
            continue
        try:
            figure = _measure.measure(case, options.quick)
        except _measure.Skip as reason:
            print(f"{'skipped':>9} {'':20} {case.name}: {reason}", flush=True)
            continue
        print(line(figure), flush=True)
        results["figures"][case.name] = _measure.as_json(figure)
        if elsewhere:
            results["figures"][case.name]["processor"] = here["processor"]
        if not options.quick:
            _measure.save(options.json, results)


if __name__ == "__main__":
    main()
