"""Every public function of ``tails`` under valid, borderline and invalid arguments.

Three outcomes are right: a result of the right shape, in which what is nan is said to be; a ValueError,
TypeError or ImportError that names the argument at fault; or a result with a warning of its own.
Anything else, a warning of NumPy too, is a fault. DESGD_FAST_FUZZ sets how many examples each function gets.
"""

import dataclasses
import os
import re
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desgd_fast import tails

EXAMPLES = int(os.environ.get("DESGD_FAST_FUZZ", "25"))

# Cheap to repeat: most of a run is spent inside the package.
ordinary = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 40, 100, 300])
odd_values = st.sampled_from(
    [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 2.3e-308, 1e-268, 1e132, 1.7e308, -1.7e308, 1.0, 1 + 2**-52]
)


@st.composite
def samples(draw, shape=None):
    """Arrays of one to three axes: heavy, tied, spread over all exponents, with odd values strewn in."""
    generator = draw(ordinary)
    if shape is None:
        shape = draw(st.sampled_from([(1,), (1,), (1,), (2,), (3,), (0,)]))[0]
        shape = tuple(draw(sizes) for _ in range(shape))
        if np.prod(shape) > 3000:
            shape = shape[:1]
    values = {
        "pareto": lambda: generator.pareto(1.5, shape) + 1,
        "student": lambda: generator.standard_t(2, shape),
        "whole": lambda: generator.zipf(2.5, shape).astype(float),
        "equal": lambda: np.ones(shape),
        "exponents": lambda: 10.0 ** generator.uniform(-308, 308, shape),
        "close": lambda: 1 + 1e-15 * generator.integers(0, 9, shape),
        "negative": lambda: -generator.pareto(1, shape),
        "capped": lambda: np.minimum(generator.pareto(1, shape), 2.0),
    }
    kind = draw(st.sampled_from([*values, "pareto", "student"]))
    array = np.asarray(values[kind](), float)
    strewn = draw(st.lists(odd_values, max_size=3)) if draw(st.booleans()) else []
    for value in strewn:
        if array.size:
            array.flat[generator.integers(array.size, size=draw(st.sampled_from([1, 2, 50])))] = value
    return array


def dressed(array, how):
    """The same values as something else that might be passed."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {
            "array": lambda: array,
            "list": array.tolist,
            "float32": lambda: array.astype(np.float32),
            "int": lambda: np.nan_to_num(array).clip(-1e18, 1e18).astype(np.int64),
            "uint": lambda: np.nan_to_num(np.abs(array)).clip(0, 200).astype(np.uint8),
            "fortran": lambda: np.asfortranarray(array),
            "strided": lambda: np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array,
            "readonly": lambda: _readonly(array),
            "masked": lambda: np.ma.masked_array(array, mask=np.abs(np.nan_to_num(array)) > 3),
            "masked int": lambda: np.ma.masked_array(
                np.nan_to_num(array).clip(-9, 9).astype(int), mask=np.nan_to_num(array) < 0
            ),
            "objects": lambda: array.astype(object),
            "huge integers": lambda: [10**26 + int(v) for v in np.nan_to_num(array).clip(0, 99).ravel()],
            "too huge": lambda: [10**400, 1, 2],
            "fractions": lambda: [Fraction(1, 3), Fraction(7, 2), Decimal("0.1")],
            "None inside": lambda: [*array.ravel().tolist(), None],
            "None": lambda: None,
            "text": lambda: "abc",
            "texts": lambda: ["1", "2"],
            "ragged": lambda: [[1.0], [1.0, 2.0]],
            "bool": lambda: array > 1,
            "complex": lambda: array + 1j,
            "longdouble": lambda: array.astype(np.longdouble) * np.longdouble("1e400"),
            "dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
            "dict": lambda: {"a": 1},
            "number": lambda: 3.0,
        }[how]()


def _readonly(array):
    array = array.copy()
    array.setflags(write=False)
    return array


DRESSES = ["array"] * 12 + [
    *("list", "float32", "int", "uint", "fortran", "strided", "readonly", "masked", "masked int", "objects"),
    *("huge integers", "too huge", "fractions", "None inside", "None", "text", "texts", "ragged", "bool"),
    *("complex", "longdouble", "dates", "dict", "number"),
]
inputs = st.tuples(samples(), st.sampled_from(DRESSES)).map(lambda pair: dressed(*pair))

numbers = st.sampled_from(
    [
        *(
            -1,
            0,
            1,
            2,
            3,
            5,
            8,
            39,
            40,
            99,
            100,
            299,
            300,
            2**31,
            2**53,
            2**62 + 25,
            2**63 - 1,
            2**63,
            10**30,
        ),
        *(10**30, 0.0, 1e-320, 0.025, 0.05, 0.5, 0.999, 1 - 2**-53, 1.0, 1.5, -0.5, np.nan, np.inf, 1e300),
        *(True, None, "min-amse", "ks", "double-bootstrap", "best", b"ks", 1j, [1], [[1, 2], [3]], {}),
        *(np.int8(3), np.uint64(2**63 + 1), np.float32(0.1), np.array(4), np.array(0.2), np.bool_(True)),
        *(np.ma.masked, Fraction(1, 3), 10**400, -(10**400), 3 + 0j, np.datetime64("2020")),
    ]
)
small = st.sampled_from([1, 2, 3, 5, 8, 20])
each = st.one_of(
    st.lists(st.sampled_from([1, 2, 5, 40, 2**31, 2**62 + 25]), min_size=1, max_size=40).map(np.array),
    st.sampled_from([np.array([3, 2**62]), np.array([2, 2**63], object), np.array([0, 1]), np.array([1.0])]),
)
k_values = st.one_of(small, small, numbers, each)
flags = st.sampled_from([True, False, True, False, None, 1, "yes", np.bool_(True)])


def mostly(usual, others=numbers):
    """What is right three times in four."""
    return st.integers(0, 3).flatmap(lambda i: others if i == 0 else usual)


OPTIONS = {
    "k": k_values,
    "tail": mostly(st.sampled_from(["abs", "upper", "lower"])),
    "axis": mostly(st.sampled_from([None, 0, -1, 1, 2])),
    "level": mostly(st.sampled_from([0.95, 0.5, 1e-12, 1 - 2**-53])),
    "nan_policy": mostly(st.sampled_from(["raise", "omit", "propagate"])),
    "on_infinite": mostly(st.sampled_from(["raise", "censor"])),
    "dependent": mostly(flags),
    "block_length": mostly(st.sampled_from([None, 1, 2, 5])),
    "sensitivity": mostly(flags),
    "interval": mostly(st.sampled_from([None, "classical", "bias-aware"])),
    "rng": mostly(
        st.sampled_from([0, 1, None, 2**70]), st.sampled_from([-1, 0.5, "x", np.nan, [1, -2], object()])
    ),
    "threads": mostly(st.sampled_from([None, 1, 2])),
    "ratio": mostly(st.sampled_from([2, 3, 5])),
    "trim": mostly(st.sampled_from([0, 1, 3])),
    "p": mostly(st.sampled_from([1, 2, np.inf])),
    "centre": mostly(st.sampled_from([None, "mean", "median"])),
    "block_size": mostly(st.sampled_from([None, 2, 8, (2, 5), [2, 3, 40]]), st.one_of(numbers, each)),
    "remainder": mostly(st.sampled_from(["trim", "raise"])),
    "preset": mostly(st.sampled_from([None, None, "sgd_ht", "desgd", "networks", "tail_index_2019"])),
    "vectors": mostly(st.sampled_from([None, True, False])),
    "n_resamples": mostly(st.sampled_from([1, 7, 40]), numbers.filter(lambda n: not _many(n))),
    "constant": mostly(st.sampled_from(["danielsson", "qi"])),
    "progress": st.sampled_from([False, None, 1, "yes"]),
    "alternative": mostly(st.sampled_from(["lognormal", "exponential"])),
    "limit": mostly(st.sampled_from([1.0, 2.0, 3.5, 1e-300, 1e300])),
    "upper": mostly(st.sampled_from([1.0, 2.0, 1e3, 1.7e308, 5e-324])),
    "threshold": mostly(st.sampled_from(["ks", 1, 2, 5])),
}


def _many(n):
    """Resamples that a test does not wait for."""
    return isinstance(n, int) and n > 1000


BOOTSTRAP = ("n_resamples", "tail", "nan_policy", "rng", "progress", "threads")
SERIES = ("k", "tail", "axis", "level", "nan_policy", "sensitivity", "threads")
FUNCTIONS = {
    "hill": (*SERIES, "on_infinite", "dependent", "block_length", "rng", "weights", "counts", "interval"),
    "tail_index": (
        "tail",
        "axis",
        "level",
        "nan_policy",
        "on_infinite",
        "dependent",
        "block_length",
        "weights",
        "counts",
        "threads",
    ),
    "moment": (*SERIES, "dependent", "block_length", "rng"),
    "pickands": SERIES,
    "smoothed_hill": (*SERIES, "on_infinite", "rng", "ratio"),
    "bias_reduced_hill": (*SERIES, "dependent", "block_length", "rng"),
    "trimmed_hill": (*SERIES, "on_infinite", "rng", "trim"),
    "hill_path": ("tail", "level", "nan_policy", "on_infinite", "threads"),
    "moment_path": ("tail", "level", "nan_policy", "threads"),
    "norms": ("p", "centre", "nan_policy"),
    "mmo": ("block_size", "centre", "remainder", "preset", "axis", "vectors", "level", "threads"),
    "ks_threshold": ("tail", "nan_policy", "threads"),
    "double_bootstrap": (
        "n_resamples",
        "ratio",
        "constant",
        "tail",
        "nan_policy",
        "rng",
        "progress",
        "threads",
    ),
    "goodness_of_fit": (*BOOTSTRAP, "k"),
    "likelihood_ratio": (
        "alternative",
        "k",
        "n_resamples",
        "tail",
        "nan_policy",
        "rng",
        "progress",
        "threads",
    ),
    "compare": ("k", "tail", "level", "nan_policy", "dependent", "rng", "threads"),
    "zeta": ("threshold", "level", "nan_policy", "counts"),
    "censored_hill": ("k", "limit", "tail", "level", "nan_policy", "rng"),
    "truncated_hill": ("k", "upper", "tail", "level", "nan_policy", "rng"),
}
REQUIRED = {"trim", "limit", "upper"}
# Bootstraps long enough to be waited for otherwise.
SHORT = {"double_bootstrap": 20, "goodness_of_fit": 20, "likelihood_ratio": 20}


@st.composite
def beside(draw, x):
    """Weights or counts: as many as values where that can be said, whole and positive half of the time."""
    if not _shaped(x) or not draw(st.integers(0, 5)):
        return draw(inputs)
    values = draw(samples(np.shape(x)))
    return np.floor(np.abs(np.nan_to_num(values, posinf=9))) if draw(st.booleans()) else values


@st.composite
def calls(draw, name):
    """A function's arguments."""
    x = draw(inputs)
    chosen = {}
    for option in FUNCTIONS[name]:
        if option not in REQUIRED and draw(st.integers(0, 2)):
            continue
        if option in ("weights", "counts"):
            if draw(st.booleans()):
                chosen[option] = draw(beside(x))
            continue
        chosen[option] = draw(OPTIONS[option])
    if name in SHORT:
        chosen.setdefault("n_resamples", SHORT[name])
    if name == "double_bootstrap" and isinstance(chosen.get("ratio"), int):
        chosen["ratio"] = 0.3
    return x, chosen


def _shaped(x):
    try:
        return np.asarray(x).dtype.kind in "fiu"
    except ValueError:
        return False


def named(error, arguments):
    """Whether the message begins with an argument or says which option of it is missing."""
    text = str(error)
    words = ["x", *FUNCTIONS_ARGUMENTS, *arguments]
    return re.match(rf"({'|'.join(map(re.escape, words))})\b", text) is not None


FUNCTIONS_ARGUMENTS = sorted({option for options in FUNCTIONS.values() for option in options})


def judge(result, x, chosen):
    """The shape is right, and no nan goes unsaid."""
    if isinstance(result, tails.TailEstimate):
        alpha = np.asarray(result.alpha)
        for field in ("xi", "stderr", "ci_low", "ci_high", "k", "threshold", "n_used", "n_dropped"):
            assert np.shape(getattr(result, field)) == alpha.shape, field
        if chosen.get("axis") is None and not chosen.get("vectors"):
            assert alpha.shape == ()
        assert not np.isnan(alpha).any() or result.warnings
        known = ~np.isnan(alpha)
        low, high = np.asarray(result.ci_low)[known], np.asarray(result.ci_high)[known]
        # The published scripts of MMO print negative numbers, which carry a warning.
        assert (alpha[known] >= 0).all() or (chosen.get("preset") and result.warnings)
        assert not (low > high).any()
        assert not np.isnan(low).any() or result.warnings
        str(result)
    elif isinstance(result, tails.TailPath):
        assert result.k.shape == result.alpha.shape == result.threshold.shape == (result.n_used - 1,)
        low, high = result.interval()
        assert low.shape == high.shape == result.alpha.shape
    elif isinstance(result, tails.TailComparison):
        assert len(result.estimates) + len(result.reasons) == 6
        assert all(result.reasons.values())
        for estimate in result.estimates.values():
            judge(estimate, x, {})
        str(result)
        result.to_xarray()
    elif isinstance(result, np.ndarray):
        assert result.shape == np.shape(x)[:-1]
    else:
        finite = {"p_value", "distance", "alpha", "k", "threshold", "log_ratio", "statistic"}
        for field in dataclasses.fields(result):
            if field.name in finite and not (field.name == "distance" and hasattr(result, "rule")):
                value = getattr(result, field.name)
                assert not np.isnan(value), field.name
        if hasattr(result, "p_value"):
            assert 0 <= result.p_value <= 1


def call(name, x, chosen):
    """Call and judge; whatever comes of it, x is left as it was."""
    before = x.copy() if type(x) is np.ndarray and x.dtype.kind in "fiu" else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = getattr(tails, name)(x, **chosen)
        except (ValueError, TypeError, ImportError) as error:
            if not named(error, chosen):
                raise
        else:
            judge(result, x, chosen)
    if before is not None:
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_call_gives_a_result_or_names_the_argument(name):
    @given(calls(name))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(arguments):
        call(name, *arguments)

    check()


# What longer runs have found.
FOUND = [
    ("censored_hill", np.array([1e-270, 1e-175, 1.0, 1e281]), {"k": 2, "limit": 1e300, "tail": "upper"}),
    ("norms", np.empty((0, 9)), {"centre": "median"}),
    ("zeta", np.array([1.0] * 7 + [1.7e308]), {}),
    ("hill", np.arange(1.0, 301.0), {"k": np.int8(3)}),
    ("truncated_hill", np.array([1.7e308, 3.9]), {"k": 1, "upper": 1.7e308}),
    ("hill", np.array([1.0, 2.0, 3.0, 5.0]), {"k": 2, "weights": [1.0, 1.0, 1e300, 1e-300]}),
    ("tail_index", np.array([1.0, 2.0, 3.0, 5.0]), {"weights": [1e300, 1.0, 1.0, 1e-300]}),
    ("tail_index", np.array([-2.77, 0.38, -2.17, 0.959, -0.04]), {"level": 1 - 2**-53, "dependent": True}),
]


@pytest.mark.parametrize(("name", "x", "chosen"), FOUND)
def test_what_was_found_stays_mended(name, x, chosen):
    call(name, x, chosen)


def test_every_public_function_is_tried():
    public = {name for name in vars(tails) if not name.startswith("_") and callable(getattr(tails, name))}
    functions = {name for name in public if not isinstance(getattr(tails, name), type)}
    assert functions == set(FUNCTIONS)
