"""The published figures: their settings, their quirks, and how near we come to what they print."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

import desgd_fast as dsf
from desgd_fast import paper
from desgd_fast.paper import curves
from desgd_fast.paper.curves import Effort
from desgd_fast.paper.figures import EXPERIMENTS, Curves, Map
from desgd_fast.paper.networks import Network, of_eight, row_stochastic_star
from desgd_fast.paper.table import Row, Table, crossing

CURVES = [name for name, experiment in EXPERIMENTS.items() if isinstance(experiment, Curves)]
TINY = Effort(n_runs=120, n_steps=60, average_last=30, rtol=0.5, cap=4.0, n_particles=64)


@pytest.fixture(scope="module")
def small_figure() -> paper.Replication:
    """Figure 7 left on two of its networks, three step sizes and hardly any runs."""
    whole = EXPERIMENTS["figure7-left"]
    assert isinstance(whole, Curves)
    chosen = ("cycle", "centralized")

    def networks(published: bool) -> dict[str, Network]:
        return {name: whole.networks(published)[name] for name in chosen}

    experiment = replace(whole, networks=networks, quick=TINY, quick_points=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("desgd_fast.paper.figures.EXPERIMENTS", {"figure7-left": experiment})
        return paper.run("figure7-left", quick=True, rng=1)


def test_declared_settings_are_the_published_ones() -> None:
    first, second = EXPERIMENTS["figure1"], EXPERIMENTS["figure2"]
    assert isinstance(first, Map)
    assert isinstance(second, Map)
    sizes = [1, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 30, 32, 35, 37, 40, 42, 45, 47, 50]
    assert (first.dim, first.batch_size, first.feature_std, first.n_draws) == (1, 1, 1.0, 10_000)
    assert list(first.n_nodes) == sizes
    np.testing.assert_allclose(first.step_sizes, np.arange(0.1, 1.01, 0.05))
    assert (second.dim, second.batch_size, second.feature_std, second.n_draws) == (100, 100, 1.3, 5000)
    assert list(second.n_nodes) == [1, 5, 10, 15, 20, 25, 30]
    assert (second.step_sizes[0], second.step_sizes[-1]) == (0.25, 0.35)
    for name in CURVES:
        effort = EXPERIMENTS[name].effort  # type: ignore[union-attr]
        assert (effort.n_runs, effort.n_steps, effort.average_last, effort.rtol) == (1600, 1000, 500, 0.05)


@pytest.mark.parametrize(
    ("name", "dim", "n_nodes", "batch", "deltas", "ends"),
    [
        ("figure3i", 1, 30, 1, [0, 0.025, 0.05], (0.1, 1.0)),
        ("figure3ii", 100, 10, 5, [0, 0.01, 0.02, 0.05, 0.1], (0.075, 0.15)),
        ("figure6", 1, 10, 1, [0, 0.05, 0.1], (0.1, 1.0)),
    ],
)
def test_couplings_are_the_published_ones(
    name: str, dim: int, n_nodes: int, batch: int, deltas: list[float], ends: tuple[float, float]
) -> None:
    experiment = EXPERIMENTS[name]
    assert isinstance(experiment, Curves)
    networks = experiment.networks(True)
    assert experiment.dim == dim
    assert len(networks) == len(deltas)
    for network, delta in zip(networks.values(), deltas, strict=True):
        assert network.W.shape == (n_nodes, n_nodes)
        weights = network.W[~np.eye(n_nodes, dtype=bool)]
        np.testing.assert_allclose(weights[weights != 0], delta)
        np.testing.assert_allclose(network.W.sum(axis=0), 1)
        assert set(network.batch_sizes) == {batch}
        assert (network.step_sizes[0], network.step_sizes[-1], len(network.step_sizes)) == (*ends, 10)


def test_figure_7_has_the_published_networks() -> None:
    left, right = (EXPERIMENTS[f"figure7-{side}"] for side in ("left", "right"))
    assert isinstance(left, Curves)
    assert isinstance(right, Curves)
    for experiment in (left, right):
        networks = experiment.networks(True)
        assert list(networks) == ["complete", "cycle", "star", "hypercube", "bipartite", "centralized"]
        for name, weight in [
            ("complete", 1 / 8),
            ("cycle", 1 / 3),
            ("hypercube", 1 / 4),
            ("bipartite", 1 / 5),
        ]:
            entries = networks[name].W[networks[name].W > 0]
            np.testing.assert_allclose(entries, weight)
        assert networks["centralized"].W.shape == (1, 1)
    assert (left.dim, left.noise_std) == (100, 3.0)
    cycle, alone = left.networks(True)["cycle"], left.networks(True)["centralized"]
    assert (cycle.step_sizes[0], cycle.step_sizes[-1], len(cycle.step_sizes)) == (0.165, 0.205, 30)
    assert (set(cycle.batch_sizes), set(alone.batch_sizes)) == ({5}, {40})
    assert right.networks(True)["cycle"].batch_sizes == (1, 2, 3, 4, 5, 6, 7, 8)
    assert set(right.networks(True)["cycle"].step_sizes) == {0.18}


@pytest.mark.parametrize("name", CURVES)
def test_published_values_lie_on_the_declared_points(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert isinstance(experiment, Curves)
    networks = experiment.networks(True)
    for curve, (places, values) in experiment.published().items():
        own = getattr(networks[curve], f"{experiment.parameter}s")
        np.testing.assert_allclose(np.sort(places), np.sort(own)[: len(places)], atol=1e-6)
        assert np.all((values > 0.8) & (values < 2.2) | np.isnan(values))


def test_quirks_are_followed_by_the_paper_preset_alone() -> None:
    left = EXPERIMENTS["figure7-left"]
    assert isinstance(left, Curves)
    published, corrected = left.networks(True), left.networks(False)
    assert published["star"].row_stochastic
    assert not any(network.row_stochastic for network in corrected.values())
    for network in corrected.values():
        np.testing.assert_allclose(network.W.sum(axis=0), 1)
    assert published["centralized"].step_sizes[0] == 0.1
    assert corrected["centralized"].step_sizes == corrected["cycle"].step_sizes
    assert len(left.quirks) == 2


def test_published_star_sums_to_one_by_rows_only() -> None:
    W = row_stochastic_star(8)
    np.testing.assert_allclose(W.sum(axis=1), 1)
    np.testing.assert_allclose(W[0], 1 / 8)
    assert np.ptp(W.sum(axis=0)) > 1
    np.testing.assert_array_equal(of_eight(True)["star"], W)


def test_regime_map_of_figure_1_is_the_published_one() -> None:
    # 63 cells, each beyond 6 standard errors with probability below 1e-8: together below 1e-6.
    again = paper.run("figure1", quick=True)
    assert again.table.largest_deviation < 6
    assert len(again.table.rows) == 63
    # Weak coupling lightens the tail up to η = 1/s²; strong coupling, here of many nodes, makes it heavier.
    assert float(again.dataset.boundary[-1]) < 0.5 < float(again.dataset.boundary[1])


@pytest.mark.parametrize(("norm", "agrees"), [("frobenius", True), ("spectral", False)])
def test_published_map_of_figure_2_picks_its_node_by_the_frobenius_norm(norm: str, agrees: bool) -> None:
    # 10 cells of N = 5, each beyond 6 standard errors with probability below 1e-8.
    second = EXPERIMENTS["figure2"]
    assert isinstance(second, Map)
    published = second.published()
    values = np.array([row[1] for name, row in published.items() if name != "n_nodes"])
    ours = dsf.theory.norm_bound(
        [5], second.step_sizes, dim=100, batch_size=100, feature_std=1.3, norm=norm, n_draws=2000, rng=3
    )[0]
    share = np.clip((1 - (5 * values + 2 * ours) / 7) / 2, 1e-4, 1 - 1e-4)
    z = (ours - values) / (2 * np.sqrt(share * (1 - share) * (1 / 2000 + 1 / 5000)))
    assert bool(np.abs(z).max() < 6) is agrees


@pytest.mark.parametrize("frobenius", [False, True])
def test_norm_bound_is_what_plain_numpy_finds(frobenius: bool) -> None:
    # 3 values at 5 standard errors of 2,000 plain draws: 2e-6 together, with this key passed once for all.
    steps, d, b, n = np.array([0.4, 0.5, 0.6]), 6, 5, 3
    generator, below = np.random.default_rng(4), np.zeros(3)
    for _ in range(2000):
        a = generator.standard_normal((n, b, d))
        H = a.transpose(0, 2, 1) @ a / b
        for k, step in enumerate(steps):
            left = np.eye(d) - step * H
            # The spectral norm of a symmetric matrix is its largest eigenvalue in size.
            sizes = np.abs(np.linalg.eigvalsh(left)).max(axis=1)
            norms = np.linalg.norm(left, axis=(1, 2)) if frobenius else sizes
            values = np.linalg.eigvalsh(H[np.argmax(norms)])
            below[k] += values[np.argmax(np.abs(1 - step * values))] < 1 / step
    share = below / 2000
    norm = "frobenius" if frobenius else "spectral"
    ours = dsf.theory.norm_bound([n], steps, dim=d, batch_size=b, norm=norm, n_draws=20_000, rng=5)[0]
    error = 2 * np.sqrt(share * (1 - share) * (1 / 2000 + 1 / 20_000))
    assert np.all(np.abs(ours - (1 - 2 * share)) < 5 * error + 1e-9)


def test_small_figure_holds_theory_measurement_and_print(small_figure: paper.Replication) -> None:
    dataset = small_figure.dataset
    assert dict(dataset.sizes) == {"network": 2, "point": 3}
    assert int(dataset.cell_status.min()) == 1
    stationary = dataset.stationary.values == 1
    assert np.isnan(dataset.alpha.values[~stationary]).all()
    assert (dataset.alpha.values[stationary] > 0).all()
    # The exact frontiers: cycle and one node with b = 40, theory.md of the literature's settings.
    assert float(dataset.infinite_variance.sel(network="cycle")) == pytest.approx(0.18227, abs=5e-6)
    assert float(dataset.infinite_variance.sel(network="centralized")) == pytest.approx(0.56738, abs=5e-6)
    assert (dataset.divergence > dataset.infinite_variance).all()
    assert int(np.isfinite(dataset.published).sum()) == 6
    assert dataset.attrs["preset"] == "paper"
    assert "columns do not" in dataset.attrs["quirks"]


def test_quick_figure_claims_no_difference(small_figure: paper.Replication) -> None:
    text = str(small_figure.table)
    assert "no stationary law" in text
    for words in (" se", "must agree", "falls through"):
        assert words not in text
    assert "not comparable: measured here on 120 runs of 60 steps with the last 30 averaged" in text
    assert "published on 1600 runs of 1000 steps with the last 500 averaged" in text
    assert len(small_figure.table.rows) == 6
    assert np.isnan(small_figure.table.largest_deviation)


def test_figure_measured_as_published_ends_with_differences(small_figure: paper.Replication) -> None:
    whole = EXPERIMENTS["figure7-left"]
    assert isinstance(whole, Curves)
    dataset = small_figure.dataset.assign_attrs(curves.PUBLISHED)
    table = curves.compare(dataset, whole.parameter, whole.published())
    text = str(table)
    assert "values must agree" in text
    assert "not comparable" not in text
    here = dataset.sel(network="cycle").isel(point=0)
    (row,) = (row for row in table.rows if row.label == "cycle" and row.place == 0.165)
    assert row.stderr == pytest.approx(float(here.mmo_stderr) * 2**0.5)


def test_full_figures_are_measured_as_published() -> None:
    for name in CURVES:
        effort = EXPERIMENTS[name].effort  # type: ignore[union-attr]
        assert {key: getattr(effort, key) for key in curves.PUBLISHED} == curves.PUBLISHED


@pytest.mark.parametrize(("option", "value"), [("--workers", "2"), ("--mnist", "folder")])
def test_options_that_a_figure_ignores_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    from desgd_fast import cli

    with pytest.raises(SystemExit) as leaving:
        cli.main(["paper", "figure1", "--quick", "--out", str(tmp_path / "new"), option, value])
    assert leaving.value.code == 2
    assert f"{option} changes nothing with figure1" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_figure_labels_everything_it_draws(small_figure: paper.Replication) -> None:
    figure = small_figure.draw()
    (legend,) = figure.legends
    words = " | ".join(text.get_text() for text in legend.get_texts())
    for expected in ("computed α", "Hill", "MMO", "published values", "no stationary law", "α = 2", "ρ = 0"):
        assert expected in words
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["cycle", "centralized"]
    assert figure.axes[0].get_ylabel() == "tail index α"
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert hatched[0].get_x() == pytest.approx(float(small_figure.dataset.divergence[0]))


def test_everything_is_written(
    small_figure: paper.Replication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = small_figure.write(tmp_path / "new")
    assert names == tuple(f"figure7-left{ending}" for ending in (".zarr", ".csv", "-table.csv", ".png"))
    folder = tmp_path / "new"
    assert (folder / names[3]).read_bytes().startswith(b"\x89PNG")
    with (folder / names[1]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert float(rows[0]["step_size"]) == 0.165
    with xarray.open_zarr(folder / names[0], consolidated=False) as again:
        np.testing.assert_array_equal(again.mmo, small_figure.dataset.mmo)
    with (folder / names[2]).open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_overflowed_runs_are_counted_and_give_no_number() -> None:
    network = Network(np.ones((1, 1)), (1,), (50.0,))
    point = curves.tail_at(
        network,
        0,
        problem=dsf.GaussianRegression(dim=1),
        initial=np.ones(1),
        effort=replace(TINY, n_steps=400),
        rng=0,
    )
    assert point["n_diverged"] == 120
    assert not point["stationary"]
    assert np.isnan([point["alpha"], point["mmo"], point["hill"]]).all()


def test_point_is_what_the_instruments_say() -> None:
    network = Network(np.ones((1, 1)), (5, 5), (0.05, 0.6))
    problem, start = dsf.GaussianRegression(dim=10, noise_std=3.0), np.full(10, 2.0)
    point = curves.tail_at(network, 1, problem=problem, initial=start, effort=TINY, rng=7)
    generator = np.random.default_rng(7)
    alpha = dsf.theory.tail_index(problem, [[1.0]], step_size=0.6, batch_size=5, cap=4.0, rng=generator)
    runs = dsf.simulate(
        problem,
        [[1.0]],
        step_size=0.6,
        batch_size=5,
        n_steps=60,
        n_runs=120,
        average_last=30,
        initial=start,
        rng=generator,
    )
    mmo = dsf.tails.mmo(runs.average, preset="desgd", axis=0, vectors=True)
    assert point["alpha"] == alpha.alpha
    assert point["lower_bound"] == alpha.lower_bound
    assert point["mmo"] == mmo.alpha[0]
    assert point["hill"] == dsf.tails.hill(runs.norms(stacked=True)).alpha


def test_crossing_is_interpolated() -> None:
    assert crossing([1.0, 2.0, 3.0], [2.0, 1.75, 1.25], 1.5) == 2.5
    assert np.isnan(crossing([1.0, 2.0], [2.0, 1.8], 1.5))


def test_table_counts_only_rows_that_must_agree() -> None:
    rows = (Row("a", 1.0, 2.0, 2.1, 0.05), Row("a", 2.0, 1.0, 0.5, 0.01, "no stationary law"))
    table = Table("network", "step_size", rows)
    assert table.largest_deviation == pytest.approx(2.0)
    assert "1 of 2 values must agree: they differ by at most 2.0 standard errors" in str(table)
    assert str(Table("network", "batch_size", ())) == "no published values for this figure"


@pytest.mark.parametrize(("argument", "value"), [("name", "figure4"), ("preset", "exact"), ("quick", "yes")])
def test_bad_arguments_are_named(argument: str, value: str) -> None:
    with pytest.raises((ValueError, TypeError), match=argument):
        paper.run(**({"name": "figure1"} | {argument: value}))  # type: ignore[arg-type]


def test_command_says_what_it_follows_and_ends_with_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from desgd_fast import cli

    with pytest.raises(SystemExit) as leaving:
        cli.main(["paper", "figure2", "--quick", "--out", str(tmp_path)])
    assert not leaving.value.code
    printed = capsys.readouterr().out
    assert "as published: the worst node is picked by the Frobenius norm" in printed
    assert "values must agree" in printed
    assert {path.name for path in tmp_path.iterdir()} == {
        f"figure2{ending}" for ending in (".zarr", ".csv", "-table.csv", ".png")
    }
