"""Pictures: what is labelled, what stays apart in greyscale, and what is said instead of a number."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
import xarray

import desgd_fast as dsf
from desgd_fast import plots, tails


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def curves() -> xarray.Dataset:
    """Two graphs at four step sizes; the last has no law on one, the first only a bound on the other."""
    both = ("graph", "step_size")
    alpha = np.array([[5.0, 4.0, 3.0, np.nan], [8.0, 7.0, 6.0, 5.0]])
    return xarray.Dataset(
        {
            "alpha": (both, alpha),
            "ci_low": (both, alpha - 0.5),
            "ci_high": (both, np.where(alpha == 8, np.inf, alpha + 0.5)),
            "lower_bound": (both, alpha == 8),
            "stationary": (both, np.isfinite(alpha)),
        },
        coords={"graph": ["cycle", "complete"], "step_size": [0.1, 0.2, 0.3, 0.4]},
    )


def star_runs() -> xarray.Dataset:
    W = dsf.mixing_matrix(nx.star_graph(4))
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2), W, step_size=0.3, batch_size=2, n_steps=40, n_runs=300, rng=0
    )
    row, column = W.tocoo().coords
    return runs.to_xarray().assign(
        mixing_row=("entry", row),
        mixing_column=("entry", column),
        mixing_weight=("entry", W.tocoo().data),
        tail_alpha=("node", [1.5, 2.0, 2.5, 3.0, np.nan]),
    )


def test_parameter_plot_labels_its_axes_and_curves() -> None:
    ax = plots.parameter_plot(curves(), "step_size", by="graph")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step size η", "tail index α")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cycle", "complete"]


def test_curves_stay_apart_in_greyscale() -> None:
    ax = plots.parameter_plot(curves(), "step_size", by="graph")
    lines = [line for line in ax.get_lines() if line.get_label() in ("cycle", "complete")]
    styles = {(line.get_linestyle(), line.get_marker()) for line in lines}
    assert len(styles) == len(lines) == 2


def test_a_bound_is_an_arrow_and_not_a_point() -> None:
    ax = plots.parameter_plot(curves(), "step_size", by="graph")
    arrows = [line for line in ax.get_lines() if "arrow" in str(line.get_marker())]
    assert [list(arrow.get_ydata()) for arrow in arrows] == [[], [8.0]]
    complete = next(line for line in ax.get_lines() if line.get_label() == "complete")
    assert np.isnan(complete.get_ydata()[0])


def test_any_variable_can_be_drawn_against_any_axis() -> None:
    dataset = xarray.Dataset({"width": ("dim", [0.1, 0.2])}, coords={"dim": [1, 10]})
    ax = plots.parameter_plot(dataset, "dim", y="width")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dimension d", "width")
    assert ax.get_legend() is None


def test_survival_plot_falls_and_counts_overflowed_runs_as_largest() -> None:
    dataset = star_runs()
    dataset["final_norms"][:3, 0] = np.inf
    ax = plots.survival_plot(dataset, alpha=2.0)
    first = ax.get_lines()[0]
    assert np.all(np.diff(first.get_ydata()) < 0)
    # Three of 300 lie beyond everything drawn.
    assert first.get_ydata()[-1] == pytest.approx(4 / 300)
    line = ax.get_lines()[-1]
    slope = np.diff(np.log(line.get_ydata())) / np.diff(np.log(line.get_xdata()))
    assert slope == pytest.approx(-2.0)


def test_graph_plot_writes_every_node_and_draws_every_edge() -> None:
    ax = plots.graph_plot(star_runs())
    assert [text.get_text() for text in ax.texts] == ["1.5", "2", "2.5", "3", "none"]
    assert len(ax.get_lines()) == 4
    heaviest, *_, lightest = ax.collections[0].get_facecolors()[:4]
    assert heaviest[0] < lightest[0]


def test_large_graphs_are_drawn_without_numbers() -> None:
    graph = nx.path_graph(40)
    row, column = np.array(graph.edges).T
    dataset = xarray.Dataset(
        {
            "mixing_row": ("entry", row),
            "mixing_column": ("entry", column),
            "mixing_weight": ("entry", np.full(row.size, 0.3)),
            "tail_alpha": ("node", np.linspace(2, 3, 40)),
        }
    )
    ax = plots.graph_plot(dataset)
    assert not ax.texts
    assert len(ax.get_lines()) == 39


def test_narrow_windows_can_be_seen() -> None:
    frontiers = [(0.18227, 0.18369), (0.09434, 0.09458), (0.0, 0.0)]
    ax = plots.frontier_plot(["cycle", "alone", "bipartite"], frontiers)
    low, high = ax.get_xlim()
    dark = [bar for bar in ax.patches if bar.get_facecolor()[0] == 0.25]
    assert [bar.get_width() for bar in dark] == pytest.approx([0.779, 0.254], abs=1e-3)
    assert all(bar.get_width() > 0.1 * (high - low) for bar in dark)
    words = [text.get_text() for text in ax.texts]
    assert {"η = 0.18227", "η = 0.18369", "no step size is stable"} <= set(words)


def test_regime_plot_takes_the_map_or_its_dataset_and_names_both_sides() -> None:
    W = {n: dsf.mixing_matrix(nx.complete_graph(n), "laplacian", delta=0.02) for n in (5, 20, 40)}
    picture = dsf.theory.regime_map(
        dsf.GaussianRegression(dim=1), W, [0.3, 0.5, 0.7, 0.9], batch_size=1, n_draws=200, rng=0
    )
    for source in (picture, picture.to_xarray()):
        ax = plots.regime_plot(source)
        assert {text.get_text() for text in ax.texts} == {
            "coupling makes\nthe tail heavier",
            "coupling lightens\nthe tail",
        }
        assert "exact boundary" in ax.get_legend().get_texts()[0].get_text()


def test_regime_plot_says_when_the_boundary_is_elsewhere() -> None:
    W = {n: dsf.mixing_matrix(nx.complete_graph(n), "laplacian", delta=0.02) for n in (3, 5)}
    picture = dsf.theory.regime_map(
        dsf.GaussianRegression(dim=1), W, [0.1, 0.2], batch_size=1, n_draws=100, rng=0
    )
    labels = [text.get_text() for text in plots.regime_plot(picture).get_legend().get_texts()]
    assert labels[0].endswith("not on this map")


def test_hill_plot_shows_what_the_estimate_decides():
    x = np.random.default_rng(0).standard_t(3, 5000)
    ax = plots.hill_plot(x)
    labels = ax.get_legend_handles_labels()[1]
    assert "95% interval of tail index" in labels
    assert "k where Hill agrees" in labels
    assert f"alpha = {tails.tail_index(x).alpha:.3g} at k = {tails.tail_index(x).k}" in labels
