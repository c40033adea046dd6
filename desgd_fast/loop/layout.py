"""Where a run's coordinates lie in the state that the step loops advance (see ``kernels/loops/steps.py``)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.memory import aligned_zeros
from desgd_fast.kernels.jit.lanes import LANES
from desgd_fast.kernels.loops.steps import Shape

# Positions of a tile of nodes, enough to amortise a call; of a block of runs, few enough for a core's cache.
_TILE, _BLOCK, _MOST_LANES = 1600, 32_768, 64


@dataclass(frozen=True)
class Layout:
    """``lanes`` runs side by side in ``size`` positions a node; ``tile`` nodes draw their numbers together.

    A matter of speed alone: the runs come out the same, bit for bit, in every layout.
    """

    n_nodes: int
    dim: int
    lanes: int
    size: int
    tile: int

    @classmethod
    def of(cls, n_nodes: int, dim: int, most_lanes: int | None = None) -> "Layout":
        """Room for ``dim`` coordinates of ``most_lanes`` runs or fewer."""
        lanes = most_lanes or _MOST_LANES
        while lanes > 1 and (dim * lanes > _TILE or dim * lanes * n_nodes > _BLOCK):
            lanes //= 2
        tile = 1
        while tile < n_nodes and 2 * tile * dim * lanes <= _TILE:
            tile *= 2
        return cls(n_nodes, dim, lanes, -(-dim * lanes // LANES) * LANES, tile)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The axes of a node's row, before it is filled up: parts, coordinates, runs of a part."""
        parts = max(1, self.lanes // LANES)
        return parts, self.dim, self.lanes // parts

    @property
    def tuple(self) -> Shape:
        """What the kernels know of it."""
        return Shape(self.lanes.bit_length() - 1, self.dim, self.tile)

    def zeros(self, n_rows: int, dtype: Any = np.float64) -> NDArray[Any]:
        """(n_rows, n_nodes, size) zeros on a cache-line boundary."""
        return aligned_zeros(n_rows, self.n_nodes, self.size, dtype=dtype)

    def pack(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Write values (..., dim) into every run of out (..., size)."""
        every_run = np.broadcast_to(values[..., None, :, None], (*values.shape[:-1], *self.shape))
        out[..., : self.dim * self.lanes] = every_run.reshape(*values.shape[:-1], -1)

    def scale(self, values: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
        """Values (dim,) as ``steps.scale_of`` reads them: at every position, or once where it is common."""
        if self.lanes >= LANES:
            return values.astype(dtype)
        packed = np.zeros(self.size, dtype)
        self.pack(values, packed)
        return packed

    def row(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (dim,) at their places in the row of a node, zeros where it is filled up."""
        row = np.zeros(self.size)
        self.pack(values, row)
        return row

    def unpack(self, state: NDArray[Any]) -> NDArray[Any]:
        """(n_blocks, n_nodes, size) → (n_blocks · lanes, n_nodes, dim)."""
        n_blocks, n_nodes, _ = state.shape
        used = state[:, :, : self.dim * self.lanes].reshape(n_blocks, n_nodes, *self.shape)
        return np.ascontiguousarray(used.transpose(0, 2, 4, 1, 3)).reshape(-1, n_nodes, self.dim)
