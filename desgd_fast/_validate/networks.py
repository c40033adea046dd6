"""Neural networks: their layers, activations and parameters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast._validate.arrays import real_array
from desgd_fast._validate.values import belongs_to, given, number, positive_integer, positive_number


def layer_sizes(name: str, value: Any) -> tuple[int, ...]:
    """Numbers of hidden units, each at least 1; none for a linear model."""
    if isinstance(value, str | bytes) or np.ndim(value) != 1:
        raise TypeError(
            f"{name} must be a sequence of integers ≥ 1, one per hidden layer, got {given(value)}"
        )
    return tuple(positive_integer(name, size) for size in value)


def layer_widths(name: str, value: Any) -> tuple[int, ...]:
    """One width, or those before and after every layer."""
    if np.ndim(value) == 0 and not isinstance(value, str | bytes):
        width = positive_integer(name, value)
        return width, width
    sizes = layer_sizes(name, value)
    if len(sizes) < 2:
        raise ValueError(f"{name} must be an integer ≥ 1 or at least two, got {given(value)}")
    return sizes


def slope_of(name: str, value: Any, activation: str) -> float:
    """The slope of a leaky ReLU below zero, in [0, 1]; fixed for every other activation."""
    belongs_to(name, value, "activation", "leaky-relu", activation)
    if activation != "leaky-relu":
        return 1.0 if activation == "linear" else 0.0
    if value is None:
        return 0.01
    return number(name, value, "a number from 0 to 1", lambda slope: 0 <= slope <= 1)


def module_with_parameters(name: str, value: Any, kind: Any) -> None:
    """A torch module that has something to train."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a torch.nn.Module, got {given(value)}")
    if not any(True for _ in value.parameters()):
        raise ValueError(f"{name} must have at least one parameter to train, got {given(value)}")


def initial_parameters(
    name: str, value: Any, n_runs: int, n_nodes: int, n_parameters: int, *, drawn: bool = True
) -> str | float | NDArray[np.float64]:
    """The parameters of one node, of all nodes, or of all runs; or how to draw them, "uniform" or a scale."""
    whole = (n_runs, n_nodes, n_parameters)
    allowed = f"have shape {whole[2:]}, {whole[1:]} or {whole}"
    if drawn:
        allowed = f"be 'uniform', a positive number or {allowed}"
        if isinstance(value, str) and value == "uniform":
            return value
    if isinstance(value, str):
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    array = real_array(name, value)
    if drawn and array.ndim == 0:
        return positive_number(name, value)
    if array.shape not in (whole, whole[1:], whole[2:]):
        raise ValueError(f"{name} must {allowed}, got shape {array.shape}")
    return np.broadcast_to(array, whole)
