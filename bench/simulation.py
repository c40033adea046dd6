"""The engines against others' code, against each other, and against the time of their own random numbers.

Eight nodes on a ring, 100 coordinates, minibatches of 5, unless a case says otherwise.
"""

import os
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse

import desgd_fast as dsf
from bench import peers
from bench._measure import Case, Timed, steps_of
from desgd_fast.kernels.draw.normals import draw_normals
from desgd_fast.kernels.draw.random import FEATURES
from desgd_fast.loop.layout import Layout

DIM, BATCH_SIZE, STEP_SIZE = 100, 5, 0.16
W = dsf.mixing_matrix(nx.cycle_graph(8))
RING = peers.Setting(W.toarray(), DIM, BATCH_SIZE, STEP_SIZE)

# Steps of one call: a call of simulate has a fixed cost, small against those that users run.
STEPS = {"collapsed": 500, "direct": 100}

Prepare = Callable[[], tuple[Timed, Timed]]


def simulation(
    engine: str,
    n_runs: int,
    n_steps: int,
    *,
    weights: Any = W,
    dim: int = DIM,
    batch_size: int = BATCH_SIZE,
    step_size: float = STEP_SIZE,
    threads: int | None = 1,
    dtype: str = "float64",
    algorithm: dsf.algorithms.Algorithm = dsf.algorithms.sgd(),  # noqa: B008
) -> Timed:
    """A call of ``simulate`` that keeps norms; its unit of work is one step of one node."""
    return steps_of(
        dsf.GaussianRegression(dim=dim, noise_std=3.0),
        weights,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=n_steps,
        n_runs=n_runs,
        engine=engine,
        threads=threads,
        dtype=dtype,
        algorithm=algorithm,
    )


def normals(per_node_step: int, dtype: str = "float64") -> Timed:
    """Our own fill, in rows as the engine draws them, kept in cache; a unit of work is a step of one node."""
    out = Layout.of(8, DIM).zeros(1, dtype)[0]
    key, zero = np.zeros(2, np.uint64), np.uint64(0)

    def run() -> None:
        for step in range(320):
            draw_normals(key, FEATURES, np.uint64(step), zero, zero, out)

    return Timed(run, 320 * out.size / per_node_step)


def numpy_normals(count: int) -> Timed:
    """NumPy's Generator, default bits, into a buffer kept in cache; the unit of work is one normal."""
    generator, out = np.random.default_rng(0), np.empty(count)

    def run() -> None:
        for _ in range(20):
            generator.standard_normal(out=out)

    return Timed(run, 20 * count)


def against_jax(engine: str, n_runs: int, collapsed: bool, quick: bool, dtype: str = "float64") -> Prepare:
    """Prepare JAX at its best against an engine, both on all cores."""
    sizes = (16,) if quick else (1, 16, 64, 256)

    def prepare() -> tuple[Timed, Timed]:
        chosen, peer = peers.batched_jax(RING, 20, sizes, collapsed, dtype)
        print(f"  (JAX at its best: {chosen})")
        return peer, simulation(engine, n_runs, STEPS[engine], threads=None, dtype=dtype)

    return prepare


def against_torch(quick: bool) -> Prepare:
    """Prepare PyTorch at its best against the collapsed engine, both on all cores."""

    def prepare() -> tuple[Timed, Timed]:
        chosen, peer = peers.batched_torch(RING, 10, (16,) if quick else (1, 16, 64, 256))
        print(f"  (PyTorch at its best: {chosen})")
        return peer, simulation("collapsed", 256, 100, threads=None)

    return prepare


def against_numpy(engine: str, n_runs: int, quick: bool) -> Prepare:
    """Prepare batched NumPy at its best against an engine, one core each."""

    def prepare() -> tuple[Timed, Timed]:
        chosen, peer = peers.batched_numpy(RING, 10, (16,) if quick else (1, 4, 16, 64, 256))
        print(f"  (NumPy at its best: {chosen})")
        return peer, simulation(engine, n_runs, 100)

    return prepare


def one_node() -> tuple[Timed, Timed]:
    """Prepare C-SGD with d = b = 1000, batched NumPy against what ``auto`` takes."""
    setting = peers.Setting(np.ones((1, 1)), 1000, 1000, 0.5)
    _, peer = peers.batched_numpy(setting, 1, (1, 4))
    alone = simulation(
        "auto", 1600, 500, weights=sparse.eye_array(1), dim=1000, batch_size=1000, step_size=0.5
    )
    return peer, alone


def large_graph(n_nodes: int) -> tuple[peers.Setting, dict[str, Any]]:
    """Return a random graph of degree 4 with d = 10, as others need it and as ``simulation`` does."""
    weights = dsf.mixing_matrix(nx.random_regular_graph(4, n_nodes, seed=0))
    setting = peers.Setting(weights, 10, BATCH_SIZE, 0.2)
    return setting, {"weights": weights, "dim": 10, "step_size": 0.2}


def large_against_numpy(n_nodes: int) -> Prepare:
    """Prepare one run of the large graph, NumPy with SciPy's sparse product against ours, one core each."""

    def prepare() -> tuple[Timed, Timed]:
        setting, ours = large_graph(n_nodes)
        return peers.sparse_numpy(setting, 2), simulation("collapsed", 1, 200, **ours)

    return prepare


def large_on_two_threads(n_nodes: int) -> Prepare:
    """Prepare one run of the large graph, nodes in parallel."""

    def prepare() -> tuple[Timed, Timed]:
        _, ours = large_graph(n_nodes)
        return simulation("collapsed", 1, 200, **ours), simulation("collapsed", 1, 200, threads=2, **ours)

    return prepare


def two_threads(engine: str, n_runs: int, n_steps: int) -> Prepare:
    """Prepare the same simulation on one thread and on two."""
    return lambda: (simulation(engine, n_runs, n_steps), simulation(engine, n_runs, n_steps, threads=2))


# Algorithms that need the general loop, links that fail, and what they may cost over plain steps.
GENERAL = (
    ("heavy-ball", dsf.algorithms.heavy_ball(0.9), W, "≤ 1.25"),
    ("nesterov", dsf.algorithms.nesterov(0.9), W, "≤ 1.25"),
    ("gradient-tracking", dsf.algorithms.gradient_tracking(), W, "≤ 1.45"),
    ("link-failures", dsf.algorithms.sgd(), dsf.mixing.link_failures(W, 0.1), "≤ 1.3"),
    ("pairwise-gossip", dsf.algorithms.sgd(), dsf.mixing.pairwise_gossip(nx.cycle_graph(8)), "≤ 1.3"),
    ("random-matching", dsf.algorithms.sgd(), dsf.mixing.random_matching(nx.cycle_graph(8)), "≤ 1.3"),
)


# What compressing and aggregating cost over plain steps with the same matrix: ring, or everybody's mean.
EVERYBODY = {n_nodes: np.full((n_nodes, n_nodes), 1 / n_nodes) for n_nodes in (8, 64)}
SENT = (
    ("top-k", dsf.algorithms.compressed(dsf.algorithms.top_k(10)), W),
    ("qsgd", dsf.algorithms.compressed(dsf.algorithms.qsgd(16)), W),
    ("choco", dsf.algorithms.choco(dsf.algorithms.top_k(10), 0.1), W),
    ("coordinate-median", dsf.algorithms.coordinate_median(), EVERYBODY[8]),
    ("krum", dsf.algorithms.chain(dsf.algorithms.krum(2), dsf.algorithms.adapt_then_combine()), EVERYBODY[8]),
    (
        "krum-64",
        dsf.algorithms.chain(dsf.algorithms.krum(16), dsf.algorithms.adapt_then_combine()),
        EVERYBODY[64],
    ),
)


def general_cases() -> list[Case]:
    """The general loop over the plain collapsed engine."""
    compared = [(*case[:3], W, case[3]) for case in GENERAL] + [(*case, case[2], "") for case in SENT]
    return [
        Case(
            f"general-{name}",
            f"{name.replace('-', ' ')}, N={plain.shape[0]}, d=100, b=5",
            "collapsed",
            lambda algorithm=algorithm, weights=weights, plain=plain: (
                simulation("collapsed", 64, 200, step_size=0.05, algorithm=algorithm, weights=weights),
                simulation("collapsed", 64, 200, step_size=0.05, weights=plain),
            ),
            goal,
        )
        for name, algorithm, weights, plain, goal in compared
    ]


def large_ring(name: str, n_nodes: int) -> Prepare:
    """Prepare one run on a large ring whose links change, over the same with a fixed matrix."""

    def prepare() -> tuple[Timed, Timed]:
        ends = np.arange(n_nodes)
        edges = np.stack([ends, (ends + 1) % n_nodes], axis=1)
        fixed = dsf.mixing_matrix(edges)
        makers = {
            "link failures": lambda: dsf.mixing.link_failures(fixed, 0.1),
            "pairwise gossip": lambda: dsf.mixing.pairwise_gossip(edges),
            "random matching": lambda: dsf.mixing.random_matching(edges),
        }
        options: dict[str, Any] = {"dim": 10, "step_size": 0.1}
        return (
            simulation("collapsed", 1, 50, weights=makers[name](), **options),
            simulation("collapsed", 1, 50, weights=fixed, **options),
        )

    return prepare


def sampled_clients() -> tuple[Timed, Timed]:
    """Prepare FedAvg, 10 of 1000 clients a round, over ten nodes that all take part: work of one gradient."""
    fedavg = simulation(
        "collapsed",
        8,
        1000,
        weights=dsf.mixing.server(1000, 10),
        step_size=0.01,
        algorithm=dsf.algorithms.fedavg(5),
    )
    ten = simulation(
        "collapsed",
        8,
        1000,
        weights=dsf.mixing.server(10),
        step_size=0.01,
        algorithm=dsf.algorithms.fedavg(5),
    )
    # Ten gradients a step on both sides.
    return Timed(fedavg.call, 80_000), Timed(ten.call, 80_000)


def cases(quick: bool) -> list[Case]:
    """Every ratio about ``simulate``."""
    ring, big = "N=8, d=100, b=5", 10_000 if quick else 100_000
    every_core = f"{os.cpu_count()} cores"
    listed = [
        Case(
            "published-loop",
            "published NumPy loop",
            f"collapsed, {ring}",
            lambda: (peers.published_loop(RING, 100), simulation("collapsed", 128, STEPS["collapsed"])),
        ),
        Case(
            "published-loop-cores",
            "published NumPy loop, one process",
            f"collapsed, {every_core}, {ring}",
            lambda: (
                peers.published_loop(RING, 100),
                simulation("collapsed", 256, STEPS["collapsed"], threads=None),
            ),
            "≥ 150",
            clock="wall",
        ),
        Case(
            "published-loop-single",
            "published NumPy loop",
            f"collapsed, float32, {ring}",
            lambda: (
                peers.published_loop(RING, 100),
                simulation("collapsed", 128, STEPS["collapsed"], dtype="float32"),
            ),
        ),
        Case(
            "numpy-minibatch",
            "NumPy batched over runs",
            f"collapsed, {ring}",
            against_numpy("collapsed", 128, quick),
        ),
        Case(
            "numpy-same-algorithm",
            "NumPy batched over runs",
            f"direct, {ring}",
            against_numpy("direct", 64, quick),
        ),
        Case(
            "torch",
            f"PyTorch batched over runs, {every_core}",
            f"collapsed, {every_core}, {ring}",
            against_torch(quick),
            clock="wall",
        ),
        Case(
            "jax-minibatch",
            f"JAX jit + scan, {every_core}",
            f"collapsed, {every_core}, {ring}",
            against_jax("collapsed", 256, False, quick),
            "≥ 50",
            clock="wall",
        ),
        Case(
            "jax-minibatch-single",
            f"JAX jit + scan, float32, {every_core}",
            f"collapsed, float32, {every_core}, {ring}",
            against_jax("collapsed", 256, False, quick, "float32"),
            clock="wall",
        ),
        Case(
            "jax-same-algorithm",
            f"JAX jit + scan, {every_core}",
            f"direct, {every_core}, {ring}",
            against_jax("direct", 64, False, quick),
            clock="wall",
        ),
        Case(
            "jax-collapsed",
            f"JAX given the collapsed law, {every_core}",
            f"collapsed, {every_core}, {ring}",
            against_jax("collapsed", 256, True, quick),
            clock="wall",
        ),
        Case(
            "collapsed-floor",
            f"collapsed, {ring}",
            "drawing its normals",
            lambda: (simulation("collapsed", 128, 400), normals(DIM)),
            "≤ 1.4",
        ),
        Case(
            "direct-floor",
            f"direct, {ring}",
            "drawing its normals",
            lambda: (simulation("direct", 64, 150), normals(BATCH_SIZE * (DIM + 1))),
            "≤ 1.5",
        ),
        Case(
            "collapsed-floor-single",
            f"collapsed, float32, {ring}",
            "drawing its normals",
            lambda: (simulation("collapsed", 128, 800, dtype="float32"), normals(DIM, "float32")),
        ),
        Case(
            "single-double",
            f"collapsed, {ring}",
            "the same, float32",
            lambda: (
                simulation("collapsed", 128, 400),
                simulation("collapsed", 128, 800, dtype="float32"),
            ),
        ),
        Case(
            "single-double-direct",
            f"direct, {ring}",
            "the same, float32",
            lambda: (
                simulation("direct", 64, 100),
                simulation("direct", 64, 200, dtype="float32"),
            ),
        ),
        Case(
            "gram-dimension",
            "gram, d=1,000,000, N=8, b=5, 1600 runs of 1000 steps",
            "the same, d=1000",
            lambda: (
                simulation("gram", 1600, 1000, dim=10**6, step_size=1e-6),
                simulation("gram", 1600, 1000, dim=1000, step_size=1e-3),
            ),
            "≤ 1.1",
        ),
        Case(
            "gram-collapsed",
            "collapsed, N=8, d=1000, b=5",
            "gram",
            lambda: (
                simulation("collapsed", 16, 100, dim=1000, step_size=1e-3),
                simulation("gram", 128, 300, dim=1000, step_size=1e-3),
            ),
            "≥ 10",
        ),
        Case(
            "one-node",
            "NumPy batched over runs, N=1, d=b=1000",
            "auto",
            one_node,
            "≥ 1000",
        ),
        Case(
            "batch-size",
            "collapsed, b=1000",
            "collapsed, b=1, N=8, d=100",
            lambda: (
                simulation("collapsed", 128, 300, batch_size=1000, step_size=0.01),
                simulation("collapsed", 128, 300, batch_size=1, step_size=0.01),
            ),
            "≤ 1.3",
        ),
        Case(
            "two-threads-collapsed",
            f"collapsed, 1 thread, {ring}",
            "2 threads",
            two_threads("collapsed", 256, STEPS["collapsed"]),
            "≥ 1.8",
            clock="wall",
        ),
        Case(
            "two-threads-gram",
            "gram, 1 thread, N=8, d=100, b=5",
            "2 threads",
            two_threads("gram", 256, 2000),
            clock="wall",
        ),
        Case(
            "large-graph-numpy",
            "NumPy + SciPy sparse",
            f"collapsed, N={big:,}, degree 4, d=10, one run",
            large_against_numpy(big),
        ),
        Case(
            "large-graph-threads",
            f"1 thread, N={big:,}, degree 4, d=10, one run",
            "2 threads",
            large_on_two_threads(big),
            clock="wall",
        ),
        Case(
            "normals",
            "NumPy Generator's standard_normal",
            "our fill",
            lambda: (numpy_normals(10_000), normals(1)),
            unit="normal",
        ),
        *general_cases(),
        *(
            Case(
                f"large-ring-{name.replace(' ', '-')}",
                f"{name}, ring of {big:,}, d=10, one run",
                "collapsed",
                large_ring(name, big),
                "≤ 1.3",
            )
            for name in ("link failures", "pairwise gossip", "random matching")
        ),
        Case(
            "sampled-clients",
            "FedAvg, 10 of 1000 clients, 5 local steps, d=100",
            "10 clients",
            sampled_clients,
        ),
    ]
    return [case for case in listed if "2 threads" not in case.denominator or (os.cpu_count() or 1) > 1]
