"""An atlas of published systems: class, step sizes at which alpha = 2 and rho = 0, and tails at two steps.

All run the same problem with the same step sizes, half and nine tenths of the step size at which plain DE-SGD
has infinite variance, so that a column tells what a system does to the tail.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast import tails, theory
from desgd_fast.common import check
from desgd_fast.common import rng as common_rng
from desgd_fast.mixing import MixingProcess
from desgd_fast.paper.atlas.systems import DIM, System, systems
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.simulation.running import simulate
from desgd_fast.theory import question
from desgd_fast.theory.closed.factors import FEW_DRAWS
from desgd_fast.theory.growth import roots
from desgd_fast.theory.growth.particles import Particles

if TYPE_CHECKING:
    from os import PathLike

    import xarray
    from matplotlib.figure import Figure

FRACTIONS = (0.5, 0.9)
PROBLEM = GaussianRegression(dim=DIM, noise_std=1.0)
# The plain ones come first.
PLAIN = ("DE-SGD", "C-SGD", "Dis-SGD")


@dataclass(frozen=True)
class Effort:
    """What a system costs: runs for the measured values, and precision of the computed ones.

    ``searches`` says whether rho = 0 is looked for where that takes many populations.
    """

    n_runs: int
    n_steps: int
    rtol: float
    cap: float
    n_particles: int
    searches: bool


FULL = Effort(n_runs=2000, n_steps=400, rtol=0.05, cap=8.0, n_particles=1024, searches=True)
QUICK = Effort(n_runs=400, n_steps=150, rtol=0.2, cap=4.0, n_particles=64, searches=False)
# A moment counts as finite when its growth is below 0 by this many standard errors.
_SIGNIFICANT = 4.0


def _known(compute: Callable[[], Any]) -> Any:
    """What theory computes, and None where it refuses."""
    with warnings.catch_warnings():
        # Results say the same: stationary, lower_bound.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return compute()
        except (TypeError, ValueError):
            return None


def frontiers_of(system: System, *, effort: Effort, rng: Any) -> dict[str, float]:
    """The step sizes at which alpha = 2 and rho = 0, by theory; nan where it knows none, or is not asked.

    Both are infinite where steps are bounded: all moments are finite at any step size.
    """
    if system.algorithm.degree == "bounded":
        return {"infinite_variance": math.inf, "divergence": math.inf}
    if system.events > 1:
        return {"infinite_variance": math.nan, "divergence": math.nan}
    common: dict[str, Any] = {"batch_size": 1, "algorithm": system.algorithm}

    def at(where: str, **options: Any) -> float:
        found = _known(lambda: theory.critical_step_size(PROBLEM, system.W, at=where, **common, **options))
        return math.nan if found is None else float(found)

    searched = effort.searches or (system.algorithm.plain and not isinstance(system.W, MixingProcess))
    return {
        "infinite_variance": at("infinite-variance"),
        "divergence": math.nan
        if not searched
        else at("divergence", rtol=effort.rtol / 2, n_particles=effort.n_particles, rng=rng),
    }


def _light(system: System, step_size: float, effort: Effort, rng: Any) -> bool:
    """Whether moment ``cap`` is seen to be finite at one look, in place of a search that begins with rho."""
    asked = _known(
        lambda: question.question(
            PROBLEM,
            system.W,
            step_size=step_size,
            batch_size=1,
            algorithm=system.algorithm,
            allow_row_stochastic=False,
            rng=rng,
        )
    )
    if not isinstance(asked, question.Distant):
        return False
    population = Particles(asked.far, asked.experiment, effort.n_particles)
    seen = roots.Walk(population, lambda done, s: None).look(effort.cap)
    return seen.value < -_SIGNIFICANT * seen.stderr and seen.n_draws >= FEW_DRAWS


def alpha_at(system: System, step_size: float, *, effort: Effort, rng: Any) -> dict[str, Any]:
    """Alpha by theory: inf where steps are bounded, nan where theory refuses, ``cap`` where it is above."""
    nothing = {"alpha": math.nan, "stderr": math.nan, "lower_bound": False, "stationary": True}
    if system.algorithm.degree == "bounded":
        return nothing | {"alpha": math.inf}
    if system.events > 1:
        return nothing
    common: dict[str, Any] = {
        "step_size": step_size,
        "batch_size": 1,
        "algorithm": system.algorithm,
        "rtol": effort.rtol,
        "n_particles": effort.n_particles,
        "rng": rng,
    }
    if _light(system, step_size, effort, rng):
        return nothing | {"alpha": effort.cap, "lower_bound": True}
    found = _known(lambda: theory.tail_index(PROBLEM, system.W, cap=effort.cap, **common))
    return nothing if found is None else {name: getattr(found, name) for name in nothing}


def hill_at(system: System, step_size: float, *, effort: Effort, rng: Any) -> dict[str, Any]:
    """Alpha by Hill's estimator with its interval, the median distance, and runs that diverged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        runs = simulate(
            PROBLEM,
            system.W,
            step_size=step_size,
            batch_size=1,
            algorithm=system.algorithm,
            n_runs=effort.n_runs,
            n_steps=effort.n_steps * system.events,
            initial=PROBLEM.optimum,
            keep="norms",
            rng=rng,
        )
    norms = runs.norms(stacked=True)[~runs.diverged]
    measured = tails.hill(norms, 0.02) if norms.size >= 100 else None
    return {
        "hill": math.nan if measured is None else float(measured.alpha),
        "hill_low": math.nan if measured is None else float(measured.ci_low),
        "hill_high": math.nan if measured is None else float(measured.ci_high),
        "median": float(np.median(norms)) if norms.size else math.nan,
        "n_diverged": int(np.count_nonzero(runs.diverged)),
    }


def row_of(system: System, *, step_sizes: dict[float, float], effort: Effort, rng: Any) -> "xarray.Dataset":
    """All that the atlas tells of a system, at step sizes that are fractions of one; compiled once."""
    import xarray

    options: dict[str, Any] = {"effort": effort, "rng": [int(word) for word in common_rng.key_from(rng)]}
    points = [
        alpha_at(system, step_size, **options) | hill_at(system, step_size, **options)
        for step_size in step_sizes.values()
    ]
    ends = frontiers_of(system, **options)
    for point, step_size in zip(points, step_sizes.values(), strict=True):
        if point["lower_bound"] and step_size < ends["infinite_variance"]:
            point["alpha"] = max(point["alpha"], 2.0)
    columns = {name: ("fraction", [point[name] for point in points]) for name in points[0]}
    return xarray.Dataset(columns | ends, coords={"fraction": list(step_sizes)})


@dataclass(frozen=True)
class Atlas:
    """Every system at common settings.

    Attributes
    ----------
    dataset : xarray.Dataset
        Over ``system`` and ``fraction`` of the plain frontier: ``alpha`` with ``stderr`` by theory (inf where
        steps are bounded, nan where theory refuses, the bound where ``lower_bound``), ``hill`` with its
        interval; over ``system``: ``degree``, ``infinite_variance`` and ``divergence``, step sizes.
    """

    dataset: "xarray.Dataset"

    def __str__(self) -> str:
        data = self.dataset
        width = max(len(str(name)) for name in data.system.values)
        heads = [f"alpha at {fraction:g}  by Hill" for fraction in data.fraction.values]
        lines = [f"{'system':<{width}} {'class':<12} {'alpha = 2':>9} {'rho = 0':>9}  " + "   ".join(heads)]
        for name in data.system.values:
            row = data.sel(system=name)
            ends = [_step(float(row[end])) for end in ("infinite_variance", "divergence")]
            cells = [_cell(row.sel(fraction=fraction)) for fraction in data.fraction.values]
            lines.append(
                f"{name:<{width}} {row.degree.item():<12} {ends[0]:>9} {ends[1]:>9}  " + "   ".join(cells)
            )
        return "\n".join(lines)

    def draw(self) -> "Figure":
        """Alpha of every system at nine tenths of the plain frontier: by theory, and by Hill."""
        from desgd_fast.paper import drawing

        return drawing.atlas(self.dataset)

    def write(self, folder: "str | PathLike[str]") -> tuple[str, ...]:
        """atlas.zarr, atlas.csv, atlas.png and the table, atlas.txt, in the folder; returns their names."""
        from pathlib import Path

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        names = ("atlas.zarr", "atlas.csv", "atlas.png", "atlas.txt")
        self.dataset.to_zarr(place / names[0], mode="w", consolidated=False)
        self.dataset.to_dataframe().to_csv(place / names[1])
        self.draw().savefig(place / names[2])
        (place / names[3]).write_text(f"{self}\n", encoding="utf-8")
        return names


def _step(value: float) -> str:
    return "-" if math.isnan(value) else "any" if math.isinf(value) else f"{value:.4f}"


def _with_error(alpha: float, stderr: float) -> str:
    return f"{alpha:.3g} ± {stderr:.1g}" if stderr > 0 else f"{alpha:.3g}"


def _cell(point: "xarray.Dataset") -> str:
    alpha, hill = float(point.alpha), float(point.hill)
    if math.isnan(float(point.n_diverged)):  # the sweep has told why
        return f"{'failed':>12} {'':>8}"
    if not bool(point.stationary):
        computed = "no law"
    elif math.isnan(alpha) or alpha == 0:  # a bound that says nothing
        computed = "-"
    else:
        computed = f"≥ {alpha:.3g}" if bool(point.lower_bound) else _with_error(alpha, float(point.stderr))
    measured = "diverged" if int(point.n_diverged) else f"{hill:.2f}"
    return f"{computed:>12} {measured:>8}"


def run(
    *,
    quick: bool = False,
    only: "tuple[str, ...] | None" = None,
    store: "str | PathLike[str] | None" = None,
    workers: Any = 1,
    rng: Any = 0,
    progress: bool = False,
) -> Atlas:
    """Compute the atlas: every published system at common settings.

    Eight nodes, on a ring or at a server, Gaussian regression in 10 dimensions, minibatches of one.

    Parameters
    ----------
    quick : bool
        Few and short runs, small populations, no moments above 4, rho = 0 only for plain algorithms under a
        fixed matrix: a look, not a comparison.
    only : tuple of str, optional
        Names of systems; by default all.
    store : str or path, optional
        Where to keep finished points, so that an interrupted run goes on.
    workers, rng, progress
        As in :func:`desgd_fast.sweep`.

    Returns
    -------
    Atlas
        ``.dataset``, ``.draw()`` and ``.write(folder)``; prints as a table.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.
    """
    from desgd_fast.sweeps.sweeping import sweep

    every = systems()
    if only is not None:
        names = [check.choice("only", name, tuple(every)) for name in only]
        every = {name: every[name] for name in names}
    effort = QUICK if check.flag("quick", quick) else FULL
    key = [int(word) for word in common_rng.key_from(rng)]
    plain = systems()["DE-SGD"]
    frontier = float(theory.critical_step_size(PROBLEM, plain.W, batch_size=1, at="infinite-variance"))
    steps = {fraction: fraction * frontier for fraction in FRACTIONS}
    dataset = sweep(
        row_of,
        {"system": every},
        fixed={"step_sizes": steps, "effort": effort, "rng": key},
        store=store,
        workers=workers,
        rng=key,
        progress=progress,
    ).load()
    columns = {
        "degree": [system.algorithm.degree for system in every.values()],
        "source": [system.source for system in every.values()],
    }
    # Of objects: Zarr has no lasting form for texts of one length.
    texts = {name: ("system", np.array(values, object)) for name, values in columns.items()}
    dataset = dataset.assign(texts)
    return Atlas(
        dataset.assign_attrs(step_sizes=list(steps.values()), n_runs=effort.n_runs, n_steps=effort.n_steps)
    )
