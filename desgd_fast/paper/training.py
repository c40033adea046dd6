"""The published networks trained again: the tail index of each layer's weights against the step size."""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast.common import rng as common_rng
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.measurement.layers import layer_tails
from desgd_fast.paper.networks import Network, of_eight
from desgd_fast.paper.table import Table
from desgd_fast.problems.data import images
from desgd_fast.problems.networks import NeuralNetwork
from desgd_fast.simulation.training import train

if TYPE_CHECKING:
    import xarray

HIDDEN = (128, 128)
BATCH_SIZE = 5

# The tails of a layer, each measured in three ways.
ESTIMATORS = ("mmo", "hill", "moment")


@dataclass(frozen=True)
class Drill:
    """What a point costs: independent runs, steps, and how many of the last iterates are averaged."""

    n_runs: int
    n_steps: int
    average_last: int


@dataclass(frozen=True)
class Layers:
    """Figure 4(a): networks on images, alpha of each layer against the step size.

    Without ``mnist``, a folder with its files, on scikit-learn's digits.
    """

    title: str
    step_sizes: tuple[float, ...]
    mnist_step_sizes: tuple[float, ...]
    effort: Drill
    mnist_effort: Drill
    quick: Drill
    mnist_quick: Drill
    quick_points: int
    quirks: tuple[str, ...]
    mnist: str | None = None

    def with_mnist(self, folder: "str | PathLike[str]") -> "Layers":
        """The same at the published size."""
        return replace(self, mnist=fspath(folder))

    def networks(self, published: bool) -> dict[str, Network]:
        """The six networks of the figure at every step size."""
        steps = self.step_sizes if self.mnist is None else self.mnist_step_sizes
        batches = (BATCH_SIZE,) * len(steps)
        graphs = of_eight(published)
        chosen = {name: graphs[name] for name in ("complete", "cycle", "star", "hypercube")}
        networks = {
            name: Network(W, batches, steps, row_stochastic=published and name == "star")
            for name, W in (chosen | {"disconnected": np.eye(8)}).items()
        }
        centralized = Network(np.ones((1, 1)), (8 * BATCH_SIZE,) * len(steps), steps)
        return networks | {"centralized": centralized}

    def compute(
        self, *, quick: bool, preset: str, store: Any, workers: Any, rng: Any, progress: bool
    ) -> "xarray.Dataset":
        """Train every network at every step size, and measure each layer of the first node."""
        from desgd_fast.sweeps.sweeping import sweep

        if self.mnist is None:
            effort = self.quick if quick else self.effort
        else:
            effort = self.mnist_quick if quick else self.mnist_effort
        networks = self.networks(preset == "paper")
        if quick:
            networks = {name: network.thinned(self.quick_points) for name, network in networks.items()}
        key = [int(word) for word in common_rng.key_from(rng)]
        dataset = sweep(
            layers_at,
            {"network": networks, "point": range(len(next(iter(networks.values())).step_sizes))},
            fixed={"mnist": self.mnist, "effort": effort},
            store=store,
            workers=workers,
            rng=key,
            progress=progress,
        ).load()
        return dataset.assign_attrs(
            n_runs=effort.n_runs,
            n_steps=effort.n_steps,
            average_last=effort.average_last,
            images="digits" if self.mnist is None else "MNIST",
        )

    def table(self, dataset: "xarray.Dataset") -> Table:
        """What was found; the publication prints no numbers for this figure."""
        notes = []
        for name in dataset.network.values:
            curve = dataset.sel(network=name)
            accuracy = curve.test_accuracy.median("run").values
            best = int(np.argmax(accuracy))
            alphas = ", ".join(f"{value:.2f}" for value in curve.mmo.median("run").isel(point=best).values)
            hills = ", ".join(f"{value:.2f}" for value in curve.hill.median("run").isel(point=best).values)
            notes.append(
                f"{name:<12} accuracy {accuracy[best]:.3f} at η = {float(curve.step_size[best]):.4g}; "
                f"by layer MMO {alphas}; Hill {hills}"
            )
        return Table("network", "step_size", (), tuple(notes))

    def draw(self, dataset: "xarray.Dataset") -> Any:
        """A matplotlib figure."""
        from desgd_fast.paper import drawing

        return drawing.layers(dataset, self.title)


@lru_cache(maxsize=1)
def _task(mnist: str | None) -> tuple[NeuralNetwork, Any]:
    """The network with its samples, and those held out; kept, since MNIST takes seconds to read and check."""
    data = images.digits() if mnist is None else images.mnist(mnist)
    return NeuralNetwork(data.features, data.labels, HIDDEN, n_outputs=10), data.test


def layers_at(network: Network, point: int, *, mnist: str | None, effort: Drill, rng: Any) -> Any:
    """Train at one point of a curve: alpha of every layer and run, with its interval, and accuracy."""
    import xarray

    fitted, held_out = _task(mnist)
    with warnings.catch_warnings():
        # The result says the same: diverged.
        warnings.simplefilter("ignore", DivergenceWarning)
        training = train(
            fitted,
            network.W,
            step_size=network.step_sizes[point],
            batch_size=network.batch_sizes[point],
            n_steps=effort.n_steps,
            n_runs=effort.n_runs,
            average_last=effort.average_last,
            test=held_out,
            allow_row_stochastic=network.row_stochastic,
            rng=rng,
        )
    variables: dict[str, Any] = {
        "step_size": network.step_sizes[point],
        "diverged": ("run", training.diverged.astype(np.int64)),
        "consensus_distance": ("run", training.consensus_distance[:, -1]),
    }
    for name in ("train_loss", "test_accuracy"):
        variables[name] = ("run", np.median(getattr(training, name)[:, -1], axis=1))
    kept = ~training.diverged
    assert training.average is not None
    sound = replace(training, final=training.final[kept], average=training.average[kept])
    for estimator in ESTIMATORS:
        table = np.full((3, len(fitted.shapes), effort.n_runs), np.nan)
        if kept.any():
            for layer, estimate in enumerate(layer_tails(sound, estimator)):
                table[:, layer, kept] = estimate.alpha, estimate.ci_low, estimate.ci_high
        for ending, values in zip(("", "_low", "_high"), table, strict=True):
            variables[estimator + ending] = (("layer", "run"), values)
    return xarray.Dataset(variables, coords={"layer": np.arange(1, len(fitted.shapes) + 1)})
