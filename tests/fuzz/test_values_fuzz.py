"""What makes algorithms, graphs, losses, laws, schedules, partitions, problems, clocks, under any arguments.

Right are a sound value, or a ValueError, TypeError, ImportError or MemoryError that begins with the argument.
DESGD_FAST_FUZZ sets how many examples there are for all functions of a module together, times forty.
"""

import dataclasses
import inspect
from functools import partial

import networkx as nx
import numba
import numpy as np
import pytest
import scipy.stats

import desgd_fast as dsf
from desgd_fast import algorithms, laws, losses, mixing, partitions, schedules, walltime
from tests.fuzz.arguments import EXAMPLES, call, every, some, sound


@numba.njit
def _three(a, b, c):
    return a


@numba.njit
def _four(a, b, c, d):
    return 0.0


def _rule(direction, iterate, memory, normals, uniforms, parameters):
    direction[:] = 0.0


decays = some(0.0, 0.5, 0.9, 0.999, 1 - 2**-53)
positive = some(1e-300, 1e-8, 0.1, 1.0, 2.5, 1e300)
counts = some(1, 2, 3, 7)
flags = some(True, False, np.True_)
compressors = some(
    *(
        algorithms.top_k(1),
        algorithms.qsgd(4),
        algorithms.sign(),
        algorithms.natural(),
        algorithms.one_byte(),
    ),
    *(algorithms.random_k(1), algorithms.random_mask(0.5), algorithms.atomic(1.0)),
)
aggregations = some(
    *(algorithms.mean(), algorithms.krum(1), algorithms.coordinate_median(), algorithms.trimmed_mean(1)),
    *(algorithms.geometric_median(), algorithms.heavy_ball(), algorithms.flag()),
)
whole = some(
    *(algorithms.sgd(), algorithms.heavy_ball(), algorithms.adam(), algorithms.local_steps(2)),
    *(algorithms.extra(), algorithms.bernoulli(0.5), algorithms.krum(1), algorithms.gaussian_noise(1.0)),
    *(algorithms.adapt_then_combine(), algorithms.compressed(algorithms.sign()), algorithms.delayed(2)),
)
byzantine = some((0,), [1, 2], range(2), np.array([0, 3]), {0, 1})
chances = some(0.5, 1.0, [0.5, 0.25], np.array([0.1, 0.2, 1.0]), 1e-300)
delay_laws = some([1.0], [0.5, 0.5], [0.2, 0.3, 0.5], np.full(4, 0.25), [0.0, 1.0])
per_node = some(1, 2, 5, [1, 2, 3], np.array([2, 2]))
vectors = some([1.0, -2.0, 0.0], np.zeros(3), np.array([[1.0, 2.0], [0.5, -1.0]]), 2.0, [1e-300, 1e300])
SQUARES = {"decay": decays, "decay_of_squares": decays, "epsilon": positive}
part_options = {
    "parameters": some((), (0.5,), [1, 2]),
    "memory": some(0, 1, 2),
    "normals": some(0, 1, "dim"),
    "uniforms": some(0, 1, "dim"),
    "degree": some("linear", "homogeneous", "bounded", "unknown"),
    "equivariant": flags,
    "name": some("mine", ""),
    "period": counts,
}
ALGORITHMS = {
    "Algorithm": {
        "local": some((), (algorithms.heavy_ball().local[0],)),
        "order": some(None, "adapt-then-combine", "combine-then-adapt"),
        "local_steps": some(None, 1, 3, (1, 2), [2, 2]),
        "participation": some(None, algorithms.bernoulli(0.5).participation),
        "message": some(None, algorithms.delayed_messages(1).message),
        "consensus_step": some(None, 0.5, 1.0),
        "attack": some(None, algorithms.zero([0]).attack),
        "byzantine": some(None, (0,), [1]),
        "aggregation": some(None, algorithms.krum(1).aggregation),
    },
    "Part": {"name": some("mine"), "function": some(_rule)} | part_options,
    "a_little_is_enough": {"byzantine": byzantine, "factor": positive},
    "accordion": {"low": compressors, "high": compressors, "every": counts, "threshold": positive},
    "adabelief": SQUARES,
    "adahessian": {"decay": decays, "decay_of_squares": decays, "power": positive, "epsilon": positive},
    "adam": SQUARES,
    "aggregation_rule": {"function": some(_rule)} | part_options,
    "amsgrad": SQUARES,
    "atomic": {"budget": positive, "n_rows": some(None, 1, 2), "refilled": flags},
    "atomo": {"budget": positive, "n_rows": some(None, 1, 2), "refilled": flags},
    "bernoulli": {"probability": chances},
    "bucketing": {"aggregation": aggregations, "size": counts},
    "bulyan": {"n_byzantine": counts},
    "chain": {"algorithms": whole},
    "choco": {"compressor": compressors, "consensus_step": positive},
    "clipped": {"norm": positive, "of": some("batch", "sample")},
    "compressed": {
        "compressor": compressors,
        "of": some("gradients", "messages"),
        "memory": some(None, "error", "difference"),
    },
    "compressor": {"function": some(_rule)} | part_options,
    "consensus_based": {
        "objective": some(_three, numba.njit(lambda x: 0.0)),
        "drift": positive,
        "noise": positive,
        "sharpness": positive,
        "isotropic": flags,
    },
    "consensus_step": {"size": positive},
    "cyclic": {"length": counts, "active": per_node, "offset": per_node},
    "dadao": {
        "smoothness": positive,
        "strong_convexity": positive,
        "event_rate": positive,
        "spectral_gap": some(0.5, 1.0, 1e-3),
    },
    "deep_squeeze": {"compressor": compressors, "consensus_step": positive},
    "delayed": {"steps": per_node},
    "delayed_messages": {"steps": per_node},
    "detox": {"aggregation": aggregations, "bucket_size": counts},
    "dice_sgd": {"norm": positive, "memory_norm": positive, "noise_scale": positive, "as_coded": flags},
    "diffgrad": SQUARES | {"as_coded": flags},
    "dp_sgd": {"norm": positive, "noise_multiplier": positive, "batch_size": counts},
    "dual": {"x": vectors, "p": some(1.5, 2.0, 3.0)},
    "fedau": {"probability": chances, "cut": counts},
    "fedavg": {"count": per_node},
    "fedbuff": {"probabilities": delay_laws, "power": positive},
    "fedfix": {"intervals": per_node},
    "flag": {"rank": some(None, 1, 2), "n_iterations": counts, "as_coded": flags},
    "frugal": {"n_blocks": counts, "every": counts} | SQUARES,
    "gaussian": {"byzantine": byzantine, "scale": positive},
    "gaussian_noise": {"scale": positive},
    "geometric_median": {"smoothing": positive, "n_iterations": counts},
    "heavy_ball": {"momentum": decays},
    "inner_product": {"byzantine": byzantine, "factor": positive},
    "just_one_byte": {"encoded": flags, "common": flags, "root_of": some(None, 1, 2)},
    "krum": {"n_byzantine": counts, "neighbours": some("n-f-2", "n-f-1")},
    "local_rule": {"function": some(_rule)} | part_options,
    "local_sgd": {"count": per_node},
    "local_steps": {"count": per_node},
    "markov": {"join": chances, "leave": chances},
    "message_rule": {"function": some(_rule)} | part_options,
    "mirror_descent": {"p": some(1.5, 2.0, 3.0)},
    "monna": {"n_byzantine": counts, "momentum": decays},
    "moving_average": {"decay": decays},
    "multi_krum": {"n_byzantine": counts, "kept": some(None, 1, 2), "neighbours": some("n-f-2")},
    "nearest_neighbour_averaging": {"n_byzantine": counts, "n_discarded": some(None, 1, 2)},
    "nearest_neighbour_mixing": {"aggregation": aggregations, "n_byzantine": counts},
    "nesterov": {"momentum": decays},
    "outvoted": {"byzantine": byzantine, "redundancy": some(1, 3)},
    "participation_rule": {"function": some(_rule)} | part_options,
    "poisson": {"rate": some(0.5, 2.0, [1.0, 2.0], 1e-300)},
    "preconditioned": {"factors": some([1.0, 2.0], [1e-300, 1e300])},
    "primal": {"theta": vectors, "p": some(1.5, 2.0, 3.0)},
    "privacy_spent": {
        "noise_multiplier": positive,
        "sampling_rate": some(0.0, 0.01, 0.5, 1.0),
        "n_steps": some(1, 10, 1000),
        "delta": some(1e-5, 1e-300, 0.5),
    },
    "projected": {"rule": whole, "threshold": positive},
    "qsgd": {"levels": counts, "unbiased": flags},
    "random_k": {"k": counts, "unbiased": flags, "common": flags},
    "random_mask": {"share": some(0.1, 0.5, 1.0), "unbiased": flags, "common": flags},
    "randomly_delayed": {"probabilities": delay_laws},
    "randomly_delayed_messages": {"probabilities": delay_laws},
    "sign": {"scaled": flags},
    "sign_flip": {"byzantine": byzantine},
    "sophia": {
        "decay": decays,
        "decay_of_curvatures": decays,
        "every": counts,
        "scale": positive,
        "epsilon": positive,
    },
    "stable_noise": {"scale": positive, "index": some(1.0, 1.5, 2.0)},
    "stale_discount": {"probabilities": delay_laws, "power": positive},
    "top_k": {"k": counts},
    "trimmed_mean": {"n_byzantine": counts},
    "weight_decay": {"rate": positive},
    "zero": {"byzantine": byzantine},
}

graphs = some(
    *(nx.cycle_graph(4), nx.path_graph(3), nx.star_graph(3), nx.complete_graph(2), nx.empty_graph(1)),
    *(nx.Graph([("a", "b"), ("b", "b")]), nx.MultiGraph([(0, 1), (0, 1)]), nx.empty_graph(3)),
    *(np.array([[0, 1], [1, 2]]), nx.to_scipy_sparse_array(nx.cycle_graph(3)), nx.DiGraph([(0, 1), (1, 0)])),
    *(np.array([[0.5, 0.5], [0.5, 0.5]]), [[1.0]], np.eye(2), [[0.0, 1.0], [1.0, 0.0]], nx.disjoint_union),
    *(np.array([[0, 2**40]]), np.array([[0, 5]], np.uint8), nx.Graph([(0, 1, {"weight": 1e300})])),
    *(
        np.array([[0.9, 0.1], [0.2, 0.8]]),
        np.array([[0.9, 0.2], [0.1, 0.8]]),
        nx.Graph([(0, 1, {"w": np.nan})]),
    ),
)
MIXING = {
    "mixing_matrix": {
        "graph": graphs,
        "rule": some("metropolis", "laplacian", "max-degree", "best-constant", "uniform"),
        "delta": some(None, 0.0, 0.25, 0.5, 1.0),
        "lazy": flags,
        "weight": some(None, "weight", "w"),
        "allow_negative": flags,
    },
    "mixing_report": {"W": graphs},
    "as_process": {
        "value": graphs,
        "allow_row_stochastic": flags,
        "allow_negative": flags,
    },
    "alternate": {"matrices": some([np.eye(2)], [np.eye(2), np.full((2, 2), 0.5)], (np.eye(1), np.eye(1)))},
    "gilbert_elliott": {
        "graph": graphs,
        "failure": some(0.1, 1.0, 1e-300),
        "recovery": some(0.1, 1.0, 1e-300),
    },
    "link_failures": {"graph": graphs, "probability": some(0.0, 0.5, 1 - 2**-53, 1e-300)},
    "node_dropout": {"graph": graphs, "probability": some(0.0, 0.5, [0.1, 0.2, 0.3], 1 - 2**-53)},
    "one_peer_exponential": {"n_nodes": some(1, 2, 4, 8), "order": some("cyclic", "random")},
    "pairwise_gossip": {"graph": graphs},
    "poisson_clocks": {"graph": graphs, "node_rate": positive, "link_rate": positive},
    "push_sum": {"graph": graphs},
    "random_matching": {"graph": graphs},
    "self_repellent_token": {"chain": graphs, "strength": positive, "forgetting": some(None, 0.5, 1e-300)},
    "server": {"n_nodes": some(1, 2, 3, 10), "n_sampled": some(None, 1, 2)},
    "token": {"chain": graphs},
}
ridges = some(0.0, 1e-300, 1.0, 1e300)
LOSSES = {
    "Loss": {
        "gradient": some(_four),
        "value": some(_three),
        "hessian": some(None, _four),
        "outputs": counts,
        "labels": some(None, (0, 1), [0.5]),
        "name": some("mine"),
        "slope": some(None, numba.njit(lambda s, y: s)),
        "ridge": ridges,
        "curvature_at_infinity": some(None, 0.0, 1.0),
    },
    "linear_model": {
        "value": some(numba.njit(lambda s, y: s)),
        "slope": some(numba.njit(lambda s, y: s)),
        "curvature": some(None, numba.njit(lambda s, y: s)),
        "ridge": ridges,
        "labels": some(None, (0, 1)),
        "name": some("mine"),
        "curvature_at_infinity": some(None, 0.0, 1.0),
    },
    "ridge": {"ridge": ridges},
    "logistic": {"ridge": ridges},
    "multinomial": {"n_classes": some(2, 3), "ridge": ridges},
    "huber": {"threshold": positive, "ridge": ridges},
    "welsch": {"scale": positive, "ridge": ridges},
    "tukey": {"scale": positive, "ridge": ridges},
    "quantile": {"level": some(0.1, 0.5), "ridge": ridges},
}
distributions = some(None, laws.gaussian(), laws.student_t(3.0), laws.uniform(), laws.rademacher())
truths = some([1.0], [1.0, 2.0], np.ones((3, 2)), [0.0, 1e300])
LAWS = {
    "Law": {
        "sample": some(_four),
        "n_features": counts,
        "n_normals": some(0, 1, 2),
        "n_uniforms": some(0, 1, 2),
        "truth": truths,
        "labels": some(None, (0, 1)),
        "name": some("mine"),
        "feature_moments": some(None, (1.0, 3.0)),
        "noise_variance": some(None, 0.0, 1.0),
    },
    "gaussian": {"std": positive},
    "student_t": {"df": some(0.5, 2.0, 3.0, 4.0, 5.0, 1e300), "scale": positive},
    "rademacher": {"scale": positive},
    "uniform": {"half_width": positive},
    "linear": {"truth": truths, "features": distributions, "noise": distributions},
    "logistic": {"truth": truths, "features": distributions},
}
SCHEDULES = {
    "polynomial_decay": {"initial": positive, "power": some(0.0, 0.5, 2.0, 1e300), "offset": positive},
    "step_decay": {"initial": positive, "factor": positive, "every": counts},
    "cosine_decay": {"initial": positive, "n_steps": counts, "final": positive},
    "warm_up": {
        "schedule": some(schedules.polynomial_decay(1.0), lambda k: 1.0 / (1 + k)),
        "n_steps": counts,
    },
}
targets = some(
    np.array([-1.0, 1.0, 1.0, -1.0]), np.array([0, 1, 1, 0]), np.arange(6), [0, 1, 2, 3], np.zeros(5)
)
features = some(np.arange(12.0).reshape(4, 3) % 5, np.eye(4), np.ones((4, 1)), np.eye(6)[:, :2], [[1.0]] * 5)
rules = some(
    *(
        "even",
        "sorted",
        "shared",
        [0, 1, 0, 1],
        np.array([[True] * 4] * 2),
        lambda t, n: np.arange(len(t)) % n,
    ),
    *(
        partitions.ByLabel(0.5),
        partitions.ByQuantity(0.5),
        partitions.ByLabel(1e-300),
        partitions.ByQuantity(1e300),
    ),
    *(
        partitions.Even(),
        partitions.Sorted(),
        partitions.Shared(),
        lambda t, n: None,
        lambda t, n: [n] * len(t),
    ),
)
PARTITIONS = {
    "ByLabel": {"beta": positive, "least_rows": some(1, 2), "rng": some(0, 1)},
    "ByQuantity": {"beta": positive, "least_rows": some(1, 2), "rng": some(0, 1)},
    "group": {
        "features": features,
        "targets": targets,
        "assignment": rules,
        "n_nodes": some(1, 2),
        "batch_size": some(None, 1, [1, 2]),
        "distinct": flags,
    },
    "deal": {
        "assignment": rules,
        "targets": targets,
        "n_nodes": some(1, 2, 3),
        "batch_size": some(None, 1),
        "distinct": flags,
    },
}
deviations = some(1.0, 1e-300, 1e300, 0.3, [1.0, 2.0, 3.0])
PROBLEMS = {
    "GaussianRegression": {
        "dim": some(1, 2, 3),
        "feature_std": deviations,
        "noise_std": some(0.0, 1.0, 1e300, [0.0, 1.0]),
        "covariance": some(None, [1.0, 2.0], np.eye(2), [[2.0, 1.0], [1.0, 2.0]], [[1.0]], [1e-300, 1e300]),
        "optimum": some(0.0, [1.0, 2.0], 1e300),
    },
    "DatasetRegression": {
        "features": features,
        "targets": targets,
        "assignment": rules,
        "replacement": flags,
        "ridge": ridges,
    },
    "EmpiricalRisk": {
        "loss": some(losses.logistic(), losses.huber(), losses.least_squares(), losses.multinomial(2)),
        "features": features,
        "targets": targets,
        "assignment": rules,
        "sampling": some("replacement", "reshuffle", "shuffle-once", "flip-flop"),
        "reference": some(None, 0.0, [0.0, 0.0, 0.0]),
    },
    "StreamingRisk": {
        "loss": some(losses.logistic(), losses.huber(), losses.least_squares()),
        "law": some(laws.linear([1.0, 2.0]), laws.logistic([1.0, 1.0]), laws.linear(np.ones((2, 2)))),
        "reference": some(None, 0.0, [0.0, 0.0]),
    },
    "NeuralNetwork": {
        "features": features,
        "targets": targets,
        "hidden": some((), (2,), [3, 2]),
        "activation": some("relu", "leaky-relu", "tanh", "linear"),
        "slope": some(None, 0.1),
        "bias": flags,
        "loss": some("cross-entropy", "squared"),
        "n_outputs": some(None, 2, 3),
        "assignment": rules,
        "replacement": flags,
    },
    "label_flip": {
        "problem": some(
            dsf.EmpiricalRisk(losses.logistic(), np.eye(4)[[0, 1, 1, 0], :2], [-1, 1, -1, 1]),
            dsf.EmpiricalRisk(losses.huber(), np.eye(4)[:, :2], [0.0, 1.0, 1.0, 0.0]),
        ),
        "byzantine": some([0], (1,), {0, 1}),
        "n_nodes": some(1, 2),
    },
}
seconds = some(np.ones((3, 2)), [[1.0, 2.0]], np.zeros((2, 2)), np.full((4, 3), 1e300), np.ones((30, 3)))
CODED = {
    "compute": seconds,
    "burst": some(1, 2),
    "window": some(2, 3, 4),
    "stragglers": some(0, 1, 2),
    "tolerance": positive,
    "fixed": ridges,
}
WALLTIME = {
    "Clock": {
        "ends": some(np.arange(1.0, 4.0)),
        "delays": some(None, np.zeros((3, 1), int)),
        "name": some("x"),
    },
    "buffered": {"compute": seconds, "buffer": counts, "link": some(0.0, 1.0, np.ones((3, 2)))},
    "draw_times": {
        "law": some(
            scipy.stats.expon(), scipy.stats.norm(), lambda rng, shape: rng.pareto(1, shape), [[1.0, 2.0]]
        ),
        "n_steps": counts,
        "n_nodes": counts,
        "rng": some(0, None),
    },
    "gossip": {"graph": graphs, "compute": seconds, "link": some(0.0, 1.0)},
    "gradient_coding": {"compute": seconds, "stragglers": some(0, 1), "tolerance": positive, "fixed": ridges},
    "multiplexed_coding": CODED,
    "read_times": {"path": some("nowhere.txt", ".")},
    "selective_repetition": CODED,
    "synchronous": {"compute": seconds, "link": some(0.0, 1.0, np.ones((3, 2)))},
}
widths = some(1, 2, 1000, [2, 3], (5, 5, 5))
INITIALISATION = {
    "log_moment": {
        "s": some(0.5, 1.0, 2.0, 10.0, 300.0),
        "widths": widths,
        "scale": positive,
        "activation": some("relu", "leaky-relu", "linear"),
        "slope": some(None, 0.1, 0.0),
    },
    "moment_preserving_scale": {
        "s": some(0.5, 1.0, 2.0, 10.0, 300.0),
        "widths": widths,
        "activation": some("relu", "leaky-relu", "linear"),
        "slope": some(None, 0.1, 0.0),
    },
    "log_norm": {
        "widths": widths,
        "scale": positive,
        "activation": some("relu", "leaky-relu", "linear"),
        "slope": some(None, 0.1, 0.0),
    },
    "images.digits": {"test_share": some(0.1, 0.5), "rng": some(0)},
    "images.mnist": {"folder": some(".", "nowhere")},
    "images.read_idx": {"path": some(".", "nowhere")},
    "mixing.read_graph": {"path": some(".", "nowhere")},
}
MODULES = {
    "algorithms": (algorithms, ALGORITHMS),
    "mixing": (mixing, MIXING),
    "losses": (losses, LOSSES),
    "laws": (laws, LAWS),
    "schedules": (schedules, SCHEDULES),
    "partitions": (partitions, PARTITIONS),
    "problems": (dsf, PROBLEMS),
    "walltime": (walltime, WALLTIME),
    "initialisation": (dsf.initialisation, INITIALISATION),
}
# What parts of an argument are called where they are at fault.
ELSEWHERE = {
    "deal": ("least_rows",),
    "group": ("least_rows",),
    "chain": (
        ".* exclude each other",
        "algorithm",
        "order",
        "local steps",
        "participation",
        "message",
        "consensus step",
    ),
}


def found(module, name):
    """The function of that name, here or in another public module."""
    where, _, last = name.rpartition(".")
    if where:
        return getattr(getattr(dsf, where), last)
    if name == "as_process":
        return partial(mixing.as_process, "value")
    return getattr(module, name, None) or getattr(dsf, name)


def judged(name, result):
    """Sound, and of use."""
    if name in SCHEDULES:
        with np.errstate(all="ignore"):
            sizes = np.asarray(result(np.arange(5)))
        assert sizes.shape == (5,)
    elif isinstance(result, mixing.MixingProcess):
        sound(result)
        np.testing.assert_allclose(result.mean.sum(axis=1), 1.0, atol=1e-9)
    elif isinstance(result, mixing.MixingReport):
        sound(dataclasses.replace(result, mean_square_contraction=0.0))
        str(result)
    elif isinstance(result, walltime.Clock):
        sound((result.ends, result.delay_law, result.seconds_per_step))
    else:
        sound(result)
        repr(result), str(result)


TELLS = (dsf.warnings.OptimumWarning, dsf.warnings.MemoryWarning, dsf.warnings.PrecisionWarning)


def tried(module, name, positional, chosen):
    call(
        found(MODULES[module][0], name),
        positional,
        chosen,
        ELSEWHERE.get(name, ()),
        lambda result: judged(name, result),
        TELLS,
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_call_gives_a_value_or_names_the_argument(module):
    home, table = MODULES[module]
    every(table, partial(found, home), partial(tried, module), 4 * EXAMPLES)


EVENTS = {"event_rate": 1e-300, "spectral_gap": 0.5}
BURSTS = {"compute": np.ones((3, 2)), "burst": 1, "window": 2, "stragglers": 0}
# What longer runs have found.
FOUND = [
    (
        "problems",
        "EmpiricalRisk",
        [],
        {"loss": losses.huber(), "features": np.eye(2), "targets": [[1], [1, 2]]},
    ),
    ("algorithms", "random_mask", [], {"share": 1e-320, "unbiased": True}),
    ("problems", "GaussianRegression", [], {"dim": 2**53}),
    ("partitions", "deal", [], {"assignment": [[0], [0, 1]], "targets": np.zeros(3), "n_nodes": 1}),
    ("partitions", "deal", [], {"assignment": "even", "targets": [1.0], "n_nodes": 1}),
    ("algorithms", "local_steps", [], {"count": [[1, 2], [3]]}),
    ("algorithms", "local_steps", [], {"count": np.array([2**63], np.uint64)}),
    ("algorithms", "monna", [], {"n_byzantine": 1, "momentum": 39}),
    ("algorithms", "choco", [], {"compressor": algorithms.sign(), "consensus_step": [0.5]}),
    ("algorithms", "dp_sgd", [], {"norm": 1e300, "noise_multiplier": 1e300, "batch_size": 1}),
    ("algorithms", "dadao", [], {"smoothness": 0.1, "strong_convexity": 1e-300} | EVENTS),
    ("algorithms", "Part", [], {"name": "mine", "function": _rule, "uniforms": np.zeros((2, 2))}),
    ("algorithms", "Algorithm", [], {"order": [1.0]}),
    ("algorithms", "dual", [], {"x": [1e-300, 1e300], "p": 3.0}),
    ("laws", "linear", [], {"truth": [1.0], "noise": np.zeros((2, 2))}),
    ("laws", "gaussian", [], {"std": 1e300}),
    ("losses", "ridge", [], {"ridge": [1.0]}),
    ("schedules", "warm_up", [], {"schedule": [1.0], "n_steps": 2}),
    ("schedules", "warm_up", [], {"schedule": lambda: None, "n_steps": 2}),
    ("losses", "multinomial", [], {"n_classes": 2**31}),
    ("walltime", "Clock", [], {"ends": 1.0}),
    ("walltime", "draw_times", [], {"law": scipy.stats.expon(), "n_steps": 2**31, "n_nodes": 8}),
    ("partitions", "deal", [], {"assignment": int, "targets": np.zeros(5), "n_nodes": 2}),
    (
        "algorithms",
        "dadao",
        [],
        {"smoothness": 1.0, "strong_convexity": 1.0, "event_rate": 1.0, "spectral_gap": 1e-320},
    ),
    ("walltime", "draw_times", [], {"law": int, "n_steps": 3, "n_nodes": 1}),
    ("walltime", "read_times", [], {"path": "."}),
    ("walltime", "multiplexed_coding", [], {"fixed": 1e300, "tolerance": 1e300} | BURSTS),
    ("mixing", "token", [], {"chain": nx.empty_graph(1)}),
    ("mixing", "push_sum", [], {"graph": nx.DiGraph()}),
    ("mixing", "gilbert_elliott", [], {"graph": nx.path_graph(2), "failure": 1.0, "recovery": 1e-300}),
    (
        "initialisation",
        "log_moment",
        [],
        {"s": 0.5, "widths": 1000, "scale": 1.0, "activation": "leaky-relu"},
    ),
]


@pytest.mark.parametrize(("module", "name", "positional", "chosen"), FOUND)
def test_what_was_found_stays_mended(module, name, positional, chosen):
    tried(module, name, positional, chosen)


def test_schedules_of_every_node_are_warmed_up():
    each = schedules.warm_up(lambda k: np.ones((k.size, 2)), n_steps=1)
    assert each(np.arange(3)).tolist() == [[0.5, 0.5], [1.0, 1.0], [1.0, 1.0]]


def test_every_public_function_is_tried():
    for module in ("algorithms", "mixing", "losses", "laws", "schedules", "walltime"):
        home, table = MODULES[module]
        made = {
            name
            for name, value in vars(home).items()
            if inspect.isfunction(value) and value.__module__.startswith("desgd_fast") and name[0] != "_"
        }
        needed = {name for name in made if inspect.signature(getattr(home, name)).parameters}
        assert needed - {"read_graph", "generator_from"} <= set(table), module
