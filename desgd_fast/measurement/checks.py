"""What is measured is checked for."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sample_of(name: str) -> Iterator[None]:
    """Estimates of a sample that an argument makes: what is wrong with it is told of that argument."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("x "):
            raise
        raise ValueError(f"{name} makes a sample that has no estimate: {error}") from error
