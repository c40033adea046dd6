"""How the cost of a simulation grows with everything that it has a size in: ``python -m bench.scaling``.

Draws docs/scaling.png and puts the fitted exponents into results.json.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import networkx as nx
import numpy as np
from matplotlib import pyplot as plt

import desgd_fast as dsf
from bench import _measure
from bench._measure import Timed
from bench.simulation import simulation

PICTURE = Path(__file__).parent.parent / "docs" / "scaling.png"

# Told apart without colour: by marker and by dash.
STYLES = {"direct": "s:", "collapsed": "o-", "gram": "^--"}

Make = Callable[[str, int], Timed]


def ring(n_nodes: int) -> object:
    """Return the mixing matrix of a cycle."""
    return dsf.mixing_matrix(nx.cycle_graph(n_nodes))


def whole(timed: Timed) -> Timed:
    """Return the same call, all of it one unit of work."""
    return Timed(timed.call)


def of_nodes(engine: str, n: int) -> Timed:
    """A step of a run on a ring of n nodes, d = 200."""
    timed = simulation(engine, 32, max(4, 400 // n), weights=ring(n), dim=200, step_size=0.02)
    return Timed(timed.call, timed.work / n)


def of_dimension(engine: str, d: int) -> Timed:
    """A step of a node with d coordinates."""
    steps = max(2, (2000 if engine == "direct" else 20_000) // d) if engine != "gram" else 100
    return simulation(engine, 64, steps, dim=d, step_size=1 / (d + 10))


def of_batch(engine: str, b: int) -> Timed:
    """A step of a node with minibatches of b."""
    steps = max(2, 200 // b) if engine == "direct" else 100
    return simulation(engine, 64, steps, batch_size=b, step_size=0.005)


def of_runs(engine: str, r: int) -> Timed:
    """A simulation of r runs."""
    return whole(simulation(engine, r, 20, step_size=0.05))


def of_threads(engine: str, threads: int) -> Timed:
    """A simulation on so many threads, long enough for a pause of one of them to matter little."""
    steps = {"direct": 40, "collapsed": 160, "gram": 640}[engine]
    return whole(simulation(engine, 512, steps, step_size=0.05, threads=threads))


# label of the axis, what one unit of time is for, sizes, engines, clock
PANELS: dict[str, tuple[str, Make, tuple[int, ...], tuple[str, ...], str]] = {
    "nodes N": ("µs per step of one run", of_nodes, (2, 4, 8, 16, 32, 64), tuple(STYLES), "cpu"),
    "dimension d": ("µs per step of one node", of_dimension, (16, 64, 256, 1024, 4096), tuple(STYLES), "cpu"),
    "minibatch b": ("µs per step of one node", of_batch, (1, 4, 16, 64, 256), tuple(STYLES), "cpu"),
    "runs": ("µs per simulation", of_runs, (64, 128, 256, 512, 1024), tuple(STYLES), "cpu"),
    "threads": (
        "µs per simulation",
        of_threads,
        tuple(2**i for i in range((os.cpu_count() or 1).bit_length())),
        tuple(STYLES),
        "wall",
    ),
}


def curve(make: Make, engine: str, sizes: tuple[int, ...], clock: str, repeats: int) -> list[float]:
    """Seconds per unit of work at every size.

    Each round takes all sizes in turn. Other load slows a whole round, so each size enters through the
    median of its ratio to the first one of its round.
    """
    timed = [make(engine, size) for size in sizes]
    for each in timed:
        each.call()
    rounds = np.array([[_measure.seconds_per_unit(each, clock) for each in timed] for _ in range(repeats)])
    ratios = np.median(rounds / rounds[:, :1], axis=0)
    return [float(value) for value in np.median(rounds[:, 0]) * ratios]


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Slope of a straight line through the points in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """Measure every curve, fit, draw and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    figure, axes = plt.subplots(1, len(PANELS), figsize=(16, 4.4), layout="constrained")
    results = _measure.load(_measure.RESULTS)
    results["scaling"] = {}
    for axis, (name, (unit, make, sizes, engines, clock)) in zip(axes, PANELS.items(), strict=True):
        results["scaling"][name] = {"unit": unit, "sizes": sizes, "engines": {}}
        for engine in engines:
            seconds = curve(make, engine, sizes, clock, options.repeats)
            slope = exponent(sizes, seconds) if len(sizes) > 1 else np.nan
            axis.loglog(
                sizes,
                np.array(seconds) * 1e6,
                STYLES[engine],
                color=str(0.45 - 0.15 * list(STYLES).index(engine)),
                label=f"{engine}, exponent {slope:.2f}",
            )
            results["scaling"][name]["engines"][engine] = {
                "seconds": [float(f"{value:.4g}") for value in seconds],
                "exponent": round(slope, 3),
            }
            print(f"{name:12} {engine:10} exponent {slope:5.2f}", flush=True)
        axis.set(xlabel=name, ylabel=unit)
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    _measure.save(_measure.RESULTS, results)


if __name__ == "__main__":
    main()
