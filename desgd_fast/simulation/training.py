"""Training of a network on every node, compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.algorithms.schedules import Schedule
from desgd_fast.common import check
from desgd_fast.common import threads as common_threads
from desgd_fast.common.progress import count_steps
from desgd_fast.common.rng import RNG
from desgd_fast.experiment import Experiment, experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.minibatches import Sampling
from desgd_fast.kernels.draw.samples import DISTINCT, REPLACEMENT
from desgd_fast.kernels.gradients.networks import Network, measure_networks
from desgd_fast.kernels.loops import general
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop import checks as loop_checks
from desgd_fast.loop.loop import Loop
from desgd_fast.loop.rules import rules_of
from desgd_fast.loop.sources import sampling_bounds
from desgd_fast.problems import checks
from desgd_fast.problems.data import partitions
from desgd_fast.problems.networks import NeuralNetwork, _as_outputs, _drawn
from desgd_fast.simulation.trained import Training

Real = NDArray[np.float64]

# State held at once, and multiplications of one call: bounds on memory, and on the wait for Ctrl-C.
_STATE_BYTES = 1 << 28
_CALL_PRODUCTS = 1 << 33
_SAMPLES_PER_CHUNK = 64


def train(
    network: NeuralNetwork,
    W: Any,
    *,
    step_size: ArrayLike | Schedule,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int = 1,
    average_last: int = 0,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    initial: str | float | ArrayLike = "uniform",
    common_start: bool = True,
    record_every: int | None = None,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    first_run: int = 0,
    allow_row_stochastic: bool = False,
    allow_negative: bool = False,
    rng: RNG = None,
    threads: int | None = None,
    progress: bool = False,
) -> Training:
    """Train a network by decentralized SGD: one copy on every node, averaged with the neighbours' every step.

    The recursions are those of :func:`desgd_fast.simulate`, with the gradient of a fresh minibatch of the
    node's own rows.

    Parameters
    ----------
    network : NeuralNetwork
        The network, its loss and the samples.
    W : (n_nodes, n_nodes) array or sparse array
        Doubly stochastic mixing matrix; ``[[1.0]]`` is one node, the identity Dis-SGD.
    step_size : scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes) array, or schedule
        η, for all, for each node, or for each run: a grid of step sizes is one call. Or a function of the
        steps' numbers, such as ``dsf.schedules`` makes, for all runs.
    batch_size : int or (n_nodes,) integer array
        Rows of a minibatch.
    n_steps, n_runs : int
        Steps of a run, and independent runs.
    average_last : int
        Also average the last so many iterates of each node; 0 for none.
    algorithm : Algorithm
        What a node does with its gradient and its neighbours, as in :func:`desgd_fast.simulate`. Parts see
        the vector of all P entries.
    initial : "uniform", float or array
        "uniform" draws every weight and bias from U(−1/√n_in, 1/√n_in), PyTorch's default; a number σ draws
        weights from N(0, σ²/n_in) and leaves biases zero (√2 is He's for ReLU, see
        :mod:`desgd_fast.initialisation`); an array (P,), (n_nodes, P) or (n_runs, n_nodes, P) is taken as is.
    common_start : bool
        Whether all nodes of a run start from the same draw.
    record_every : int, optional
        Measure loss, accuracy and consensus distance at step 0, every so many steps, and at the end; by
        default only at the start and the end, with 0 never.
    test : (features, targets), optional
        Held-out samples.
    first_run : int
        Number of the first run.
    allow_row_stochastic, allow_negative : bool
        Permit a W whose columns do not sum to one, or one with negative weights.
    rng : None, int, Generator, ...
        Anything ``np.random.default_rng`` takes. The result depends on it bit for bit, never on the
        threads or on how many other runs there are.
    threads : int or None
        Most threads to use; None for all.
    progress : bool
        Show a progress bar (needs tqdm, in the extra ``cli``).

    Returns
    -------
    Training

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Warns
    -----
    DivergenceWarning
        If runs overflowed; they are kept and flagged in ``training.diverged``.

    Examples
    --------
    >>> import networkx as nx, numpy as np, desgd_fast as dsf
    >>> corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> features, labels = np.tile(corners, (3, 1)), np.tile([0, 1, 1, 0], 3)
    >>> network = dsf.NeuralNetwork(features, labels, hidden=(16,), bias=True)
    >>> W = dsf.mixing_matrix(nx.complete_graph(3))
    >>> training = dsf.train(network, W, step_size=0.5, batch_size=4, n_steps=500, n_runs=2, rng=0)
    >>> training.final.shape, training.train_accuracy[:, -1].min()
    ((2, 3, 82), np.float64(1.0))
    """
    check.instance("network", network, (NeuralNetwork,))
    asked = experiment(
        W,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=n_steps,
        n_runs=n_runs,
        first_run=first_run,
        average_last=average_last,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        allow_negative=allow_negative,
        rng=rng,
    )
    n_nodes, batch_sizes, key = asked.n_nodes, asked.batch_sizes, asked.key
    loop_checks.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a network")
    start = checks.initial_parameters("initial", initial, n_runs, n_nodes, network.n_parameters)
    common_start = check.flag("common_start", common_start)
    record_steps = records_of("record_every", record_every, n_steps)
    data = [(network.features, network._outputs)]
    if test is not None:
        data.append(_held_out(network, test))
    progress = check.flag("progress", progress)
    rows, sampling = sampled_rows(network.targets, network.assignment, network.replacement, asked)
    source = Network(network._code, network.features, network._outputs, rows, *sampling)
    size = network.n_parameters
    loop = Loop(asked, size, size, source, rules_of(asked, size))
    run_bytes = 16 * n_nodes * size + loop.memory_bytes
    final = np.empty((n_runs, n_nodes, network.n_parameters))
    sums = np.zeros(final.shape) if average_last else np.empty((n_runs, 0, 0))
    records = np.empty((2, len(data), n_runs, record_steps.size, n_nodes))
    together = np.empty((len(data), n_runs, record_steps.size))
    distance = np.empty((n_runs, record_steps.size))
    portion = max(1, _STATE_BYTES // run_bytes)
    with (
        common_threads.limited_to(threads) as count,
        count_steps(progress, n_runs * n_steps) as tick,
        np.errstate(over="ignore", invalid="ignore"),
    ):
        for first in range(0, n_runs, portion):
            here = slice(first, min(first + portion, n_runs))
            runs = range(first_run + here.start, first_run + here.stop)
            state = final[here]
            if isinstance(start, np.ndarray):
                state[:] = start[here]
            else:
                state[:] = _drawn(network, start, n_nodes, runs, key, common_start)
            moving = general.State(state, sums[here], *loop.begin(len(runs)))
            products = len(runs) * network.n_parameters * 3 * int(batch_sizes.sum())
            stride = max(1, _CALL_PRODUCTS // products)
            done = 0
            for i, step in enumerate([*record_steps, n_steps]):
                while done < step:
                    length = min(stride, int(step) - done)
                    span = Span(done, length, n_steps - average_last, runs.start)
                    loop.advance(moving, span, share_nodes=len(runs) < count)
                    done += length
                    tick(length * len(runs))
                if i == record_steps.size:
                    break
                centre = state.mean(axis=1, keepdims=True)
                distance[here, i] = np.sqrt(np.square(state - centre).sum(axis=2).mean(axis=1))
                for j, (features, outputs) in enumerate(data):
                    records[:, j, here, i], together[j, here, i] = _measured(
                        network, state, features, outputs
                    )
    diverged = np.asarray(~np.isfinite(final).all(axis=(1, 2)))
    asked.warn_of_divergence(diverged, "training")
    right = records[1]
    if network.loss != "cross-entropy":
        right[:], together[:] = np.nan, np.nan
    return Training(
        final=final,
        average=sums / average_last if average_last else None,
        diverged=diverged,
        record_steps=record_steps,
        consensus_distance=distance,
        train_loss=records[0, 0],
        train_accuracy=right[0],
        test_loss=records[0, 1] if len(data) > 1 else None,
        test_accuracy=right[1] if len(data) > 1 else None,
        train_ensemble_accuracy=together[0],
        test_ensemble_accuracy=together[1] if len(data) > 1 else None,
        names=network.names,
        shapes=tuple(shape for layer in network.shapes for shape in (layer, layer[:1])[: 1 + network.bias]),
        first_run=first_run,
    )


def records_of(name: str, every: int | None, n_steps: int) -> NDArray[np.int64]:
    """Steps at which to measure: the first, every so many, and the last; none for 0."""
    interval = n_steps if every is None else check.integer(name, every, 0)
    steps = np.append(np.arange(0, n_steps, interval), n_steps) if interval else np.empty(0)
    return steps.astype(np.int64)


def sampled_rows(
    targets: NDArray[Any], assignment: Any, replacement: bool, asked: Experiment
) -> tuple[NDArray[np.int64], Sampling]:
    """Rows grouped by the node that holds them, and how each node samples its own."""
    first_column = np.asarray(targets, np.float64).reshape(len(targets), -1)[:, 0]
    kind = REPLACEMENT if replacement else DISTINCT
    rows, offsets = partitions.deal(
        assignment, first_column, asked.n_nodes, asked.batch_sizes, distinct=not replacement
    )
    bounds = sampling_bounds(np.diff(offsets), asked.batch_sizes, kind)
    return rows, Sampling(kind, asked.batch_sizes, offsets, bounds)


def _held_out(network: NeuralNetwork, test: Any) -> tuple[Real, Real]:
    features, targets = checks.held_out("test", test)
    inputs = checks.samples("test features", features, network.sizes[0])
    check: Callable[..., NDArray[Any]] = (
        checks.labels if network.loss == "cross-entropy" else checks.responses
    )
    return inputs, _as_outputs(check("test", targets, len(inputs), network.sizes[-1]), network.sizes[-1])


def _measured(network: NeuralNetwork, state: Real, features: Real, outputs: Real) -> tuple[Real, Real]:
    """Mean loss and share of samples classified correctly, (2, runs, nodes), and by all nodes, (runs,)."""
    n_runs, n_nodes, _ = state.shape
    # Nodes that are all alike, as at a common start, are measured once.
    if n_nodes > 1 and (state == state[:, :1]).all():
        state = np.ascontiguousarray(state[:, :1])
    n_chunks = -(-len(features) // _SAMPLES_PER_CHUNK)
    totals, together = np.empty((2, n_chunks, *state.shape[:2])), np.empty((n_chunks, n_runs))
    measure_networks(state, network._code, features, outputs, totals[0], totals[1], together)
    each = np.broadcast_to(totals.sum(axis=1), (2, n_runs, n_nodes))
    return each / len(features), together.sum(axis=0) / len(features)
