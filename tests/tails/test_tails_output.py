"""Pictures of samples and their tails."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from desgd_fast import GaussianRegression, plots, tails, theory


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_t(3, 3000)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("plot", [plots.hill_plot, plots.tail_plot, plots.qq_plot, plots.mean_excess])
def test_axes_in_axes_out(plot, x):
    axes = plt.subplots()[1]
    assert plot(x, ax=axes) is axes
    assert plot(x, tail="upper") is not axes
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    axes.figure.canvas.draw()


@pytest.mark.parametrize("plot", [plots.hill_plot, plots.tail_plot, plots.qq_plot, plots.mean_excess])
def test_pictures_are_told_apart_without_colour(plot, x):
    axes = plot(x)
    for line in axes.get_lines():
        red, green, blue = mpl.colors.to_rgb(line.get_color())
        assert red == green == blue


def test_hill_plot_draws_the_path_and_the_estimate(x):
    estimate = tails.hill(x, 100)
    axes = plots.hill_plot(x, estimate=estimate)
    k, alpha = axes.get_lines()[0].get_data()
    np.testing.assert_allclose(alpha, tails.hill_path(x).alpha[k - 1])
    assert any("k = 100" in text.get_text() for text in axes.get_legend().get_texts())


def test_tail_plot_fit_passes_through_the_data_it_was_fitted_to(x):
    estimate = tails.hill(x, 100)
    fit = plots.tail_plot(x, estimate=estimate).get_lines()[1]
    start, end = fit.get_xdata()
    assert (start, end) == (estimate.threshold, np.abs(x).max())
    rank = np.arange(1, 101)
    line = fit.get_ydata()[0] * (np.sort(np.abs(x))[::-1][:100] / start) ** -estimate.alpha
    # Half of the data above, half below; the outermost stray by their own error.
    assert abs(np.mean(np.log(rank / 3000) - np.log(line))) < 0.3
    assert abs(np.log(fit.get_ydata()[0] / (100 / 3000))) < 0.3


def test_tail_plot_draws_the_line_of_a_computed_index(x):
    known = theory.tail_index(GaussianRegression(1), [[1.0]], step_size=0.5, batch_size=1)
    lines = {line.get_label(): line for line in plots.tail_plot(x, computed=known).get_lines()}
    (ends, heights) = lines["computed alpha = 2.9"].get_data()
    slope = np.log(heights[1] / heights[0]) / np.log(ends[1] / ends[0])
    assert slope == pytest.approx(-known.alpha)
    assert ends[1] == np.abs(x).max()


def test_pictures_take_censored_values(x):
    x[:5] = np.inf
    for plot in (plots.hill_plot, plots.tail_plot, plots.qq_plot):
        plot(x, on_infinite="censor").figure.canvas.draw()
