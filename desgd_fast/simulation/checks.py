"""What the arguments of a run are checked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common.check.arrays import real_array
from desgd_fast.common.check.values import given


def was_kept(name: str, value: str, result: object) -> None:
    """A result that the runs were asked to keep."""
    if result is None:
        raise ValueError(f"{name}={value!r} was not computed; make the runs with average_last of at least 1")


def was_kept_all(name: str, final: object) -> None:
    """Runs that kept their iterates."""
    if final is None:
        raise ValueError(f"{name} must be runs with iterates; call simulate with keep='all'")


def some_converged(name: str, diverged: NDArray[np.bool_]) -> None:
    """Runs of which at least one did not diverge."""
    if diverged.all():
        raise ValueError(f"{name} must hold a run that did not diverge, but all {diverged.size} did")


def all_finite_runs(name: str, finite: list[bool]) -> None:
    """A training none of whose runs diverged."""
    if not all(finite):
        raise ValueError(
            f"{name} must hold no diverged runs, but layer {finite.index(False) + 1} overflowed; "
            "train with a smaller step_size, or keep the runs that training.diverged does not flag"
        )


def points(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """(n_nodes, dim) or (n_points, n_nodes, dim) finite numbers, as the latter."""
    array = real_array(name, value)
    if array.ndim not in (2, 3) or array.shape[-1] != dim or 0 in array.shape:
        raise ValueError(
            f"{name} must have shape (n_nodes, {dim}) or (n_points, n_nodes, {dim}), got {array.shape}"
        )
    return array.reshape(-1, *array.shape[-2:])


def coordinate_groups(name: str, value: Any, dim: int) -> dict[str, NDArray[np.int64]]:
    """Named groups of coordinates, after that of all of them."""
    groups = {"all": np.arange(dim)}
    if value is None:
        return groups
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of names to coordinates, got {given(value)}")
    for label, coordinates in value.items():
        array = np.asarray(coordinates)
        allowed = f"integers from 0 to {dim - 1}"
        if array.dtype.kind not in "iu" or array.ndim != 1 or array.size == 0:
            raise TypeError(f"{name}[{label!r}] must be a list of {allowed}, got {given(coordinates)}")
        if array.min() < 0 or array.max() >= dim:
            raise ValueError(f"{name}[{label!r}] must be a list of {allowed}, got {given(coordinates)}")
        groups[str(label)] = array.astype(np.int64)
    return groups


def starting_point(name: str, value: ArrayLike | None, n_nodes: int, dim: int) -> NDArray[np.float64]:
    """None, a scalar, (dim,) or (n_nodes, dim), as an array (n_nodes, dim)."""
    array = real_array(name, 0.0 if value is None else value)
    if array.shape not in ((), (dim,), (n_nodes, dim)):
        raise ValueError(
            f"{name} must be None, a scalar or have shape ({dim},) or ({n_nodes}, {dim}), "
            f"got shape {array.shape}"
        )
    return np.broadcast_to(array, (n_nodes, dim))


def some_engine(name: str, engine: str, refusals: list[str], able: bool) -> None:
    """At least one engine that can do what is asked."""
    if not able:
        hint = "" if engine == "auto" else "; 'auto' takes one that can"
        raise ValueError(f"{name}={engine!r} needs {refusals[-1]}{hint}")


def array_forms(name: str, algorithm: Any) -> None:
    """Local rules that work on rows of arrays, and nothing in the other slots."""
    for part in algorithm.parts:
        if part not in algorithm.local or part.array_form is None:
            raise ValueError(
                f"{name} holds {part!r}, which has no array form that torch could run; train with dsf.train"
            )
    if algorithm.consensus_step is not None:
        raise ValueError(f"{name} holds a consensus step, which torch does not run; train with dsf.train")


def fixed_matrix(name: str, process: Any) -> None:
    """One mixing matrix for all steps."""
    if not process.fixed:
        raise ValueError(
            f"{name} must be a matrix here, got the process {process.name}; train with dsf.train"
        )
