"""``rng=`` -> the key of the counter-based generator (SPEC 7)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Anything numpy.random.default_rng takes.
RNG = Any


def key_from(rng: RNG) -> NDArray[np.uint64]:
    """Two 32-bit words, as uint64: the 64-bit Philox key drawn from ``np.random.default_rng(rng)``.

    An integer gives the same key every time; a Generator is advanced, so that two
    calls with the same Generator give different streams; None is fresh entropy.
    """
    return generator_from(rng).integers(0, 2**32, size=2, dtype=np.uint64)


def generator_from(rng: RNG) -> np.random.Generator:
    """``np.random.default_rng(rng)``, with an error that names the argument."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            "rng must be None, a non-negative integer, a sequence of them, a SeedSequence, a BitGenerator "
            f"or a numpy Generator, got {rng!r}"
        ) from error
