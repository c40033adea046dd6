"""Tails of weighted, counted, whole, censored and truncated values."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from desgd_fast import tails
from desgd_fast.tails.data.discrete import log_zeta
from tests.truth import tails as reference


def coverage(estimate, n=400):
    """How many of n intervals at 95 % hold 1.5.

    Fewer than 355 have probability below 1e-6 where each holds it with probability 0.95.
    """
    found = [estimate(np.random.default_rng(seed)) for seed in range(n)]
    return sum(each.ci_low <= 1.5 <= each.ci_high for each in found)


def pareto(generator, n=600):
    return generator.pareto(1.5, n) + 1


class TestWeights:
    """Hill with weights or counts beside the values."""

    def test_counts_are_repetitions(self):
        generator = np.random.default_rng(0)
        values, counts = np.rint(10 * pareto(generator, 200)) / 10, generator.integers(0, 6, 200)
        values[:3] = 0
        for k in (7, 50, 0.2, "min-amse", "ks"):
            given, repeated = tails.hill(values, k, counts=counts), tails.hill(np.repeat(values, counts), k)
            assert given.xi == pytest.approx(repeated.xi, rel=1e-12)
            interval = reference.interval(given.xi, given.k, 0.95)
            assert (given.ci_low, given.ci_high) == pytest.approx(interval, rel=1e-9)
            for name in ("k", "threshold", "n_used", "n_dropped", "n_ties"):
                assert getattr(given, name) == getattr(repeated, name)

    def test_counts_may_be_astronomical(self):
        found = tails.hill([8.0, 4.0, 2.0, 1.0], 7 * 10**12, counts=np.array([1, 2, 4, 8]) * 10**12)
        # Σ c·log(x/1) = (3 + 2·2 + 4)·10¹²·log 2.
        assert found.xi == pytest.approx(11 / 7 * np.log(2))
        assert found.k == 7 * 10**12

    def test_weights_are_the_printed_formula_and_know_no_unit(self):
        generator = np.random.default_rng(0)
        x, w = pareto(generator), generator.exponential(size=600)
        order = np.argsort(-x)
        logs = np.log(x[order[:50]] / x[order[50]])
        found = tails.hill(x, 50, weights=w)
        assert found.xi == pytest.approx((w[order[:50]] * logs).sum() / w[order[:50]].sum(), rel=1e-12)
        assert tails.hill(x, 50, weights=7 * w).ci_high == pytest.approx(found.ci_high, rel=1e-12)

    def test_equal_weights_are_none(self):
        x = pareto(np.random.default_rng(0))
        weighted = tails.hill(x, 50, weights=np.full(600, 0.3))
        assert weighted.xi == pytest.approx(reference.hill(x, 50), rel=1e-12)
        interval = reference.interval(weighted.xi, 50, 0.95)
        assert (weighted.ci_low, weighted.ci_high) == pytest.approx(interval, rel=1e-9)

    def test_interval_covers_whatever_the_weights_follow(self):
        # Of weights that follow size the asymptotic interval holds 0.93: below 340 of 400, 1e-8.
        assert coverage(lambda g: tails.hill(pareto(g), 100, weights=g.exponential(size=600))) >= 355

        def reweighted(generator):
            x = generator.pareto(1.8, 600) + 1
            return tails.hill(x, 100, weights=x**0.3)

        assert coverage(reweighted) >= 340

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"weights": [1, 1]}, "weights must have one entry per value"),
            ({"weights": [1, -1, 1]}, "weights must be at least 0"),
            ({"weights": [0, 0, 0]}, "weights must be at least 0, and some"),
            ({"weights": [1, np.nan, 1]}, "weights must be finite"),
            ({"counts": [1, 1.5, 1]}, "counts must be whole numbers, got 1.5"),
            ({"counts": [1, 1, 1], "weights": [1, 1, 1]}, "weights must be None"),
            ({"counts": [1, 1, 1], "dependent": True}, "dependent must be left out where counts="),
            ({"counts": [1, 1, 1], "axis": 0}, "axis must be left out where counts="),
            ({"counts": [1, 1, 1], "k": 3}, "k must be at most 2"),
            ({"weights": [1, 1, 0], "k": 2}, "k must be at most 1"),
        ],
    )
    def test_bad_weights_are_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            tails.hill([3.0, 2.0, 1.0], **{"k": 1} | options)


class TestZeta:
    """Whole numbers."""

    @pytest.mark.parametrize(("exponent", "first"), [(1.01, 1), (2.5, 1), (2.5, 7), (20.0, 3), (1.5, 1e5)])
    def test_series_is_hurwitz_zeta(self, exponent, first):
        expected = np.log(special.zeta(exponent, first)) + exponent * np.log(first)
        assert float(log_zeta(exponent, first)) == pytest.approx(expected, rel=1e-11, abs=1e-12)

    @pytest.mark.parametrize("threshold", [1, 2, 5])
    def test_estimate_is_the_most_likely_one(self, threshold):
        x = np.random.default_rng(0).zipf(2.5, 3000)
        tail = x[x >= threshold]

        def slope(s):
            step = 1e-5
            derivative = np.diff(np.log(special.zeta([s - step, s + step], threshold)))[0] / (2 * step)
            return derivative + np.log(tail).mean()

        found = tails.zeta(x, threshold)
        assert found.alpha == pytest.approx(optimize.brentq(slope, 1.1, 9) - 1, rel=1e-6)
        assert found.k == tail.size

        def likelihood(alpha):
            s = alpha + 1
            return -tail.size * np.log(special.zeta(s, threshold)) - s * np.log(tail).sum()

        bound = stats.chi2.ppf(0.95, 1) / 2
        for end in (found.ci_low, found.ci_high):
            assert likelihood(found.alpha) - likelihood(end) == pytest.approx(bound, rel=1e-5)
        curvature = -(
            likelihood(found.alpha + 0.01) - 2 * likelihood(found.alpha) + likelihood(found.alpha - 0.01)
        )
        assert found.stderr == pytest.approx(0.01 / np.sqrt(curvature), rel=1e-3)

    def test_whole_samples_are_told_from_their_tails(self):
        # A zeta tail from 10 on under a uniform body.
        generator = np.random.default_rng(0)
        x = generator.zipf(2.5, 400_000)
        x = np.r_[x[x >= 10], generator.integers(1, 10, 8000)]
        assert 8 <= tails.zeta(x).threshold <= 14
        assert tails.zeta(generator.zipf(2.5, 5000)).threshold == 1

    def test_hill_is_biased_where_zeta_is_not(self):
        x = np.random.default_rng(0).zipf(2.5, 5000)
        found = tails.zeta(x)
        # Five standard errors: 6e-7.
        assert abs(found.alpha - 1.5) < 5 * found.stderr
        assert tails.hill(x, 1000).ci_low > 1.5

    @pytest.mark.parametrize("threshold", [1, "ks"])
    def test_interval_covers(self, threshold):
        # The search for a threshold costs 0.02 at most: below 340 of 400 has probability 1e-8 at 0.93.
        assert coverage(lambda g: tails.zeta(g.zipf(2.5, 500), threshold)) >= (
            340 if threshold == "ks" else 355
        )

    def test_counts_are_repetitions(self):
        values, counts = np.unique(np.random.default_rng(0).zipf(2.2, 500), return_counts=True)
        assert tails.zeta(values, counts=counts).alpha == tails.zeta(np.repeat(values, counts)).alpha

    @pytest.mark.parametrize(
        ("x", "options", "message"),
        [
            ([1, 2.5, 3], {}, "x must be whole numbers, got 2.5"),
            ([1, 1, 1], {}, "x must have at least 2"),
            ([1, 2, np.inf], {}, "x must be whole numbers"),
            ([1, 2, 3], {"threshold": 3}, "threshold must be below the largest value 3, got 3"),
            ([1, 2, 3], {"threshold": 0}, "threshold must be an integer from 1"),
            ([1, 2, 3], {"threshold": "best"}, "threshold must be one of 'ks'"),
        ],
    )
    def test_bad_input_is_named(self, x, options, message):
        with pytest.raises(ValueError, match=message):
            tails.zeta(x, **options)


class TestCensored:
    """Values capped at a limit."""

    def test_estimate_is_exceedance_time_over_failures(self):
        x = np.minimum(pareto(np.random.default_rng(0)), 6.0)
        ordered = np.sort(x)[::-1]
        below = (ordered[:100] < 6).sum()
        found = tails.censored_hill(x, 100, limit=6.0)
        assert found.xi == pytest.approx(np.log(ordered[:100] / ordered[100]).sum() / below, rel=1e-12)
        assert found.n_censored == 100 - below
        outside = special.gammaincinv(below + 0.5, [0.025, 0.975]) / (below * found.xi)
        assert (found.ci_low, found.ci_high) == pytest.approx(tuple(outside), rel=1e-9)

    def test_without_censored_values_it_is_hill(self):
        x = pareto(np.random.default_rng(0))
        found, plain = tails.censored_hill(x, 100, limit=1e9), tails.hill(x, 100)
        assert (found.xi, found.ci_low, found.ci_high) == pytest.approx(
            (plain.xi, plain.ci_low, plain.ci_high)
        )

    @pytest.mark.parametrize("limit", [4.5, 30.0])
    def test_interval_covers(self, limit):
        assert coverage(lambda g: tails.censored_hill(np.minimum(pareto(g), limit), 100, limit=limit)) >= 355

    def test_rules_choose_among_the_values_below_the_limit(self):
        x = np.abs(np.random.default_rng(0).standard_t(2, 5000))
        found = tails.censored_hill(x, limit=20.0)
        assert found.n_censored == (x >= 20).sum() < found.k

    def test_a_threshold_at_the_limit_is_refused(self):
        with pytest.raises(ValueError, match="k must exceed the 3 censored"):
            tails.censored_hill([9.0, 9.0, 9.0, 4.0, 2.0], 3, limit=9.0)


class TestTruncated:
    """Tails that a known bound cuts off."""

    def test_estimate_maximises_the_printed_likelihood(self):
        x = pareto(np.random.default_rng(0))
        x = x[x < 8]
        ordered = np.sort(x)[::-1]
        y, length = np.log(ordered[:100] / ordered[100]), np.log(8 / ordered[100])

        def likelihood(alpha):
            return (np.log(alpha / -np.expm1(-alpha * length)) - alpha * y).sum()

        found = tails.truncated_hill(x, 100, upper=8.0)
        best = optimize.minimize_scalar(lambda a: -likelihood(a), bounds=(0.01, 9), method="bounded")
        assert found.alpha == pytest.approx(best.x, rel=1e-5)
        bound = stats.chi2.ppf(0.95, 1) / 2
        for end in (found.ci_low, found.ci_high):
            assert likelihood(found.alpha) - likelihood(end) == pytest.approx(bound, rel=1e-5)
        curvature = -(
            likelihood(found.alpha + 1e-3) - 2 * likelihood(found.alpha) + likelihood(found.alpha - 1e-3)
        )
        assert found.stderr == pytest.approx(1e-3 / np.sqrt(curvature), rel=1e-3)

    def test_a_distant_bound_leaves_hill(self):
        x = pareto(np.random.default_rng(0))
        assert tails.truncated_hill(x, 100, upper=1e100).xi == pytest.approx(tails.hill(x, 100).xi, rel=1e-9)

    @pytest.mark.parametrize("upper", [4.0, 30.0])
    def test_interval_covers(self, upper):
        def estimate(generator):
            x = pareto(generator, 800)
            return tails.truncated_hill(x[x < upper], 100, upper=upper)

        assert coverage(estimate) >= 355

    def test_values_that_crowd_towards_the_bound_have_no_tail(self):
        found = tails.truncated_hill(np.random.default_rng(0).uniform(1, 2, 300), 200, upper=2.0)
        assert found.alpha == found.ci_low == 0
        assert found.warnings
        assert 0 <= found.ci_high < np.inf

    def test_a_value_above_the_bound_is_refused(self):
        with pytest.raises(ValueError, match="x must not exceed upper=3, got 1 values above it"):
            tails.truncated_hill([4.0, 2.0, 1.0], 1, upper=3.0)
