"""Every estimator against its printed formula, and what comes with an estimate."""

import math

import numpy as np
import pytest
from scipy import special, stats

from desgd_fast import tails
from desgd_fast.tails.intervals.classical import LARGE_SHAPE, gamma_quantile_ratio
from tests.truth import tails as reference


@pytest.fixture(scope="module")
def student():
    return np.random.default_rng(1).standard_t(3, 2000)


@pytest.mark.parametrize("k", [1, 2, 37, 400, 1999])
def test_hill_is_the_printed_formula(student, k):
    assert tails.hill(student, k).xi == pytest.approx(reference.hill(student, k), rel=1e-12)


@pytest.mark.parametrize("k", [2, 37, 400, 1999])
def test_moment_is_the_printed_formula(student, k):
    assert tails.moment(student, k).xi == pytest.approx(reference.moment(student, k), rel=1e-10)


@pytest.mark.parametrize("k", [1, 37, 500])
def test_pickands_uses_the_largest_values(student, k):
    assert tails.pickands(student, k).xi == pytest.approx(reference.pickands(student, k), rel=1e-10)


@pytest.mark.parametrize(("k", "ratio"), [(1, 2), (50, 2), (50, 3), (999, 2)])
def test_smoothed_hill_is_the_mean_of_the_path(student, k, ratio):
    expected = reference.smoothed_hill(student, k, ratio)
    assert tails.smoothed_hill(student, k, ratio=ratio).xi == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("k", "trim"), [(10, 0), (10, 3), (300, 299)])
def test_trimmed_hill_is_the_printed_formula(student, k, trim):
    expected = reference.trimmed_hill(student, k, trim)
    assert tails.trimmed_hill(student, k, trim=trim).xi == pytest.approx(expected, rel=1e-12)


def test_bias_reduced_hill_is_the_printed_formula(student):
    rho, beta = reference.second_order(student)
    expected = reference.hill(student, 200) * (1 - beta / (1 - rho) * (2000 / 200) ** rho)
    assert tails.bias_reduced_hill(student, 200).xi == pytest.approx(expected, rel=1e-9)


def test_paths_agree_with_single_estimates(student):
    k, alpha = tails.hill_path(student)
    assert k[0] == 1
    assert k[-1] == 1999
    xi = tails.moment_path(student).xi
    for j in (1, 2, 500, 1999):
        assert alpha[j - 1] == pytest.approx(1 / reference.hill(student, j), rel=1e-12)
    assert np.isnan(xi[0])
    assert xi[499] == pytest.approx(reference.moment(student, 500), rel=1e-10)


def test_path_interval_is_that_of_the_estimate(student):
    for path, estimator in ((tails.hill_path, tails.hill), (tails.moment_path, tails.moment)):
        low, high = path(student, level=0.9).interval(np.array([300]))
        single = estimator(student, 300, level=0.9)
        assert (low[0], high[0]) == pytest.approx((single.ci_low, single.ci_high), rel=1e-10)


@pytest.mark.parametrize("k", [1, 20, 2999, 3000, 50_000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_hill_interval_is_chi_square(k, level):
    x = np.random.default_rng(0).pareto(2, 60_000) + 1
    result = tails.hill(x, k, level=level)
    assert (result.ci_low, result.ci_high) == pytest.approx(
        reference.interval(result.xi, k, level), rel=1e-10
    )


def test_asymptotic_errors_are_the_published_variances(student):
    k = 100
    moment = tails.moment(student, k)
    assert moment.xi_stderr == pytest.approx(math.sqrt((1 + moment.xi**2) / k))
    pickands = tails.pickands(student, k)
    xi = pickands.xi
    variance = xi**2 * (2 ** (2 * xi + 1) + 1) / (2 * (2**xi - 1) * math.log(2)) ** 2
    assert pickands.xi_stderr == pytest.approx(math.sqrt(variance / k))
    smoothed = tails.smoothed_hill(student, k, ratio=3)
    assert smoothed.xi_stderr == pytest.approx(smoothed.xi * math.sqrt((1 - math.log(3) / 2) / k))


def test_pickands_variance_is_continuous_at_zero():
    from desgd_fast.tails.intervals.classical import pickands_variance

    xi = np.array([-1e-4, 0.0, 1e-4])
    assert pickands_variance(xi) == pytest.approx(np.full(3, 3 / (4 * math.log(2) ** 4)), rel=1e-3)


@pytest.mark.parametrize("side", ["upper", "lower"])
def test_tail_picks_the_side(student, side):
    ordered = reference.descending(student, side)
    expected = np.log(ordered[:50]).mean() - math.log(ordered[50])
    result = tails.hill(student, 50, tail=side)
    assert result.xi == pytest.approx(expected)
    assert result.n_used == len(ordered)
    assert result.threshold == ordered[50]


def test_zeros_and_ties_are_counted_and_reported():
    result = tails.hill([0, 0, 8, 8, 4, 2, 1], k=3)
    assert (result.n_used, result.n_dropped, result.n_ties) == (5, 2, 1)
    assert any("ties" in text for text in result.warnings)


def test_sensitivity_spans_thresholds_around_k(student):
    low, high = tails.hill(student, 200).sensitivity
    around = [1 / reference.hill(student, k) for k in (100, 141, 200, 283, 400)]
    assert low <= min(around) + 1e-12
    assert high >= max(around) - 1e-12


def test_drift_between_thresholds_is_reported_and_pareto_samples_seldom_drift():
    rng = np.random.default_rng(5)
    pareto = rng.pareto(2, (1000, 1000)) + 1
    # A tail of index 1 over a body of index 4, seen at a k that reaches far into the body.
    mixed = np.where(rng.random(20_000) < 0.02, rng.pareto(1, 20_000), rng.pareto(4, 20_000)) + 1
    assert any("alpha drifts by" in text for text in tails.hill(mixed, 2000).warnings)
    assert not any("drift" in text for text in tails.hill(mixed, 50).warnings)
    # 2 in 1000 are expected; more than 10 in 1000 has probability 1e-5.
    texts = [text for text in tails.hill(pareto, 100, axis=1, sensitivity=True).warnings if "drift" in text]
    assert not texts or int(texts[0].split()[0]) <= 10


def test_censored_values_count_only_as_larger(student):
    diverged = student.copy()
    largest = np.argsort(-np.abs(student))[:4]
    diverged[largest] = [np.inf, -np.inf, np.inf, np.inf]
    censored = tails.hill(diverged, 100, on_infinite="censor")
    assert censored.xi == tails.trimmed_hill(student, 100, trim=4).xi
    assert censored.n_censored == 4
    path = tails.hill_path(diverged, on_infinite="censor")
    assert np.isnan(path.alpha[:4]).all()
    assert path.alpha[99] == pytest.approx(censored.alpha, rel=1e-12)


def test_default_k_uses_finite_values_when_others_are_censored(student):
    diverged = np.append(student, [np.inf] * 3)
    assert tails.hill(diverged, on_infinite="censor").k == tails.hill(student).k + 3


def test_an_estimate_prints_what_matters(student):
    text = str(tails.hill(student, 100))
    for part in ("alpha", "95% interval", "k = 100", "threshold"):
        assert part in text
    assert "50 samples" in str(tails.hill(student.reshape(50, 40), 10, axis=1))


def test_an_estimate_becomes_a_dataset(student):
    dataset = tails.hill(student.reshape(50, 40), 10, axis=1, sensitivity=True).to_xarray()
    assert dataset.alpha.dims == ("sample_0",)
    assert dataset.sensitivity_high.shape == (50,)


def test_compare_flags_the_false_infinite_variance():
    x = np.random.default_rng(0).standard_t(3, 20_000)
    table = tails.compare(x)
    assert ("Hill", "MMO") in table.disagreements
    assert "disagree: Hill and MMO" in str(table)
    assert "\nto quote: tail index, " in str(table)
    stable = tails.compare(stats.levy_stable(1.5, 0).rvs(4000, random_state=1), k=100)
    assert ("Hill", "MMO") not in stable.disagreements


@pytest.mark.parametrize(
    ("x", "unanswered"),
    [
        (np.random.default_rng(0).pareto(1.5, 12) + 1, {"MMO"}),
        (np.minimum(np.random.default_rng(0).pareto(1.5, 1000) + 1, 3.0), {"Pickands"}),
        (np.random.default_rng(0).zipf(2.5, 400), set()),
    ],
)
def test_compare_gives_every_row_a_number_or_its_reason(x, unanswered):
    table = tails.compare(x)
    assert set(table.reasons) >= unanswered
    assert len(table.reasons) + len(table.estimates) == 6
    assert all(not math.isnan(estimate.alpha) for estimate in table.estimates.values())
    for name, reason in table.reasons.items():
        assert any(line.startswith(name) and line.endswith(reason) for line in str(table).splitlines())
    dataset = table.to_xarray()
    assert dataset.reason.sel(estimator=list(table.reasons)).values.tolist() == list(table.reasons.values())
    assert (dataset.reason == "").sel(estimator=list(table.estimates)).all()
    for name, estimate in table.estimates.items():
        assert dataset.alpha.sel(estimator=name) == estimate.alpha


def test_compare_raises_where_nothing_answers_or_an_argument_is_wrong():
    for x, options, message in (
        ([3.0], {}, "x must have at least 2"),
        ([3.0, 2.0, np.nan], {}, "x must have no missing"),
        ([3.0, 2.0, np.inf], {}, "x must be finite, got 1 infinite entries$"),
        ([3.0, 2.0, 1.0], {"k": 3}, "k must be at most 2"),
        ([3.0, 2.0, 1.0], {"level": 1}, "level must be"),
        ([3.0, 2.0, 1.0], {"tail": "left"}, "tail must be"),
    ):
        with pytest.raises(ValueError, match=message):
            tails.compare(x, **options)


def test_compare_leaves_masked_values_out():
    values = np.arange(1, 3001) ** 2
    masked = np.ma.masked_array(values, mask=values % 7 == 0)
    left_out, dropped = (tails.compare(x, 100, nan_policy="omit") for x in (masked, masked.compressed()))
    for name, estimate in left_out.estimates.items():
        assert estimate.alpha == dropped.estimates[name].alpha


def test_norms_neither_overflow_nor_underflow():
    assert tails.norms([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0]]).tolist() == pytest.approx(
        [5e200, 5e-200, 0.0], rel=1e-14
    )
    assert tails.norms([[3.0, -4.0]], p=1)[0] == 7
    assert tails.norms([[3.0, -4.0]], p=np.inf)[0] == 4
    assert tails.norms([[1.0, np.inf]])[0] == np.inf
    centred = tails.norms([[1.0, 0.0], [2.0, 0.0], [9.0, 0.0]], centre="median")
    assert centred.tolist() == [1, 0, 7]
    assert tails.norms(np.zeros((5, 4, 3))).shape == (5, 4)


class TestMMO:
    """The block estimator and its published uses."""

    def test_presets_are_the_published_numbers(self):
        generator = np.random.default_rng(0)
        x = generator.standard_t(2, (1600, 5))
        centred = x - x.mean(axis=0)
        long = (2, 5, 10, 20, 50, 100, 40)
        expected = {
            "desgd": reference.published_mmo(centred, 40),
            "sgd_ht": np.median([reference.published_mmo(x, m) for m in long]),
            "networks": np.median([reference.published_mmo(centred, m) for m in (2, 5, 10)]),
            "tail_index_2019": reference.published_mmo(centred.ravel(), 80),
        }
        for preset, value in expected.items():
            assert tails.mmo(x, preset=preset).alpha == pytest.approx(value, rel=1e-12), preset
        scalars = generator.standard_t(2, 4321)
        blocks = (2, 5, 10, 20, 50, 100, 500, 1000)
        value = np.median([reference.published_mmo(scalars - scalars.mean(), m) for m in blocks])
        assert tails.mmo(scalars, preset="networks").alpha == pytest.approx(value, rel=1e-12)

    def test_interval_covers_on_stable_laws(self):
        # 400 intervals at 95 %; fewer than 360 inside has probability below 1e-6 at 95 % coverage.
        x = np.random.default_rng(2).standard_cauchy((400, 2000))
        found = tails.mmo(x, axis=1, level=0.95)
        assert np.sum((found.ci_low < 1) & (found.ci_high > 1)) > 360

    def test_bulk_equals_single(self):
        x = np.random.default_rng(3).standard_cauchy((200, 7, 3))
        bulk = tails.mmo(x, axis=0, vectors=True, centre="median")
        assert bulk.alpha.shape == (7,)
        for i in range(7):
            assert bulk.alpha[i] == tails.mmo(x[:, i], centre="median").alpha

    def test_zeros_are_left_out_and_reported(self):
        x = np.random.default_rng(0).standard_cauchy(20_000)
        x[::8] = 0
        with_zeros, without = tails.mmo(x), tails.mmo(x[x != 0])
        assert with_zeros.alpha == pytest.approx(without.alpha, rel=1e-12)
        assert with_zeros.alpha == pytest.approx(1.02, abs=0.005)
        assert with_zeros.n_dropped == 2500 + without.n_dropped
        assert any("2500 zeros are left out" in text for text in with_zeros.warnings)
        assert (x[::8] == 0).all()
        rows = np.stack([x[:400], x[400:800], np.r_[np.zeros(390), np.ones(10)]])
        rows[1, :33] = 0
        bulk = tails.mmo(rows, axis=1)
        assert bulk.alpha[:2].tolist() == [tails.mmo(row).alpha for row in rows[:2]]
        assert np.isnan(bulk.alpha[2])
        assert any("1 of 3 samples admit no estimate" in text for text in bulk.warnings)
        with pytest.raises(ValueError, match=r"x must hold at least two blocks of 8 .* zero, got 10"):
            tails.mmo(rows[2])

    def test_blocks_that_cancel_are_reported(self):
        x = np.random.default_rng(0).integers(-1, 2, 4000)
        assert any("blocks whose sum is zero" in text for text in tails.mmo(x).warnings)

    @pytest.mark.parametrize("exponent", [-1000, 1000])
    def test_scale_changes_no_bit_and_overflows_nowhere(self, exponent):
        x = np.random.default_rng(0).standard_cauchy((800, 3))
        assert tails.mmo(np.ldexp(x, exponent), centre="mean").alpha == tails.mmo(x, centre="mean").alpha

    def test_remainder_is_reported_or_refused(self):
        x = np.random.default_rng(0).standard_cauchy(103)
        assert tails.mmo(x, block_size=10).n_dropped == 3
        with pytest.raises(ValueError, match="whole blocks of 10"):
            tails.mmo(x, block_size=10, remainder="raise")

    def test_warnings_say_what_it_cannot_do(self):
        generator = np.random.default_rng(0)
        assert any("finite variance" in text for text in tails.mmo(generator.normal(size=5000)).warnings)
        assert any("location" in text for text in tails.mmo(generator.normal(3, 1, 5000)).warnings)
        assert any("drifts" in text for text in tails.mmo(generator.standard_t(3, 100_000)).warnings)
        assert tails.mmo(generator.standard_cauchy(5000)).warnings == ()


class TestDependence:
    """Intervals for one trajectory."""

    def test_given_blocks_are_the_plain_jackknife(self, student):
        result = tails.hill(student, 100, dependent=True, block_length=30)
        variance, _ = reference.block_variance(student, 100, 30)
        assert result.xi == tails.hill(student, 100).xi
        assert result.xi_stderr == pytest.approx(math.sqrt(variance), rel=1e-9)

    def test_interval_widens_with_clusters(self):
        x = np.repeat(np.random.default_rng(0).pareto(2, 1000) + 1, 5)
        x *= 1 + 1e-9 * np.arange(x.size)
        plain, series = tails.hill(x, 300), tails.hill(x, 300, dependent=True)
        assert series.ci_high - series.ci_low > 1.7 * (plain.ci_high - plain.ci_low)

    def test_order_matters_only_when_asked(self, student):
        shuffled = np.random.default_rng(5).permutation(student)
        assert tails.hill(student, 100).ci_low == tails.hill(shuffled, 100).ci_low

    def test_moment_slopes_are_derivatives(self, student):
        from desgd_fast.tails.engine import moment_xi

        first, second = (
            reference.log_excesses(student, 100).mean(),
            (reference.log_excesses(student, 100) ** 2).mean(),
        )
        step = 1e-7
        numeric = [
            (
                moment_xi(np.array(first + step), np.array(second))
                - moment_xi(np.array(first), np.array(second))
            ),
            (
                moment_xi(np.array(first), np.array(second + step))
                - moment_xi(np.array(first), np.array(second))
            ),
        ]
        from desgd_fast.tails import engine
        from desgd_fast.tails import samples as tails_samples

        samples = tails_samples.read(student, None, tail="abs", nan_policy="raise", on_infinite="raise")
        top = next(tails_samples.top_values(samples, 101))
        slopes = engine.moment(top, np.array([100]), np.array([0])).slopes[0]
        assert slopes == pytest.approx(np.array(numeric) / step, rel=1e-4)


@pytest.mark.parametrize("probability", [0.005, 0.025, 0.5, 0.975, 0.995])
def test_expanded_gamma_quantiles_equal_the_inverted_integral(probability):
    shapes = LARGE_SHAPE * np.array([1.0, 1.7, 30.0, 1e4])
    expected = special.gammaincinv(shapes, probability) / shapes
    np.testing.assert_allclose(gamma_quantile_ratio(shapes, special.ndtri(probability)), expected, rtol=1e-11)
