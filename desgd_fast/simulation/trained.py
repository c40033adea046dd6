"""What training leaves behind."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import html
from desgd_fast.common.forms import dataset
from desgd_fast.simulation.results import last_or_average

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Training:
    """What :func:`desgd_fast.train` returns.

    Attributes
    ----------
    final : (n_runs, n_nodes, P) array
        Last parameters of every node.
    average : (n_runs, n_nodes, P) array or None
        Averages of the last iterates, with ``average_last``.
    diverged : (n_runs,) bool array
        Whether any parameter overflowed to inf or nan; such runs are kept as they are.
    record_steps : (n_records,) integer array
        Steps taken before each record.
    consensus_distance : (n_runs, n_records) array
        (mean over nodes of ‖x_i − mean of x‖²)^½.
    train_loss, train_accuracy : (n_runs, n_records, n_nodes) array
        Of each node's network on all training samples; accuracy is nan for the squared loss.
    test_loss, test_accuracy : (n_runs, n_records, n_nodes) array or None
        On the held-out samples.
    train_ensemble_accuracy, test_ensemble_accuracy : (n_runs, n_records) array, or None likewise
        Of all nodes' networks together: a sample is given the class that the mean of their probabilities, the
        softmax of the outputs, makes the likeliest.
    names, shapes : tuple
        Name and shape of each of the network's parameters, in the order in which they make up the P entries.
    first_run : int
        Number of the first run.
    checkpoints : (n_runs, n_kept, P) array or None
        Parameters of one node at the last steps, where they were asked for.
    """

    final: NDArray[np.float64]
    average: NDArray[np.float64] | None
    diverged: NDArray[np.bool_]
    record_steps: NDArray[np.int64]
    consensus_distance: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_loss: NDArray[np.float64] | None
    test_accuracy: NDArray[np.float64] | None
    train_ensemble_accuracy: NDArray[np.float64]
    test_ensemble_accuracy: NDArray[np.float64] | None
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    first_run: int
    checkpoints: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        n_runs, n_nodes, size = self.final.shape
        count = self.diverged.sum()
        return f"Training({n_runs} runs of {n_nodes} nodes, {size} parameters each, {count} diverged)"

    def _repr_html_(self) -> str:
        n_runs, n_nodes, size = self.final.shape
        rows = [
            ("runs, nodes, parameters", f"{n_runs}, {n_nodes}, {size}"),
            ("diverged", int(self.diverged.sum())),
            ("steps", int(self.record_steps[-1])),
            ("mean loss on training samples", float(self.train_loss[:, -1].mean())),
            ("mean distance from consensus", float(self.consensus_distance[:, -1].mean())),
        ]
        if self.test_accuracy is not None:
            rows.append(("mean accuracy on held-out samples", float(self.test_accuracy[:, -1].mean())))
        return html.card("Training", rows)

    def parameters(self, of: str = "final") -> dict[str, NDArray[np.float64]]:
        """Every parameter by its name, with the axes run and node before its own.

        Parameters
        ----------
        of : {"final", "average"}
            The last iterates, or the averages of the last ones.

        Raises
        ------
        ValueError
            If averages are asked for and ``train`` was called with ``average_last=0``.
        """
        parameters = last_or_average(of, self.final, self.average)
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = np.split(parameters, ends[:-1], axis=-1)
        leading = parameters.shape[:2]
        return {
            name: part.reshape(leading + shape)
            for name, shape, part in zip(self.names, self.shapes, parts, strict=True)
        }

    def weights(self, of: str = "final") -> list[NDArray[np.float64]]:
        """The parameters of two axes or more, layer by layer: all but biases and the like.

        Parameters
        ----------
        of : {"final", "average"}
            As for :meth:`parameters`.
        """
        return [value for value in self.parameters(of).values() if value.ndim >= 4]

    def to_xarray(self) -> "xarray.Dataset":
        """The records over the axes run, step and node, and the parameters."""
        records, parameters = ("run", "step"), ("run", "node", "parameter")
        return dataset(
            {
                "diverged": ("run", self.diverged),
                "consensus_distance": (records, self.consensus_distance),
                "train_loss": ((*records, "node"), self.train_loss),
                "train_accuracy": ((*records, "node"), self.train_accuracy),
                "test_loss": ((*records, "node"), self.test_loss),
                "test_accuracy": ((*records, "node"), self.test_accuracy),
                "train_ensemble_accuracy": (records, self.train_ensemble_accuracy),
                "test_ensemble_accuracy": (records, self.test_ensemble_accuracy),
                "final": (parameters, self.final),
                "average": (parameters, self.average),
            },
            {"run": self.first_run + np.arange(self.diverged.size), "step": self.record_steps},
        )
