"""Pictures and the command line."""

import matplotlib as mpl
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

mpl.use("Agg")

import matplotlib.pyplot as plt

from desgd_fast import plots, tails
from desgd_fast.cli.tail import tail


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


def test_tail_plot_fit_starts_at_the_threshold(x):
    estimate = tails.hill(x, 100)
    fit = plots.tail_plot(x, estimate=estimate).get_lines()[1]
    assert fit.get_xdata()[0] == estimate.threshold
    assert fit.get_ydata()[0] == pytest.approx(100 / 3000)


def test_pictures_take_censored_values(x):
    x[:5] = np.inf
    for plot in (plots.hill_plot, plots.tail_plot, plots.qq_plot):
        plot(x, on_infinite="censor").figure.canvas.draw()


class TestCommand:
    """``desgd-fast tail``."""

    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        app = typer.Typer()
        app.command()(tail)

        def run(*arguments, **options):
            return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

        return run

    def test_prints_a_table_and_writes_a_picture(self, run, x, tmp_path):
        np.savetxt("data.csv", np.c_[x, x**2], delimiter=",", header="x,square", comments="")
        result = run("data.csv", "--column", "x", "-o", "picture.png")
        assert result.exit_code == 0, result.output
        for name in ("Hill", "moment", "Pickands", "MMO", "disagree"):
            assert name in result.output
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

    def test_files_and_standard_input_agree(self, run, x):
        np.save("data.npy", x)
        np.savetxt("data.csv", x, fmt="%.17g")
        options = ("--estimator", "hill", "--k", "100", "--no-picture")
        outputs = [
            run("data.npy", *options).output,
            run("data.csv", *options).output,
            run("-", *options, input="\n".join(map(repr, x.tolist()))).output,
        ]
        assert outputs[0] == outputs[1] == outputs[2] == f"{tails.hill(x, 100)}\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing.csv"], "no such file: nothing.csv"),
            (["data.csv"], "--column must name one of a, b"),
            (["data.csv", "--column", "c"], "--column must be one of a, b, got c"),
            (["data.csv", "--column", "b"], "entries that are not numbers"),
            (["data.csv", "--column", "a", "--k", "9"], "k must be at most 2"),
            (["data.csv", "--column", "a", "--tail", "left"], "tail must be one of"),
            (["data.csv", "--column", "a", "--estimator", "guess"], "--estimator must be one of"),
        ],
    )
    def test_bad_options_give_one_line_and_exit_code_two(self, run, arguments, message, tmp_path):
        (tmp_path / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1

    def test_one_estimator_that_cannot_answer_hides_no_other(self, run, tmp_path):
        np.savetxt("capped.csv", np.minimum(np.random.default_rng(0).pareto(1.5, 12) + 1, 3.0))
        result = run("capped.csv", "-o", "picture.png")
        assert result.exit_code == 0, result.output
        assert "reason" in result.output
        assert "x must hold at least two blocks" in result.output

    def test_advice_names_options_of_the_command(self, run, tmp_path):
        (tmp_path / "odd.csv").write_text("9\n7\n\n5\n3\ninf\n4\n".replace("\n\n", "\nnan\n"))
        missing = run("odd.csv", "--estimator", "hill")
        assert "--nan-policy omit" in missing.stderr
        infinite = run("odd.csv", "--estimator", "hill", "--nan-policy", "omit")
        assert "--on-infinite censor" in infinite.stderr
        advised = ("--nan-policy", "omit", "--on-infinite", "censor", "--k", 3)
        result = run("odd.csv", "--estimator", "hill", *advised)
        assert result.exit_code == 0, result.output
        assert "1 infinite values" in result.output
        refused = run("odd.csv", "--estimator", "moment", *advised)
        assert refused.exit_code == 2
        assert "--on-infinite is an option of hill, smoothed_hill" in refused.stderr
