"""What the arguments of a run are checked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common.check.arrays import positive_per_node, real_array
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


def step_sizes(name: str, value: Any, n_steps: int, n_nodes: int) -> NDArray[np.float64]:
    """A scalar, one per node, or a schedule of the steps' numbers: (1 or n_steps, n_nodes)."""
    if not callable(value):
        return positive_per_node(name, value, n_nodes)[np.newaxis]
    array = real_array(f"{name}(k)", value(np.arange(n_steps)))
    if array.shape not in ((n_steps,), (n_steps, n_nodes)):
        raise ValueError(
            f"{name} must return shape ({n_steps},) or ({n_steps}, {n_nodes}) for the {n_steps} steps' "
            f"numbers, got {array.shape}"
        )
    if (array < 0).any():
        raise ValueError(f"{name} must return step sizes of at least 0, got {array.min():g}")
    return np.array(np.broadcast_to(array.reshape(n_steps, -1), (n_steps, n_nodes)))


def step_sizes_of_runs(name: str, value: Any, n_steps: int, n_runs: int, n_nodes: int) -> NDArray[np.float64]:
    """A positive scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes), or a schedule of the steps' numbers.

    As an array (1, n_runs, n_nodes), or (n_steps, 1, n_nodes) from a schedule.
    """
    if callable(value):
        return step_sizes(name, value, n_steps, n_nodes)[:, np.newaxis]
    array = real_array(name, value)
    if array.shape not in ((), (n_nodes,), (n_runs, 1), (n_runs, n_nodes)):
        raise ValueError(
            f"{name} must be a scalar or have shape ({n_nodes},) for the nodes, ({n_runs}, 1) for the runs "
            f"or ({n_runs}, {n_nodes}) for both, got shape {array.shape}"
        )
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive, got {given(value)}")
    return np.array(np.broadcast_to(array, (1, n_runs, n_nodes)), order="C")


def engine_for_data(name: str, engine: str) -> None:
    """An engine that does not need the closed law of a Gaussian minibatch gradient."""
    if engine not in ("auto", "direct"):
        raise ValueError(
            f"{name}={engine!r} needs the closed gradient law of GaussianRegression; use 'auto' or 'direct'"
        )


def engine_for_gaussian(
    name: str,
    engine: str,
    isotropic: bool,
    dim: int,
    n_nodes: int,
    keep: str,
    average_last: int,
    plain: bool,
) -> None:
    """An engine that can answer what is asked of it."""
    if engine != "gram":
        return
    for fault, reason in (
        (not isotropic, "isotropic features, but the covariance has different eigenvalues"),
        (dim < 2 * n_nodes, f"dim ≥ 2 n_nodes, got dim={dim} and {n_nodes} nodes"),
        (keep == "all", "keep='norms' or 'gram': it has no iterates to keep"),
        (average_last > 0, f"average_last=0: it cannot average iterates, got {average_last}"),
        (not plain, "the plain update"),
    ):
        if fault:
            raise ValueError(f"{name}='gram' needs {reason}; 'auto' or 'collapsed' would do")


def distinct_counters(name: str, batch_sizes: NDArray[np.int64], most: int, where: str) -> None:
    """Batches whose variates all have counters of their own, so that none is drawn twice."""
    if batch_sizes.max() > most:
        raise ValueError(f"{name} must be at most {most} {where}, got {batch_sizes.max()}")
