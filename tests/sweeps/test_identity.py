"""The identity of a computation: equal for equal content in any process, other wherever anything differs."""

import collections
import dataclasses
import datetime
import enum
import functools
import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import networkx as nx
import numba
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, special

import desgd_fast as dsf
from desgd_fast.sweeps.identity.identity import Identity

ROOT = Path(__file__).parents[2]


def told(value: Any, version: str | None = None) -> str:
    """The identity of one value, as text."""
    identity = Identity(version)
    return json.dumps(identity.complete({"value": identity.of("value", value)}))


# Values of each kind, made anew at every call; no two of a group are the same


class Model:
    """An object whose method is swept."""

    scale = 2.0

    def __init__(self, a: float) -> None:
        self.a = a

    def f(self, x: float) -> float:
        return self.a * self.scale * x

    @functools.cached_property
    def slow(self) -> float:
        return self.a**2


class Slotted:
    """Keeps its state in slots."""

    __slots__ = ("a",)

    def __init__(self, a: float) -> None:
        self.a = a


@dataclasses.dataclass
class Record:
    """A mutable dataclass with a default."""

    x: Any
    y: Any = 1


Pair = collections.namedtuple("Pair", "a b")


class Colour(enum.Enum):
    """Two of them."""

    RED = 1
    BLUE = 2


def scaled(by: Any) -> Callable[..., Any]:
    """A function that captured a value."""
    return lambda a: (by, a)


def with_default(value: Any) -> Callable[..., Any]:
    """A function with that default."""

    def function(a: int, extra: Any = value) -> Any:
        return a, extra

    return function


def with_keyword(value: Any) -> Callable[..., Any]:
    """A function with that default of a keyword."""

    def function(a: int, *, extra: Any = value) -> Any:
        return a, extra

    return function


def with_global(value: Any, text: str = "lambda a: a + LEVEL") -> Callable[..., Any]:
    """A function that names a global."""
    return eval(text, {"LEVEL": value})


def with_helper(value: Any) -> Callable[..., Any]:
    """A function whose helper's helper names a global."""
    space: dict[str, Any] = {"LEVEL": value}
    exec("def g(a): return LEVEL\ndef h(a): return g(a)\ndef f(a): return h(a)", space)
    return space["f"]


def with_attribute(value: Any) -> Callable[..., Any]:
    """A function that keeps something on itself."""

    def function(a: int) -> Any:
        return function.table  # type: ignore[attr-defined]

    function.table = value  # type: ignore[attr-defined]
    return function


def compiled(by: float, **options: Any) -> Any:
    """A compiled function that captured a number."""

    @numba.njit(**options)
    def function(x: float) -> float:
        return by * x

    return function


def universal(by: float) -> Any:
    """A compiled ufunc over vectors."""

    @numba.guvectorize(["void(f8[:], f8[:])"], "(n)->(n)")
    def function(x: Any, out: Any) -> None:
        out[:] = by * x

    return function


def own_rule(by: float) -> Any:
    """An algorithm with a rule of the user's."""

    def rule(direction: Any, iterate: Any, memory: Any, normals: Any, uniforms: Any, parameters: Any) -> None:
        direction *= by

    return dsf.algorithms.local_rule(rule)


def decorated(by: float) -> Callable[..., Any]:
    """A function under a decorator that names it like what it wraps."""

    @functools.wraps(scaled)
    def function(a: float) -> float:
        return by * a

    return function


def subclass(value: Any) -> type:
    """A class that differs in an attribute of its base."""
    base = type("Base", (), {"level": value})
    return type("Derived", (base,), {})


def middle(value: Any, make: Callable[[Any], Any]) -> Any:
    """A long value that differs in the middle, where printing leaves things out."""
    entries = [0.0] * 5000
    entries[2500] = value
    return make(entries)


def graph(order: list[int], **attributes: Any) -> nx.Graph:
    """A path 0 – 1 – 2 with its nodes in some order."""
    built = nx.Graph()
    built.add_nodes_from(order)
    built.add_edge(0, 1, **attributes)
    built.add_edge(1, 2)
    return built


def renamed(name: str) -> pd.Series:
    """A series of that name."""
    return pd.Series([1.0, 2.0], name=name)


LAMBDAS = (lambda x: x + 1, lambda x: x + 2, lambda x, y=1: x + 1, lambda x: x - 1)  # on one line, on purpose

GROUPS: dict[str, Callable[[], list[Any]]] = {
    "plain": lambda: [None, True, 1, 1.0, "1", b"1", 1j, 0.0, -0.0, math.nan, np.float64(1), np.int64(1)],
    "more plain": lambda: [np.float32(1), np.bool_(True), 10**30, 10**30 + 1, ..., range(3), range(0, 3, 2)],
    "containers": lambda: [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), {1: 2}, {"1": 2}, [2, 1], [[1], 2]],
    "mappings": lambda: [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 2.0}, {"@tuple": [1]}, (1,)],
    "subclasses": lambda: [
        collections.OrderedDict(a=1),
        collections.Counter(a=1),
        collections.defaultdict(list, a=1),
        Pair(1, 2),
        (1, 2),
        collections.deque([1, 2]),
        collections.deque([1, 2], 2),
    ],
    "numbers": lambda: [
        Decimal("1"),
        Decimal("1.0"),
        Fraction(1, 2),
        Fraction(1, 3),
        complex(1, -0.0),
        1 + 0j,
    ],
    "dates": lambda: [
        datetime.date(2020, 1, 1),
        datetime.datetime(2020, 1, 1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        np.datetime64("2020-01-01"),
        np.datetime64("2020-01-01", "ns"),
    ],
    "paths": lambda: [Path("a"), Path("b"), "a"],
    "enums": lambda: [Colour.RED, Colour.BLUE, Colour, 1],
    "arrays": lambda: [
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, np.float32),
        np.zeros(4, np.int64),
        np.array([0, 0, 0, -0.0]),
        np.zeros(4, dtype=">f8"),
        np.ma.masked_array(np.zeros(4), [1, 0, 0, 0]),
        np.ma.masked_array(np.zeros(4), [0, 0, 0, 1]),
        np.zeros(4, dtype=[("a", "i4"), ("b", "f8")]),
        np.zeros(4, dtype=[("a", "i4"), ("c", "f8")]),
        np.zeros(4, dtype="U1"),
        np.zeros(4, dtype=object),
        np.full(4, 1 / np.longdouble(3)),
        np.full(4, 2 / np.longdouble(3)),
        np.float64(0),
        np.array(0.0),
    ],
    "long arrays": lambda: (
        [middle(v, np.array) for v in (0, 1)]
        + [middle(v, lambda e: np.array(e, dtype=object)) for v in (0, "x", None)]
    ),
    "pandas": lambda: [
        *(middle(v, pd.Series) for v in (0, 1)),
        *(middle(v, lambda e: pd.DataFrame({"a": e, "b": e})) for v in (0, 1, None)),
        pd.Series([1, 2]),
        pd.Series([1, 2], index=[0, 2]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, 2], dtype="category"),
        pd.Series(["1", "2"]),
        pd.Series(["1", "2"], dtype=object),
        pd.Series(pd.to_datetime(["2020", "2021"])),
        pd.Series(pd.to_datetime(["2020", "2021"])).dt.tz_localize("UTC"),
        renamed("a"),
        renamed("b"),
        pd.DataFrame({"a": [1], "b": [2]}),
        pd.DataFrame({"b": [2], "a": [1]}),
        pd.Index([1, 2]),
        pd.MultiIndex.from_product([[1, 2], [3]]),
        pd.MultiIndex.from_product([[1, 2], [3]], names=["a", "b"]),
    ],
    "xarray": lambda: [
        *(middle(v, xr.DataArray) for v in (0, 1)),
        xr.DataArray([1, 2], dims="a"),
        xr.DataArray([1, 2], dims="b"),
        xr.DataArray([1, 2], dims="a", coords={"a": [1, 2]}),
        xr.DataArray([1, 2], dims="a", coords={"a": [1, 3]}),
        xr.DataArray([1, 2], dims="a", name="n"),
        xr.DataArray([1, 2], dims="a", attrs={"u": 1}),
        xr.Dataset({"x": ("a", [1, 2])}),
        xr.Dataset({"x": ("a", [1, 2])}, {"a": [1, 2]}),
    ],
    "sparse": lambda: [
        sparse.csr_array(np.eye(2)),
        sparse.csc_array(np.eye(2)),
        sparse.csr_matrix(np.eye(2)),
        sparse.csr_array(2 * np.eye(2)),
        sparse.csr_array(np.eye(2, 3)),
        sparse.csr_array(np.eye(2, dtype=np.float32)),
    ],
    "graphs": lambda: [
        graph([0, 1, 2]),
        graph([2, 1, 0]),
        graph([0, 1, 2], weight=1),
        graph([0, 1, 2], weight=2),
        graph([0, 1, 2]).to_directed(),
        nx.MultiGraph(graph([0, 1, 2])),
        nx.relabel_nodes(graph([0, 1, 2]), {0: "0"}),
    ],
    "objects": lambda: [
        Model(1),
        Model(7),
        Model,
        Slotted(1),
        Slotted(2),
        Record(1),
        Record(2),
        Record(1, 2),
    ],
    "methods": lambda: [Model(1).f, Model(7).f, Model.f, "abc".upper, "abd".upper, [1].index, [2].index],
    "lambdas": lambda: list(LAMBDAS),
    "closures": lambda: [
        scaled(1),
        scaled(2),
        scaled(1.0),
        scaled([1]),
        scaled(scaled(1)),
        scaled(scaled(2)),
    ],
    "defaults": lambda: [with_default(1), with_default(2), with_keyword(1), with_keyword(2)],
    "globals": lambda: [
        with_global(1),
        with_global(2),
        with_global(1, "lambda a: [LEVEL for _ in range(a)]"),
        with_global(2, "lambda a: [LEVEL for _ in range(a)]"),
        with_helper(1),
        with_helper(2),
    ],
    "attributes": lambda: [with_attribute(1), with_attribute(2)],
    "compiled": lambda: [
        compiled(1.0),
        compiled(2.0),
        compiled(1.0, fastmath=True),
        compiled(1.0).py_func,
        universal(1.0),
        universal(2.0),
    ],
    "wrapped": lambda: [
        decorated(1),
        decorated(2),
        scaled,
        functools.lru_cache(scaled(1)),
        functools.lru_cache(scaled(2)),
        np.vectorize(scaled(1)),
        np.vectorize(scaled(2)),
        np.vectorize(scaled(1), otypes="d"),
    ],
    "partial": lambda: [
        functools.partial(scaled, 1),
        functools.partial(scaled, 2),
        functools.partial(scaled, by=1),
        functools.partial(with_default, 1),
    ],
    "classes": lambda: [subclass(1), subclass(2), int, float, Record],
    "builtins": lambda: [len, abs, math.sin, np.sin, special.expit, np.linalg.norm, str.upper, int.__add__],
    "generators": lambda: [np.random.default_rng(1), np.random.default_rng(2), np.random.SeedSequence(1)],
    "schedules": lambda: [
        dsf.schedules.polynomial_decay(0.5),
        dsf.schedules.polynomial_decay(0.05),
        dsf.schedules.cosine_decay(0.5, n_steps=3),
        dsf.schedules.cosine_decay(0.5, n_steps=4),
        dsf.schedules.warm_up(dsf.schedules.polynomial_decay(0.5), n_steps=2),
        dsf.schedules.warm_up(dsf.schedules.polynomial_decay(0.4), n_steps=2),
    ],
    "algorithms": lambda: [
        dsf.algorithms.sgd(),
        dsf.algorithms.heavy_ball(0.9),
        dsf.algorithms.heavy_ball(0.9 + 1e-9),
        dsf.algorithms.nesterov(0.9),
        dsf.algorithms.chain(dsf.algorithms.clipped(2.0), dsf.algorithms.heavy_ball(0.9)),
        dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.clipped(2.0)),
        dsf.algorithms.local_steps(3),
        dsf.algorithms.adapt_then_combine(),
        dsf.algorithms.bernoulli(0.5),
        own_rule(1.0),
        own_rule(2.0),
    ],
    "losses": lambda: [
        dsf.losses.huber(1.0),
        dsf.losses.huber(1.0 + 1e-9),
        dsf.losses.logistic(0.1),
        dsf.losses.logistic(0.1 + 1e-9),
        dsf.losses.least_squares(),
    ],
    "laws": lambda: [
        dsf.laws.linear([1.0, 2.0]),
        dsf.laws.linear([1.0, 2.0], noise=dsf.laws.student_t(3)),
        dsf.laws.linear([1.0, 2.0], noise=dsf.laws.student_t(3 + 1e-9)),
        dsf.laws.linear([1.0, 2.5]),
    ],
    "problems": lambda: [
        dsf.GaussianRegression(2),
        dsf.GaussianRegression(2, noise_std=2.0),
        dsf.GaussianRegression(2, covariance=[1.0, 2.0]),
        dsf.EmpiricalRisk(dsf.losses.logistic(), [[1.0], [2.0]], [1, -1]),
        dsf.EmpiricalRisk(dsf.losses.logistic(), [[1.0], [2.5]], [1, -1]),
    ],
    "partitions": lambda: [dsf.partitions.ByLabel(0.5), dsf.partitions.ByLabel(0.6), dsf.partitions.Sorted()],
    "matrices": lambda: [
        dsf.mixing_matrix(nx.cycle_graph(4)),
        dsf.mixing_matrix(nx.cycle_graph(4), lazy=True),
        dsf.mixing_matrix(nx.cycle_graph(5)),
        dsf.mixing.link_failures(nx.cycle_graph(4), 0.1),
        dsf.mixing.link_failures(nx.cycle_graph(4), 0.2),
        dsf.mixing.alternate([dsf.mixing_matrix(nx.cycle_graph(4)), np.eye(4)]),
    ],
}


@pytest.mark.parametrize("group", GROUPS)
def test_equal_content_is_the_same_and_any_other_differs(group: str) -> None:
    first, again = ([told(value) for value in GROUPS[group]()] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first)


def test_what_an_object_remembers_of_its_past_is_no_content() -> None:
    model = Model(2)
    before = told(model)
    assert model.slow == 4
    assert told(model) == before
    function = compiled(3.0)
    before = told(function)
    function(1.0)
    assert told(function) == before
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert (
        told(frame)
        == told(frame.copy().assign(b=[3, 4]))
        == told(pd.concat([frame["a"], frame["b"]], axis=1))
    )
    assert told(frame.drop_duplicates()) == told(frame)
    ring = nx.cycle_graph(4)
    before = told(ring)
    assert len(ring.edges) == 4
    assert told(ring) == before


def test_sharing_an_object_is_no_content() -> None:
    shared, function = [1.5], scaled(2)
    assert told([shared, shared]) == told([[1.5], [1.5]])
    assert told([function, function]) == told([scaled(2), scaled(2)])
    assert told(["aa", "aa"]) == told(["aa", "aaZ"[:-1]])


def test_functions_that_call_each_other_are_told() -> None:
    def pair(step: int) -> Any:
        def even(n: int) -> bool:
            return n == 0 or odd(n - step)

        def odd(n: int) -> bool:
            return n != 0 and even(n - step)

        return even

    assert told(pair(1)) == told(pair(1))
    assert told(pair(1)) != told(pair(2))


# Modules of the user's


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[..., types.ModuleType]]:
    """Import a text as a module of that name, in place of the last one."""
    names: set[str] = set()

    def load(text: str, name: str = "users_module") -> types.ModuleType:
        names.add(name)
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
        # Not from the cache of bytecode, which goes by the second.
        exec(compile(text, path, "exec"), vars(loaded))
        return loaded

    yield load
    for name in names:
        del sys.modules[name]


USES = {
    "attribute of a module": "import helpers\ndef f(a): return helpers.g(a)",
    "name from a module": "from helpers import g\ndef f(a): return g(a)",
    "import inside": "def f(a):\n    import helpers\n    return helpers.g(a)",
    "import inside by another name": "def f(a):\n    import helpers as h\n    return [h.g(a) for _ in '1']",
    "name imported inside": "def f(a):\n    from helpers import g as h, LEVEL\n    return h(a)",
    "from a comprehension": "import helpers\ndef f(a): return [helpers.g(b) for b in range(a)]",
    "module captured": "def o():\n    import helpers\n    return lambda a: helpers.g(a)\nf = o()",
    "class of a module": "import helpers\ndef f(a): return helpers.C().m(a)",
    "compiled": "import helpers, numba\n@numba.njit\ndef f(a): return helpers.g(a)",
}


@pytest.mark.parametrize("use", USES)
def test_helpers_count_wherever_they_come_from(module: Callable[..., types.ModuleType], use: str) -> None:
    text = (
        "LEVEL = 1\n"
        "def deep(a): return a + 1\n"
        "def g(a):\n    'A docstring.'\n    return LEVEL * deep(a)\n"
        "class C:\n    def m(self, a): return g(a)\n"
    )

    def of(helpers: str) -> str:
        module(helpers, "helpers")
        return told(module(USES[use]).f)

    before = of(text)
    assert of("# A comment\n\n" + text.replace("A docstring", "Another one") + "unused = 3\n") == before
    for old, new in (("LEVEL = 1", "LEVEL = 2"), ("a + 1", "a + 2"), ("LEVEL *", "LEVEL -")):
        assert of(text.replace(old, new)) != before


def test_the_same_code_in_another_module_is_the_same(module: Callable[..., types.ModuleType]) -> None:
    text = "LEVEL = 1\ndef f(a): return LEVEL * a"
    assert told(module(text).f) == told(module("\n\n" + text, "elsewhere").f)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(a): return eval('a')", "it calls eval"),
        ("def f(a): return [globals() for _ in a]", "it calls globals"),
        ("import importlib\ndef f(a): return importlib.import_module(a)", "it calls importlib.import_module"),
        ("import helpers\ndef f(a): return getattr(helpers, a)", "it hands on the module helpers"),
        (
            "def f(a):\n    import helpers\n    return vars(helpers)",
            "it hands on the module helpers",
        ),
        ("import threading\nLOCK = threading.Lock()\ndef f(a): return LOCK", "cannot pickle '_thread.lock'"),
        ("X = []\nX.append(X)\ndef f(a): return X", "it contains itself"),
        ("X = object()\ndef f(a): return X", "a bare object is like any other"),
        ("X = (i for i in range(3))\ndef f(a): return X", "cannot pickle 'generator'"),
        ("import numpy\nX = numpy.frompyfunc(lambda a: a, 1, 1)\ndef f(a): return X(a)", "no library has it"),
    ],
)
def test_what_cannot_be_told_is_refused_with_a_remedy(
    module: Callable[..., types.ModuleType], tmp_path: Path, text: str, reason: str
) -> None:
    module("", "helpers")
    function = module(text).f
    with pytest.raises(TypeError, match=rf"{reason}.*give version='…', a text that stands"):
        dsf.sweep(function, {"a": [1]}, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


# Processes

SERVER = """
import sys, json, collections, functools
from decimal import Decimal
import numpy as np, pandas as pd
from desgd_fast.sweeps.identity.identity import Identity
class Holder:
    def __init__(self, value): self.value = value
    def method(self, x): return self.value
for line in sys.stdin:
    identity = Identity()
    value = eval(line)
    print(json.dumps(identity.complete({"value": identity.of("value", value)})), flush=True)
"""


@pytest.fixture(scope="module")
def interpreters() -> Iterator[Callable[[str], list[str]]]:
    """Identities of an expression's value in two interpreters that hash texts differently."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]

    def ask(expression: str) -> list[str]:
        answers = []
        for process in started:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(expression + "\n")
            process.stdin.flush()
            answers.append(process.stdout.readline())
        return answers

    yield ask
    for process in started:
        process.communicate()


LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("ab é\U0001f40d", max_size=3),
    st.binary(max_size=2),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
).map(repr)

# What a literal alone can stand in, and what any value can.
INNER = ["{}", "{{{}: 'value'}}", "(lambda x: ({}, x))", "(lambda x: x in {{'a text', 'b text', ({},)}})"]
OUTER = [
    "[{}, 1]",
    "(0, {})",
    "{{'other': 1, 'key': {}}}",
    "np.array([None, {}], dtype=object)",
    "pd.Series([None, {}], dtype=object)",
    "collections.OrderedDict(key={})",
    "functools.partial(print, {}, sep='')",
    "Holder({})",
    "Holder({}).method",
    "(lambda x, y={}: x)",
    "(lambda x, *, y={}: x)",
    "(lambda c: lambda x: [(lambda z: (c, z))(y) for y in x])({})",
    "type('Made', (Holder,), {{'level': {}}})",
    "eval('lambda x: LEVEL', {{'LEVEL': {}}})",
]


@settings(max_examples=150)
@given(
    values=st.lists(LITERALS, min_size=2, max_size=2, unique=True),
    inner=st.sampled_from(INNER),
    outer=st.lists(st.sampled_from(OUTER), max_size=3),
)
def test_any_process_says_the_same_and_any_change_shows(
    interpreters: Callable[[str], list[str]], values: list[str], inner: str, outer: list[str]
) -> None:
    identities = []
    for value in values:
        expression = functools.reduce(lambda text, around: around.format(text), outer, inner.format(value))
        one, other = interpreters(expression)
        assert one == other, expression
        assert one.startswith("{"), expression
        identities.append(one)
    assert identities[0] != identities[1]


# The store


@pytest.mark.parametrize(
    ("axis", "first", "second", "words"),
    [
        ("x", Model(1).f, Model(7).f, r"function\.object\.a was 1, now 7"),
        ("a", scaled(1), scaled(3), r"by captured by scaled\.<locals>\.<lambda> was 1, now 3"),
        ("a", with_default(1), with_default(2), r"the default of extra in with_default\S+ was 1, now 2"),
        ("a", with_keyword(1), with_keyword(2), r"the default of extra in with_keyword\S+ was 1, now 2"),
        ("a", with_global(1), with_global(2), r"global LEVEL in <lambda> was 1, now 2"),
        ("a", with_helper(1), with_helper(2), r"global LEVEL in g was 1, now 2"),
        ("x", LAMBDAS[0], LAMBDAS[1], r"the code of <lambda>"),
        ("base", functools.partial(pow, exp=1), functools.partial(pow, exp=2), r"keywords\.exp was 1, now 2"),
        (
            "x",
            compiled(1.0),
            compiled(2.0),
            r"by captured by compiled\.\S+ was 1\.0, now 2\.0",
        ),
    ],
)
def test_a_store_never_answers_for_another_function(
    tmp_path: Path, axis: str, first: Any, second: Any, words: str
) -> None:
    for _ in range(2):
        dsf.sweep(first, {axis: [1]}, store=tmp_path / "s")
    with pytest.raises(ValueError, match=rf"made with other parameters.*{words}"):
        dsf.sweep(second, {axis: [1]}, store=tmp_path / "s")


def test_a_store_never_answers_for_another_schedule(tmp_path: Path) -> None:
    def last(step_size: Any, rate: float) -> float:
        return float(step_size(np.arange(5))[-1]) * rate

    def sweep(initial: float) -> None:
        fixed = {"step_size": dsf.schedules.polynomial_decay(initial)}
        dsf.sweep(last, {"rate": [1.0]}, fixed=fixed, store=tmp_path / "s")

    sweep(0.5)
    sweep(0.5)
    with pytest.raises(ValueError, match=r"initial captured by polynomial_decay\S+ was 0\.5, now 0\.05"):
        sweep(0.05)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (True, 1, r"fixed\.value was True, now 1"),
        (1, 1.0, r"fixed\.value was 1, now 1\.0"),
        (
            dsf.GaussianRegression(2),
            dsf.GaussianRegression(2, noise_std=2.0),
            r"fixed\.value\.noise_std was 1\.0",
        ),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, r"fixed\.value had its entries in another order"),
        ({"a": [1, (2, 3)]}, {"a": [1, (2, 4)]}, r"fixed\.value\.a\[1\] was \[2, 3\], now \[2, 4\]"),
        (pd.Series([1, 2]), pd.Series([1, 3]), r"fixed\.value\.values was"),
        (graph([0, 1, 2]), graph([2, 1, 0]), r"fixed\.value\.nodes"),
    ],
)
def test_the_difference_between_values_is_shown(tmp_path: Path, first: Any, second: Any, words: str) -> None:
    def function(a: int, value: Any) -> int:
        return a

    dsf.sweep(function, {"a": [1]}, fixed={"value": first}, store=tmp_path / "s")
    with pytest.raises(ValueError, match=words):
        dsf.sweep(function, {"a": [1]}, fixed={"value": second}, store=tmp_path / "s")


def test_a_version_stands_for_what_cannot_be_told(tmp_path: Path) -> None:
    lock = threading.Lock()

    def function(a: int, lock: Any, shift: int) -> Any:
        return eval("a")

    def sweep(version: Any, shift: int = 0, function: Any = function) -> Any:
        fixed = {"lock": lock, "shift": shift}
        return dsf.sweep(function, {"a": [1, 2]}, fixed=fixed, store=tmp_path / "s", version=version)

    assert list(sweep("1").function.values) == [1, 2]
    sweep("1", function=functools.wraps(function)(lambda a, lock, shift: a))
    with pytest.raises(ValueError, match=r"version was '1', now '2'"):
        sweep("2")
    with pytest.raises(ValueError, match=r"fixed\.shift was 0, now 1"):
        sweep("1", shift=1)
    with pytest.raises(TypeError, match=r"fixed\['lock'\] must be something that a store can tell"):
        sweep(None)
    with pytest.raises(TypeError, match="version must be a text, not empty"):
        sweep(2)


def test_without_a_store_nothing_needs_telling() -> None:
    assert list(dsf.sweep(lambda a: eval("a"), {"a": [1, 2]})["value"].values) == [1, 2]
