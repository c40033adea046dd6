"""What an experiment is checked for before it is compiled."""

import numpy as np
from numpy.typing import NDArray


def distinct_counters(name: str, batch_sizes: NDArray[np.int64], most: int, where: str) -> None:
    """Batches whose variates all have counters of their own, so that none is drawn twice."""
    if batch_sizes.max() > most:
        raise ValueError(f"{name} must be at most {most} {where}, got {batch_sizes.max()}")
