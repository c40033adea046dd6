"""What a simulation leaves behind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check, html
from desgd_fast.common.forms import dataset
from desgd_fast.simulation import checks

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Runs:
    """What :func:`desgd_fast.simulate` returns.

    Attributes
    ----------
    final : (n_runs, n_nodes, dim) array or None
        Last iterates, with ``keep="all"``.
    average : (n_runs, n_nodes, dim) array or None
        Averages of the last iterates, with ``keep="all"`` and averaging.
    final_norms, average_norms : (n_runs, n_nodes) array, or None without averaging
        ‖x_i − x*‖ of the two.
    gram : (n_runs, n_nodes, n_nodes) array or None
        ⟨x_i − x*, x_j − x*⟩ of the last iterates, with ``keep="gram"``.
    diverged : (n_runs,) bool array
        Whether anything in the run overflowed to inf or nan; such runs are kept as they are.
    optimum : (dim,) array
        x*.
    first_run : int
        Number of the first run.
    """

    final: NDArray[np.floating] | None
    average: NDArray[np.floating] | None
    final_norms: NDArray[np.float64]
    average_norms: NDArray[np.float64] | None
    gram: NDArray[np.float64] | None
    diverged: NDArray[np.bool_]
    optimum: NDArray[np.float64]
    first_run: int

    def __repr__(self) -> str:
        n_runs, n_nodes = self.final_norms.shape
        kept = ", ".join(
            name
            for name in ("final", "average", "final_norms", "average_norms", "gram")
            if getattr(self, name) is not None
        )
        return f"Runs({n_runs} runs of {n_nodes} nodes, {self.diverged.sum()} diverged; kept: {kept})"

    def _repr_html_(self) -> str:
        n_runs, n_nodes = self.final_norms.shape
        rows = [
            ("runs, nodes", f"{n_runs}, {n_nodes}"),
            ("diverged", int(self.diverged.sum())),
            ("median distance to the optimum", float(np.median(self.final_norms))),
            ("largest", float(self.final_norms.max())),
        ]
        return html.card("Runs", rows, html.survival(self.norms(stacked=True)))

    def norms(self, of: str = "final", *, stacked: bool = False) -> NDArray[np.float64]:
        """Distance to the optimum.

        Parameters
        ----------
        of : {"final", "average"}
            The last iterates, or the averages of the last ones.
        stacked : bool
            One norm a run, of all nodes' deviations as one vector, instead of one a node.

        Returns
        -------
        (n_runs, n_nodes) or (n_runs,) array

        Raises
        ------
        ValueError
            If averages are asked for and ``simulate`` was called with ``average_last=0``.
        """
        norms = last_or_average(of, self.final_norms, self.average_norms)
        return euclidean(norms) if stacked else norms

    def to_xarray(self) -> "xarray.Dataset":
        """Everything kept, over the axes run, node and coordinate."""
        nodes = ("run", "node")
        return dataset(
            {
                "diverged": ("run", self.diverged),
                "optimum": ("coordinate", self.optimum),
                "final": ((*nodes, "coordinate"), self.final),
                "average": ((*nodes, "coordinate"), self.average),
                "final_norms": (nodes, self.final_norms),
                "average_norms": (nodes, self.average_norms),
                "gram": ((*nodes, "other_node"), self.gram),
            },
            {"run": self.first_run + np.arange(self.diverged.size)},
        )


def last_or_average(
    of: str, last: NDArray[np.float64], average: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """The one that was asked for, ``"final"`` or ``"average"``, if it was kept."""
    if check.choice("of", of, ("final", "average")) == "final":
        return last
    checks.was_kept("of", of, average)
    assert average is not None
    return average


def euclidean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean length along the last axis, finite wherever it is representable."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        lengths = np.asarray(np.sqrt(np.square(values).sum(axis=-1)))
        # Squares of what lies beyond these overflow, or lose digits.
        extreme = ~((lengths > 1e-140) & (lengths < 1e140))
        if extreme.any():
            rows = values[extreme]
            largest = np.abs(rows).max(axis=-1)
            unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
            lengths[extreme] = unit * np.sqrt(np.square(rows / unit[..., None]).sum(axis=-1))
    return lengths
