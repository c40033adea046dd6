"""What the questions of theory are checked for."""

from typing import Any

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check


def plain_algorithm(name: str, value: Any) -> Algorithm:
    """An algorithm whose nodes step along the gradient itself and average at every step."""
    check.instance(name, value, (Algorithm,))
    if not value.plain:
        raise ValueError(
            f"{name} must be plain, in either order: nothing is computed yet for {value!r}; "
            "simulate it and measure"
        )
    assert isinstance(value, Algorithm)
    return value
