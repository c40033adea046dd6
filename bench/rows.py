"""Real rows: the engine that takes runs side by side, and the least that any could do.

Least squares on the diabetes records (442 × 10) of eight nodes on a ring, one row a step.
"""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

import desgd_fast as dsf
from bench._measure import Case, Timed, steps_of
from desgd_fast.common.memory import aligned_zeros
from desgd_fast.kernels.draw.samples import REPLACEMENT
from desgd_fast.kernels.jit.arithmetic import borrow, kept_apart, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Words, exact, kernel
from desgd_fast.kernels.jit.lanes import SAMPLES, load_entries, load_some, store_entries, zeros
from desgd_fast.kernels.loops.rows import Table, draw_rows

N_NODES, DIM, STEP_SIZE = 8, 10, 0.02
W = dsf.mixing_matrix(nx.cycle_graph(N_NODES))
DIABETES = Path(__file__).parents[1] / "examples" / "diabetes.csv"


@exact
def read_block(table: Table, key: Words, n_steps: int, first_run: int, drawn: Integers, sums: Reals) -> None:
    """Draw the rows of SAMPLES runs step by step, and add up each as it lies in memory."""
    kept_apart()
    wide_vectors()
    key, drawn, sums, entries = borrow(key), borrow(drawn), borrow(sums), borrow(table.entries)
    sizes, offsets, bounds = borrow(table.batch_sizes), borrow(table.offsets), borrow(table.bounds)
    table = Table(entries, table.kind, sizes, offsets, bounds)
    width, n_nodes = entries.shape[1], sizes.size
    rest = width % SAMPLES
    total, other = zeros(), zeros()
    for step in range(n_steps):
        draw_rows(table, 0, n_nodes, key, np.uint64(step), np.uint64(first_run), drawn)
        for node in range(np.uint64(n_nodes)):
            for r in range(np.uint64(SAMPLES)):
                place = (drawn[np.uint64(0), node * np.uint64(SAMPLES) + r] + offsets[node]) * width
                for t in range(0, width - rest, SAMPLES):
                    total = total + load_entries(entries, place + t)
                if rest:
                    other = other + load_some(entries, place + width - rest, rest)
    store_entries(sums, 0, total + other)


@kernel()
def read_rows(table: Table, key: Words, n_steps: int, n_runs: int, sums: Reals) -> None:
    """:func:`read_block` for every SAMPLES runs, one row a step."""
    drawn = np.empty((4, table.batch_sizes.size * SAMPLES), np.int64)
    for first_run in range(0, n_runs, SAMPLES):
        read_block(table, key, n_steps, first_run, drawn, sums)


def floor(n_runs: int, n_steps: int) -> Timed:
    """Drawing row numbers, and streaming the rows; a unit of work is a step of one node."""
    part = dsf.DatasetRegression.from_csv(DIABETES, "target").partition(N_NODES, 1)
    entries = aligned_zeros(part.targets.size, DIM + 2)
    entries[:, :DIM], entries[:, DIM] = part.features, part.targets
    bounds = np.ones((4, N_NODES), np.uint64)
    bounds[0] = part.shares
    table = Table(entries, REPLACEMENT, np.ones(N_NODES, np.int64), part.offsets, bounds)
    key, sums = np.zeros(2, np.uint64), np.empty(SAMPLES)
    return Timed(lambda: read_rows(table, key, n_steps, n_runs, sums), n_runs * n_steps * N_NODES)


def simulation(problem: Any, n_runs: int, n_steps: int, engine: str = "auto") -> Timed:
    """Minibatches of one on the graph of this file."""
    options = {"step_size": STEP_SIZE, "batch_size": 1, "engine": engine}
    return steps_of(problem, W, n_runs=n_runs, n_steps=n_steps, **options)


def diabetes() -> Timed:
    """The engine at work."""
    return simulation(dsf.DatasetRegression.from_csv(DIABETES, "target"), 256, 2000)


def cases(quick: bool) -> list[Case]:
    """Every ratio about real rows."""
    data = "diabetes 442 × 10, N=8, b=1"
    return [
        Case(
            "rows-collapsed",
            f"simulate, {data}",
            "collapsed engine, N=8, d=10, b=1",
            lambda: (
                diabetes(),
                simulation(dsf.GaussianRegression(dim=DIM, noise_std=3.0), 256, 2000, "collapsed"),
            ),
            "≤ 0.7",
        ),
        Case(
            "rows-floor",
            f"simulate, {data}",
            "drawing the row numbers and streaming the rows",
            lambda: (diabetes(), floor(256, 2000)),
            "≤ 2",
        ),
    ]
