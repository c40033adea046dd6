"""Functions that the user writes, compiled or not."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.values import given


def is_callable(name: str, value: object) -> None:
    """A function."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {given(value)}")


def compilable(name: str, value: object) -> None:
    """A function that Numba can compile, or has compiled."""
    from numba.core.dispatcher import Dispatcher

    is_callable(name, value)
    if not (inspect.isfunction(value) or isinstance(value, Dispatcher)):
        raise TypeError(f"{name} must be a Python function, or one under numba.njit, got {given(value)}")


def takes(name: str, value: Any, expected: str) -> None:
    """A function that can be called with as many arguments as ``expected`` shows."""
    is_callable(name, value)
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return  # a builtin without one
    try:
        signature.bind(*expected.split(","))
    except TypeError:
        raise TypeError(f"{name} must be a function {expected}, got one with arguments {signature}") from None


def answer(name: str, function: Any, expected: str, *arguments: Any) -> Any:
    """What a user's function of these arguments returns; that it cannot take them is told of it."""
    takes(name, function, expected)
    try:
        return function(*arguments)
    except TypeError as error:
        raise TypeError(f"{name} must be a function {expected}, but: {error}") from error


def fits_signature(name: str, function: Any, arguments: Mapping[str, Any]) -> None:
    """Arguments that the function can be called with, every required one among them."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin without one
    try:
        signature.bind(**arguments)
    except TypeError as error:
        called = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"{name} must name the arguments of {called}{signature}: {error}, got {', '.join(arguments)}"
        ) from None


def compiled_function(name: str, value: Any, expected: str) -> None:
    """A function compiled by numba.njit with as many arguments as ``expected`` shows."""
    from numba import config
    from numba.core.dispatcher import Dispatcher

    if not (isinstance(value, Dispatcher) or (config.DISABLE_JIT and callable(value))):
        hint = "; put @numba.njit above its def" if callable(value) else ""
        raise TypeError(
            f"{name} must be a function {expected} compiled with numba.njit, got {given(value)}{hint}"
        )
    parameters = inspect.signature(getattr(value, "py_func", value)).parameters
    if len(parameters) != expected.count(",") + 1:
        raise TypeError(
            f"{name} must be a compiled function {expected}, got one with arguments ({', '.join(parameters)})"
        )


def compiles(name: str, build: Any, expected: str) -> Any:
    """What ``build()`` returns, unless the user's function within it does not compile."""
    from numba.core.errors import NumbaError

    try:
        return build()
    except NumbaError as error:
        # Inside what the kernels call it through, the function's own mistake comes after theirs.
        text = str(error)
        text = text.partition("specific error:")[2] if "intrinsic attempt" in text else text
        lines = [line.strip(" >") for line in text.splitlines() if line.strip(" >")]
        lines = [line for line in lines if "Failed in" not in line] or ["no reason given"]
        # A colon announces what was called, with which types.
        reason = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
        raise TypeError(
            f"{name} must compile as {expected}, of float64 arrays and numbers; numba says: {reason}"
        ) from error


def writes_finite(name: str, values: NDArray[np.float64], expected: str, where: str) -> None:
    """A user's function that fills its result with finite numbers."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        place = "a value" if values.size == 1 else f"entry {bad[0]} of {values.size}"
        raise ValueError(
            f"{name} must give finite numbers in every entry, as {expected}, but left {place} nan or "
            f"infinite at {where}, or raised an error there"
        )
