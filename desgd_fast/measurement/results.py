"""Gradient noise and its tails."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import html
from desgd_fast.common.forms import table
from desgd_fast.tails.results import TailEstimate


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """What :func:`desgd_fast.gradient_noise` returns; prints as a table.

    Attributes
    ----------
    groups : tuple of str
        Names of the groups of coordinates, ``"all"`` first.
    norms : (n_groups, n_points, n_samples, n_nodes) array
        ‖g_i(x) − ∇f_i(x)‖ over the group's coordinates.
    tail : TailEstimate
        Tail index of the noise, over (n_groups, n_nodes).
    iterates : TailEstimate or None
        Tail index of ‖x_i − x*‖ of the runs that the points come from, over (n_nodes,); None for points of
        your own.
    """

    groups: tuple[str, ...]
    norms: NDArray[np.float64]
    tail: TailEstimate
    iterates: TailEstimate | None

    def __str__(self) -> str:
        columns = ["node:>6", *(f"{name}:>24" for name in (*self.groups, "iterates"))]
        return "\n".join(table(columns, map(self._row, range(self.norms.shape[-1]))))

    def _repr_html_(self) -> str:
        columns = ("node", *self.groups, "iterates")
        rows = map(self._row, range(self.norms.shape[-1]))
        return html.grid("Tail index of the gradient noise", columns, rows, self.tail.warnings)

    def _row(self, node: int) -> list[int | str]:
        groups = [self._entry(self.tail, (group, node)) for group in range(len(self.groups))]
        return [node, *groups, "" if self.iterates is None else self._entry(self.iterates, (node,))]

    @staticmethod
    def _entry(tail: TailEstimate, place: tuple[int, ...]) -> str:
        return f"{tail.alpha[place]:.3g} [{tail.ci_low[place]:.3g}, {tail.ci_high[place]:.3g}]"
