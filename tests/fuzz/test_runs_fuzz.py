"""What runs, computes, measures, sweeps and draws, under any arguments; the pieces are small, and few.

Right are a sound result, a ValueError, TypeError, ImportError or MemoryError that begins with the argument,
or a warning of the package's own. DESGD_FAST_FUZZ sets how many examples there are of each room.
"""

import inspect
import warnings
from fractions import Fraction
from functools import partial

import networkx as nx
import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies as st
from scipy import sparse

import desgd_fast as dsf
from desgd_fast import algorithms, laws, losses, mixing, tails, theory
from tests.fuzz.arguments import EXAMPLES, call, every, some, sound

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

rows = np.random.default_rng(0).standard_normal((12, 2))
signs = np.where(rows[:, 0] > 0, 1.0, -1.0)
PROBLEMS = [
    dsf.GaussianRegression(1),
    dsf.GaussianRegression(2, covariance=[1.0, 0.25]),
    dsf.GaussianRegression(2, covariance=[[2.0, 1.0], [1.0, 2.0]], noise_std=0.0),
    dsf.DatasetRegression(rows, rows @ [1.0, 2.0] + 0.1),
    dsf.DatasetRegression(rows[:, :1], rows[:, 1], ridge=0.1, replacement=False),
    dsf.EmpiricalRisk(losses.logistic(0.1), rows, signs, assignment="shared"),
    dsf.StreamingRisk(losses.huber(), laws.linear([1.0, 2.0])),
]
# At the ends of double precision.
EXTREME = [
    *(dsf.GaussianRegression(1, feature_std=s) for s in (1e-160, 1e-20, 1e10, 1e80, 1e150)),
    *(dsf.GaussianRegression(2, noise_std=s) for s in (1e-200, 1e150, 1e200, 1e300)),
    dsf.GaussianRegression(2, covariance=[1.0, 1e-15]),
    dsf.GaussianRegression(2, optimum=1e300),
    dsf.DatasetRegression(1e-150 * rows, rows[:, 0], ridge=1e-300),
    dsf.DatasetRegression(1e150 * rows, rows[:, 0]),
]
RING = dsf.mixing_matrix(nx.cycle_graph(3))
MATRICES = [[[1.0]], RING, np.full((2, 2), 0.5), np.eye(2), np.eye(3)[[1, 2, 0]], [[0.9, 0.1], [0.2, 0.8]]]
MATRICES += [
    dsf.mixing_matrix(nx.path_graph(3)),
    np.array([[1.2, -0.2], [-0.2, 1.2]]),
    RING.toarray().tolist(),
]
PROCESSES = [
    mixing.link_failures(nx.path_graph(3), 0.5),
    mixing.pairwise_gossip(nx.path_graph(3)),
    mixing.server(3, 2),
    mixing.token(nx.path_graph(3)),
    mixing.alternate([np.full((2, 2), 0.5), np.eye(2)]),
    mixing.push_sum(nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)])),
]
ALGORITHMS = [
    algorithms.sgd(),
    algorithms.adapt_then_combine(),
    algorithms.heavy_ball(0.5),
    algorithms.chain(algorithms.local_steps(2), algorithms.adapt_then_combine()),
    algorithms.clipped(1.0),
    algorithms.bernoulli(0.5),
    algorithms.delayed(2),
    algorithms.coordinate_median(),
    algorithms.fedavg(1),
]
# What has a population of its own compiles for it: few kinds.
problems = st.one_of(st.sampled_from(PROBLEMS[:5]), st.sampled_from(PROBLEMS), st.sampled_from(EXTREME))
matrices = st.one_of(st.sampled_from(MATRICES), st.sampled_from(MATRICES), st.sampled_from(PROCESSES))
algorithm = st.one_of(st.just(algorithms.sgd()), st.sampled_from(ALGORITHMS))
step_sizes = some(0.01, 0.1, 0.3, 0.6, 1.5, 5.0, 1e-12, 1e-300, 1e5, 1e200, [0.1, 0.2, 0.3])
batch_sizes = some(1, 1, 2, 5, [1, 2, 3], 100)
flags = some(True, False)
seeds = some(0, 1, None)
threads = some(None, 1)
common = {
    "problem": problems,
    "W": matrices,
    "step_size": step_sizes,
    "batch_size": batch_sizes,
    "algorithm": algorithm,
    "allow_row_stochastic": flags,
}
run = common | {
    "step_size": st.one_of(
        step_sizes, some(lambda k: 1.0 / (1.0 + k), dsf.schedules.polynomial_decay(1e300))
    ),
    "n_steps": some(1, 3, 7),
    "n_runs": some(1, 2, 20),
    "average_last": some(0, 1, 3),
    "engine": some("auto", "direct", "collapsed"),
    "initial": some(None, 0.0, 1.0, 1e300, 1e-300),
    "rng": seeds,
    "threads": threads,
}
particles = {"rtol": some(0.3, 0.5), "n_particles": some(64), "rng": seeds, "threads": threads}
SIMULATION = {
    "simulate": run
    | {
        "keep": some("all", "norms"),
        "dtype": some("float64", "float32"),
        "first_run": some(0, 1, 2**32 - 20),
        "allow_negative": flags,
        "progress": some(False),
    },
    "measure_tail": {name: run[name] for name in run if name != "allow_row_stochastic"}
    | {
        "n_runs": some(40, 80),
        "stacked": flags,
        "k": some(None, 5, "min-amse"),
        "level": some(0.9, 0.5),
        "compare_with_theory": some(False),
    },
    "gradient_noise": {
        "problem": problems,
        "points": some(np.zeros((2, 2)), np.ones((3, 1)), np.zeros((2, 3, 2)), 1e300 * np.ones((1, 2))),
        "batch_size": batch_sizes,
        "max_points": some(1, 2),
        "n_samples": some(20, 60),
        "groups": some(None, {"a": [0]}, {"b": [0, 1]}),
        "k": some(None, 5),
        "rng": seeds,
        "threads": threads,
    },
}
network = dsf.NeuralNetwork(rows, (rows[:, 0] > 0).astype(int), hidden=(2,))
squares = dsf.NeuralNetwork(rows, rows[:, 0], hidden=(), activation="linear", loss="squared")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    trained = dsf.train(
        network, np.eye(2), step_size=0.1, batch_size=1, n_steps=3, n_runs=4, average_last=2, rng=0
    )
TRAINING = {
    "train": {
        "network": some(network, squares),
        "W": st.sampled_from(MATRICES),
        "step_size": step_sizes,
        "batch_size": batch_sizes,
        "n_steps": some(1, 3),
        "n_runs": some(1, 2),
        "average_last": some(0, 1),
        "algorithm": algorithm,
        "initial": some("uniform", 1.0, 1e300, np.zeros(3)),
        "common_start": flags,
        "record_every": some(None, 1, 0),
        "test": some(None, (rows, rows[:, 0]), (rows, np.zeros(12, int))),
        "first_run": some(0, 3),
        "allow_row_stochastic": flags,
        "allow_negative": flags,
        "rng": seeds,
        "threads": threads,
        "progress": some(False),
    },
    "layer_tails": {
        "training": some(trained),
        "estimator": some("mmo", "hill", "tail_index", "moment"),
        "of": some("average", "final"),
        "node": some(0, 1),
        "sample": some("weights", "rows"),
        "k": some(1, 2),
        "block_size": some(None, 2),
    },
}
EXACT = {"second_moment_growth": common, "stationary_covariance": common}
critical = {name: common[name] for name in common if name != "step_size"}
THEORY = {
    "critical_step_size": critical | particles | {"at": some("infinite-variance", "divergence")},
    "moment_growth": common | particles | {"s": some(0.5, 1.0, 2.0, 3.0, 9.0)},
    "lyapunov_exponent": common | particles,
    "tail_index": common | particles | {"cap": some(4.0, 32.0)},
    "exceedance": common
    | particles
    | {"thresholds": some([10.0], [1.0, 100.0], [1e300]), "along": some(None, 0), "radius": some(None, 10.0)},
    "compare": {
        "problem": problems,
        "graphs": some({"ring": RING}, {"a": RING, "b": np.full((3, 3), 1 / 3)}, {"a": [[1.0]], "b": RING}),
        "step_size": step_sizes,
        "batch_size": batch_sizes,
        "algorithm": algorithm,
        "rtol": some(0.5),
        "rng": seeds,
        "threads": threads,
    },
    "norm_bound": {
        "n_nodes": some(1, 2, [1, 3]),
        "step_sizes": some(0.1, [0.1, 1.0], [1e-300, 1e300]),
        "dim": some(1, 2),
        "batch_size": some(1, 2),
        "feature_std": some(1.0, 1e-200, 1e150),
        "norm": some("spectral", "frobenius"),
        "n_draws": some(10),
        "rng": seeds,
        "threads": threads,
    },
    "regime_map": {
        "problem": problems,
        "graphs": some({3: RING}, {1: [[1.0]], 3: RING}, {"a": RING}),
        "step_sizes": some([0.1, 1.0], [1e-300, 0.1], [0.5]),
        "batch_size": some(1, 2),
        "algorithm": algorithm,
        "norm": some("spectral", "frobenius"),
        "n_draws": some(10),
        "rng": seeds,
        "threads": threads,
    },
}


def _result(x, y=1):
    return {"z": x * y}


heavy = np.random.default_rng(0).pareto(1.5, 300) + 1
table = xr.Dataset(
    {"alpha": ("x", [1.0, 2.0]), "ci_low": ("x", [0.5, 1.0]), "ci_high": ("x", [2.0, 3.0])}, {"x": [1, 2]}
)
estimate = tails.hill(heavy, k=50)
samples = some(
    heavy, heavy[:40], np.r_[heavy, np.nan], -heavy, np.ones(50), heavy.reshape(2, -1), [1e-100, 1e100, 5.0]
)
PLOTS = {
    "sweep": {
        "function": some(_result, lambda x: x, lambda x: np.nan, lambda x: "a"),
        "grid": some({"x": [1, 2]}, {"x": [1], "y": [2.0, 3.0]}, {"x": []}, {"x": ["a", "b"]}),
        "fixed": some(None, {"y": 2}),
        "workers": some(1),
        "rng": seeds,
        "version": some(None, "1"),
        "retry_failed": flags,
    },
    "plots.hill_plot": {"x": samples, "level": some(0.9), "estimate": some(None, estimate)},
    "plots.mean_excess": {"x": samples, "level": some(0.9)},
    "plots.qq_plot": {"x": samples, "estimate": some(None, estimate)},
    "plots.tail_plot": {"x": samples, "estimate": some(None, estimate)},
    "plots.frontier_plot": {
        "names": some(["a"], ["a", "b"]),
        "frontiers": some([(0.1, 0.2)], [(0.1, 0.2)] * 2),
    },
    "plots.graph_plot": {"dataset": some(table), "value": some("alpha", "tail_alpha")},
    "plots.survival_plot": {
        "dataset": some(table),
        "norms": some("alpha"),
        "by": some("x"),
        "alpha": some(None, 2.0),
    },
    "plots.parameter_plot": {
        "dataset": some(table),
        "x": some("x"),
        "y": some("alpha"),
        "by": some(None, "x"),
        "low": some("ci_low"),
        "high": some("ci_high"),
    },
    "plots.tail_index_plot": {
        "step_sizes": some([0.1, 0.2]),
        "alpha": some([1.0, 2.0], [np.nan, 1.0]),
        "stderr": some([0.1, 0.1]),
        "label": some("theory"),
        "frontiers": some(None, (0.1, 0.2)),
    },
    "plots.regime_plot": {"picture": some(table), "label": some("N")},
    "plots.published": {"name": some("figure1", "nothing")},
    "paper.run": {"name": some("nothing"), "preset": some("paper")},
}
MODULES = {
    "simulation": (dsf, SIMULATION),
    "training": (dsf, TRAINING),
    "exact": (theory, EXACT),
    "theory": (theory, THEORY),
    "plots": (dsf, PLOTS),
}
# Sizes that are waited for; and figures of the paper.
LONG = {
    "n_steps",
    "n_runs",
    "n_particles",
    "n_draws",
    "n_samples",
    "max_points",
    "batch_size",
    "rtol",
    "record_every",
}


def found(module, name):
    """The function of that name, here or in another public module."""
    where, _, last = name.rpartition(".")
    return getattr(getattr(dsf, where) if where else module, last)


def short(arguments):
    """Whether nothing in it is a size that would be waited for."""
    return not any(
        (isinstance(arguments.get(name), int | float) and 1e3 < abs(arguments[name]) < 2**53)
        or (name == "rtol" and isinstance(arguments.get(name), float) and 0 < arguments[name] < 0.02)
        for name in LONG
    )


def judged(name, result):
    """No nan but where the result says why."""
    if name in EXACT or name == "norm_bound":
        sound(np.asarray(result))
    elif isinstance(result, theory.Growth | theory.CriticalStepSize):
        assert not np.isnan(result.value), "value"
        assert not np.isnan(result.stderr), "stderr"
        str(result)
    elif isinstance(result, theory.TailIndex):
        assert not np.isnan(result.alpha) or not result.stationary
        str(result)
    elif isinstance(result, theory.Exceedance):
        sound(result.probability)
        assert (result.probability <= 1).all()
    elif name == "simulate":
        kept = result.norms()
        assert np.isfinite(kept[~result.diverged]).all()
        repr(result), result.to_xarray()
    elif name == "train":
        assert np.isfinite(result.final[~result.diverged]).all()
        repr(result), result.weights(), result.to_xarray()
    elif isinstance(result, tails.TailEstimate):
        assert not np.isnan(np.asarray(result.alpha)).any() or result.warnings
        str(result)
    elif name.startswith("plots."):
        matplotlib.pyplot.close("all")
    else:
        str(result)


TELLS = [
    category
    for category in vars(dsf.warnings).values()
    if isinstance(category, type) and issubclass(category, Warning)
]


def tried(module, name, positional, chosen):
    if short(chosen):
        call(
            found(MODULES[module][0], name),
            positional,
            chosen,
            (),
            lambda result: judged(name, result),
            TELLS,
        )


@pytest.mark.parametrize("module", MODULES)
def test_every_call_gives_a_result_or_names_the_argument(module):
    home, table = MODULES[module]
    every(table, partial(found, home), partial(tried, module), EXAMPLES)


# What longer runs have found.
FOUND = [
    ("training", "layer_tails", {"training": trained, "sample": "rows"}),
    ("simulation", "measure_tail", {"problem": PROBLEMS[0], "W": RING, "step_size": 1e200, "level": [0.9]}),
    ("training", "layer_tails", {"training": trained, "estimator": "mmo", "block_size": sparse.eye_array(2)}),
    ("simulation", "simulate", {"problem": PROBLEMS[0], "W": RING, "step_size": int}),
    ("theory", "lyapunov_exponent", {"problem": EXTREME[0], "W": PROCESSES[0], "step_size": 5.0}),
    ("plots", "plots.tail_plot", {"x": [1e300, 1e-300]}),
    (
        "plots",
        "plots.tail_index_plot",
        {"step_sizes": [0.1, 0.2], "alpha": [1.0, 2.0], "stderr": [0.1, 0.1], "label": ""},
    ),
    ("plots", "plots.hill_plot", {"x": [3.0, 2.0, 1.0], "level": Fraction(9, 10)}),
    ("plots", "sweep", {"function": str, "grid": {"object": [1, 2]}, "workers": np.int8(2)}),
    ("theory", "moment_growth", {"problem": EXTREME[-1], "W": np.eye(2), "step_size": 0.3, "s": 0.5}),
    (
        "theory",
        "compare",
        {"problem": EXTREME[3], "graphs": {"ring": RING}, "step_size": 0.3, "algorithm": ALGORITHMS[5]},
    ),
    ("theory", "compare", {"problem": EXTREME[9], "graphs": {"ring": RING}, "step_size": 0.6}),
]
SMALL = {
    "batch_size": 1,
    "n_steps": 3,
    "n_runs": 40,
    "n_particles": 64,
    "rtol": 0.5,
    "rng": 0,
}


@pytest.mark.parametrize(("module", "name", "chosen"), FOUND)
def test_what_was_found_stays_mended(module, name, chosen):
    known = inspect.signature(found(MODULES[module][0], name)).parameters
    tried(module, name, [], {key: SMALL[key] for key in SMALL if key in known} | chosen)
