"""Functions for sweeps under test, light to import in worker processes."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Result:
    """One field of every kind."""

    whole: int
    draw: float
    odd: bool
    text: str
    vector: np.ndarray
    complexity: complex
    sometimes: float | None


def everything(a: int, b: str, rng: np.random.Generator, shift: float = 0.0) -> Result:
    """Lengths differ from cell to cell, and a field is missing now and then."""
    return Result(
        whole=a,
        draw=float(rng.normal()) + shift,
        odd=a % 2 == 1,
        text=f"{b} {a}",
        vector=rng.normal(size=a),
        complexity=complex(a, len(b)),
        sometimes=None if a == 2 else 0.5,
    )


def widening(a: int, b: str, rng: np.random.Generator) -> dict[str, object]:
    """An integer here and a float there, a number next to a vector, a field that comes late."""
    result: dict[str, object] = {
        "x": a if a < 2 else a + 0.5,
        "y": rng.normal() if a < 3 else rng.normal(size=a),
    }
    return result | ({"late": a} if a > 2 else {})


def failing(a: int, b: str) -> float:
    """Fails in one cell."""
    if a == 2 and b == "v":
        raise ValueError("two is too much")
    return a / 2


def failing_until(a: int, flag: str) -> int:
    """Fails until there is a file of that name."""
    if a == 1 and not Path(flag).exists():
        raise RuntimeError("not yet")
    return a


def deadly(a: int, flag: str) -> int:
    """Kills its own process, until there is a file of that name."""
    if a == 3 and not (flag and Path(flag).exists()):
        if flag:
            Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return a


def counted(a: int, log: str) -> int:
    """Leaves a line in the log for every call."""
    with open(log, "a") as file:
        file.write(f"{a}\n")
    return a


def threads(a: int) -> dict[str, int]:
    """Threads that a simulation would use here."""
    from desgd_fast.common import threads

    with threads.limited_to(None) as count:
        return {"threads": count, "process": os.getpid()}
