"""The published figures of heavy tails in decentralized SGD, as data, and a command to do them again.

Figures 1, 2, 3, 4(a), 6 and 7 of Gürbüzbalaban, Hu, Şimşekli, Yuan and Zhu, arXiv 2205.06689 (IISE
Transactions 57(7), 2025), in the settings of their public code. Everything that an experiment is stands in
:data:`EXPERIMENTS`; what the code does otherwise than the text is listed there as its quirks, and followed
by the preset ``"paper"`` alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast.common import check
from desgd_fast.common import rng as common_rng
from desgd_fast.paper import curves as paper_curves
from desgd_fast.paper import maps
from desgd_fast.paper.curves import Effort
from desgd_fast.paper.networks import Network, laplacian, of_eight
from desgd_fast.paper.table import Table
from desgd_fast.paper.training import Drill, Layers
from desgd_fast.problems.gaussian import GaussianRegression

if TYPE_CHECKING:
    import xarray

PRESETS = ("paper", "corrected")

_SOURCE = "Gürbüzbalaban, Hu, Şimşekli, Yuan and Zhu, arXiv 2205.06689"


@dataclass(frozen=True)
class Curves:
    """Alpha against a parameter, one curve a network.

    ``networks`` makes them by name for a preset; ``published`` holds their (parameter, alpha) as printed.
    """

    title: str
    dim: int
    parameter: str
    networks: Callable[[bool], dict[str, Network]]
    published: Callable[[], dict[str, tuple[Any, Any]]]
    effort: Effort
    quick: Effort
    quick_points: int
    quirks: tuple[str, ...]
    noise_std: float = 3.0

    def compute(
        self, *, quick: bool, preset: str, store: Any, workers: Any, rng: Any, progress: bool
    ) -> "xarray.Dataset":
        """Every point of every curve, and the step sizes at which alpha = 2 and rho = 0."""
        from desgd_fast.sweeps.sweeping import sweep

        effort = self.quick if quick else self.effort
        networks = self.networks(preset == "paper")
        if quick:
            networks = {name: network.thinned(self.quick_points) for name, network in networks.items()}
        key = [int(word) for word in common_rng.key_from(rng)]
        generator = np.random.default_rng(key)
        problem = GaussianRegression(
            self.dim, noise_std=self.noise_std, optimum=3 * generator.standard_normal(self.dim)
        )
        common = {"problem": problem, "effort": effort}
        n_points = len(next(iter(networks.values())).step_sizes)
        dataset = sweep(
            paper_curves.tail_at,
            {"network": networks, "point": range(n_points)},
            fixed=common | {"initial": generator.uniform(-3, 3, self.dim)},
            store=store,
            workers=workers,
            rng=key,
            progress=progress,
        ).load()
        if self.parameter == "step_size":
            ends = sweep(
                paper_curves.frontiers_of, {"network": networks}, fixed=common, workers=workers, rng=key
            )
            names = ("infinite_variance", "divergence", "divergence_stderr")
            dataset = dataset.assign({name: ends[name] for name in names})
        for name, values in self.published().items():
            dataset = _with_published(dataset, name, values, self.parameter)
        return dataset.assign_attrs(
            n_runs=effort.n_runs, n_steps=effort.n_steps, average_last=effort.average_last
        )

    def table(self, dataset: "xarray.Dataset") -> Table:
        """Measured values beside the published ones."""
        return paper_curves.compare(dataset, self.parameter, self.published())

    def draw(self, dataset: "xarray.Dataset") -> Any:
        """A matplotlib figure."""
        from desgd_fast.paper import drawing

        return drawing.curves(dataset, self.title, self.parameter, self.published())


@dataclass(frozen=True)
class Map:
    """Where coupling lightens the tail, over the number of nodes and the step size."""

    title: str
    dim: int
    batch_size: int
    feature_std: float
    n_nodes: tuple[int, ...]
    step_sizes: tuple[float, ...]
    published: Callable[[], dict[str, Any]]
    n_draws: int
    quick_draws: int
    quirks: tuple[str, ...]
    delta: float = 0.025

    def compute(
        self, *, quick: bool, preset: str, store: Any, workers: Any, rng: Any, progress: bool
    ) -> "xarray.Dataset":
        """Exact growth of the second moments with and without coupling, and the norm bound."""
        n_draws = self.quick_draws if quick else self.n_draws
        dataset = maps.compute(
            GaussianRegression(self.dim, self.feature_std),
            n_nodes=self.n_nodes[::3] if quick else self.n_nodes,
            step_sizes=self.step_sizes,
            batch_size=self.batch_size,
            delta=self.delta,
            norm="frobenius" if preset == "paper" else "spectral",
            n_draws=n_draws,
            rng=rng,
        )
        return dataset.assign_attrs(n_draws=n_draws, delta=self.delta)

    def table(self, dataset: "xarray.Dataset") -> Table:
        """The norm bound beside the published one."""
        return maps.compare(dataset, self.published(), self.n_draws)

    def draw(self, dataset: "xarray.Dataset") -> Any:
        """A matplotlib figure."""
        from desgd_fast.paper import drawing

        return drawing.regimes(dataset, self.title, self.published())


@dataclass(frozen=True, eq=False)
class Replication:
    """A published figure, done again.

    Attributes
    ----------
    name : str
        Its name in :data:`EXPERIMENTS`.
    dataset : xarray.Dataset
        Every number, with the published ones and the settings.
    table : Table
        Published values, ours, and the difference in standard errors; prints as text.

    Examples
    --------
    >>> from desgd_fast import paper
    >>> again = paper.run("figure1", quick=True)
    >>> again.name, again.table.rows[0].published < 1
    ('figure1', True)
    """

    name: str
    dataset: "xarray.Dataset"
    table: Table

    def draw(self) -> Any:
        """The figure, for matplotlib."""
        return EXPERIMENTS[self.name].draw(self.dataset)

    def write(self, folder: "str | PathLike[str]") -> tuple[str, ...]:
        """NAME.zarr, NAME.csv, NAME-table.csv and NAME.png in the folder; returns their names."""
        from pathlib import Path

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        names = tuple(f"{self.name}{ending}" for ending in (".zarr", ".csv", "-table.csv", ".png"))
        self.dataset.to_zarr(place / names[0], mode="w", consolidated=False)
        self.dataset.to_dataframe().to_csv(place / names[1])
        self.table.write(place / names[2])
        self.draw().savefig(place / names[3])
        return names


def run(
    name: str,
    *,
    quick: bool = False,
    preset: str = "paper",
    store: "str | PathLike[str] | None" = None,
    workers: Any = 1,
    rng: Any = 0,
    progress: bool = False,
    mnist: "str | PathLike[str] | None" = None,
) -> Replication:
    """Do a published figure again: compute alpha, measure it on simulated runs, and compare.

    Parameters
    ----------
    name : str
        One of :data:`EXPERIMENTS`.
    quick : bool
        Fewer points, runs and steps: seconds in place of minutes, and larger errors.
    preset : {"paper", "corrected"}
        ``"paper"`` follows the published code where it departs from its text, as listed in the quirks of the
        experiment; ``"corrected"`` follows the text.
    store : str or path, optional
        Where to keep finished points, so that an interrupted run goes on; figures 1 and 2 need none.
    workers, rng, progress
        As in :func:`desgd_fast.sweep`.
    mnist : str or path, optional
        Folder with the files of MNIST, for figure 4a at its published size, which takes hours; without it
        that figure is trained on scikit-learn's digits.

    Returns
    -------
    Replication
        ``.dataset``, ``.table``, ``.draw()`` and ``.write(folder)``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> from desgd_fast import paper
    >>> again = paper.run("figure1", quick=True)
    >>> bool(again.table.largest_deviation < 5)
    True
    """
    experiment = EXPERIMENTS[check.choice("name", name, EXPERIMENTS)]
    check.choice("preset", preset, PRESETS)
    check.belongs_to("mnist", mnist, "name", "figure4a", name)
    if mnist is not None:
        assert isinstance(experiment, Layers)
        experiment = experiment.with_mnist(mnist)
    dataset = experiment.compute(
        quick=check.flag("quick", quick),
        preset=preset,
        store=store,
        workers=workers,
        rng=rng,
        progress=progress,
    )
    dataset = dataset.assign_attrs(
        figure=name,
        title=experiment.title,
        source=_SOURCE,
        preset=preset,
        quick=int(quick),
        quirks="; ".join(experiment.quirks) if preset == "paper" else "",
    )
    return Replication(name, dataset, experiment.table(dataset))


def _with_published(
    dataset: "xarray.Dataset", name: str, values: tuple[Any, Any], parameter: str
) -> "xarray.Dataset":
    """The published values of one curve beside our own, where the points are the same."""
    if "published" not in dataset:
        dataset["published"] = dataset.mmo * np.nan
    own = dataset[parameter].sel(network=name).values
    for place, value in zip(*values, strict=True):
        nearest = int(np.argmin(np.abs(own - place)))
        if abs(own[nearest] - place) <= 1e-5:
            dataset["published"].loc[{"network": name, "point": nearest}] = value
    return dataset


def _grid(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(float(value) for value in np.linspace(first, last, count))


def _from_columns(name: str) -> dict[str, Any]:
    from desgd_fast.plots.parameters import published

    return published(name)


def _by_delta(name: str) -> dict[str, tuple[Any, Any]]:
    """Published curves of W = I − δL."""
    table = _from_columns(name)
    curves = {}
    for delta in np.unique(table["delta"]):
        here = table["delta"] == delta
        curves[_delta_label(float(delta))] = (table["step_size"][here], table["alpha"][here])
    return curves


def _delta_label(delta: float) -> str:
    return f"δ = {delta:g}" + (" (disconnected)" if delta == 0 else "")


def _of_figure7() -> dict[str, tuple[Any, Any]]:
    cycle, centralized = _from_columns("figure7_cycle"), _from_columns("figure7_centralized")
    nodes = np.stack([values for name, values in cycle.items() if name.startswith("node")])
    return {
        "cycle": (cycle["step_size"], np.median(nodes, axis=0)),
        "centralized": (centralized["step_size"], centralized["alpha"]),
    }


def _couplings(
    graph: str, n_nodes: int, deltas: tuple[float, ...], batch_size: int, step_sizes: tuple[float, ...]
) -> Callable[[bool], dict[str, Network]]:
    """W = I − δL for every δ; the preset changes nothing."""

    def networks(published: bool) -> dict[str, Network]:
        import networkx as nx

        edges = {"complete": nx.complete_graph(n_nodes), "star": nx.star_graph(n_nodes - 1)}[graph]
        batches = (batch_size,) * len(step_sizes)
        return {
            _delta_label(delta): Network(laplacian(edges, delta), batches, step_sizes) for delta in deltas
        }

    return networks


def _against_step_size(published: bool) -> dict[str, Network]:
    steps, own = _grid(0.165, 0.205, 30), _grid(0.1, 0.21, 30)
    networks = {
        name: Network(W, (5,) * 30, steps, row_stochastic=published and name == "star")
        for name, W in of_eight(published).items()
    }
    return networks | {"centralized": Network(np.ones((1, 1)), (40,) * 30, own if published else steps)}


def _against_batch_size(published: bool) -> dict[str, Network]:
    batches, steps = tuple(range(1, 9)), (0.18,) * 8
    networks = {
        name: Network(W, batches, steps, row_stochastic=published and name == "star")
        for name, W in of_eight(published).items()
    }
    return networks | {"centralized": Network(np.ones((1, 1)), tuple(8 * b for b in batches), steps)}


_STAR = (
    "the star's weights are 1/8 in the hub's row and 1/2, 1/2 in a leaf's: rows sum to one, columns do not "
    "(corrected: Metropolis weights)"
)
_LENGTH = (
    "the runs were longer than the 1000 steps of the text (what is left of the code takes 1000/η); "
    "here 1000, so that values at rho ≥ 0, which depend on the length, differ"
)
_FROBENIUS = "the worst node is picked by the Frobenius norm (corrected: by the spectral norm of the text)"

_FULL = Effort(n_runs=1600, n_steps=1000, average_last=500, rtol=0.05, cap=8.0, n_particles=512)
_ROUGH = Effort(n_runs=400, n_steps=400, average_last=200, rtol=0.2, cap=8.0, n_particles=256)
# With d = b = 1 moments above 4 rest on single draws of a population of any size.
_SCALAR = replace(_FULL, cap=4.0, n_particles=4096)
_SCALAR_ROUGH = replace(_ROUGH, cap=4.0, n_particles=1024)

EXPERIMENTS: Mapping[str, Curves | Map | Layers] = {
    "figure1": Map(
        title="Regime map, d = b = 1",
        dim=1,
        batch_size=1,
        feature_std=1.0,
        n_nodes=(1, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 30, 32, 35, 37, 40, 42, 45, 47, 50),
        step_sizes=_grid(0.1, 1.0, 19),
        published=lambda: _from_columns("figure1"),
        n_draws=10_000,
        quick_draws=2_000,
        quirks=("with d = 1 all norms are the same",),
    ),
    "figure2": Map(
        title="Regime map, d = b = 100, features of standard deviation 1.3",
        dim=100,
        batch_size=100,
        feature_std=1.3,
        n_nodes=(1, 5, 10, 15, 20, 25, 30),
        step_sizes=_grid(0.25, 0.35, 10),
        published=lambda: _from_columns("figure2"),
        n_draws=5_000,
        quick_draws=500,
        quirks=("the 1.3 that is called a variance is the standard deviation", _FROBENIUS),
    ),
    "figure3i": Curves(
        title="Alpha against the step size, complete graph of 30 nodes with W = I − δL, d = b = 1",
        dim=1,
        parameter="step_size",
        networks=_couplings("complete", 30, (0.0, 0.025, 0.05), 1, _grid(0.1, 1.0, 10)),
        published=lambda: _by_delta("figure3_complete"),
        effort=_SCALAR,
        quick=_SCALAR_ROUGH,
        quick_points=4,
        quirks=(_LENGTH,),
    ),
    "figure3ii": Curves(
        title="Alpha against the step size, star of 10 nodes with W = I − δL, d = 100, b = 5",
        dim=100,
        parameter="step_size",
        networks=_couplings("star", 10, (0.0, 0.01, 0.02, 0.05, 0.1), 5, _grid(0.075, 0.15, 10)),
        published=lambda: _by_delta("figure3_star"),
        effort=_FULL,
        quick=_ROUGH,
        quick_points=4,
        quirks=(_LENGTH,),
    ),
    "figure4a": Layers(
        title="Alpha of each layer, three layers of width 128 trained on 8 nodes, b = 5",
        step_sizes=tuple(float(step) for step in np.geomspace(0.01, 1.0, 16)),
        mnist_step_sizes=_grid(1e-4, 0.075, 16),
        effort=Drill(n_runs=8, n_steps=10_000, average_last=1000),
        mnist_effort=Drill(n_runs=1, n_steps=80_000, average_last=1000),
        quick=Drill(n_runs=3, n_steps=1000, average_last=200),
        mnist_quick=Drill(n_runs=1, n_steps=300, average_last=100),
        quick_points=6,
        quirks=(_STAR,),
    ),
    "figure6": Curves(
        title="Alpha against the step size, complete graph of 10 nodes with W = I − δL, d = b = 1",
        dim=1,
        parameter="step_size",
        networks=_couplings("complete", 10, (0.0, 0.05, 0.1), 1, _grid(0.1, 1.0, 10)),
        published=lambda: _by_delta("figure6_complete"),
        effort=_SCALAR,
        quick=_SCALAR_ROUGH,
        quick_points=4,
        quirks=(_LENGTH,),
    ),
    "figure7-left": Curves(
        title="Alpha against the step size, 8 nodes, d = 100, b = 5",
        dim=100,
        parameter="step_size",
        networks=_against_step_size,
        published=_of_figure7,
        effort=_FULL,
        quick=_ROUGH,
        quick_points=4,
        quirks=(
            _STAR,
            "the centralized curve was computed on step sizes 0.1 … 0.21 and drawn on 0.165 … 0.205; here it "
            "stands where it was computed (corrected: 0.165 … 0.205)",
        ),
    ),
    "figure7-right": Curves(
        title="Alpha against the batch size, 8 nodes, d = 100, step size 0.18",
        dim=100,
        parameter="batch_size",
        networks=_against_batch_size,
        published=dict,
        effort=_FULL,
        quick=_ROUGH,
        quick_points=3,
        quirks=(_STAR,),
    ),
}
