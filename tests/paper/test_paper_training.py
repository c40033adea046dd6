"""The published networks trained again: settings, points, pictures, and MNIST from its files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import paper
from desgd_fast.paper import figures
from desgd_fast.paper import training as paper_training
from desgd_fast.paper.networks import Network
from desgd_fast.paper.training import Drill, Layers
from tests.problems.test_images import write_mnist

pytest.importorskip("sklearn")

TINY = Drill(n_runs=2, n_steps=20, average_last=10)


def experiment() -> Layers:
    figure = paper.EXPERIMENTS["figure4a"]
    assert isinstance(figure, Layers)
    return replace(figure, quick=TINY, mnist_effort=TINY, mnist_quick=TINY, quick_points=2)


def test_declared_settings_are_the_published_ones() -> None:
    figure = paper.EXPERIMENTS["figure4a"]
    assert isinstance(figure, Layers)
    assert (figure.mnist_effort.n_steps, figure.mnist_effort.average_last) == (80_000, 1000)
    networks = figure.with_mnist("folder").networks(True)
    assert list(networks) == ["complete", "cycle", "star", "hypercube", "disconnected", "centralized"]
    assert all(network.W.shape == (8, 8) for name, network in networks.items() if name != "centralized")
    assert (networks["cycle"].step_sizes[0], networks["cycle"].step_sizes[-1]) == (1e-4, 0.075)
    assert {network.batch_sizes[0] for network in networks.values()} == {5, 40}
    assert networks["star"].row_stochastic
    assert not figure.networks(False)["star"].row_stochastic


def test_point_is_what_training_and_the_estimators_say() -> None:
    network = Network(np.full((2, 2), 0.5), (5, 5), (0.05, 0.2))
    point = paper_training.layers_at(network, 1, mnist=None, effort=TINY, rng=3)
    images = dsf.images.digits()
    training = dsf.train(
        dsf.NeuralNetwork(images.features, images.labels),
        network.W,
        step_size=0.2,
        batch_size=5,
        n_steps=20,
        n_runs=2,
        average_last=10,
        test=images.test,
        rng=3,
    )
    np.testing.assert_array_equal(point.test_accuracy, np.median(training.test_accuracy[:, -1], axis=1))
    np.testing.assert_array_equal(point.train_loss, np.median(training.train_loss[:, -1], axis=1))
    for name in ("mmo", "hill", "moment"):
        estimates = dsf.layer_tails(training, name)
        np.testing.assert_array_equal(point[name], [estimate.alpha for estimate in estimates])
        np.testing.assert_array_equal(point[f"{name}_low"], [estimate.ci_low for estimate in estimates])


def test_diverged_runs_are_counted_and_give_no_number() -> None:
    network = Network(np.eye(1), (5,), (1e200,))
    point = paper_training.layers_at(network, 0, mnist=None, effort=TINY, rng=0)
    assert point.diverged.values.tolist() == [1, 1]
    assert np.isnan(point.mmo).all()
    assert np.isnan(point.hill_high).all()


def test_small_figure_is_drawn_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "EXPERIMENTS", {"figure4a": experiment()})
    again = paper.run("figure4a", quick=True, rng=1)
    assert dict(again.dataset.sizes) == {"network": 6, "point": 2, "layer": 3, "run": 2}
    assert "disconnected accuracy" in str(again.table)
    figure = again.draw()
    assert [ax.get_title() for ax in figure.axes[:3]] == ["layer 1", "layer 2", "layer 3"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(again.dataset.network.values)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert {"α by MMO, as published", "α by Hill", "test accuracy"} <= set(labels)
    assert {path.name for path in tmp_path.iterdir()} == set()
    assert set(again.write(tmp_path)) == {path.name for path in tmp_path.iterdir()}


def test_mnist_is_read_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, zipped=True)
    one_point = replace(experiment(), mnist_step_sizes=(0.1,))
    monkeypatch.setattr(figures, "EXPERIMENTS", {"figure4a": one_point})
    # 30 images and 8 nodes: too few for nothing but this test.
    again = paper.run("figure4a", mnist=tmp_path, rng=1)
    assert again.dataset.attrs["images"] == "MNIST"
    assert again.dataset.attrs["n_steps"] == 20
    assert np.isfinite(again.dataset.mmo).all()


def test_mnist_belongs_to_this_figure_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mnist belongs to name='figure4a' only"):
        paper.run("figure1", quick=True, mnist=tmp_path)
