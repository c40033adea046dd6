"""The tail index whose interval counts the bias."""

import itertools

import numpy as np
import pytest
from scipy import special, stats

from desgd_fast import tails
from desgd_fast.kernels.tails import spacings as kernels
from desgd_fast.tails.intervals import biases, second_order
from desgd_fast.tails.thresholds import minimal_error

FIELDS = ("alpha", "xi", "stderr", "xi_stderr", "ci_low", "ci_high", "k", "threshold", "n_used", "n_ties")


def same_bits(single, bulk, index):
    return all(np.array_equal(getattr(single, f), getattr(bulk, f)[index], equal_nan=True) for f in FIELDS)


def coverage(result, alpha):
    return np.mean((result.ci_low <= alpha) & (alpha <= result.ci_high))


def test_totals_are_the_weighted_log_spacings():
    top = np.sort(np.random.default_rng(0).pareto(2, (3, 50)) + 1, axis=1)
    edges = np.array([2, 9, 20, 49])
    totals = np.empty((3, 3))
    kernels.sum_spacings(top, edges, totals)
    spacings = np.arange(1, 50) * -np.diff(np.log(top[:, ::-1]), axis=1)
    expected = [spacings[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(totals, np.stack(expected, axis=1), rtol=1e-12)


@pytest.mark.parametrize("inflation", [1.0, 2.0])
def test_posterior_is_that_of_the_dense_gaussian_model(inflation):
    n = 100
    models = second_order.designs(n, 0, inflation)
    edges = second_order.bin_edges(n, 0)
    assert models.n_bins.tolist() == [edges.size - 1]
    totals = np.random.default_rng(1).gamma(np.diff(edges))[np.newaxis]
    found = np.empty((1, 3))
    kernels.weigh_biases(totals, models, 1.0, found)

    masses = np.diff(edges) / inflation
    y = np.log(totals[0] / np.diff(edges)) - (special.digamma(masses) - np.log(masses))
    middle = (edges[:-1] + edges[1:] + 1) / 2
    basis = (middle / edges[-1])[:, np.newaxis] ** second_order.POWERS
    shapes, shares = biases.known(tuple(middle / n))
    means, variances, weights = [], [], []
    for (scale, prior), (j, shape) in itertools.product(
        zip(second_order.SCALES, shares, strict=True), enumerate(shapes)
    ):
        covariance = scale**2 * (basis * second_order.SHARES) @ basis.T + np.diag(
            special.polygamma(1, masses)
        )
        precision = np.linalg.inv(covariance)
        variance = 1 / precision.sum()
        mean = variance * (precision @ (y - shape)).sum()
        misfit = (y - shape - mean) @ precision @ (y - shape - mean)
        means.append(mean)
        variances.append(variance)
        weights.append(prior[j] * np.exp(-misfit / 2) * np.sqrt(variance / np.linalg.det(covariance)))
    weights = np.array(weights) / np.sum(weights)
    mean = weights @ means
    spread = np.sqrt(weights @ (np.array(variances) + (np.array(means) - mean) ** 2))
    assert found[0, kernels.CENTRE] == pytest.approx(mean, abs=1e-9)
    assert found[0, kernels.SPREAD] == pytest.approx(spread, rel=1e-9)


@pytest.mark.parametrize(
    ("bias", "law", "alpha"),
    [
        (lambda u: biases.beta_prime(u, 0.5, 1.5), lambda u: stats.t.isf(u / 2, 3), 3),
        (lambda u: biases.beta_prime(u, 1.0, 2.0), lambda u: stats.burr12.isf(u, 1.3, 2), 2.6),
        (lambda u: biases.shifted(u, 2.0, 1.5), lambda u: u**-0.5 + 1.5, 2),
        (lambda u: biases.log_gamma(u, 2.0), lambda u: np.exp(stats.gamma.isf(u, 2)), 1),
        (lambda u: biases.stable(u, 1.999), lambda u: stats.norm.isf(u / 2, scale=2**0.5), 1.999),
    ],
)
def test_biases_are_those_of_their_laws(bias, law, alpha):
    u = np.array([0.03, 0.1, 0.3])
    index = 2e-4 / np.log(law(u * np.exp(-1e-4)) / law(u * np.exp(1e-4)))
    # The last is the normal law, which a stable one approaches as alpha → 2, and not yet far out.
    np.testing.assert_allclose(bias(u), np.log(alpha / index), atol=0.03 if alpha == 1.999 else 1e-6)


@pytest.mark.parametrize(("body", "law"), [(6.0, stats.t(6)), (np.inf, stats.norm)])
def test_bias_of_a_mixture_of_students_is_that_of_its_survival(body, law):
    def survival(x):
        return 0.6 * stats.t.sf(x, 3) + 1.4 * law.sf(x)

    x = np.array([0.5, 2, 4, 30])
    index = np.log(survival(x * np.exp(-1e-4)) / survival(x * np.exp(1e-4))) / 2e-4
    found = biases.student_mixture(survival(x), 0.3, 3, body)
    np.testing.assert_allclose(found, np.log(3 / index), atol=1e-3)


@pytest.mark.parametrize(
    ("bias", "draw", "alpha"),
    [
        (lambda u: biases.lomax_sum(u, 2.0, 2), lambda g, n: g.pareto(2, (4, n)).sum(axis=0), 2),
        (
            lambda u: biases.inverse_gamma_sum(u, 2.5, 1),
            lambda g, n: (1 / g.gamma(2.5, size=(2, n))).sum(0),
            2.5,
        ),
        (
            lambda u: biases.student_sum(u, 3.0, 2),
            lambda g, n: np.abs(g.standard_t(3, (4, n)).sum(axis=0)),
            3,
        ),
    ],
)
def test_biases_of_sums_are_those_of_samples(bias, draw, alpha):
    n = 200_000
    x = np.sort(draw(np.random.default_rng(19), n))[::-1]
    spacings = np.arange(1, n) * -np.diff(np.log(x))
    ends = np.array([1000, 4000, 16_000, 64_000])
    means = np.add.reduceat(spacings, ends)[:-1] / np.diff(ends)
    inside = [np.exp(bias(np.linspace(a, b, 200) / n)).mean() for a, b in itertools.pairwise(ends)]
    # A mean of 3000 exponentials errs by 0.018: 5 standard errors, and 0.01 of the grid.
    np.testing.assert_allclose(means * alpha, inside, rtol=0.1)


def test_bias_of_a_mixture_is_that_of_two_exponentials():
    y = np.linspace(0.5, 9, 7)
    slow, fast = 0.3 * np.exp(-y), 0.7 * np.exp(-2 * y)
    index = (slow + 2 * fast) / (slow + fast)
    np.testing.assert_allclose(biases.mixture(slow + fast, 2, 0.3), -np.log(index), atol=1e-5)


def test_bulk_is_single_to_the_bit():
    x = np.random.default_rng(2).standard_t(3, (6, 500))
    x[1, :40] = 0
    x[2, 7] = np.nan
    bulk = tails.tail_index(x, axis=1, nan_policy="omit")
    for index, row in enumerate(x):
        assert same_bits(tails.tail_index(row, nan_policy="omit"), bulk, index)


def test_dependent_bulk_is_single_to_the_bit():
    x = np.random.default_rng(3).standard_t(3, (4, 800))
    bulk = tails.tail_index(x, axis=1, dependent=True)
    for index, row in enumerate(x):
        assert same_bits(tails.tail_index(row, dependent=True), bulk, index)


def test_order_and_a_power_of_two_do_not_matter():
    generator = np.random.default_rng(4)
    x = generator.standard_t(3, 1000)
    one, other = tails.tail_index(x), tails.tail_index(1024 * generator.permutation(x))
    assert (one.alpha, one.ci_low, one.ci_high, one.k) == (other.alpha, other.ci_low, other.ci_high, other.k)


def test_interval_is_finite_whatever_the_sample():
    generator = np.random.default_rng(5)
    for n in (3, 4, 10, 30, 100, 1000):
        for x in (generator.pareto(0.05, n) + 1, generator.normal(size=n), generator.pareto(50, n) + 1):
            result = tails.tail_index(x)
            assert 0 < result.ci_low < result.alpha < result.ci_high < np.inf
            assert result.k >= min(n - 1, 10) or n < 20


def test_infinite_values_count_as_larger_than_all_others():
    x = np.random.default_rng(6).pareto(2, 5000) + 1
    whole = tails.tail_index(x)
    cut = tails.tail_index(np.where(x > np.sort(x)[-4], np.inf, x), on_infinite="censor")
    assert cut.n_censored == 3
    assert abs(cut.alpha - whole.alpha) < whole.stderr


def test_equal_values_leave_nothing_to_measure():
    result = tails.tail_index(np.ones(100))
    assert np.isnan(result.alpha)
    assert any("equal" in text for text in result.warnings)


def test_higher_level_contains_lower():
    x = np.random.default_rng(7).standard_t(2, 3000)
    wide, narrow = tails.tail_index(x, level=0.99), tails.tail_index(x, level=0.8)
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "alpha"),
    [
        (stats.pareto(1.5), 1.5),
        (stats.t(3), 3),
        (stats.t(5), 5),
        (stats.invweibull(2), 2),
        (stats.genpareto(0.5), 2),
    ],
)
def test_interval_covers_under_second_order_bias(law, alpha):
    # 500 samples: coverage of .95 falls below .90 with probability 7e-7 (binomial).
    x = law.rvs(size=(500, 10_000), random_state=np.random.default_rng(8))
    assert coverage(tails.tail_index(x, axis=1), alpha) > 0.90


@pytest.mark.slow
def test_interval_covers_on_long_trajectories():
    generator = np.random.default_rng(9)
    x = np.zeros(300)
    trajectory = np.empty((300, 5000))
    for step in range(-500, 5000):
        feature, noise = generator.normal(size=(2, 300))
        x = x - 0.5 * feature * (feature * x - noise)
        if step >= 0:
            trajectory[:, step] = x
    # E|1 − ½a²|^2.90397 = 1. 300 series: coverage of .95 falls below .86 with probability 1e-8 (binomial).
    assert coverage(tails.tail_index(trajectory, axis=1, dependent=True), 2.90397) > 0.86


def said_light(x):
    return np.array([any("no power tail" in text for text in tails.tail_index(row).warnings) for row in x])


def test_light_tails_are_said_to_be_light():
    generator = np.random.default_rng(10)
    assert said_light(generator.normal(size=(50, 2000))).all()
    assert not said_light(generator.standard_t(3, (50, 5000))).any()


@pytest.mark.slow
def test_light_test_holds_its_level_on_exponential_data():
    # 2000 samples: a rejection rate of .05 leaves [.026, .076] with probability 1e-6 (normal).
    rejected = 1 - said_light(np.random.default_rng(11).exponential(size=(2000, 200))).mean()
    assert 0.026 < rejected < 0.076


def test_smallest_error_asks_for_ten_values_at_least():
    n = np.array([10, 5, 1000])
    k, _ = minimal_error(n, np.array([[-0.01, 1e9]] * 3))
    assert k.tolist() == [9, 4, 10]


def test_default_k_never_collapses_on_pareto_samples():
    x = np.random.default_rng(5).pareto(1.5, (200, 1000)) + 1
    assert tails.hill(x, axis=1).k.min() >= 10


@pytest.mark.parametrize("n", [5, 40, 3000])
def test_equal_weights_change_nothing(n):
    x = np.random.default_rng(16).standard_t(3, n)
    plain, equal = tails.tail_index(x), tails.tail_index(x, weights=np.full(n, 0.3))
    assert (plain.k, plain.threshold, plain.n_used) == (equal.k, equal.threshold, equal.n_used)
    for name in ("alpha", "ci_low", "ci_high"):
        assert getattr(equal, name) == pytest.approx(getattr(plain, name), rel=1e-10)


def test_counts_repeat_values():
    generator = np.random.default_rng(17)
    x, counts = generator.pareto(2, 3000) + 1, generator.integers(0, 3, 3000)
    counted, repeated = tails.tail_index(x, counts=counts), tails.tail_index(np.repeat(x, counts))
    assert (counted.alpha, counted.ci_high, counted.n_ties) == (
        repeated.alpha,
        repeated.ci_high,
        repeated.n_ties,
    )
    with pytest.raises(ValueError, match=f"counts must be at most {2**24} in all here"):
        tails.tail_index(x, counts=np.full(3000, 10**4))


def test_weights_undo_a_biased_selection():
    # Values of Student-t(2), weighted to stand for a population of Student-t(4): coverage of .95 in 25
    # samples falls below .68 with probability 2e-6 (binomial).
    generator = np.random.default_rng(18)
    held = []
    for x in generator.standard_t(2, (25, 4000)):
        found = tails.tail_index(x, weights=stats.t.pdf(x, 4) / stats.t.pdf(x, 2))
        held.append((found.ci_low <= 4 <= found.ci_high, found.ci_low <= 2 <= found.ci_high))
    assert np.mean(held, axis=0)[0] > 0.68 > 0.3 > np.mean(held, axis=0)[1]


def test_default_hill_interval_counts_the_bias():
    x = np.random.default_rng(13).standard_t(5, (40, 2000))
    found, classical = tails.hill(x, axis=1), tails.hill(x, axis=1, interval="classical")
    counted = tails.tail_index(x, axis=1)
    assert found.alpha.tolist() == classical.alpha.tolist()
    np.testing.assert_array_equal(found.ci_low, np.minimum(counted.ci_low, found.alpha))
    np.testing.assert_array_equal(found.ci_high, np.maximum(counted.ci_high, found.alpha))
    assert coverage(found, 5) > 0.8
    assert coverage(classical, 5) < 0.2
    single = tails.hill(x[3])
    assert (single.ci_low, single.ci_high) == (found.ci_low[3], found.ci_high[3])


def test_classical_interval_of_a_chosen_k_says_what_it_leaves_out():
    x = np.random.default_rng(14).standard_t(5, 2000)
    assert not any("bias" in text for text in tails.hill(x, 50).warnings)
    for estimator in (tails.moment, tails.pickands, tails.smoothed_hill, tails.bias_reduced_hill):
        assert any("leaves out the" in text for text in estimator(x).warnings), estimator.__name__
    assert any("leaves out the bias" in text for text in tails.trimmed_hill(x, trim=1).warnings)
    assert any("leaves out the bias" in text for text in tails.hill(x, interval="classical").warnings)
    assert not any("leaves out the bias" in text for text in tails.hill(x).warnings)
    ones = np.ones(2000)
    for estimate in (
        tails.hill(x, weights=ones),
        tails.hill(x, counts=ones.astype(int)),
        tails.censored_hill(x, limit=10.0),
        tails.truncated_hill(x[np.abs(x) < 10], upper=10.0),
    ):
        assert any("leaves out the bias" in text for text in estimate.warnings), estimate.estimator


def test_bias_aware_interval_at_a_given_k_holds_the_estimate():
    x = np.random.default_rng(15).standard_t(5, 2000)
    found = tails.hill(x, 1500, interval="bias-aware")
    assert found.ci_low == found.alpha < tails.tail_index(x).ci_low < found.ci_high
    with pytest.raises(ValueError, match="interval must be one of 'classical', 'bias-aware'"):
        tails.hill(x, interval="honest")


def test_dependent_interval_is_finite_on_a_slow_series():
    # Few clusters carry the variance: a gamma quantile at their Student quantile had no upper end.
    x = np.random.default_rng(12).standard_t(2, (4300, 100))
    for step in range(1, len(x)):
        x[step] += 0.9 * x[step - 1]
    for estimator in (tails.hill, tails.tail_index):
        result = estimator(x[300:], axis=0, dependent=True)
        assert (result.ci_low > 0).all()
        assert np.isfinite(result.ci_high).all()
