"""Simulation of many independent runs of decentralized SGD, in compiled code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.algorithms.schedules import Schedule
from desgd_fast.common import check
from desgd_fast.common.memory import told
from desgd_fast.common.progress import count_steps
from desgd_fast.common.rng import RNG
from desgd_fast.common.threads import limited_to
from desgd_fast.experiment import Experiment, experiment
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import Problem, offers
from desgd_fast.simulation import checks, engines
from desgd_fast.simulation.engines.engine import Chain, Task, n_blocks
from desgd_fast.simulation.results import Runs

# State held at once, and variates a thread draws in one call: bounds on memory and on the wait for Ctrl-C.
_STATE_BYTES = 1 << 26
_CALL_VARIATES = 1 << 25

Real = NDArray[np.float64]


def simulate(
    problem: Problem,
    W: Any,
    *,
    step_size: ArrayLike | Schedule,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int = 1,
    average_last: int = 0,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    engine: str = "auto",
    initial: ArrayLike | None = None,
    keep: str = "all",
    dtype: str = "float64",
    first_run: int = 0,
    allow_row_stochastic: bool = False,
    allow_negative: bool = False,
    rng: RNG = None,
    threads: int | None = None,
    progress: bool = False,
) -> Runs:
    """Simulate independent runs of decentralized stochastic gradient descent.

    At every step each node i draws a minibatch, whose gradient at its iterate is g_i, makes a direction d_i
    of it (d_i = g_i unless ``algorithm`` says otherwise), and

        x_i ← Σ_j W_ij x_j − η_i d_i(x_i)   or   x_i ← Σ_j W_ij (x_j − η_j d_j(x_j)).

    Parameters
    ----------
    problem : GaussianRegression, EmpiricalRisk or StreamingRisk
        What the nodes minimise.
    W : (n_nodes, n_nodes) array or sparse array, or MixingProcess
        Doubly stochastic mixing matrix; ``[[1.0]]`` is one node (C-SGD), the identity Dis-SGD. Or a process
        that gives another one at every step; see ``dsf.mixing``.
    step_size : scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes) array, or schedule
        η, for all, for each node, or for each run; or a function of the steps' numbers, such as
        ``dsf.schedules`` makes.
    batch_size : scalar or (n_nodes,) array
        The minibatch b, for all nodes or for each.
    n_steps, n_runs : int
        Steps of a run, and independent runs.
    average_last : int
        Also average the last so many iterates of each run; 0 for none.
    algorithm : Algorithm
        What a node does with its gradient and its neighbours: momentum, a tracked gradient, clipping, the
        order of moving and mixing, steps between mixings, …; see ``dsf.algorithms``.
    engine : {"auto", "direct", "collapsed", "gram"}
        ``"direct"`` draws every sample. ``"collapsed"`` (GaussianRegression only) draws each gradient from
        its closed law, dim normals and one chi-square whatever the batch. ``"gram"`` (features isotropic,
        dim ≥ 2 n_nodes, no averaging, plain steps) keeps inner products only,
        at a cost that does not depend on dim. Same law, other numbers. ``"auto"`` takes the fastest that
        answers the question. The collapsed engine squares norms, so for it a run overflows beyond 1e154.
    initial : None, scalar, (dim,) or (n_nodes, dim) array
        Common starting point of all runs; None is the origin.
    keep : {"all", "norms", "gram"}
        ``"all"`` keeps iterates, 8·n_runs·n_nodes·dim bytes (see ``dtype``); ``"norms"`` only ‖x_i − x*‖,
        8·n_runs·n_nodes bytes; both take twice that with averaging. ``"gram"`` also keeps the inner
        products ⟨x_i − x*, x_j − x*⟩, 8·n_runs·n_nodes² bytes. Working memory is some 200 MiB beyond
        that, whatever the number of runs, or what one block of runs needs if that is more.
    dtype : {"float64", "float32"}
        What iterates are kept as. ``"float32"`` is half the bytes; norms, averages while they are summed
        and inner products stay double. Where ``algorithm`` is plain, the collapsed
        and the direct engine then also compute in single precision, normals included, at about twice the
        speed: the same law to six digits, other numbers, and overflow beyond 1e19. Elsewhere it is the
        same runs, rounded at the end.
    first_run : int
        Number of the first run: ``first_run=1000, n_runs=500`` gives runs 1000…1499 of the same experiment.
    allow_row_stochastic : bool
        Permit a W whose columns do not sum to one.
    allow_negative : bool
        Permit a W with negative weights, such as I − delta·L beyond the largest degree.
    rng : None, int, Generator, ...
        Anything ``np.random.default_rng`` takes. The result depends on it bit for bit, never on the
        threads, on how the work is cut, or on how many other runs there are.
    threads : int or None
        Most threads to use; None for all.
    progress : bool
        Show a progress bar (needs tqdm, in the extra ``cli``).

    Returns
    -------
    Runs

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.
    MemoryError
        If the runs would take more memory than is free; said before any step.

    Warns
    -----
    MemoryWarning
        If they would take more than half of it.
    DivergenceWarning
        If runs overflowed; they are kept and flagged in ``runs.diverged``.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=10)
    >>> W = dsf.mixing_matrix(nx.cycle_graph(4))
    >>> runs = dsf.simulate(problem, W, step_size=0.1, batch_size=5, n_steps=200, n_runs=100, rng=0)
    >>> runs.final.shape, runs.norms(stacked=True).shape
    ((100, 4, 10), (100,))
    """
    problems_checks.offers_gradients("problem", problem, offers(problem))
    asked = experiment(
        W,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=n_steps,
        n_runs=n_runs,
        first_run=first_run,
        average_last=average_last,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        allow_negative=allow_negative,
        rng=rng,
    )
    engine = check.choice("engine", engine, engines.NAMES)
    keep = check.choice("keep", keep, ("all", "norms", "gram"))
    dtype = check.choice("dtype", dtype, ("float64", "float32"))
    start = checks.starting_point("initial", initial, asked.n_nodes, problem.dim)
    progress = check.flag("progress", progress)
    chain = engines.chain_for(engine, Task(problem, asked, keep, dtype))
    told(f"a run of {asked.n_nodes:,} nodes", _bytes(chain, asked, problem.dim, keep, dtype))
    optimum = np.asarray(problem.optimum, np.float64)
    record = _Record.empty(asked, problem.dim, keep, dtype)
    with limited_to(threads) as count, count_steps(progress, n_runs * n_steps) as tick:
        for runs in _portions(chain, asked):
            chain.start(runs, start - optimum, bool(average_last))
            _advance(chain, runs, asked, count, tick)
            record.keep(chain, runs, optimum)
    asked.warn_of_divergence(record.diverged, "runs")
    return Runs(
        final=record.iterates[0] if record.iterates else None,
        average=record.iterates[1] if len(record.iterates) > 1 else None,
        final_norms=record.norms[0],
        average_norms=record.norms[1] if len(record.norms) > 1 else None,
        gram=record.products,
        diverged=record.diverged,
        optimum=optimum,
        first_run=first_run,
    )


@dataclass(frozen=True)
class _Record:
    """What is kept of the last iterates, and of their averages where those are asked for."""

    first_run: int
    n_summed: list[int]
    norms: list[Real]
    iterates: list[NDArray[Any]]
    products: Real | None
    diverged: NDArray[np.bool_]

    @classmethod
    def empty(cls, asked: Experiment, dim: int, keep: str, dtype: str) -> "_Record":
        n_summed = [1, asked.average_last] if asked.average_last else [1]
        shape = asked.n_runs, asked.n_nodes
        return cls(
            asked.first_run,
            n_summed,
            [np.empty(shape) for _ in n_summed],
            [np.empty((*shape, dim), dtype) for _ in n_summed if keep == "all"],
            np.empty((*shape, asked.n_nodes)) if keep == "gram" else None,
            np.zeros(asked.n_runs, bool),
        )

    def keep(self, chain: Chain, runs: range, optimum: Real) -> None:
        """Where these runs ended; the chain may hold some before and after them."""
        here = slice(runs.start - self.first_run, runs.stop - self.first_run)
        within = slice(runs.start % chain.lanes, runs.start % chain.lanes + len(runs))
        for i, summed in enumerate(self.n_summed):
            lengths, deviation = chain.read(i, summed)
            self.norms[i][here] = lengths[within]
            self.diverged[here] |= ~np.isfinite(self.norms[i][here]).all(axis=1)
            if self.iterates:
                kept = self.iterates[i]
                with np.errstate(over="ignore"):
                    np.add(deviation[within], optimum, out=kept[here])
                if kept.dtype == np.float32:  # its range is smaller
                    self.diverged[here] |= ~np.isfinite(kept[here]).all(axis=(1, 2))
        if self.products is not None:
            self.products[here] = chain.inner_products()[within]


def _bytes(chain: Chain, asked: Experiment, dim: int, keep: str, dtype: str) -> float:
    """About what runs take: what is kept of them, W twice, and two or three times what a portion holds."""
    kept = 8 + (np.dtype(dtype).itemsize * dim if keep == "all" else 0)
    kept = kept * (2 if asked.average_last else 1) + (8 * asked.n_nodes if keep == "gram" else 0)
    blocks = min(max(1, _STATE_BYTES // chain.block_bytes), n_blocks(asked.runs, chain.lanes))
    working = (3 if asked.average_last else 2) * blocks * chain.block_bytes
    return float(asked.n_runs * asked.n_nodes * kept + 32 * asked.process.base.nnz + working)


def _portions(chain: Chain, asked: Experiment) -> Iterator[range]:
    """Cut the runs at block boundaries into portions whose state fits the working memory."""
    stride = max(1, _STATE_BYTES // chain.block_bytes) * chain.lanes
    first, end = asked.runs.start, asked.runs.stop
    for start in range(first // chain.lanes * chain.lanes, end, stride):
        yield range(max(start, first), min(start + stride, end))


def _advance(
    chain: Chain, runs: range, asked: Experiment, threads: int, tick: Callable[[int], object]
) -> None:
    """Take a chain through all its steps, in calls short enough to be interrupted."""
    first = runs.start // chain.lanes * chain.lanes
    drawn = n_blocks(runs, chain.lanes) * chain.draws_per_step
    stride = max(1, threads * _CALL_VARIATES // drawn)
    for step in range(0, asked.n_steps, stride):
        count = min(stride, asked.n_steps - step)
        chain.advance(step, count, first, threads)
        tick(count * len(runs))
