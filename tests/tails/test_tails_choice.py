"""The rules that choose a threshold, and the tests of what lies above it."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import optimize, stats

from desgd_fast import tails
from desgd_fast.common.rng import key_from
from desgd_fast.kernels.tails import resampling as tails_resampling
from desgd_fast.tails.fit import resamples
from tests.truth import tails as reference


@pytest.mark.parametrize("seed", range(4))
def test_min_amse_is_the_printed_formula(seed):
    generator = np.random.default_rng(seed)
    x = (generator.standard_t(3, 1500), stats.burr12(2, 1).rvs(1500, random_state=generator))[seed % 2]
    assert tails.hill(x).k == reference.min_amse(x)


@pytest.mark.parametrize("seed", range(6))
def test_ks_finds_what_trying_everything_finds(seed):
    generator = np.random.default_rng(seed)
    x = [
        generator.pareto(2, 300) + 1,
        generator.standard_t(2, 800),
        np.rint(5 * generator.pareto(1, 800)) + 1,
        generator.lognormal(size=500),
        np.array([1.0, 2.0]),
        np.repeat(generator.pareto(1, 50), 4),
    ][seed]
    distance, threshold, alpha = reference.ks_threshold(x)
    found = tails.ks_threshold(x)
    assert found.threshold == threshold
    assert found.alpha == pytest.approx(alpha, rel=1e-10)
    assert found.distance == pytest.approx(distance, abs=1e-12)
    assert found.exponent == found.alpha + 1
    assert tails.hill(x, k="ks").threshold == threshold


def test_bootstrap_criterion_is_that_of_sorting_resamples():
    generator = np.random.default_rng(0)
    logs = np.sort(np.log(np.abs(generator.standard_t(3, 3000))))[::-1].copy()
    size, n = 400, 4000
    totals = np.zeros((tails_resampling.N_GROUPS, size))
    spare = np.append(logs, logs[-1])
    tails_resampling.bootstrap_square_errors(spare, key_from(1), 0, 0, 0, n, totals)
    expected = reference.square_errors(logs, size, n, generator)
    ratio = totals.sum(axis=0)[1:] / n / expected
    # Means of 4000 draws with relative spread below 2.5 (k ≥ 10): 12 standard errors of the difference.
    assert np.abs(ratio[10:] - 1).max() < 12 * 2.5 * np.sqrt(2 / n)
    assert abs(ratio[10:].mean() - 1) < 0.1


def test_a_resample_is_the_same_in_any_lane():
    alone, together = np.empty(32), np.empty(32 * 16)
    words = np.uint64(3), np.uint64(4), np.uint64(20)
    tails_resampling.fill_exponentials(key_from(1), 7, *words, np.uint64(0), 8, alone)
    first = np.uint64(16)
    tails_resampling.fill_exponentials(key_from(1), 7, *words[:2], first, np.uint64(4), 8 * 16, together)
    np.testing.assert_array_equal(together.reshape(32, 16)[:, 4], alone)
    # Standard exponentials: a Kolmogorov–Smirnov test fails with probability 1e-6.
    many = np.empty(40_000)
    tails_resampling.fill_exponentials(key_from(2), 0, *words, np.uint64(0), 10_000, many)
    assert stats.kstest(many, "expon").pvalue > 1e-6


def test_double_bootstrap_recovers_the_published_recipe():
    x = np.random.default_rng(0).standard_t(3, 5000)
    chosen = tails.double_bootstrap(x, rng=3)
    k1, k2 = chosen.resample_minima
    n1 = int(5000 ** (0.5 * (1 + np.log(2500) / np.log(5000))))
    a = np.log(k1) / np.log(n1)
    c = (a / (2 - a)) ** (2 * (1 - a))
    assert chosen.k == round(k1**2 / k2 * c)
    assert tails.double_bootstrap(x, rng=3, constant="qi").k == round(k1**2 / k2 * np.sqrt(c))
    assert tails.hill(x, k="double-bootstrap", rng=3).k == chosen.k


def test_double_bootstrap_has_the_same_bits_for_any_thread_count():
    x = np.random.default_rng(0).standard_t(3, (3, 700))
    one = tails.hill(x, k="double-bootstrap", axis=1, rng=5, threads=1)
    all_threads = tails.hill(x, k="double-bootstrap", axis=1, rng=5)
    assert one.alpha.tolist() == all_threads.alpha.tolist()


def test_double_bootstrap_gives_up_with_a_warning():
    result = tails.hill(np.random.default_rng(0).pareto(2, 12), k="double-bootstrap", rng=0)
    assert any("double bootstrap" in text for text in result.warnings)


def test_undefined_second_order_falls_back_with_a_warning():
    result = tails.hill([3.0, 2.0, 1.0])
    assert result.k == 2
    assert any("√n" in text for text in result.warnings)


def test_p_values_of_pareto_tails_are_uniform():
    # 300 p-values; a Kolmogorov–Smirnov p below 1e-6 would be a false alarm of that probability.
    generator = np.random.default_rng(0)
    p = [
        tails.goodness_of_fit(generator.pareto(2, 60) + 1, k=50, n_resamples=400, rng=i).p_value
        for i in range(300)
    ]
    assert stats.kstest(np.array(p) + generator.uniform(0, 1 / 400, 300), "uniform").pvalue > 1e-6


def test_goodness_of_fit_rejects_what_is_not_a_power_law():
    generator = np.random.default_rng(0)
    assert tails.goodness_of_fit(generator.exponential(size=2000), k=1000, rng=0).p_value == 0
    refitted = tails.goodness_of_fit(generator.pareto(2, 1000) + 1, n_resamples=200, rng=0)
    assert refitted.refitted
    assert refitted.p_value > 0.01
    assert tails.goodness_of_fit(generator.uniform(1, 2, 1000), k=900, rng=0).p_value == 0


def test_goodness_of_fit_has_the_same_bits_for_any_thread_count():
    x = np.random.default_rng(0).standard_t(2, 500)
    for k in ("ks", 50):
        one = tails.goodness_of_fit(x, k, n_resamples=50, rng=1, threads=1)
        assert one == tails.goodness_of_fit(x, k, n_resamples=50, rng=1)


def test_likelihood_ratio_names_the_nearer_law():
    generator = np.random.default_rng(0)
    pareto = generator.pareto(1.5, 5000) + 1
    assert tails.likelihood_ratio(pareto, "exponential", k=2000).favours == "pareto"
    lognormal = tails.likelihood_ratio(np.exp(generator.normal(0, 1, 5000)), k=3000)
    assert lognormal.favours == "lognormal"
    assert lognormal.parameters == pytest.approx((0, 1), abs=0.15)
    assert (
        tails.likelihood_ratio(generator.exponential(size=5000), "exponential", k=2000).favours
        == "exponential"
    )
    assert tails.likelihood_ratio(pareto, "lognormal", k=2000).favours in ("pareto", "neither")


def test_exponential_fit_is_closed_form():
    x = np.random.default_rng(0).exponential(2.0, 3000)
    found = tails.likelihood_ratio(x, "exponential", k=1000)
    excess = reference.descending(x)[:1000] - found.threshold
    assert found.parameters[0] == pytest.approx(1 / excess.mean())


def cut_normal_fit(logs):
    """(mu, sigma, log likelihood) of a normal law cut off below 0, by a search that knows no formula."""

    def negative(parameters):
        mu, sigma = parameters[0], np.exp(parameters[1])
        return -stats.truncnorm.logpdf(logs, -mu / sigma, np.inf, mu, sigma).sum()

    options = {"maxiter": 4000, "xatol": 1e-10, "fatol": 1e-10}
    starts = ([0.0, 0.0], [1.0, 0.0], [-2.0, 1.0])
    found = [optimize.minimize(negative, s, method="Nelder-Mead", options=options) for s in starts]
    best = min(found, key=lambda result: result.fun)
    return best.x[0], np.exp(best.x[1]), -best.fun


@pytest.mark.parametrize("seed", range(3))
def test_lognormal_tail_is_the_most_likely_one(seed):
    x = np.exp(np.abs(np.random.default_rng(seed).normal(0.3, 1, 500)))
    found = tails.likelihood_ratio(x, k=400, rng=0)
    logs = reference.log_excesses(x, 400)
    mu, sigma, likelihood = cut_normal_fit(logs)
    alpha = 1 / logs.mean()
    assert found.log_ratio == pytest.approx((np.log(alpha) - alpha * logs).sum() - likelihood, abs=1e-6)
    assert found.parameters == pytest.approx((mu + np.log(found.threshold), sigma), abs=1e-5)
    assert found.statistic == pytest.approx(logs.std() / logs.mean(), rel=1e-12)


def test_no_lognormal_is_less_likely_than_its_limit():
    generator = np.random.default_rng(0)
    found = [
        tails.likelihood_ratio(generator.pareto(1.5, 300) + 1, k=200, n_resamples=20, rng=0)
        for _ in range(100)
    ]
    assert all(each.log_ratio <= 0 for each in found)
    limits = [each for each in found if each.log_ratio == 0]
    # A coefficient of variation of 1 or more has the limit as its best fit: about half of Pareto samples do.
    assert all(each.statistic >= 1 - 1e-12 and each.favours == "neither" for each in limits)
    assert 20 < len(limits) < 80


def test_pareto_is_rejected_for_lognormals_at_the_stated_level_only():
    # Barnard's p-values are uniform for Pareto samples: more than 28 of 200 below 0.05 has probability 3e-7.
    # At this size the most powerful test rejects about 9 of 10 lognormals; fewer than 20 of 40, below 1e-9.
    generator = np.random.default_rng(1)
    pareto = [
        tails.likelihood_ratio(generator.pareto(2, 200) + 1, k=150, n_resamples=199, rng=i).p_value
        for i in range(200)
    ]
    assert sum(p <= 0.05 for p in pareto) <= 28
    lognormal = [
        tails.likelihood_ratio(generator.lognormal(size=1000), k=200, n_resamples=199, rng=i).p_value
        for i in range(40)
    ]
    assert sum(p <= 0.05 for p in lognormal) >= 20


@pytest.mark.parametrize("alternative", ["lognormal", "exponential"])
@pytest.mark.parametrize("scale", [2.0**-900, 2.0**900])
def test_likelihood_ratio_does_not_change_with_scale(alternative, scale):
    x = np.random.default_rng(0).lognormal(size=500)
    one, other = (tails.likelihood_ratio(c * x, alternative, 200, rng=0) for c in (1.0, scale))
    assert other.log_ratio == pytest.approx(one.log_ratio, rel=1e-9)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


def test_equal_values_above_the_threshold_have_no_lognormal():
    with pytest.raises(ValueError, match="x must have two different values above the threshold, got 999"):
        tails.likelihood_ratio(np.r_[1e-4, np.ones(999)])
    narrow = tails.likelihood_ratio(np.r_[1e-4, 1 + 1e-9 * np.arange(999)], rng=0)
    assert narrow.favours == "lognormal"
    assert np.isfinite(narrow.log_ratio)


def test_goodness_of_fit_takes_values_whose_quotients_overflow():
    generator = np.random.default_rng(0)
    x = 10.0 ** generator.uniform(-300, 300, 500)
    found = tails.goodness_of_fit(x, 400, n_resamples=50, rng=0)
    logs = np.log(np.sort(x)[-401:]) - np.log(np.sort(x)[-401])
    assert found.alpha == pytest.approx(401 / logs.sum(), rel=1e-10)


LONG_CALLS = (
    "tails.goodness_of_fit(x, n_resamples=10**7, rng=0)",
    "tails.goodness_of_fit(x, 1000, n_resamples=10**9, rng=0)",
    "tails.double_bootstrap(x, n_resamples=10**6, rng=0)",
    "tails.hill(x, 'double-bootstrap', rng=0)",
    "tails.likelihood_ratio(x, k=50_000, n_resamples=10**8, rng=0)",
)


@pytest.mark.slow
@pytest.mark.parametrize("call", LONG_CALLS)
def test_an_interrupt_is_heard_within_two_seconds(call):
    script = f"""
import numpy as np, time
from desgd_fast import tails
small = np.random.default_rng(0).standard_t(3, 200)
for x in (small, np.random.default_rng(0).standard_t(3, 500_000)):
    if x is small:
        tails.goodness_of_fit(x, n_resamples=2), tails.goodness_of_fit(x, 20, n_resamples=2)
        tails.double_bootstrap(x, n_resamples=2), tails.likelihood_ratio(x, k=100, n_resamples=2)
        continue
    print("ready", flush=True)
    while True:
        {call}
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(1)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            error = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        assert time.monotonic() - start < 2
        assert error.endswith(b"KeyboardInterrupt\n")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tails.goodness_of_fit(x, 50, n_resamples=20, rng=0, progress=True),
        lambda x: tails.double_bootstrap(x, n_resamples=20, rng=0, progress=True),
        lambda x: tails.likelihood_ratio(x, k=50, n_resamples=20, rng=0, progress=True),
    ],
)
def test_progress_shows_a_bar(call, capsys):
    call(np.random.default_rng(0).standard_t(3, 500))
    assert "20/20" in capsys.readouterr().err


@pytest.mark.parametrize("values", [1, 2**25])
def test_bits_do_not_depend_on_the_length_of_a_call(values, monkeypatch):
    x = np.random.default_rng(0).standard_t(2, 500)

    def measure():
        return (
            tails.goodness_of_fit(x, n_resamples=50, rng=1),
            tails.goodness_of_fit(x, 50, n_resamples=50, rng=1),
            tails.double_bootstrap(x, n_resamples=50, rng=1).resample_minima,
            tails.likelihood_ratio(x, k=50, n_resamples=50, rng=1),
        )

    expected = measure()
    monkeypatch.setattr(resamples, "CALL_VALUES", values)
    assert measure() == expected
