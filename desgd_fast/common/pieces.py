"""Long work in calls of bounded length: between two of them an interrupt is heard."""

from collections.abc import Iterator


def pieces(total: int, each: int, most: int, together: int = 1) -> Iterator[tuple[int, int]]:
    """Ranges (first, stop) that cover ``total``, multiples of ``together`` long, of work ``most`` at most.

    ``each`` is the work of one; a piece has ``together`` of them however much that is.
    """
    step = together * max(1, most // (together * max(1, each)))
    for first in range(0, total, step):
        yield first, min(first + step, total)
