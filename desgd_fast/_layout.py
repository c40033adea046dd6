"""Where a run's coordinates lie in the state that the step loops advance (see ``kernels/steps.py``)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Enough positions to amortise a loop, few enough for a block of runs to stay in a core's cache.
_ROW, _BLOCK, _MOST_LANES, _WIDTH = 1600, 32_768, 64, 64


@dataclass(frozen=True)
class Layout:
    """``lanes`` runs side by side, ``coordinates`` of them in ``pairs`` that share a Box–Muller pair.

    The number of lanes depends on the problem alone, never on how many runs are asked for: it sets the
    order of summation and so the last bit of every run.
    """

    n_nodes: int
    dim: int
    lanes: int
    pairs: int
    half: int
    width: int

    @classmethod
    def of(cls, n_nodes: int, dim: int, *, extra: int = 0, single: bool = False) -> "Layout":
        """Room for ``dim`` coordinates and ``extra`` normals; one run a block if ``single``."""
        pairs = (dim + extra + 1) // 2
        lanes = 1 if single else _MOST_LANES
        while lanes > 1 and (2 * pairs * lanes > _ROW or 2 * pairs * lanes * n_nodes > _BLOCK):
            lanes //= 2
        half = _multiple(8, pairs * lanes)
        if half > _WIDTH // 2:
            half = _multiple(_WIDTH // 2, half)
        if single:
            pairs = half  # no gap between the halves: a loss takes its coordinates in one piece
        width = min(_WIDTH, (2 * half) & -(2 * half))
        return cls(n_nodes, dim, lanes, pairs, half, width)

    @property
    def size(self) -> int:
        """Positions per node."""
        return 2 * self.half

    def positions(self) -> NDArray[np.int64]:
        """Position of each coordinate's first run, (dim,)."""
        coordinate = np.arange(self.dim)
        upper = coordinate >= self.pairs
        return np.where(
            upper, self.half + (coordinate - self.pairs) * self.lanes, coordinate * self.lanes
        ).astype(np.int64)

    def blocks(self, n_runs: int) -> int:
        """Blocks that hold n_runs runs."""
        return -(-n_runs // self.lanes)

    def zeros(self, n_rows: int) -> NDArray[np.float64]:
        """(n_rows, n_nodes, size) zeros on a cache-line boundary."""
        return aligned_zeros(n_rows, self.n_nodes, self.size)

    def pack(self, values: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        """Write values (..., dim) into every run of out (..., size)."""
        for lane in range(self.lanes):
            out[..., self.positions() + lane] = values

    def unpack(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_blocks, n_nodes, size) → (n_blocks · lanes, n_nodes, dim)."""
        n_blocks, n_nodes, _ = state.shape
        used = self.pairs * self.lanes
        halves = [
            part.reshape(n_blocks, n_nodes, self.pairs, self.lanes)
            for part in (state[:, :, :used], state[:, :, self.half : self.half + used])
        ]
        both = np.concatenate(halves, axis=2)[:, :, : self.dim]
        return np.ascontiguousarray(both.transpose(0, 3, 1, 2)).reshape(-1, n_nodes, self.dim)


def aligned_zeros(*shape: int) -> NDArray[np.float64]:
    """Zeros that start on a cache line."""
    count = math.prod(shape)
    raw = np.zeros(count + 7)
    skip = (-raw.ctypes.data // 8) % 8
    return raw[skip : skip + count].reshape(shape)


def _multiple(unit: int, value: int) -> int:
    return -(-value // unit) * unit
