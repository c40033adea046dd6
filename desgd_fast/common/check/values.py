"""One value: a number, a choice, a flag, an object of some class."""

import importlib.util
import math
import operator
import sys
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

# A larger integer has no double of its own.
_LARGEST = 2**53


def given(value: object) -> str:
    """What was given, in at most 80 characters."""
    try:
        text = repr(value)
    except Exception:
        # Python does not print integers of more than 4300 digits; others' classes may fail as they like.
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def number(
    name: str,
    value: Any,
    allowed: str = "a finite number",
    inside: Callable[[float], bool] = math.isfinite,
) -> float:
    """A real finite scalar, inside the range that ``allowed`` words."""
    try:
        odd = isinstance(value, bool | np.bool_ | str | bytes | complex) or value is np.ma.masked
        if odd or np.ndim(value) != 0:
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {allowed}, got {given(value)}") from None
    except OverflowError:
        result = math.inf
    if not (math.isfinite(result) and inside(result)):
        raise ValueError(f"{name} must be {allowed}, got {given(value)}")
    return result


def positive_number(name: str, value: Any) -> float:
    """A finite scalar above zero."""
    return number(name, value, "a positive finite number", lambda result: result > 0)


def non_negative_number(name: str, value: Any) -> float:
    """A finite scalar of at least zero."""
    return number(name, value, "a finite number ≥ 0", lambda result: result >= 0)


def fraction(name: str, value: Any) -> float:
    """A scalar strictly between 0 and 1."""
    return number(name, value, "a number strictly between 0 and 1", lambda result: 0 < result < 1)


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number in [least, most], of at most 2^53; whole floats such as 5.0 are refused."""
    allowed = f"an integer ≥ {least}" if most is None else f"an integer from {least} to {most}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be {allowed}, got {given(value)}")
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {allowed}, got {given(value)}") from None
    if result < least or (most is not None and result > most):
        raise ValueError(f"{name} must be {allowed}, got {given(value)}")
    if result > _LARGEST:
        raise ValueError(f"{name} must be an integer of at most 2**53, got {given(value)}")
    return result


def positive_integer(name: str, value: Any) -> int:
    """A whole number of at least one."""
    return integer(name, value, 1)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {given(value)}")
    return bool(value)


def choice(name: str, value: Any, options: Collection[str]) -> str:
    """One of the named options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {given(value)}")
    return value


def belongs_to(name: str, value: Any, decider: str, owner: str, chosen: str) -> None:
    """None, unless the argument ``decider`` chose the one option that takes it."""
    if value is not None and chosen != owner:
        raise ValueError(
            f"{name} belongs to {decider}={owner!r} only, got {given(value)} with {decider}={chosen!r}"
        )


def instance(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """An object of one of these classes."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be a {' or '.join(k.__name__ for k in kinds)}, got {given(value)}")


def installed(needs: str, extra: str, *libraries: str) -> None:
    """Optional libraries that are there; ``needs`` begins the sentence."""
    for library in libraries:
        if sys.modules.get(library, True) is None or importlib.util.find_spec(library) is None:
            raise ImportError(f"{needs} {library}: pip install 'desgd-fast[{extra}]'", name=library)


def nodes(name: str, value: Any, n_nodes: int | None = None) -> tuple[int, ...]:
    """Numbers of nodes, each once; below ``n_nodes`` if that is known."""
    try:
        numbers = tuple(integer(name, node, 0, None if n_nodes is None else n_nodes - 1) for node in value)
    except TypeError:
        numbers = ()
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must hold numbers of nodes, each once, got {given(value)}")
    return numbers
