"""What an experiment is checked for before it is compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.kernels.gradients.minibatches import Rows, Stream


def samples(name: str, problem: Any, source: Any, algorithm: Any) -> None:
    """A problem whose samples have gradients of their own, where a part works on them."""
    if not isinstance(source, Rows | Stream):
        part = next(part for part in algorithm.local if part.by_sample)
        raise ValueError(
            f"{name} must be an EmpiricalRisk or a StreamingRisk for {part!r}, which works on every sample's "
            f"gradient, unless batch_size is 1; got {type(problem).__name__}"
        )


def distinct_counters(name: str, batch_sizes: NDArray[np.int64], most: int, where: str) -> None:
    """Batches whose variates all have counters of their own, so that none is drawn twice."""
    if batch_sizes.max() > most:
        raise ValueError(f"{name} must be at most {most} {where}, got {batch_sizes.max()}")
