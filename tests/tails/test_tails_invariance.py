"""Properties that hold for every sample, and odd samples."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from desgd_fast import tails
from desgd_fast.kernels.tails import selection as kernels

# Distinct magnitudes, so that every k has spread above it.
distinct = st.integers(6, 60).flatmap(
    lambda n: hnp.arrays(float, n, elements=st.floats(1e-3, 1e3), unique=True)
)
ESTIMATORS = (tails.hill, tails.moment, tails.pickands, tails.smoothed_hill, tails.bias_reduced_hill)


@given(distinct, st.floats(1e-100, 1e100), st.data())
@settings(max_examples=50)
def test_scale_does_not_matter(x, scale, data):
    k = data.draw(st.integers(2, len(x) - 1))
    assert tails.hill(scale * x, k).xi == pytest.approx(tails.hill(x, k).xi, rel=1e-9, abs=1e-13)


@given(distinct, st.integers(-900, 900))
@settings(max_examples=50)
def test_powers_of_two_change_no_bit(x, exponent):
    scaled = tails.hill(np.ldexp(x, exponent), 3)
    assert scaled.xi == tails.hill(x, 3).xi
    assert scaled.ci_low == tails.hill(x, 3).ci_low


@given(distinct, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_order_of_the_values_does_not_matter(x, random):
    shuffled = list(x)
    random.shuffle(shuffled)
    for k in (1, 3, "min-amse", "ks"):
        assert tails.hill(shuffled, k).xi == tails.hill(x, k).xi


@given(distinct)
@settings(max_examples=50)
def test_weighted_path_rises(x):
    # k·xi_k is a sum of positive spacings.
    path = tails.hill_path(x)
    total = path.k * path.xi
    assert (np.diff(total) >= -1e-12 * total[-1]).all()


@given(st.floats(0.2, 10), st.integers(2, 500))
@settings(max_examples=50)
def test_pareto_quantiles_are_recovered_exactly(alpha, n):
    # At quantiles (i/n)^(−1/alpha), k·xi = Σ log(k + 1)/i = log((k + 1)^k/k!)/alpha.
    from scipy.special import gammaln

    x = (np.arange(1, n + 1) / n) ** (-1 / alpha)
    k = n - 1
    expected = (k * np.log(k + 1) - gammaln(k + 1)) / k / alpha
    assert tails.hill(x, k).xi == pytest.approx(expected, rel=1e-10)


@given(
    st.integers(1, 5), st.integers(8, 40), st.integers(0, 2**32), st.sampled_from(["abs", "upper", "lower"])
)
@settings(max_examples=25)
def test_bulk_equals_single_to_the_bit(n_samples, n, seed, side):
    x = np.random.default_rng(seed).standard_t(2, (n, n_samples))
    x[0, 0] = 0
    for estimator in ESTIMATORS:
        k = 1 if side != "abs" else 2
        bulk = estimator(x, k, axis=0, tail=side)
        for i in range(n_samples):
            try:
                single = estimator(x[:, i], k, tail=side)
            except ValueError:
                assert np.isnan(bulk.alpha[i])
                continue
            for name in ("alpha", "xi", "stderr", "ci_low", "ci_high", "k", "threshold", "n_used", "n_ties"):
                np.testing.assert_array_equal(getattr(bulk, name)[i], getattr(single, name))


@pytest.mark.parametrize("k", [1, 50, 300, 0.1, "min-amse", "ks"])
def test_bulk_equals_single_whatever_the_threads(k):
    x = np.random.default_rng(0).standard_t(3, (130, 700))
    bulk = tails.hill(x, k, axis=1)
    one = tails.hill(x, k, axis=1, threads=1)
    assert bulk.alpha.tolist() == one.alpha.tolist()
    assert bulk.alpha[::13].tolist() == [tails.hill(row, k).alpha for row in x[::13]]


def test_each_sample_may_have_its_own_k():
    x = np.random.default_rng(0).pareto(1, (4, 3, 100))
    k = np.arange(1, 13).reshape(4, 3) * 8
    bulk = tails.hill(x, k, axis=-1)
    assert bulk.k.tolist() == k.tolist()
    assert bulk.alpha[2, 1] == tails.hill(x[2, 1], int(k[2, 1])).alpha


def test_samples_too_short_are_nan_and_reported():
    x = np.random.default_rng(0).pareto(1, (3, 20))
    x[1, 3:] = 0
    bulk = tails.hill(x, 5, axis=1)
    assert np.isnan(bulk.alpha).tolist() == [False, True, False]
    assert any("1 of 3 samples" in text for text in bulk.warnings)


@pytest.mark.parametrize("n", [10_000, 200_000])
@pytest.mark.parametrize("kind", ["random", "ascending", "descending", "tied", "organ pipe"])
def test_selection_finds_the_largest(n, kind):
    x = np.random.default_rng(0).pareto(1, n)
    x = {
        "random": x,
        "ascending": np.sort(x),
        "descending": -np.sort(-x),
        "tied": np.ceil(x),
        "organ pipe": np.concatenate([np.sort(x[::2]), -np.sort(-x[1::2])]),
    }[kind]
    for k in (5, 900, 6000):
        ordered = np.sort(x)[::-1]
        found = tails.hill(x, k)
        assert found.threshold == ordered[k]
        assert found.xi == pytest.approx(np.log(ordered[:k] / ordered[k]).mean(), rel=1e-10)


@pytest.mark.parametrize(
    ("n", "m"), [(9, 3), (1000, 51), (1003, 250), (1000, 990), (20_000, 3000), (40_000, 9000)]
)
def test_selection_takes_ties_zeros_and_every_size_to_the_last_value(n, m):
    generator = np.random.default_rng(n)
    x = generator.pareto(1, (70, n))
    x[1:6] = np.ceil(x[1:6])
    x[6] = 1.0
    x[7:10] *= generator.random((3, n)) < 0.5 * m / n
    x[10], x[11] = np.sort(x[10]), -np.sort(-x[11])
    x[12, ::2] = np.inf
    top, counts = np.empty((70, m + 2)), np.empty((70, 4), np.int64)
    kernels.select_top_values(x, kernels.ABS, np.full(70, m), top, counts)
    np.testing.assert_array_equal(np.sort(top[:, 2:]), np.sort(x)[:, n - m :])
    assert not top[:, :2].any()
    assert counts.tolist() == [[(row > 0).sum(), (row == 0).sum(), 0, np.isinf(row).sum()] for row in x]


def test_selection_is_the_same_without_wide_vectors():
    # What other processors do: every vector instruction of this one is switched off.
    script = """
import numpy as np
from desgd_fast.kernels.tails import selection as kernels
x = np.random.default_rng(0).standard_t(2, (5, 1003))
top, counts = np.empty((5, 40)), np.empty((5, 4), np.int64)
kernels.select_top_values(x, kernels.UPPER, np.full(5, 40), top, counts)
np.testing.assert_array_equal(np.sort(top), np.sort(x)[:, -40:])
"""
    environment = os.environ | {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "DESGD_FAST_CACHE": "0",
    }
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=Path(__file__).parents[2], check=True)


@pytest.mark.parametrize(
    "same",
    [
        lambda x: x.tolist(),
        pd.Series,
        lambda x: np.ma.masked_array(x),
        lambda x: x[::-1],
        lambda x: np.asfortranarray(x.reshape(-1, 1))[:, 0],
        lambda x: np.append(x, 0.0),
    ],
)
def test_any_container_will_do(same):
    x = np.random.default_rng(0).pareto(2, 100)
    assert tails.hill(same(x), 10).xi == tails.hill(x, 10).xi


def test_float32_and_integers_are_taken_as_they_are():
    x = np.array([9, 7, 5, 3, 2], dtype=np.int64)
    assert tails.hill(x, 2).xi == tails.hill(x.astype(float), 2).xi
    assert tails.hill(x.astype(np.float32), 2).xi == tails.hill(x.astype(float), 2).xi
    assert tails.hill(x.astype(np.uint8), 2).xi == tails.hill(x.astype(float), 2).xi


def test_extreme_magnitudes_are_in_range():
    assert tails.hill([5e-324, 1e-320, 2e-310, 1e-5], k=2).xi == pytest.approx(
        np.mean(np.log(np.array([2e-310, 1e-5])) - np.log(1e-320)), rel=1e-12
    )
    assert tails.hill([1e308, 1.7e308, 5e-324], k=2).xi == pytest.approx(
        np.mean(np.log([1e308, 1.7e308])) - np.log(5e-324), rel=1e-14
    )
    assert tails.pickands([1.7e308, 1e308, -1.0, 2.0], k=1).xi == pytest.approx(
        np.log2(1.7e308 - 1e308) - np.log2(1e308 - 1.0), rel=1e-12
    )


def test_two_values_are_enough_for_hill():
    result = tails.hill([2.0, 1.0])
    assert result.k == 1
    assert result.xi == pytest.approx(np.log(2))
    assert result.ci_low < result.alpha < result.ci_high


def test_masked_entries_and_nan_follow_the_policy():
    x = np.ma.masked_array([9.0, 7.0, 5.0, 3.0], mask=[0, 1, 0, 0])
    with pytest.raises(ValueError, match="x must have no missing values"):
        tails.hill(x, 1)
    assert tails.hill(x, 1, nan_policy="omit").xi == tails.hill([9.0, 5.0, 3.0], 1).xi
    assert tails.hill(x, 1, nan_policy="omit").n_dropped == 1
    rows = np.array([[9.0, np.nan, 5.0], [9.0, 7.0, 5.0]])
    assert np.isnan(tails.hill(rows, 1, axis=1, nan_policy="propagate").alpha).tolist() == [True, False]


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([1.0], {}, "x must have at least 2 non-zero"),
        ([0.0, 0.0, 3.0], {}, "x must have at least 2 non-zero"),
        ([], {}, "x must have at least 2 non-zero"),
        ([2.0, 2.0, 2.0], {"k": 1}, "x must vary above the threshold"),
        ([3.0, 2.0, np.inf], {}, "x must be finite"),
        ([3.0, 2.0, 1.0], {"k": 3}, "k must be at most 2"),
        ([3.0, 2.0, 1.0], {"k": 0}, "k must be an integer ≥ 1"),
        ([3.0, 2.0, 1.0], {"k": 1.5}, "k must be an integer ≥ 1"),
        ([3.0, 2.0, 1.0], {"k": "best"}, "k must be an integer ≥ 1"),
        ([3.0, 2.0, 1.0], {"level": 1}, "level must be"),
        ([3.0, 2.0, 1.0], {"tail": "left"}, "tail must be one of"),
        ([3.0, 2.0, 1.0], {"axis": 1}, "axis must be"),
        ([3.0, 2.0, 1.0], {"nan_policy": "drop"}, "nan_policy must be one of"),
        ([3.0, 2.0, 1.0], {"on_infinite": "drop"}, "on_infinite must be one of"),
        ([[3.0, 2.0], [1.0, 5.0]], {}, "x must be one-dimensional"),
        ([3.0, 2.0, np.inf, np.inf], {"k": 2, "on_infinite": "censor"}, "k must exceed the 2 censored"),
    ],
)
def test_bad_input_is_named(x, options, message):
    with pytest.raises(ValueError, match=message):
        tails.hill(x, **options)


def test_wrong_types_are_named():
    for x, options in (
        (["a"], {}),
        ([1j, 2j], {}),
        ([True, False], {}),
        ([3.0, 2.0], {"k": None}),
        ([3.0, 2.0], {"k": True}),
    ):
        with pytest.raises(TypeError, match=r"^(x|k) must be"):
            tails.hill(x, **options)
    with pytest.raises(ValueError, match="k must be"):
        tails.pickands([3.0, 2.0, 1.0, 0.5], "ks")


def test_path_has_the_same_bits_for_any_thread_count():
    # Long enough for the sort and the sums to be split.
    x = np.random.default_rng(0).standard_t(2, 300_000)
    one, all_threads = tails.hill_path(x, threads=1), tails.hill_path(x)
    np.testing.assert_array_equal(one.alpha, all_threads.alpha)
    np.testing.assert_array_equal(one.ordered, np.sort(np.abs(x)))


HUGE = (2**31, 2**62 + 25, 2**63 - 1, 2**63, 10**30)


@pytest.mark.parametrize("k", HUGE)
@pytest.mark.parametrize("estimator", [*ESTIMATORS, tails.goodness_of_fit, tails.likelihood_ratio])
def test_a_k_beyond_the_sample_is_refused_whatever_its_size(estimator, k):
    x = np.random.default_rng(0).pareto(2, 50)
    with pytest.raises(ValueError, match=f"k must be at most 49 for 50 values, got {k}"):
        estimator(x, k=k)


@pytest.mark.parametrize("k", HUGE)
def test_a_k_beyond_one_of_many_samples_is_no_estimate_there(k):
    x = np.random.default_rng(0).pareto(2, (3, 50))
    for estimator in ESTIMATORS:
        for sensitivity in (False, True):
            bulk = estimator(x, np.array([5, k, 5], object), axis=1, sensitivity=sensitivity)
            assert np.isnan(bulk.alpha).tolist() == [False, True, False]
            assert bulk.alpha[0] == estimator(x[0], 5).alpha
            assert np.isnan(estimator(x, k, axis=1, sensitivity=sensitivity).alpha).all()
    assert np.isnan(tails.trimmed_hill(x, np.array([5, k, 5], object), axis=1, trim=2).alpha[1])


@pytest.mark.parametrize("k", [0, -1, 50, 2**63])
def test_a_path_has_an_interval_at_its_own_thresholds_only(k):
    path = tails.hill_path(np.random.default_rng(0).pareto(2, 50))
    with pytest.raises(ValueError, match="k must be"):
        path.interval(k)


@pytest.mark.parametrize("ratio", HUGE)
def test_a_ratio_or_trim_of_any_size_is_refused_by_name(ratio):
    x = np.random.default_rng(0).pareto(2, 50)
    with pytest.raises(ValueError, match="ratio must be an integer from 2 to"):
        tails.smoothed_hill(x, ratio=ratio)
    with pytest.raises(ValueError, match=r"x must have|trim must be"):
        tails.trimmed_hill(x, 5, trim=ratio)


def test_what_is_no_number_is_named_with_its_place():
    with pytest.raises(TypeError, match=r"got None of type NoneType as entry \[2\]"):
        tails.hill([3.0, 2.0, None, 1.0])
    with pytest.raises(ValueError, match=r"x must be within ±1.8e308, got .* as entry \[0\]"):
        tails.hill([10**400, 2, 1])


def test_integers_of_any_size_are_numbers():
    digits = 26
    large = [3 * 10**digits, 2 * 10**digits, 10**digits]
    assert tails.hill(large, 2).xi == pytest.approx(tails.hill([3, 2, 1], 2).xi, rel=1e-14)


def test_pickands_of_equal_distances_is_zero():
    # (10 − 6)/(6 − 2) = 1.
    result = tails.pickands([10, 6, 4, 2], k=1)
    assert (result.xi, result.alpha, result.stderr, result.ci_high) == (0, np.inf, np.inf, np.inf)
    assert 0 < result.ci_low < np.inf
    with pytest.raises(ValueError, match="x must vary"):
        tails.pickands([10, 6, 6, 6], k=1)


@pytest.mark.parametrize("n", range(5, 10))
def test_short_series_reach_the_user_without_a_warning_of_numpy(n):
    # Warnings are errors here.
    x = np.random.default_rng(n).pareto(2, n)
    for estimator in (tails.hill, tails.moment, tails.bias_reduced_hill):
        for length in (None, 1, n // 2):
            assert estimator(x, 1, dependent=True, block_length=length).k == 1


@pytest.mark.parametrize("level", [1e-12, 1 - 2**-53])
def test_intervals_exist_at_every_level(level):
    x = np.random.default_rng(0).pareto(2, 100)
    for estimator in ESTIMATORS:
        result = estimator(x, 20, level=level)
        assert result.ci_low <= result.ci_high
    assert tails.mmo(x, level=level).ci_low <= tails.mmo(x, level=level).ci_high


def test_the_variance_of_pickands_tends_to_its_limits():
    from desgd_fast.tails.intervals.classical import pickands_variance

    # x²/(2 ln²2) as x → ∞, x²/(4 ln²2) as x → −∞.
    x = np.array([600.0, 5000.0, -600.0, -5000.0])
    expected = x**2 / np.log(2) ** 2 / np.array([2, 2, 4, 4])
    assert pickands_variance(x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["mean", "median"])
def test_norms_about_an_infinite_centre_are_refused(kind):
    vectors = np.array([[np.inf, 1.0], [np.inf, 2.0], [3.0, 3.0]])
    with pytest.raises(ValueError, match=f"x must have a finite {kind}"):
        tails.norms(vectors, centre=kind)
