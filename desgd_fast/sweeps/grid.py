"""The points of a sweep: axes with labels and values, the arguments and the randomness of each cell."""

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check
from desgd_fast.mixing.rules import mixing_matrix
from desgd_fast.sweeps import checks
from desgd_fast.sweeps.identity.identity import Identity

# The axis whose values may be graphs, and the argument that takes their mixing matrices.
GRAPH, MATRIX = "graph", "W"


@dataclass(frozen=True, eq=False)
class Axis:
    """One coordinate: its labels, the values behind them, and the argument that takes a value."""

    name: str
    argument: str
    labels: tuple[bool | int | float | str, ...]
    values: tuple[Any, ...]

    def at(self, places: Sequence[int]) -> "Axis":
        """The axis with the labels at these places only."""
        labels, values = (tuple(part[i] for i in places) for part in (self.labels, self.values))
        return replace(self, labels=labels, values=values)


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a worker must know to compute any cell; cells are numbered in row-major order."""

    function: Callable[..., Any]
    axes: tuple[Axis, ...]
    fixed: dict[str, Any]
    key: tuple[int, ...]
    passes_rng: bool
    version: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of labels on each axis."""
        return tuple(len(axis.labels) for axis in self.axes)

    @property
    def n_cells(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """What a result without fields is called."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return name if name.isidentifier() else "value"

    def places(self, cell: int) -> Iterator[tuple[Axis, int]]:
        """Each axis, and where on it the cell lies."""
        return zip(self.axes, (int(i) for i in np.unravel_index(cell, self.shape)), strict=True)

    def labels(self, cell: int) -> dict[str, bool | int | float | str]:
        """The cell's coordinates."""
        return {axis.name: axis.labels[i] for axis, i in self.places(cell)}

    def number(self, labels: Mapping[str, bool | int | float | str]) -> int:
        """The cell with these coordinates."""
        place = [axis.labels.index(labels[axis.name]) for axis in self.axes]
        return int(np.ravel_multi_index(place, self.shape))

    def restricted(self, grid: Mapping[str, Any]) -> "Job | None":
        """The part of this job over a described grid, in its order; None if not all of that is here."""
        axes = {axis.name: axis for axis in self.axes}
        if axes.keys() != grid.keys():
            return None
        kept = []
        for name, labels in grid.items():
            places = {repr(label): i for i, label in enumerate(axes[name].labels)}
            # Described by their labels, or by what is behind each.
            wanted = list(labels) if isinstance(labels, Mapping) else list(map(repr, labels))
            if not places.keys() >= set(wanted):
                return None
            kept.append(axes[name].at([places[label] for label in wanted]))
        return replace(self, axes=tuple(kept))

    def arguments(self, cell: int) -> dict[str, Any]:
        """What the function is called with."""
        point = {axis.argument: axis.values[i] for axis, i in self.places(cell)}
        return {**self.fixed, **point, **({"rng": self.rng(cell)} if self.passes_rng else {})}

    def rng(self, cell: int) -> np.random.Generator:
        """A stream that depends on the key and the cell's coordinates, and on nothing else."""
        text = json.dumps([self.key, sorted((k, _canonical(v)) for k, v in self.labels(cell).items())])
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))

    def description(self) -> dict[str, Any]:
        """JSON for everything that the results depend on."""
        identity = Identity(self.version)
        return identity.complete(
            {
                "function": identity.function(self.function),
                "grid": {axis.name: _describe_axis(axis, identity) for axis in self.axes},
                "fixed": {
                    name: identity.of(f"fixed[{name!r}]", value) for name, value in sorted(self.fixed.items())
                },
                "rng": "".join(f"{word:08x}" for word in self.key) if self.passes_rng else "not used",
            }
        )


def job(function: Any, grid: Any, fixed: Any, key: NDArray[np.uint64], version: Any = None) -> Job:
    """Check the arguments of a sweep and put them together."""
    check.is_callable("function", function)
    checks.version("version", version)
    constants = checks.named_arguments("fixed", fixed)
    taken = _parameters(function)
    axes = tuple(
        _axis(name, values, taken)
        for name, values in checks.named_arguments("grid", grid, empty=False).items()
    )
    if GRAPH in constants:
        constants[_graph_argument(taken)] = _matrix(constants.pop(GRAPH), taken)
    arguments = {axis.argument: axis.values[0] for axis in axes}
    checks.not_both("fixed", constants, arguments)
    passes_rng = "rng" not in {*arguments, *constants} and (taken is None or "rng" in taken)
    whole = Job(function, axes, constants, tuple(int(word) for word in key), passes_rng, version)
    check.fits_signature("grid and fixed", function, whole.arguments(0))
    return whole


def _parameters(function: Callable[..., Any]) -> set[str] | None:
    """Names that the function takes; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}


def _graph_argument(taken: set[str] | None) -> str:
    return MATRIX if taken is not None and MATRIX in taken and GRAPH not in taken else GRAPH


def _matrix(value: Any, taken: set[str] | None) -> Any:
    """The mixing matrix of a networkx graph, where the function wants one."""
    if _graph_argument(taken) == MATRIX and hasattr(value, "adjacency"):
        return mixing_matrix(value)
    return value


def _axis(name: str, given: Any, taken: set[str] | None) -> Axis:
    argument = _graph_argument(taken) if name == GRAPH else name
    if isinstance(given, Mapping):
        labels, values = list(given), list(given.values())
    else:
        values = checks.axis_values(f"grid[{name!r}]", given)
        labels = values
        if name == GRAPH and not all(isinstance(value, str) for value in values):
            labels = [getattr(graph, "name", "") or f"graph {i}" for i, graph in enumerate(values)]
    labels = checks.axis_labels(f"grid[{name!r}]", labels)
    if not isinstance(given, Mapping) and name != GRAPH:
        values = labels
    if name == GRAPH:
        values = [_matrix(value, taken) for value in values]
    return Axis(name, argument, tuple(labels), tuple(values))


def _canonical(label: bool | int | float | str) -> str:
    """The same text for equal numbers of any type."""
    if isinstance(label, int | float) and not isinstance(label, bool) and float(label) == label:
        return float(label).hex()
    return repr(label)


def _describe_axis(axis: Axis, identity: Identity) -> Any:
    if all(value is label for value, label in zip(axis.values, axis.labels, strict=True)):
        return list(axis.labels)
    return {
        repr(label): identity.of(f"grid[{axis.name!r}][{label!r}]", value)
        for label, value in zip(axis.labels, axis.values, strict=True)
    }
