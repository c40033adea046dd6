"""What a sweep would cost."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep would take, from one of its cells.

    Attributes
    ----------
    n_cells, n_waiting : int
        Cells of the grid, and those that have yet to be computed.
    cell : dict
        Coordinates of the cell that was computed.
    seconds : float
        Time it took, kernels compiled.
    result_bytes : int
        Size of all results together, uncompressed.
    process_bytes : int
        Most memory that the computing process has held.
    workers : int
        Processes at work.
    """

    n_cells: int
    n_waiting: int
    cell: dict[str, bool | int | float | str]
    seconds: float
    result_bytes: int
    process_bytes: int
    workers: int

    @property
    def remaining_seconds(self) -> float:
        """Time for the cells that wait, if all take as long as this one."""
        return self.seconds * math.ceil(self.n_waiting / self.workers)
