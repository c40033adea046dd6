"""Train them: fully connected networks on every node of many runs, in compiled code."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from desgd_fast import _threads, _validate, partitions, tails
from desgd_fast._progress import count_steps
from desgd_fast._rng import RNG, key_from
from desgd_fast.kernels import networks, random
from desgd_fast.mixing import ORDERS
from desgd_fast.results import DivergenceWarning, TailEstimate, Training
from desgd_fast.schedules import Schedule
from desgd_fast.updates import Update

ACTIVATIONS = ("relu", "tanh", "leaky-relu", "linear")
LOSSES = ("cross-entropy", "squared")

# Block sizes of the published script for scalars and for vectors, as the preset "networks" of tails.mmo.
PUBLISHED_BLOCKS = {"weights": (2, 5, 10, 20, 50, 100, 500, 1000), "rows": (2, 5, 10)}

# State held at once, and multiplications of one call: bounds on memory, and on the wait for Ctrl-C.
_STATE_BYTES = 1 << 28
_CALL_PRODUCTS = 1 << 33
_SAMPLES_PER_CHUNK = 64

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NeuralNetwork:
    """A fully connected network, and the samples that the nodes fit it to.

    Layer l maps its input a to φ(w_l a + c_l), the last one to its outputs z without φ. Node i minimises
    the mean over its rows of −log softmax(z)_label ("cross-entropy") or of ½‖z − target‖² ("squared").

    Parameters
    ----------
    features : (n_rows, n_inputs) array
        One row per sample, used as they are.
    targets : (n_rows,) integer array, or (n_rows,) or (n_rows, n_outputs) array
        Labels from 0 to n_outputs − 1, or for the squared loss the numbers to predict.
    hidden : sequence of int
        Units of each hidden layer; ``()`` for a linear model.
    activation : {"relu", "tanh", "leaky-relu", "linear"}
        φ.
    slope : float, optional
        Of "leaky-relu" below zero; 0.01 by default.
    bias : bool
        Whether the layers have c_l.
    loss : {"cross-entropy", "squared"}
        See above.
    n_outputs : int, optional
        Classes; by default one more than the largest label.
    assignment : "even", "sorted", "shared", rule, (n_rows,) integer or (n_nodes, n_rows) bool array
        Which node holds each row: "even" deals the rows out in turn, "sorted" orders them by target first, so
        that every node sees other labels, "shared" lets every node draw from all rows, kept once;
        :mod:`desgd_fast.partitions` has more rules.
    replacement : bool
        Whether a minibatch may hold the same row twice.

    Attributes
    ----------
    sizes : tuple of int
        Units of every layer, the inputs first.
    n_parameters : int
        Length P of the vector that holds all weights: layer by layer the (n_out, n_in) weights, row by row,
        and then its biases. The order of ``torch.nn.utils.parameters_to_vector``.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> corners = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> network = dsf.NeuralNetwork(corners, [0, 1, 1, 0], hidden=(8,))
    >>> network.sizes, network.n_parameters
    ((2, 8, 2), 32)
    """

    features: Real
    targets: NDArray[Any]
    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    slope: float | None = None
    bias: bool = False
    loss: str = "cross-entropy"
    n_outputs: int | None = None
    assignment: Any = "even"
    replacement: bool = True
    sizes: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features = _validate.samples("features", self.features)
        hidden = _validate.layer_sizes("hidden", self.hidden)
        activation = _validate.choice("activation", self.activation, ACTIVATIONS)
        loss = _validate.choice("loss", self.loss, LOSSES)
        n_outputs = self.n_outputs
        if n_outputs is not None:
            n_outputs = _validate.positive_integer("n_outputs", n_outputs)
        targets: NDArray[Any]
        if loss == "cross-entropy":
            targets = _validate.labels("targets", self.targets, len(features), n_outputs)
            n_outputs = n_outputs or int(targets.max()) + 1
        else:
            targets = _validate.responses("targets", self.targets, len(features), n_outputs)
            n_outputs = targets.shape[1]
        for name, value in (
            ("features", features),
            ("targets", targets),
            ("hidden", hidden),
            ("slope", _validate.slope_of("slope", self.slope, activation)),
            ("bias", _validate.flag("bias", self.bias)),
            ("n_outputs", n_outputs),
            ("assignment", _validate.assignment("assignment", self.assignment, len(features))),
            ("replacement", _validate.flag("replacement", self.replacement)),
            ("sizes", (features.shape[1], *hidden, n_outputs)),
        ):
            object.__setattr__(self, name, value)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(n_out, n_in) of every layer."""
        return tuple((after, before) for before, after in pairwise(self.sizes))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights and biases, those of a ``torch.nn.Sequential`` of layers and activations."""
        kinds = ("weight", "bias")[: 1 + self.bias]
        return tuple(f"{2 * layer}.{kind}" for layer in range(len(self.shapes)) for kind in kinds)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(n_out * (n_in + int(self.bias)) for n_out, n_in in self.shapes)

    def parameters(
        self, initial: str | float, n_nodes: int, runs: range, rng: RNG, *, common_start: bool = True
    ) -> Real:
        """Random parameters of runs, those that :func:`train` starts from, (n_runs, n_nodes, P).

        Parameters are as for :func:`train`.
        """
        return _drawn(self, initial, n_nodes, runs, key_from(rng), common_start)

    @cached_property
    def _code(self) -> Real:
        """What kernels know of the network."""
        head = [self.activation == "tanh", self.slope, self.loss == "cross-entropy", self.bias]
        return np.array([*head, *self.sizes], dtype=np.float64)

    @cached_property
    def _outputs(self) -> Real:
        return _as_outputs(self.targets, self.sizes[-1])


def _as_outputs(targets: NDArray[Any], n_outputs: int) -> Real:
    """What the outputs should be, (n_rows, n_outputs): labels become unit vectors."""
    if targets.ndim == 2:
        return targets
    outputs = np.zeros((len(targets), n_outputs))
    outputs[np.arange(len(targets)), targets] = 1.0
    return outputs


def _drawn(
    network: NeuralNetwork,
    initial: str | float,
    n_nodes: int,
    runs: range,
    key: NDArray[np.uint64],
    common_start: bool,
) -> Real:
    parameters = np.empty((len(runs), n_nodes, network.n_parameters))
    normals = np.empty((1, -(-network.n_parameters // random.FILL) * random.FILL))
    zero = np.uint64(0)
    for i, run in enumerate(runs):
        for node in range(1 if common_start else n_nodes):
            random.draw_normals(key, random.INITIAL_WEIGHTS, zero, np.uint64(node), np.uint64(run), normals)
            parameters[i, node] = normals[0, : network.n_parameters]
    if common_start:
        parameters[:, 1:] = parameters[:, :1]
    position = 0
    for n_out, n_in in network.shapes:
        weights = parameters[..., position : position + n_out * n_in]
        biases = parameters[..., position + n_out * n_in : position + n_out * (n_in + int(network.bias))]
        if isinstance(initial, str):
            for part in (weights, biases):
                part[...] = (2.0 * special.ndtr(part) - 1.0) / np.sqrt(n_in)
        else:
            weights *= initial / np.sqrt(n_in)
            biases[...] = 0.0
        position += n_out * (n_in + int(network.bias))
    return parameters


def train(
    network: NeuralNetwork,
    W: Any,
    *,
    step_size: ArrayLike | Schedule,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int = 1,
    average_last: int = 0,
    order: str = "combine-then-adapt",
    update: Update = Update(),  # noqa: B008
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
    order : {"combine-then-adapt", "adapt-then-combine"}
        Which recursion.
    update : Update
        What comes in place of the gradient: momentum, a tracked gradient, clipping, weight decay, and steps
        between mixings; see ``dsf.updates``. A gradient is clipped as one vector of all P entries.
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
    _validate.instance("network", network, (NeuralNetwork,))
    weights = _validate.stochastic_matrix(
        "W",
        W,
        allow_row_stochastic=_validate.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=_validate.flag("allow_negative", allow_negative),
    )
    n_nodes = int(weights.shape[0])
    n_runs = _validate.integer("n_runs", n_runs, 1, 2**32 - 1)
    first_run = _validate.integer("first_run", first_run, 0, 2**32 - n_runs)
    batch_sizes = _validate.counts_per_node("batch_size", batch_size, n_nodes)
    _validate.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a network")
    n_steps = _validate.integer("n_steps", n_steps, 1, 2**32 - 1)
    step_sizes = _validate.step_sizes_of_runs("step_size", step_size, n_steps, n_runs, n_nodes)
    _validate.instance("update", update, (Update,))
    average_last = _validate.integer("average_last", average_last, 0, n_steps)
    adapt_first = _validate.choice("order", order, ORDERS) == "adapt-then-combine"
    start = _validate.initial_parameters("initial", initial, n_runs, n_nodes, network.n_parameters)
    common_start = _validate.flag("common_start", common_start)
    record_steps = records_of("record_every", record_every, n_steps)
    data = [(network.features, network._outputs)]
    if test is not None:
        data.append(_held_out(network, test))
    progress = _validate.flag("progress", progress)
    key = key_from(rng)

    rows, nodes = assign_rows(network.targets, network.assignment, network.replacement, batch_sizes)
    graph = weights.indptr, weights.indices, weights.data
    samples = network.features, network._outputs, rows
    vectors, keepers = update.memory(n_nodes)
    run_bytes = 8 * (2 * n_nodes + vectors * keepers) * network.n_parameters
    final = np.empty((n_runs, n_nodes, network.n_parameters))
    sums = np.zeros(final.shape) if average_last else np.empty((n_runs, 0, 0))
    records = np.empty((2, len(data), n_runs, record_steps.size, n_nodes))
    together = np.empty((len(data), n_runs, record_steps.size))
    distance = np.empty((n_runs, record_steps.size))
    portion = max(1, _STATE_BYTES // run_bytes)
    with (
        _threads.limited_to(threads) as count,
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
            memory = np.zeros((len(runs), vectors, keepers, network.n_parameters))
            sizes = step_sizes[:, here] if len(step_sizes) == 1 else step_sizes
            moving = memory, graph, nodes, sizes, update.rule
            kernel = networks.train_runs if len(runs) >= count else networks.train_nodes
            products = len(runs) * network.n_parameters * 3 * int(batch_sizes.sum())
            stride = max(1, _CALL_PRODUCTS // products)
            done = 0
            for i, step in enumerate([*record_steps, n_steps]):
                while done < step:
                    length = min(stride, int(step) - done)
                    plan = [done, length, n_steps - average_last, runs.start, 0, 0, 0]
                    full = np.array([*plan, int(adapt_first), int(network.replacement)])
                    kernel(state, sums[here], *moving, network._code, samples, key, full)
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
    if diverged.any():
        warnings.warn(
            f"{np.count_nonzero(diverged)} of {n_runs} runs diverged (overflowed); they are kept, see "
            "training.diverged. A smaller step_size may be stable.",
            DivergenceWarning,
            stacklevel=2,
        )
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
    interval = n_steps if every is None else _validate.integer(name, every, 0)
    steps = np.append(np.arange(0, n_steps, interval), n_steps) if interval else np.empty(0)
    return steps.astype(np.int64)


def assign_rows(
    targets: NDArray[Any], assignment: Any, replacement: bool, batch_sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows grouped by the node that holds them, and what kernels know of the nodes."""
    first_column = np.asarray(targets, np.float64).reshape(len(targets), -1)[:, 0]
    rows, offsets = partitions.deal(
        assignment, first_column, len(batch_sizes), batch_sizes, distinct=not replacement
    )
    return rows, np.column_stack([batch_sizes, offsets[:-1], np.diff(offsets)])


def _held_out(network: NeuralNetwork, test: Any) -> tuple[Real, Real]:
    features, targets = _validate.held_out("test", test)
    inputs = _validate.samples("test features", features, network.sizes[0])
    check: Callable[..., NDArray[Any]] = (
        _validate.labels if network.loss == "cross-entropy" else _validate.responses
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
    networks.measure_networks(state, network._code, features, outputs, totals[0], totals[1], together)
    each = np.broadcast_to(totals.sum(axis=1), (2, n_runs, n_nodes))
    return each / len(features), together.sum(axis=0) / len(features)


def layer_tails(
    training: Training,
    estimator: str = "mmo",
    *,
    of: str = "average",
    node: int = 0,
    sample: str = "weights",
    **options: Any,
) -> list[TailEstimate]:
    """The tail index of each layer's weights, one estimate per layer with one entry per run.

    Parameters
    ----------
    training : Training
        From :func:`train`.
    estimator : {"mmo", "hill", "moment"}
        "mmo" as in the publication (arXiv 2205.06689, figure 4a): the layer's mean is subtracted and the
        median taken over its block sizes, those that leave two blocks at least; it answers for alpha-stable
        laws only. "hill" and "moment" measure any power tail, of the distances to the mean.
    of : {"average", "final"}
        The averages of the last iterates, as published, or the last iterates.
    node : int
        Which node; the publication takes the first.
    sample : {"weights", "rows"}
        Each weight a value, or each unit's incoming weights a vector (of which "hill" and "moment" take the
        Euclidean norm).
    **options
        For the estimator in :mod:`desgd_fast.tails`, such as ``k`` or ``level``.

    Returns
    -------
    list of TailEstimate

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or the averages were not kept.
    """
    _validate.instance("training", training, (Training,))
    _validate.choice("estimator", estimator, ("mmo", "hill", "moment"))
    _validate.choice("sample", sample, tuple(PUBLISHED_BLOCKS))
    layers = training.weights(of)
    _validate.all_finite_runs("training", [bool(np.isfinite(layer).all()) for layer in layers])
    node = _validate.integer("node", node, 0, layers[0].shape[1] - 1)
    return [_layer_tail(layer[:, node], estimator, sample, options) for layer in layers]


def _layer_tail(layer: Real, estimator: str, sample: str, options: dict[str, Any]) -> TailEstimate:
    """Of one layer (n_runs, n_out, n_in, …)."""
    values = layer.reshape(*layer.shape[: 1 + (sample == "rows")], -1)
    if estimator == "mmo":
        fitting = [size for size in PUBLISHED_BLOCKS[sample] if values.shape[1] >= 2 * size]
        settings = {"block_size": fitting or 2, "centre": "mean", "vectors": sample == "rows"} | options
        return tails.mmo(values, axis=1, **settings)
    values = values - values.mean(axis=1, keepdims=True)
    if sample == "rows":
        values = np.linalg.norm(values, axis=2)
    return {"hill": tails.hill, "moment": tails.moment}[estimator](values, axis=1, **options)
