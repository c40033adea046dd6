"""Products of random layers: exact moments against simulation, classical scales, the normal limit."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from desgd_fast.theory import initialisation

ACTIVATIONS = [("linear", None, 1.0), ("relu", None, 0.0), ("leaky-relu", 0.3, 0.3)]


def log_lengths(widths: list[int], scale: float, slope: float, n_draws: int, seed: int) -> np.ndarray:
    """The recursion x ← φ(w x) as stated, with fresh weight matrices for every draw: log ‖x_L‖/‖x_0‖."""
    generator = np.random.default_rng(seed)
    x = np.tile(generator.standard_normal(widths[0]), (n_draws, 1))
    start = np.linalg.norm(x[0])
    for before, after in itertools.pairwise(widths):
        w = scale / np.sqrt(before) * generator.standard_normal((n_draws, after, before))
        z = np.einsum("doi,di->do", w, x)
        x = np.where(z > 0, z, slope * z)
    with np.errstate(divide="ignore"):
        return np.log(np.linalg.norm(x, axis=1) / start)


@pytest.mark.parametrize(("activation", "slope", "value"), ACTIVATIONS)
@pytest.mark.parametrize("s", [0.5, 1.0, 2.0])
def test_moments_agree_with_simulated_layers(
    activation: str, slope: float | None, value: float, s: float
) -> None:
    widths, scale = [4, 7, 5, 6], 1.3
    powers = np.exp(s * log_lengths(widths, scale, value, 40_000, seed=1))
    exact = np.exp(initialisation.log_moment(s, widths, scale=scale, activation=activation, slope=slope))
    # Fixed seed; five standard errors of a mean: a correct formula fails for one seed in a million.
    assert abs(powers.mean() - exact) < 5 * powers.std() / np.sqrt(powers.size)
    assert powers.std() / np.sqrt(powers.size) < 0.02 * exact  # or the comparison would say little


@pytest.mark.parametrize(("activation", "slope", "value"), ACTIVATIONS)
def test_log_norms_agree_with_simulated_layers(activation: str, slope: float | None, value: float) -> None:
    widths, scale = [5] * 9, 1.4
    logs = log_lengths(widths, scale, value, 20_000, seed=2)
    law = initialisation.log_norm(widths, scale=scale, activation=activation, slope=slope)
    alive = np.isfinite(logs)
    # Fixed seed, five standard errors: false alarms below one in a million.
    assert abs(alive.mean() - law.alive) < 5 * np.sqrt(max(law.alive * (1 - law.alive), 1e-12) / alive.size)
    logs = logs[alive]
    assert abs(logs.mean() - law.mean) < 5 * np.sqrt(law.variance / logs.size)
    fourth = np.mean((logs - logs.mean()) ** 4)
    assert abs(logs.var() - law.variance) < 5 * np.sqrt((fourth - law.variance**2) / logs.size)


def test_many_layers_are_nearly_log_normal() -> None:
    law = initialisation.log_norm([6] * 61, scale=1.1, activation="linear")
    logs = log_lengths([6] * 61, 1.1, 1.0, 4000, seed=3)
    standard = (logs - law.mean) / np.sqrt(law.variance)
    # Berry–Esseen leaves a distance of order 0.01 here; the statistic's own noise stays below 0.043 but for
    # one seed in a million (2 exp(-2 · 4000 · 0.043²)).
    assert stats.kstest(standard, "norm").statistic < 0.055


@settings(deadline=None)
@given(st.integers(1, 1500), st.floats(0.05, 0.95))
def test_second_moments_are_the_classical_scales(n: int, slope: float) -> None:
    scale = initialisation.moment_preserving_scale
    assert scale(2, n, activation="linear") == pytest.approx(1.0, rel=1e-10)
    assert scale(2, n) == pytest.approx(np.sqrt(2), rel=1e-10)
    leaky = scale(2, n, activation="leaky-relu", slope=slope)
    assert leaky == pytest.approx(np.sqrt(2 / (1 + slope**2)), rel=1e-10)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=5), st.floats(0.05, 6), st.sampled_from(ACTIVATIONS)
)
def test_the_scale_preserves_its_moment(widths: list[int], s: float, case: tuple) -> None:
    activation, slope, _ = case
    options = {"activation": activation, "slope": slope}
    sigma = initialisation.moment_preserving_scale(s, widths, **options)
    assert initialisation.log_moment(s, widths, scale=sigma, **options) == pytest.approx(0, abs=1e-9)


@settings(deadline=None)
@given(st.integers(2, 400), st.floats(0.05, 3), st.floats(1.01, 2), st.sampled_from(ACTIVATIONS))
def test_a_smaller_order_needs_a_larger_scale(n: int, s: float, ratio: float, case: tuple) -> None:
    activation, slope, _ = case
    small, large = (
        initialisation.moment_preserving_scale(order, n, activation=activation, slope=slope)
        for order in (s, ratio * s)
    )
    assert small > large


@pytest.mark.parametrize("n", [1, 2, 3, 17, 128, 1000])
def test_log_norms_of_linear_and_relu_layers_are_digammas(n: int) -> None:
    linear = initialisation.log_norm(n, scale=1.7, activation="linear")
    shift = np.log(1.7) + 0.5 * np.log(2 / n)
    assert linear.mean == pytest.approx(shift + special.psi(n / 2) / 2, abs=1e-8)
    assert linear.variance == pytest.approx(special.polygamma(1, n / 2) / 4, rel=1e-6, abs=1e-9)
    k = np.arange(1, n + 1)
    weight = stats.binom.pmf(k, n, 0.5) / (1 - 0.5**n)
    centre = special.psi(k / 2) / 2
    mean = weight @ centre
    relu = initialisation.log_norm(n, scale=1.7)
    assert relu.mean == pytest.approx(shift + mean, abs=1e-8)
    spread = weight @ (special.polygamma(1, k / 2) / 4 + (centre - mean) ** 2)
    assert relu.variance == pytest.approx(spread, rel=1e-6, abs=1e-9)
    assert relu.alive == 1 - 0.5**n


@pytest.mark.parametrize(("s", "n"), [(2.0, 1000), (300.0, 300)])
def test_wide_leaky_layers_and_large_moments_are_exact(s: float, n: int) -> None:
    # Of linear layers every moment is that of a chi distribution; slope 1 − 1e-9 differs by s · 1e-9 at most.
    asked = {"scale": 1.0, "activation": "leaky-relu"}
    linear = initialisation.log_moment(s, n, scale=1.0, activation="linear")
    assert initialisation.log_moment(s, n, slope=1 - 1e-9, **asked) == pytest.approx(linear, abs=1e-6)
    if s == 2:
        assert initialisation.log_moment(s, n, slope=0.01, **asked) == pytest.approx(
            np.log(1.0001 / 2), abs=1e-10
        )


def test_leaky_layers_lie_between_their_limits() -> None:
    for s in (0.5, 1.0, 3.0):
        moments = [
            initialisation.log_moment(s, 9, scale=1.0, activation="leaky-relu", slope=slope)
            for slope in (0.0, 1e-9, 0.3, 0.9, 1.0)
        ]
        assert moments == sorted(moments)
        assert moments[0] == pytest.approx(initialisation.log_moment(s, 9, scale=1.0), abs=1e-12)
        assert moments[1] == pytest.approx(moments[0], abs=1e-3)
        linear = initialisation.log_moment(s, 9, scale=1.0, activation="linear")
        assert moments[-1] == pytest.approx(linear, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"s": 0.0}, "s must be a number from 1e-6"),
        ({"widths": 0}, "widths must be an integer ≥ 1"),
        ({"widths": [4]}, "widths must be an integer ≥ 1 or at least two"),
        ({"widths": "wide"}, "widths must be"),
        ({"scale": -1.0}, "scale must be a positive"),
        ({"activation": "tanh"}, "activation must be one of 'linear'"),
        ({"slope": 0.5}, "slope belongs to activation='leaky-relu' only"),
    ],
)
def test_bad_input_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        initialisation.log_moment(**{"s": 1.0, "widths": (3, 3), "scale": 1.0} | options)
