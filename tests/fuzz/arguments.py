"""Arguments as users pass them, right ones and odd ones, and what may come of a call."""

import dataclasses
import inspect
import os
import re
import warnings

import networkx as nx
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from desgd_fast import algorithms, mixing
from tests.tails.test_fuzz import dressed, numbers


def some(*values):
    """One of these."""
    return st.sampled_from(values)


SMALL = [
    np.eye(2),
    np.array([[0.5, 0.5], [0.5, 0.5]]),
    np.arange(6.0).reshape(3, 2),
    np.arange(3),
    np.ones(1),
]
DRESSES = ["array", "list", "float32", "int", "uint", "fortran", "strided", "readonly", "masked", "objects"]
DRESSES += ["None inside", "too huge", "ragged", "bool", "complex", "longdouble", "dates", "fractions"]
arrays = st.tuples(st.sampled_from(SMALL), st.sampled_from(DRESSES)).map(lambda pair: dressed(*pair))
ODD_ARRAYS = [
    *([0.0], [-0.0, 1.0], [np.nan, 1.0], [np.inf, 0.5], [5e-324, 1.0], [1e300, 1e-300], [-1, 2], [2**63, 1]),
    *([2**62, 2**62], np.array([2**63], np.uint64), np.array([3], np.int8), np.zeros((0,)), np.zeros((2, 0))),
    *(np.zeros((2, 2, 2)), [[1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.8]], [["a"]], [None], [True, False], [[]]),
    *(pd.Series([0.5, 0.5]), pd.DataFrame(np.eye(2)), pd.DataFrame({"a": ["x"]}), sparse.eye_array(2)),
    *(sparse.csr_array([[np.nan]]), sparse.coo_array(([0.5, 0.5], ([0, 0], [0, 0])), (1, 1))),
    *(
        range(3),
        iter(()),
        {1, 2},
        {"a": 1},
        (1, (2,)),
        np.array(None),
        np.ma.masked_all(2),
        1e308 * np.eye(2),
    ),
]
ODD_OBJECTS = [
    *(
        nx.DiGraph(),
        nx.Graph(),
        nx.path_graph(2),
        nx.MultiGraph([(0, 0)]),
        lambda: None,
        print,
        object(),
        int,
    ),
    *(algorithms.heavy_ball(), algorithms.sign(), mixing.server(2), np.random.default_rng(0), ..., "", "x\0"),
    *(
        "nan",
        "even",
        b"",
        slice(2),
        NotImplemented,
        np.float16(65504),
        np.longdouble("1e400"),
        -(2**63),
        1e-300,
    ),
]
odd = st.one_of(numbers, numbers, st.sampled_from(ODD_ARRAYS), st.sampled_from(ODD_OBJECTS), arrays)


def signature(function):
    return inspect.signature(function).parameters


@st.composite
def calls(draw, function, usual):
    """Positional and keyword arguments: all usual, or with one or two that are odd."""
    known = signature(function)
    required = [name for name in usual if name not in known or known[name].default is inspect.Parameter.empty]
    n_odd = draw(st.sampled_from([0, 0, 1, 1, 1, 2]))
    strange = {draw(st.sampled_from(sorted(usual))) for _ in range(n_odd)}
    positional, chosen = [], {}
    for name, values in usual.items():
        kind = known[name].kind if name in known else inspect.Parameter.KEYWORD_ONLY
        if kind is inspect.Parameter.VAR_POSITIONAL:
            positional += draw(st.lists(odd if name in strange else values, max_size=3))
        elif name in strange or (name in required and name in known) or draw(st.booleans()):
            chosen[name] = draw(odd if name in strange else values)
    return positional, chosen


def named(error, names):
    """Whether the message begins with an argument."""
    return re.match(rf"({'|'.join(names)})(?!\w)", str(error)) is not None


def sound(value, where="result"):
    """No number in it is nan, none infinite but where that says something."""
    if isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "fc":
        assert not np.isnan(value).any(), where
    elif sparse.issparse(value):
        assert np.isfinite(value.data).all(), where
    elif isinstance(value, float):
        assert value == value, where
    elif isinstance(value, tuple | list):
        for i, entry in enumerate(value):
            sound(entry, f"{where}[{i}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        repr(value)
        for field in dataclasses.fields(value):
            sound(getattr(value, field.name), f"{where}.{field.name}")


def copied(value):
    return value.copy() if type(value) is np.ndarray and value.dtype.kind in "fiu" else None


def call(function, positional, chosen, names=(), judge=sound, tells=()):
    """Call and judge; whatever comes of it, arrays are left as they were. Warnings of ``tells`` are right."""
    before = {name: copied(value) for name, value in chosen.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in tells:
            warnings.simplefilter("ignore", category)
        try:
            result = function(*positional, **chosen)
        except (ValueError, TypeError, ImportError, MemoryError) as error:
            if not isinstance(error, ImportError) and not named(
                error, [*signature(function), *chosen, *names]
            ):
                raise
            result = None
        else:
            judge(result)
    for name, value in before.items():
        if value is not None:
            np.testing.assert_array_equal(chosen[name], value)
    return result


# How many examples there are of each room.
EXAMPLES = int(os.environ.get("DESGD_FAST_FUZZ", "25"))


def every(table, function_of, try_one, n_examples):
    """Try functions of a table, of names with their usual arguments, with so many examples together."""
    one = st.sampled_from(sorted(table)).flatmap(
        lambda name: st.tuples(st.just(name), calls(function_of(name), table[name]))
    )

    @given(one)
    @settings(max_examples=n_examples, deadline=None, suppress_health_check=list(HealthCheck))
    def check(chosen):
        try_one(chosen[0], *chosen[1])

    check()
