"""A sweep written down in TOML: read, checked, and every mistake shown with its line."""

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import typer

from desgd_fast.cli.options import algorithms as cli_algorithms
from desgd_fast.cli.options import graph as cli_graph

# Functions by their short names; any other is written module:function.
FUNCTIONS = {
    "measure_tail": "desgd_fast.measurement.tail:measure_tail",
    "tail_index": "desgd_fast.theory:tail_index",
    "second_moment_growth": "desgd_fast.theory:second_moment_growth",
    "lyapunov_exponent": "desgd_fast.theory:lyapunov_exponent",
    "moment_growth": "desgd_fast.theory:moment_growth",
    "critical_step_size": "desgd_fast.theory:critical_step_size",
}

# Where functions are only this package's, and compute: a file may name them unasked. Another module's could
# be any code, and so could others of this package, which read and run files.
_COMPUTING = ("desgd_fast", "desgd_fast.theory", "desgd_fast.tails", "desgd_fast.mixing")

_TOP = ("function", "version", "store", "workers", "cluster", "rng", "problem", "graph", "fixed", "grid")
_GRAPH = ("name", "n_nodes", "degree", "rule", "delta", "lazy", "mixing", "rng")
_GAUSSIAN = ("dim", "feature_std", "noise_std", "covariance", "optimum")
_DATA = (
    "data",
    "target",
    "standardise",
    "assignment",
    "replacement",
    "ridge",
    "header",
    "separator",
    "decimal",
)
# What nodes do, named as on the command line; together they are the argument algorithm.
_NODES = ("algorithm", "participation", "delay")
_SUCH = {"algorithm": "'heavy_ball(0.9)'", "participation": "'bernoulli(0.5)'", "delay": "2"}
_RANGE = ("first", "last", "count", "spacing")

Keys = tuple[str, ...]


class Misplaced(typer.BadParameter):
    """A mistake whose line is known."""


@dataclass(frozen=True)
class Config:
    """What the file says, with everything built."""

    function: Any
    version: str | None
    grid: dict[str, Any]
    fixed: dict[str, Any]
    store: str
    workers: int
    cluster: str | None
    rng: int
    source: "Source"


class Source:
    """The text of a file, which knows the line of every key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8-sig")  # editors begin files with a byte order mark
        except OSError as error:
            raise typer.BadParameter(f"cannot read '{path}': {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"'{path}' is not a TOML file: {error}") from None
        self._lines = text.splitlines()
        try:
            self.entries = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise typer.BadParameter(
                f"'{path}' is not a TOML file: {error}{self._quoted(str(error))}"
            ) from None
        self._places = dict(self._keys())

    def _quoted(self, error: str) -> str:
        _, found, rest = error.partition("at line ")
        number = rest.split(",")[0]
        return f": {self._lines[int(number) - 1].strip()}" if found and number.isdecimal() else ""

    def _keys(self) -> Iterator[tuple[Keys, int]]:
        table: Keys = ()
        for number, line in enumerate(self._lines):
            text = line.strip()
            if text.startswith("["):
                if header := _key(text.partition("]")[0].strip("[] ")):
                    table = header
                    yield table, number
            elif not text.startswith("#") and "=" in text and (key := _key(text.partition("=")[0])):
                yield (*table, *key), number

    def fail(self, keys: Keys, message: str) -> typer.BadParameter:
        """The mistake, with the line of the key or of the nearest table around it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._places:
                number = self._places[keys[:length]]
                where = f"{self.path}, line {number + 1} ({self._lines[number].strip()})"
                return Misplaced(f"{where}: {message}")
        return Misplaced(f"{self.path}: {message}")

    @contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Show the key's line with whatever the library finds wrong about its value."""
        try:
            yield
        except Misplaced:
            raise
        except (ValueError, TypeError, ImportError, typer.BadParameter) as error:
            text = error.message if isinstance(error, typer.BadParameter) else str(error)
            named = text.split(" ")[0].split("[")[0].rstrip(":")
            # What a graph leaves out comes from the table of all graphs.
            places = [(*keys, named), ("graph", named)]
            raise self.fail(next((place for place in places if place in self._places), keys), text) from error

    def line_about(self, message: str) -> str:
        """The line that sets the argument which a message begins with; empty if none does."""
        argument = message.split(" ")[0]
        for keys, number in self._places.items():
            if keys[-1] == argument and keys[0] in ("fixed", "grid", "problem", "graph"):
                return f"{self.path}, line {number + 1} ({self._lines[number].strip()})"
        return ""


def _key(text: str) -> Keys | None:
    """The parts of a dotted key; None if this is none."""
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return None
    keys: list[str] = []
    while isinstance(value, dict):
        (key,) = value
        keys.append(key)
        value = value[key]
    return tuple(keys)


def read(path: Path, trusted: bool = False) -> Config:
    """The sweep that a file describes; unless trusted, it may name no foreign code."""
    source = Source(path)
    entries = source.entries
    _known(source, (), entries, _TOP)
    for table in ("problem", "graph", "fixed", "grid"):
        _table(source, (table,), entries.get(table, {}))
    if not entries.get("grid"):
        raise source.fail(("grid",), "a table [grid] must name at least one axis")
    function = _function(source, entries.get("function", "measure_tail"), trusted)
    if "cluster" in entries and not trusted:
        raise source.fail(
            ("cluster",), "a scheduler can run any code here: give it by --cluster, or the file --trust"
        )
    graph = entries.get("graph", {})
    _known(source, ("graph",), graph, _GRAPH[1:])
    fixed = {
        key: _value(source, ("fixed", key), value, graph)
        for key, value in entries.get("fixed", {}).items()
        if key not in _NODES
    }
    if "problem" in entries:
        fixed["problem"] = _problem(source, ("problem",), entries["problem"])
    grid = {
        key: _axis(source, ("grid", key), value, graph, entries)
        for key, value in entries["grid"].items()
        if key not in _NODES
    }
    for place, key, value in _algorithms(source, entries):
        (grid if place == "grid" else fixed)[key] = value
    fixed = {key: value for key, value in fixed.items() if not (key == "problem" and key in grid)}
    _arguments(source, function, grid, fixed)
    return Config(
        function,
        _typed(source, "version", str, None),
        grid,
        fixed,
        _typed(source, "store", str, f"{path.stem}.zarr"),
        _typed(source, "workers", int, 1),
        _typed(source, "cluster", str, None),
        _typed(source, "rng", int, 0),
        source,
    )


def _typed(source: Source, key: str, kind: type, default: Any) -> Any:
    value = source.entries.get(key, default)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        word = {str: "a text", int: "an integer"}[kind]
        raise source.fail((key,), f"{key} must be {word}, got {value!r}")
    return value


def _table(source: Source, keys: Keys, value: Any) -> None:
    if not isinstance(value, dict):
        raise source.fail(keys, f"{'.'.join(keys)} must be a table, got {value!r}")


def _known(source: Source, keys: Keys, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise source.fail((*keys, key), f"unknown entry '{key}'; known are {', '.join(known)}")


def _function(source: Source, name: Any, trusted: bool) -> Any:
    module, colon, attribute = str(FUNCTIONS.get(name, name)).partition(":")
    if not colon:
        known = ", ".join(FUNCTIONS)
        raise source.fail(
            ("function",), f"function must be one of {known}, or module:function with --trust, got {name!r}"
        )
    foreign = source.fail(
        ("function",), f"{name} could be any code: --trust runs it, if you know what it is and who wrote this"
    )
    ours = name in FUNCTIONS or module in _COMPUTING
    if not (ours or trusted):
        raise foreign
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise source.fail(("function",), f"cannot import {name}: {error}") from None
    if not callable(function):
        raise source.fail(("function",), f"{name} must be a function, got {function!r}")
    # What a module of ours has imported from elsewhere is not ours.
    if not (trusted or getattr(function, "__module__", "").startswith("desgd_fast.")):
        raise foreign
    return function


def _problem(source: Source, keys: Keys, table: Mapping[str, Any]) -> Any:
    from desgd_fast.problems.gaussian import GaussianRegression
    from desgd_fast.problems.rows import DatasetRegression

    _table(source, keys, table)
    with source.at(*keys):
        if "data" not in table:
            _known(source, keys, table, _GAUSSIAN)
            return GaussianRegression(**{"dim": 2, **table})
        if "target" not in table:
            raise source.fail((*keys, "data"), "data needs a target: the name of a column")
        _known(source, keys, table, _DATA)
        options = {key: value for key, value in table.items() if key not in ("data", "target")}
        # Beside the file that names it, wherever the command is called.
        return DatasetRegression.from_csv(source.path.parent / table["data"], table["target"], **options)


def _graph(source: Source, keys: Keys, given: Any, shared: Mapping[str, Any]) -> Any:
    entry = {"name": given} if isinstance(given, str) else given
    if not isinstance(entry, dict) or "name" not in entry:
        raise source.fail(keys, f"a graph must be a name, or a table with a name, got {given!r}")
    _known(source, keys, entry, _GRAPH)
    choice: dict[str, Any] = {"n_nodes": 8, "degree": 4, "rng": 0, "rule": "metropolis", **shared, **entry}
    for key in ("n_nodes", "degree", "rng"):
        if not isinstance(choice[key], int) or isinstance(choice[key], bool):
            place = (*keys, key) if key in entry else ("graph", key)
            raise source.fail(place, f"{key} must be an integer, got {choice[key]!r}")
    name = choice["name"]
    if name not in cli_graph.NAMES:
        for key in ("n_nodes", "degree"):
            if key in entry:
                raise source.fail((*keys, key), f"{key} changes nothing for a graph in a file")
        # Beside the file that names it, wherever the command is called.
        beside = source.path.parent / str(name)
        name = str(beside) if beside.is_file() else name
    with source.at(*keys):
        return cli_graph.matrix(
            name,
            *(choice[key] for key in ("n_nodes", "degree", "rng", "rule")),
            delta=choice.get("delta"),
            lazy=choice.get("lazy", False),
            mixing=choice.get("mixing"),
        )


def _value(source: Source, keys: Keys, value: Any, graph: Mapping[str, Any]) -> Any:
    if keys[-1] == "graph":
        return _graph(source, keys, value, graph)
    if isinstance(value, dict):
        raise source.fail(keys, f"{keys[-1]} must be a number, a text or a list of them, got a table")
    return value


def _algorithms(source: Source, entries: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The algorithm that names stand for, or an axis of every combination of those in the grid."""
    choices: dict[str, list[tuple[Any, Keys]]] = {name: [(None, ())] for name in _NODES}
    axes = []
    for table in ("fixed", "grid"):
        for name in (name for name in _NODES if name in entries.get(table, {})):
            given, keys = entries[table][name], (table, name)
            if table == "grid":
                if name in entries.get("fixed", {}):
                    raise source.fail(("fixed", name), f"{name} is an axis of the grid too")
                if not isinstance(given, list) or not given:
                    raise source.fail(keys, f"{name} must be a list of names, got {given!r}")
                axes.append(name)
            choices[name] = [(entry, keys) for entry in (given if table == "grid" else [given])]
    if all(choices[name] == [(None, ())] for name in _NODES):
        return
    made = {}
    for chosen in itertools.product(*(choices[name] for name in _NODES)):
        texts = {name: entry for name, (entry, _) in zip(_NODES, chosen, strict=True)}
        label = ", ".join(str(texts[name]) for name in axes)
        made[label] = _algorithm(source, texts, {keys[1]: keys for _, keys in chosen if keys})
    if axes:
        yield "grid", "algorithm", made
    else:
        yield "fixed", "algorithm", made[""]


def _algorithm(source: Source, texts: Mapping[str, Any], places: Mapping[str, Keys]) -> Any:
    for name, keys in places.items():
        text = texts[name]
        if not (isinstance(text, str) or (name == "delay" and type(text) is int)):
            raise source.fail(keys, f"{name} must be a name such as {_SUCH[name]}, got {text!r}")
    name_and_numbers, participation, delay = (
        None if texts[name] is None else str(texts[name]) for name in _NODES
    )
    keys = next(iter(places.values()))
    with source.at(*keys):
        return cli_algorithms.read(
            None if name_and_numbers is None else [name_and_numbers], participation, delay
        )


def _axis(
    source: Source, keys: Keys, given: Any, graph: Mapping[str, Any], entries: Mapping[str, Any]
) -> Any:
    name = keys[-1]
    if name == "graph":
        if isinstance(given, dict):
            return {label: _graph(source, (*keys, label), entry, graph) for label, entry in given.items()}
        if not isinstance(given, list) or not given:
            raise source.fail(keys, f"{name} must be a list of names or a table of labels, got {given!r}")
        return {str(entry): _graph(source, keys, entry, graph) for entry in given}
    if name == "problem":
        _table(source, keys, given)
        shared = entries.get("problem", {})
        return {
            label: _problem(source, (*keys, label), {**shared, **entry} if isinstance(entry, dict) else entry)
            for label, entry in given.items()
        }
    if isinstance(given, dict):
        return _range(source, keys, given)
    if not isinstance(given, list) or not given:
        raise source.fail(keys, f"{name} must be a list of values or {{ first, last, count }}, got {given!r}")
    from desgd_fast.sweeps import checks as sweeps_checks

    with source.at(*keys):
        return sweeps_checks.axis_labels(name, given)


def _range(source: Source, keys: Keys, given: Mapping[str, Any]) -> list[float]:
    import numpy as np

    from desgd_fast.common import check

    name = keys[-1]
    _known(source, keys, given, _RANGE)
    for key in _RANGE[:3]:
        if key not in given:
            raise source.fail(keys, f"{name} must have {', '.join(_RANGE[:3])}; {key} is absent")
    with source.at(*keys):
        spacing = check.choice("spacing", given.get("spacing", "linear"), ("linear", "log"))
        count = check.integer("count", given["count"], 1)
        least = check.positive_number if spacing == "log" else check.number
        first, last = (least(end, given[end]) for end in ("first", "last"))
        values = np.geomspace(first, last, count) if spacing == "log" else np.linspace(first, last, count)
        return [float(value) for value in values]


def _arguments(source: Source, function: Any, grid: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    parameters = signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for table, names in (("grid", grid), ("fixed", fixed)):
        for name in names:
            if name not in parameters and not (name == "graph" and "W" in parameters):
                place = ("problem",) if name == "problem" and table == "fixed" else (table, name)
                known = ", ".join(parameter for parameter in parameters if parameter != "rng")
                raise source.fail(place, f"{function.__name__} has no argument '{name}'; it takes {known}")
            if table == "fixed" and name in grid:
                raise source.fail(("fixed", name), f"{name} is an axis of the grid too")
    given = {"W" if name == "graph" and name not in parameters else name for name in (*grid, *fixed)}
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        if needed and name not in given and name != "rng":
            word = "graph" if name == "W" else name
            raise source.fail(("fixed",), f"{function.__name__} needs '{word}', in [fixed] or in [grid]")
