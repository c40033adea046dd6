"""Run it: many independent runs of decentralized SGD at once, in compiled code."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from desgd_fast.algorithms.schedules import Schedule
from desgd_fast.algorithms.updates import Update
from desgd_fast.common import check
from desgd_fast.common import threads as common_threads
from desgd_fast.common.progress import count_steps
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.samples import DISTINCT
from desgd_fast.kernels.gradients import oracles
from desgd_fast.kernels.jit.lanes import LANES, SAMPLES
from desgd_fast.kernels.loops import descent, gaussian, gram, steps
from desgd_fast.mixing import checks as mixing_checks
from desgd_fast.mixing.rules import ORDERS
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.problems.losses import Loss
from desgd_fast.problems.rows import SAMPLINGS, DatasetRegression, EmpiricalRisk
from desgd_fast.problems.streams import StreamingRisk
from desgd_fast.simulation import checks
from desgd_fast.simulation.layout import Layout
from desgd_fast.simulation.results import Runs, euclidean

ENGINES = ("auto", "direct", "collapsed", "gram")

# State held at once, and variates drawn by one call: bounds on memory, and on the wait for Ctrl-C.
_STATE_BYTES = 1 << 26
_CALL_VARIATES = 1 << 27

Real = NDArray[np.float64]
Kernel = Callable[..., None]
Problem = GaussianRegression | DatasetRegression | EmpiricalRisk | StreamingRisk
PROBLEMS = (GaussianRegression, DatasetRegression, EmpiricalRisk, StreamingRisk)


def simulate(
    problem: Problem,
    W: Any,
    *,
    step_size: ArrayLike | Schedule,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int = 1,
    average_last: int = 0,
    order: str = "combine-then-adapt",
    update: Update = Update(),  # noqa: B008
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

    At every step each node i draws a minibatch, whose gradient at its iterate is g_i, and

    - ``"combine-then-adapt"``: x_i ← Σ_j W_ij x_j − η_i g_i(x_i)  (D-PSGD of Lian et al., NeurIPS 2017)
    - ``"adapt-then-combine"``: x_i ← Σ_j W_ij (x_j − η_j g_j(x_j))  (Chen & Sayed, IEEE TSP 2012)

    Parameters
    ----------
    problem : GaussianRegression, DatasetRegression, EmpiricalRisk or StreamingRisk
        What the nodes minimise.
    W : (n_nodes, n_nodes) array or sparse array
        Doubly stochastic mixing matrix; ``[[1.0]]`` is one node (C-SGD), the identity Dis-SGD.
    step_size : scalar, (n_nodes,) array or schedule
        η, for all nodes or for each; or a function of the steps' numbers, such as ``dsf.schedules`` makes.
    batch_size : scalar or (n_nodes,) array
        The minibatch b, for all nodes or for each.
    n_steps, n_runs : int
        Steps of a run, and independent runs.
    average_last : int
        Also average the last so many iterates of each run; 0 for none.
    order : {"combine-then-adapt", "adapt-then-combine"}
        Which recursion.
    update : Update
        What comes in place of g_i: momentum, a tracked gradient, clipping, weight decay, and steps between
        mixings; see ``dsf.updates``.
    engine : {"auto", "direct", "collapsed", "gram"}
        ``"direct"`` draws every sample. ``"collapsed"`` (GaussianRegression only) draws each gradient from
        its closed law, dim normals and one chi-square whatever the batch. ``"gram"`` (features isotropic,
        dim ≥ 2 n_nodes, no averaging, plain updates) keeps inner products only,
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
        and inner products stay double. Where ``update`` is plain, the collapsed
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

    Warns
    -----
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
    check.instance("problem", problem, PROBLEMS)
    weights = mixing_checks.stochastic_matrix(
        "W",
        W,
        allow_row_stochastic=check.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=check.flag("allow_negative", allow_negative),
    )
    n_nodes = int(weights.shape[0])
    check.instance("update", update, (Update,))
    batch_sizes = check.counts_per_node("batch_size", batch_size, n_nodes)
    n_steps = check.integer("n_steps", n_steps, 1, 2**32 - 1)
    step_sizes = checks.step_sizes("step_size", step_size, n_steps, n_nodes)
    n_runs = check.integer("n_runs", n_runs, 1, 2**32 - 1)
    first_run = check.integer("first_run", first_run, 0, 2**32 - n_runs)
    average_last = check.integer("average_last", average_last, 0, n_steps)
    adapt_first = check.choice("order", order, ORDERS) == "adapt-then-combine"
    engine = check.choice("engine", engine, ENGINES)
    keep = check.choice("keep", keep, ("all", "norms", "gram"))
    dtype = check.choice("dtype", dtype, ("float64", "float32"))
    start = checks.starting_point("initial", initial, n_nodes, problem.dim)
    progress = check.flag("progress", progress)
    key = key_from(rng)

    optimum = np.asarray(problem.optimum, np.float64)

    moving = _Moving(weights, step_sizes, batch_sizes, adapt_first, update)
    chain: _Vectors | _InnerProducts
    if isinstance(problem, GaussianRegression):
        checks.engine_for_gaussian(
            "engine", engine, problem.isotropic, problem.dim, n_nodes, keep, average_last, moving.plain
        )
        if engine == "gram" or (
            engine == "auto" and moving.plain and _gram_is_faster(problem, n_nodes, keep, average_last)
        ):
            chain = _gram(problem, moving)
        else:
            chain = _gaussian(problem, moving, engine == "direct", dtype)
    else:
        checks.engine_for_data("engine", engine)
        chain = _stream(problem, moving) if isinstance(problem, StreamingRisk) else _rows(problem, moving)

    n_summed = [1, average_last] if average_last else [1]
    norms = [np.empty((n_runs, n_nodes)) for _ in n_summed]
    iterates = [np.empty((n_runs, n_nodes, problem.dim), dtype) for _ in n_summed if keep == "all"]
    products = np.empty((n_runs, n_nodes, n_nodes)) if keep == "gram" else None
    diverged = np.zeros(n_runs, bool)
    with common_threads.limited_to(threads) as count, count_steps(progress, n_runs * n_steps) as tick:
        advance = _Advance(key, n_steps, average_last, count, tick)
        for runs in _portions(chain, first_run, n_runs):
            chain.start(runs, start - optimum, bool(average_last))
            advance(chain, runs)
            here = slice(runs.start - first_run, runs.stop - first_run)
            within = slice(runs.start % chain.lanes, runs.start % chain.lanes + len(runs))
            for i, summed in enumerate(n_summed):
                lengths, deviation = chain.read(i, summed)
                norms[i][here] = lengths[within]
                diverged[here] |= ~np.isfinite(norms[i][here]).all(axis=1)
                if iterates:
                    with np.errstate(over="ignore"):
                        np.add(deviation[within], optimum, out=iterates[i][here])
                    if dtype == "float32":  # its range is smaller
                        diverged[here] |= ~np.isfinite(iterates[i][here]).all(axis=(1, 2))
            if products is not None:
                products[here] = chain.inner_products()[within]
    if diverged.any():
        warnings.warn(
            f"{np.count_nonzero(diverged)} of {n_runs} runs diverged (overflowed); they are kept, see "
            "runs.diverged. A smaller step_size may be stable: theory.critical_step_size(at='divergence').",
            DivergenceWarning,
            stacklevel=2,
        )
    return Runs(
        final=iterates[0] if iterates else None,
        average=iterates[1] if len(iterates) > 1 else None,
        final_norms=norms[0],
        average_norms=norms[1] if len(norms) > 1 else None,
        gram=products,
        diverged=diverged,
        optimum=optimum,
        first_run=first_run,
    )


@dataclass(frozen=True)
class _Moving:
    """What moves the iterates, whatever the problem."""

    weights: sparse.csr_array
    step_sizes: Real
    batch_sizes: NDArray[np.int64]
    adapt_first: bool
    update: Update

    @property
    def n_nodes(self) -> int:
        return int(self.batch_sizes.size)

    @property
    def plain(self) -> bool:
        """Whether the engines without a memory apply."""
        return self.update.plain

    @property
    def graph(self) -> tuple[NDArray[Any], ...]:
        return self.weights.indptr, self.weights.indices, self.weights.data

    @property
    def combination(self) -> steps.Combination:
        matrix = self.weights
        return steps.Combination(matrix.indptr, matrix.indices, matrix.data, self.adapt_first)

    @property
    def memory(self) -> tuple[int, int]:
        """Vectors of memory that a node keeps, and nodes that keep them."""
        return self.update.memory(self.n_nodes)


@dataclass
class _Vectors:
    """Iterates in blocks of runs, as x̃ = root·(basisᵀ(x − x*) + offset) coordinate by coordinate.

    ``kernels`` go over runs and over nodes in parallel; ``flags`` are the last entries of their plan.
    ``memory`` is the (vectors, nodes) that an update rule keeps of each run, for kernels that take one.
    """

    layout: Layout
    kernels: tuple[Kernel, Kernel]
    arrays: tuple[Any, ...]
    root: Real
    basis: Real | None
    offset: Real
    flags: tuple[int, ...]
    draws_per_step: int
    memory: tuple[int, int] | None = None
    dtype: str = "float64"

    @property
    def lanes(self) -> int:
        return self.layout.lanes

    @property
    def block_bytes(self) -> int:
        vectors, nodes = self.memory or (0, 0)
        return (16 * self.layout.n_nodes + 8 * vectors * nodes) * self.layout.size

    def start(self, runs: range, deviation: Real, summing: bool) -> None:
        n_blocks = _n_blocks(runs, self.lanes)
        rotated = deviation if self.basis is None else deviation @ self.basis
        self.state = self.layout.zeros(n_blocks, self.dtype)
        with np.errstate(over="ignore"):
            self.layout.pack(self.root * (rotated + self.offset), self.state)
        self.sums = self.layout.zeros(n_blocks) if summing else np.empty((n_blocks, 0, 0))
        self.memories = [np.zeros((n_blocks, *self.memory, self.layout.size))] if self.memory else []

    def advance(self, plan: NDArray[np.int64], key: NDArray[np.uint64], threads: int) -> None:
        group = max(self.layout.tile, steps.CHI_SQUARES // self.lanes)
        shareable = self.layout.n_nodes >= 8 * threads * group
        kernel = self.kernels[self.state.shape[0] < threads and shareable]
        if kernel in (steps.advance_runs, steps.advance_nodes):
            kernel(self.state, self.sums, *self.arrays, key, self.layout.tuple, steps.Span(*plan.tolist()))
            return
        layout = [self.lanes.bit_length() - 1, self.layout.dim, self.layout.tile, *self.flags]
        kernel(self.state, self.sums, *self.memories, *self.arrays, key, np.append(plan, layout))

    def read(self, which: int, n_summed: int) -> tuple[Real, Real]:
        unpacked = self.layout.unpack(self.sums if which else self.state)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = unpacked / (self.root * n_summed)
            deviation -= self.offset
            lengths = euclidean(deviation)
            return lengths, deviation if self.basis is None else deviation @ self.basis.T

    def inner_products(self) -> Real:
        _, deviation = self.read(0, 1)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(deviation @ deviation.transpose(0, 2, 1))


@dataclass
class _InnerProducts:
    """Triangular factors 2^exponent·L of the Gram matrices of √variance·(x − x*), in blocks of runs."""

    n_nodes: int
    arrays: tuple[Any, ...]
    variance: float

    lanes: int = LANES
    kernel: Callable[..., None] = gram.advance_gram

    @property
    def block_bytes(self) -> int:
        return 8 * self.lanes * self.n_nodes**2

    @property
    def draws_per_step(self) -> int:
        return 2 * self.n_nodes**2 + 6 * self.n_nodes

    def start(self, runs: range, deviation: Real, summing: bool) -> None:
        n_blocks = _n_blocks(runs, self.lanes)
        # Nodes that start together span one direction; a QR of them all would outlast the run at large d.
        together = bool((deviation == deviation[0]).all())
        columns = np.asarray(np.linalg.qr(deviation[: 1 if together else None].T, mode="r"))
        self.states = np.zeros((n_blocks, self.n_nodes, self.n_nodes, self.lanes))
        self.states[:, : len(columns)] = np.sqrt(self.variance) * columns[:, :, None]
        self.exponents = np.zeros((n_blocks, self.lanes))

    def advance(self, plan: NDArray[np.int64], key: NDArray[np.uint64], threads: int) -> None:
        self.kernel(self.states, self.exponents, *self.arrays, key, steps.Span(*plan.tolist()))

    def _factors(self) -> Real:
        with np.errstate(invalid="ignore", over="ignore"):
            unit = np.ldexp(1.0, self.exponents.astype(np.int64).clip(-5000, 5000)) / np.sqrt(self.variance)
            factors = self.states * unit[:, None, None, :]
        return np.asarray(factors.transpose(0, 3, 2, 1)).reshape(-1, self.n_nodes, self.n_nodes)

    def read(self, which: int, n_summed: int) -> tuple[Real, Real]:
        factors = self._factors()
        return euclidean(factors), factors

    def inner_products(self) -> Real:
        factors = self._factors()
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(factors @ factors.transpose(0, 2, 1))


def _n_blocks(runs: range, lanes: int) -> int:
    return -(-(runs.stop - runs.start // lanes * lanes) // lanes)


def _gaussian(problem: GaussianRegression, moving: _Moving, direct: bool, dtype: str) -> _Vectors:
    n_nodes, dim, batch_sizes = moving.n_nodes, problem.dim, moving.batch_sizes
    feature_stds, noise_stds = problem.stds(n_nodes)
    # Update rules know of one vector of runs.
    layout = Layout.of(n_nodes, dim) if moving.plain else Layout.of(n_nodes, dim, LANES)
    if direct:
        layout = replace(layout, tile=1)
        most = random.MOST_INDICES // (dim // 2 + 1)
        checks.distinct_counters("batch_size", batch_sizes, most, f"with engine='direct' and dim={dim}")
    root, basis = np.sqrt(problem.eigenvalues), problem.basis
    # Eight to spare: they are drawn in eights, from any node on.
    chi = random.chi_square_parameters(np.append(np.repeat(batch_sizes, layout.lanes), np.ones(8)))
    law = feature_stds, noise_stds, batch_sizes, chi
    if moving.plain:
        kernels: tuple[Kernel, Kernel] = (steps.advance_runs, steps.advance_nodes)
        scale = layout.scale(problem.eigenvalues, dtype)
        stepping = steps.GaussianSteps(moving.step_sizes, *law, scale, direct)
        arrays: tuple[Any, ...] = (moving.combination, stepping)
    else:
        optimum = np.asarray(problem.optimum, np.float64)
        scale, centre = np.zeros((2, layout.size))
        layout.pack(problem.eigenvalues, scale)
        layout.pack(root * (optimum if basis is None else optimum @ basis), centre)
        kernels = (gaussian.advance_gaussian, gaussian.advance_gaussian)
        # The kernel with a memory takes gradients as they are, and step sizes apart.
        stepping = steps.GaussianSteps(np.full((1, n_nodes), -1.0), *law, scale, direct)
        arrays = (moving.graph, stepping, centre, moving.step_sizes, moving.update.rule)
    return _Vectors(
        layout=layout,
        kernels=kernels,
        arrays=arrays,
        root=root,
        basis=basis,
        offset=np.zeros(dim),
        flags=(int(moving.adapt_first), int(direct)),
        draws_per_step=layout.lanes * dim * int(batch_sizes.sum() if direct else n_nodes),
        memory=None if moving.plain else moving.memory,
        dtype=dtype if moving.plain else "float64",
    )


def _gram(problem: GaussianRegression, moving: _Moving) -> _InnerProducts:
    n_nodes = moving.n_nodes
    feature_stds, noise_stds = problem.stds(n_nodes)
    variance = float(problem.eigenvalues[0])
    degrees = np.concatenate([moving.batch_sizes, problem.dim - n_nodes - np.arange(n_nodes)])
    chi = random.chi_square_parameters(np.repeat(degrees, LANES))
    stepping = gram.GramSteps(moving.step_sizes * variance, feature_stds, noise_stds, moving.batch_sizes, chi)
    return _InnerProducts(n_nodes, (moving.combination, stepping), variance)


def _gram_is_faster(problem: GaussianRegression, n_nodes: int, keep: str, average_last: int) -> bool:
    """Whether inner products answer the question, and cost less than dim normals a node."""
    possible = problem.isotropic and problem.dim >= 2 * n_nodes and keep != "all" and not average_last
    return possible and problem.dim > 2 * n_nodes + 0.1 * n_nodes**2 + 8


def _rows(problem: DatasetRegression | EmpiricalRisk, moving: _Moving) -> _Vectors:
    """Minibatches of a node's own rows."""
    batch_sizes = moving.batch_sizes
    partition = problem.partition(moving.n_nodes, batch_sizes)
    checks.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a data set")
    sampling = SAMPLINGS[problem.sampling]
    shares = partition.shares
    draws = np.arange(-(-int(batch_sizes.max()) // 4) * 4)[:, None]
    # Floyd's algorithm lets draw q of b choose among the first n - b + q + 1 rows; unused draws among one.
    distinct = np.maximum(shares - batch_sizes + draws + 1, 1)
    chosen = np.where(draws < batch_sizes, distinct if sampling == DISTINCT else shares, 1)
    # Whole registers of nodes.
    bounds = np.ones((draws.size, -(-moving.n_nodes // SAMPLES) * SAMPLES), np.uint64)
    bounds[:, : moving.n_nodes] = chosen
    data = partition.features, partition.targets, partition.offsets, bounds
    return _descent(problem, problem.loss, oracles.NO_LAW, data, moving, (sampling, problem.dim, 0, 0))


def _stream(problem: StreamingRisk, moving: _Moving) -> _Vectors:
    """Minibatches from a law."""
    law = problem.law
    problems_checks.truth_per_node("problem", law.truth, moving.n_nodes)
    most = random.MOST_INDICES // max(law.n_normals, law.n_uniforms, 1)
    checks.distinct_counters("batch_size", moving.batch_sizes, most, f"for {law}")
    draw = oracles.draw_samples(law.sample, law.n_normals, law.n_uniforms)
    no_rows = np.zeros(moving.n_nodes + 1, np.int64)
    data = np.empty((0, law.n_features)), np.empty(0), no_rows, np.empty((0, moving.n_nodes), np.uint64)
    numbers = (descent.STREAM, problem.dim, law.n_normals, law.n_uniforms)
    return _descent(problem, problem.loss, draw, data, moving, numbers)


def _descent(
    problem: Problem,
    loss: Loss,
    draw: Any,
    data: tuple[NDArray[Any], ...],
    moving: _Moving,
    numbers: tuple[int, ...],
) -> _Vectors:
    layout = Layout.of(moving.n_nodes, problem.dim, most_lanes=1)
    return _Vectors(
        layout=layout,
        kernels=(descent.advance_losses, descent.advance_losses),
        arrays=(
            loss.oracle,
            draw,
            moving.graph,
            data,
            moving.batch_sizes,
            moving.step_sizes,
            moving.update.rule,
        ),
        root=np.ones(problem.dim),
        basis=None,
        offset=np.asarray(problem.optimum),
        flags=(int(moving.adapt_first), *numbers),
        draws_per_step=problem.dim * int(moving.batch_sizes.sum()),
        memory=moving.memory,
    )


def _portions(chain: _Vectors | _InnerProducts, first_run: int, n_runs: int) -> Iterator[range]:
    """Cut the runs at block boundaries into portions whose state fits the working memory."""
    stride = max(1, _STATE_BYTES // chain.block_bytes) * chain.lanes
    end = first_run + n_runs
    for start in range(first_run // chain.lanes * chain.lanes, end, stride):
        yield range(max(start, first_run), min(start + stride, end))


@dataclass(frozen=True)
class _Advance:
    """Takes a chain through all its steps, in calls short enough to be interrupted."""

    key: NDArray[np.uint64]
    n_steps: int
    average_last: int
    threads: int
    tick: Callable[[int], object]

    def __call__(self, chain: _Vectors | _InnerProducts, runs: range) -> None:
        first = runs.start // chain.lanes * chain.lanes
        stride = max(1, _CALL_VARIATES // (_n_blocks(runs, chain.lanes) * chain.draws_per_step))
        for step in range(0, self.n_steps, stride):
            count = min(stride, self.n_steps - step)
            plan = np.array([step, count, self.n_steps - self.average_last, first])
            chain.advance(plan, self.key, self.threads)
            self.tick(count * len(runs))
