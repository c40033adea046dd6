"""Train them: fully connected networks on every node of many runs, in compiled code."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from desgd_fast.common import check
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.kernels.draw.normals import FILL, draw_normals
from desgd_fast.kernels.draw.random import INITIAL_WEIGHTS
from desgd_fast.problems import checks

ACTIVATIONS = ("relu", "tanh", "leaky-relu", "linear")


LOSSES = ("cross-entropy", "squared")


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
        features = checks.samples("features", self.features)
        hidden = checks.layer_sizes("hidden", self.hidden)
        activation = check.choice("activation", self.activation, ACTIVATIONS)
        loss = check.choice("loss", self.loss, LOSSES)
        n_outputs = self.n_outputs
        if n_outputs is not None:
            n_outputs = check.positive_integer("n_outputs", n_outputs)
        targets: NDArray[Any]
        if loss == "cross-entropy":
            targets = checks.labels("targets", self.targets, len(features), n_outputs)
            n_outputs = n_outputs or int(targets.max()) + 1
        else:
            targets = checks.responses("targets", self.targets, len(features), n_outputs)
            n_outputs = targets.shape[1]
        for name, value in (
            ("features", features),
            ("targets", targets),
            ("hidden", hidden),
            ("slope", checks.slope_of("slope", self.slope, activation)),
            ("bias", check.flag("bias", self.bias)),
            ("n_outputs", n_outputs),
            ("assignment", checks.assignment("assignment", self.assignment, len(features))),
            ("replacement", check.flag("replacement", self.replacement)),
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
    normals = np.empty((1, -(-network.n_parameters // FILL) * FILL))
    zero = np.uint64(0)
    for i, run in enumerate(runs):
        for node in range(1 if common_start else n_nodes):
            draw_normals(key, INITIAL_WEIGHTS, zero, np.uint64(node), np.uint64(run), normals)
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
