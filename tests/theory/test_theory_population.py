"""Population Monte Carlo against quadrature, exact second moments, plain products and published values."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from scipy import optimize, signal, special, stats

from desgd_fast import DatasetRegression, GaussianRegression, mixing_matrix, plots, simulate, theory
from desgd_fast.common.warnings import LightTailWarning, NotStationaryWarning
from desgd_fast.theory.closed.one_node import OneNode
from desgd_fast.theory.growth import population as populations
from desgd_fast.theory.growth.population import Population, estimate, square_root
from desgd_fast.theory.growth.roots import Walk
from desgd_fast.theory.growth.roots import tail_index as find_tail_index
from desgd_fast.theory.growth.series import Series
from desgd_fast.theory.question import setting
from tests.harness import ORDERS, ordered
from tests.truth import theory as reference


def laplacian_weights(graph, delta):
    return np.eye(len(graph)) - delta * nx.laplacian_matrix(graph).toarray()


CYCLE4 = laplacian_weights(nx.cycle_graph(4), 1 / 3)
CYCLE8 = laplacian_weights(nx.cycle_graph(8), 1 / 3)


def population_for(problem, W, step_size, batch_size, key, n_particles=1024, order=ORDERS[0], threads=1):
    question = setting(
        problem,
        W,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=ordered(order),
        allow_row_stochastic=False,
    )
    return Population(question, np.array([key, 7], dtype=np.uint64), n_particles, threads)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n", "d"), [(1, 2), (3, 6), (4, 20)])
def test_gram_step_has_the_law_of_the_full_recursion(n, d, order):
    # At most 12 two-sample KS tests a case and 6 cases: false alarm below 72 · 1e-8.
    rng = np.random.default_rng(n)
    W = sum(p * np.eye(n)[rng.permutation(n)] for p in (0.2, 0.3, 0.5))
    step_size, batch = rng.uniform(0.1, 0.3, n) * 3 / d, rng.integers(1, 4, n)
    feature_std, noise_std = rng.uniform(0.7, 1.3, n), rng.uniform(0.5, 2, n)
    start = rng.standard_normal((n, d))
    n_runs, n_steps = 4000, 6
    drawn = simulate(
        GaussianRegression(dim=d, feature_std=feature_std, noise_std=noise_std),
        W,
        step_size=step_size,
        batch_size=batch,
        n_steps=n_steps,
        n_runs=n_runs,
        algorithm=ordered(order),
        engine="gram",
        keep="gram",
        initial=start,
        rng=3,
    ).gram
    errors = np.broadcast_to(start, (n_runs, n, d)).copy()
    for _ in range(n_steps):
        errors = reference.minibatch_step(
            rng, errors, W, np.ones(d), feature_std**2, noise_std**2, batch, step_size, order == ORDERS[1]
        )
    expected = np.einsum("rip,rjp->rij", errors, errors)
    pairs = [(drawn[:, i, j], expected[:, i, j]) for i in range(n) for j in range(i + 1)]
    pairs.append((np.linalg.eigvalsh(drawn)[:, 0], np.linalg.eigvalsh(expected)[:, 0]))
    pairs.append((np.linalg.slogdet(drawn)[1], np.linalg.slogdet(expected)[1]))
    assert min(stats.ks_2samp(a, b).pvalue for a, b in pairs) > 1e-8


@pytest.mark.parametrize(("dim", "batch", "contraction"), [(1, 1, 0.5), (3, 2, 0.5), (100, 5, 0.0944)])
def test_one_node_population_agrees_with_quadrature(dim, batch, contraction):
    # Four numbers a case, 3 cases, normal errors: |z| > 5.5 has probability 5e-7 over all.
    node = OneNode(dim, batch, contraction)
    population = population_for(GaussianRegression(dim=dim), [[1.0]], contraction, batch, key=1)
    for s in (0.5, 1.0, 3.0):
        population.settle(s)
        seen = estimate(s, population.grow(s, 512), 1, population.rate)
        assert abs(seen.value - node.log_growth(s)) < 5.5 * seen.stderr
    population.settle(0.0)
    seen = estimate(0.0, population.grow(0.0, 512), 1, population.rate)
    assert abs(seen.slope - node.lyapunov_exponent()) < 5.5 * seen.slope_stderr


@pytest.mark.parametrize("order", ORDERS)
def test_gram_and_vector_populations_agree(order):
    # A covariance with one eigenvalue off by 1e-9 takes the vector engine on the same law.
    nearly = np.ones(9)
    nearly[0] += 1e-9
    values = []
    for covariance in (None, nearly):
        problem = GaussianRegression(dim=9, covariance=covariance)
        population = population_for(problem, CYCLE4, 0.3, 1, key=2, order=order)
        assert population.gram == (covariance is None)
        population.settle(3.0)
        values.append(estimate(3.0, population.grow(3.0, 512), 1, population.rate))
    # |z| > 5.5: probability 4e-8 a case.
    spread = np.hypot(values[0].stderr, values[1].stderr)
    assert abs(values[0].value - values[1].value) < 5.5 * spread


@pytest.mark.parametrize("covariance", [None, np.array([0.5, 1.5])])
def test_pieces_of_a_call_change_no_bit(covariance, monkeypatch):
    def seen():
        population = population_for(GaussianRegression(dim=2, covariance=covariance), CYCLE4, 0.3, 1, key=2)
        population.settle(1.0)
        return population.grow(1.0, 20)

    whole = seen()
    monkeypatch.setattr(populations, "_CALL_PRODUCTS", 1)
    np.testing.assert_array_equal(seen(), whole)


@pytest.mark.parametrize("rows", [False, True])
def test_what_vanishes_at_once_does_not_decide(rows):
    # Nodes 1 and 2 forget their own iterates by 3.6 and 8 a step, to the powers of up to 32.
    W = [[1.0, 0.0, 0.0], [0.97, 0.03, 0.0], [0.5, 0.5 - 3e-4, 3e-4]]
    features = np.random.default_rng(0).normal(size=(30, 2))
    problem = DatasetRegression(features, features[:, 0]) if rows else GaussianRegression(dim=2)
    with pytest.warns(LightTailWarning):
        alpha = theory.tail_index(
            problem,
            W,
            step_size=0.01,
            batch_size=1,
            algorithm=ordered(ORDERS[1]),
            allow_row_stochastic=True,
            n_particles=256,
            rng=0,
        )
    assert alpha.lower_bound
    assert alpha.alpha == 32


@pytest.mark.parametrize("order", ORDERS)
def test_a_node_that_keeps_nothing_of_its_iterate(order):
    # By itself it is −η a² in the one order, E|η a²|^s = η^s 2^s Γ(s + ½)/√π, and zero in the other.
    step = 0.6
    arguments = {"step_size": step, "batch_size": 1, "algorithm": ordered(order)}
    deaf = theory.tail_index(
        GaussianRegression(dim=1), [[0.0, 1.0], [0.0, 1.0]], allow_row_stochastic=True, rng=0, **arguments
    )
    expected = theory.tail_index(GaussianRegression(dim=1), [[1.0]], **arguments).alpha
    if order == ORDERS[0]:
        alone = optimize.brentq(
            lambda s: s * np.log(2 * step) + special.gammaln(s + 0.5) - np.log(np.pi) / 2, 0.1, 9
        )
        assert alone < expected
        expected = alone
    # |z| > 5.5: probability 4e-8 a case.
    assert abs(deaf.alpha - expected) <= 5.5 * deaf.stderr


def test_growth_agrees_with_plain_products_of_matrices():
    # Heterogeneous nodes and a covariance; the product of 3 fresh matrices after 12, E‖·‖^s ratios.
    rng = np.random.default_rng(11)
    step, batch = np.array([0.25, 0.35, 0.3, 0.2]), np.array([1, 2, 1, 3])
    feature_std, eigenvalues = np.array([1.0, 1.1, 0.9, 1.0]), np.array([0.5, 1.5])
    problem = GaussianRegression(dim=2, feature_std=feature_std, covariance=eigenvalues)
    population = population_for(problem, CYCLE4, step, batch, key=3)
    population.settle(1.0)
    seen = estimate(1.0, population.grow(1.0, 512), 1, population.rate)
    n_runs, growth = 20_000, []
    errors = rng.standard_normal((n_runs, 4, 2))
    for _ in range(60):
        errors = reference.minibatch_step(
            rng, errors, CYCLE4, eigenvalues, feature_std**2, np.zeros(4), batch, step, False
        )
        norms = np.linalg.norm(errors, axis=(1, 2))
        growth.append(np.log(norms.mean()))
        chosen = rng.choice(n_runs, n_runs, p=norms / norms.sum())
        errors = errors[chosen] / norms[chosen, None, None]
    plain = np.array(growth[12:])
    error = plain.reshape(16, 3).mean(axis=1).std(ddof=1) / 4
    # The plain error is known to 20 percent: |z| > 8 leaves less than 1e-6.
    assert abs(seen.value - plain.mean()) < 8 * np.hypot(seen.stderr, error)


@pytest.mark.parametrize(
    ("W", "dim", "batch"), [(CYCLE8, 100, 5), (CYCLE8, 10**6, 5), (CYCLE4, 2, 1), (CYCLE4, 1, 10)]
)
def test_alpha_is_two_at_the_variance_frontier(W, dim, batch):
    problem = GaussianRegression(dim=dim)
    step = theory.critical_step_size(problem, W, batch_size=batch, at="infinite-variance").value
    tail = theory.tail_index(problem, W, step_size=step, batch_size=batch, rng=4)
    assert tail.stderr <= 0.01 * tail.alpha
    # |z| > 5.5: probability 4e-8 a case.
    assert abs(tail.alpha - 2) < 5.5 * tail.stderr


def test_same_bits_for_any_thread_count():
    problem = GaussianRegression(dim=20)
    step = theory.critical_step_size(problem, CYCLE4, batch_size=2, at="infinite-variance").value
    results = [
        theory.tail_index(problem, CYCLE4, step_size=0.99 * step, batch_size=2, rng=5, threads=threads)
        for threads in (1, 2)
    ]
    assert results[0] == results[1]


def test_no_stationary_law_gives_nan_and_a_warning():
    problem = GaussianRegression(dim=100)
    with pytest.warns(NotStationaryWarning, match="no stationary law and no tail index"):
        tail = theory.tail_index(problem, CYCLE8, step_size=0.19, batch_size=5, rng=6)
    assert not tail.stationary
    assert np.isnan(tail.alpha)
    assert tail.lyapunov_exponent > 0


def test_light_tail_is_a_bound():
    problem = GaussianRegression(dim=2)
    with pytest.warns(LightTailWarning, match="lower bound"):
        tail = theory.tail_index(problem, CYCLE4, step_size=0.02, batch_size=4, cap=10.0, rng=7)
    assert tail.lower_bound
    assert tail.alpha <= 10
    assert tail.ci_high == np.inf


def test_disconnected_graph_has_the_heaviest_tail_of_its_nodes_by_quadrature():
    problem = GaussianRegression(dim=3, feature_std=[1.0, 1.2])
    tail = theory.tail_index(problem, np.eye(2), step_size=0.4, batch_size=2)
    assert tail.method == "quadrature"
    assert tail.alpha == pytest.approx(OneNode(3, 2, 0.4 * 1.44).tail_index(64.0), rel=1e-10)


def test_rho_vanishes_at_the_divergence_step_size():
    problem = GaussianRegression(dim=20)
    critical = theory.critical_step_size(problem, CYCLE4, batch_size=2, at="divergence", rng=8)
    below = theory.critical_step_size(problem, CYCLE4, batch_size=2, at="infinite-variance")
    assert below.value < critical.value
    exponent = theory.lyapunov_exponent(
        problem, CYCLE4, step_size=critical.value, batch_size=2, rng=9, rtol=0.5
    )
    slope = -theory.lyapunov_exponent(problem, CYCLE4, step_size=below.value, batch_size=2, rng=9).value / (
        critical.value - below.value
    )
    # |z| > 5.5: probability 4e-8.
    assert abs(exponent.value) < 5.5 * np.hypot(exponent.stderr, slope * critical.stderr)


def test_norm_bound_reproduces_the_published_regime_map():
    # 10,000 draws on both sides, 189 cells that share draws along a row: 6 standard errors, below 1e-6.
    table = plots.published("figure1")
    sizes = table.pop("n_nodes").astype(int)
    steps = [float(name) for name in table]
    published = np.stack(list(table.values()), axis=1)
    ours = theory.norm_bound(sizes, steps, dim=1, batch_size=1, norm="frobenius", rng=10)
    share = np.clip((1 - ours) / 2, 5e-4, 1 - 5e-4)
    error = 2 * np.sqrt(share * (1 - share) / 10_000) * np.sqrt(2)
    assert (np.abs(ours - published) < 6 * error).all()


def test_norm_bound_agrees_with_eigenvalues_of_drawn_matrices():
    rng = np.random.default_rng(12)
    n_draws, n, d, b, step = 2000, 3, 4, 6, 0.55
    features = rng.standard_normal((n_draws, n, b, d))
    values = np.linalg.eigvalsh(np.einsum("rnqi,rnqj->rnij", features, features) / b)
    worst = np.abs(1 - step * values).max(axis=2).argmax(axis=1)
    chosen = values[np.arange(n_draws), worst]
    farthest = np.take_along_axis(chosen, np.abs(chosen - 1 / step).argmax(axis=1)[:, None], axis=1)[:, 0]
    plain = 1 - 2 * np.mean(farthest < 1 / step)
    ours = theory.norm_bound([n], [step], dim=d, batch_size=b, n_draws=20_000, rng=13)[0, 0]
    # Standard error at most √(1/2000 + 1/20000): 5.5 of them, 4e-8.
    assert abs(ours - plain) < 5.5 * np.sqrt(1 / 2000 + 1 / 20_000)


def test_regime_map_boundary_is_where_the_second_moments_are_equal():
    problem = GaussianRegression(dim=1)
    graphs = {n: laplacian_weights(nx.complete_graph(n), 0.02) for n in (10, 50)}
    picture = theory.regime_map(problem, graphs, np.linspace(0.05, 1.2, 24), batch_size=1, n_draws=100, rng=0)
    # On a complete graph (μ − η)² = (1 − η)² with μ = 1 − Nδ, that is η = 1 − Nδ/2.
    np.testing.assert_allclose(picture.boundary, [0.9, 0.5], rtol=1e-10)


def test_comparison_finds_the_ordering_of_the_theorem():
    problem = GaussianRegression(dim=20)
    table = theory.compare(problem, {"cycle": CYCLE4}, step_size=0.25, batch_size=2, rng=0)
    verdict = {v.claim: v.holds for v in table.verdicts}
    assert verdict["cycle is heavier-tailed than centralized"] is True
    assert list(table.to_xarray().contender) == ["centralized", "disconnected", "cycle"]
    assert "alpha" in table.verdicts[0].evidence


def test_square_root_of_what_rounding_left_indefinite():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 2))
    shape = vectors @ vectors.transpose(0, 2, 1)
    indefinite = shape - 1e-8 * np.eye(5)
    root = square_root(indefinite)
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_allclose(root @ root.transpose(0, 2, 1), shape, atol=1e-7)


def test_uneven_curvature_on_a_path_has_an_exponent():
    # The start's covariance is indefinite by 3e-5 here. The slowest coordinate, averaged over the nodes:
    # rho = −η·λ·mean(std²) to first order in η.
    std = np.array([0.53, 0.2, 0.51, 0.3, 0.2, 0.16, 0.61])
    problem = GaussianRegression(
        dim=5, covariance=np.diag([0.07, 0.42, 0.48, 0.11, 0.34]), feature_std=std.tolist()
    )
    W = mixing_matrix(nx.path_graph(7))
    rho = theory.lyapunov_exponent(problem, W, step_size=0.01, batch_size=4)
    assert rho.value == pytest.approx(-0.01 * 0.07 * (std**2).mean(), rel=0.02)


@pytest.mark.filterwarnings("error")
def test_steps_below_rounding_are_refused_and_leak_no_warning_of_numpy():
    with pytest.raises(ValueError, match="step_size is too small for double precision"):
        theory.lyapunov_exponent(GaussianRegression(dim=2), CYCLE4, step_size=1e-300, batch_size=1)


@pytest.mark.slow
def test_standard_errors_of_alpha_are_calibrated():
    # Of 40 normal z the rms is outside [0.7, 1.3], or the mean beyond 0.6, with probability 1 %; fixed keys.
    settings = [(1, 1, 0.5), (2, 1, 0.45), (3, 1, 0.3), (5, 2, 0.35)]
    z = []
    for dim, batch, contraction in settings:
        truth = OneNode(dim, batch, contraction).tail_index(64.0)
        for key in range(10):
            population = population_for(GaussianRegression(dim=dim), [[1.0]], contraction, batch, key=key)
            root = find_tail_index(Walk(population, lambda done, s: None), 0.05, 32.0)
            assert root.status == "found"
            z.append((root.value - truth) / root.stderr)
    assert 0.7 < np.sqrt(np.mean(np.square(z))) < 1.3
    assert abs(np.mean(z)) < 0.6


def test_what_few_draws_show_is_a_bound():
    # The truth is 6.505: at moments beyond, a thousand particles see next to nothing of E|A|^s.
    population = population_for(GaussianRegression(dim=1), [[1.0]], 0.25, 1, key=0, n_particles=64)
    root = find_tail_index(Walk(population, lambda done, s: None), 0.05, 32.0)
    assert root.status == "luck"
    assert 2 < root.value < 6.505


@pytest.mark.parametrize(
    ("function", "change", "error", "message"),
    [
        (theory.moment_growth, {"s": 0.0}, ValueError, "s must be a positive finite number"),
        (theory.moment_growth, {"s": "two"}, TypeError, "s must be a positive finite number"),
        (theory.tail_index, {"rtol": 0.0}, ValueError, "rtol must be a number strictly between 0 and 1"),
        (theory.tail_index, {"cap": -1.0}, ValueError, "cap must be a positive finite number"),
        (
            theory.tail_index,
            {"n_particles": 8, "W": CYCLE4},
            ValueError,
            "n_particles must be an integer ≥ 64",
        ),
        (theory.tail_index, {"W": [[0.5]]}, ValueError, "W must be doubly stochastic"),
        (
            theory.tail_index,
            {"step_size": [[1, 2], [3]]},
            ValueError,
            "step_size must have rows of one length",
        ),
        (
            theory.tail_index,
            {"problem": GaussianRegression(dim=2, feature_std=1e-20), "step_size": 1e-300},
            ValueError,
            "step_size is too small for double precision",
        ),
        (theory.tail_index, {"problem": object()}, TypeError, "problem must be a problem such as"),
        (theory.lyapunov_exponent, {"rng": -1}, ValueError, "rng must be"),
        (theory.lyapunov_exponent, {"progress": 1}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_input_is_named(function, change, error, message):
    arguments = {
        "problem": GaussianRegression(dim=2),
        "W": [[1.0]],
        "step_size": 0.1,
        "batch_size": 1,
    } | change
    positional = [arguments.pop(name) for name in ("problem", "W", "s") if name in arguments]
    if function is theory.moment_growth and len(positional) == 2:
        positional.append(1.0)
    with pytest.raises(error, match=message):
        function(*positional, **arguments)


def test_more_steps_are_spent_on_an_error_that_is_large_or_not_known() -> None:
    question = setting(
        GaussianRegression(1), [[1.0]], step_size=0.5, batch_size=1,
        algorithm=ordered("combine-then-adapt"), allow_row_stochastic=False,
    )  # fmt: skip
    walk = Walk(Population(question, np.array([1, 2], dtype=np.uint64), 64, 1), lambda done, s: None)
    seen = replace(walk.look(2.5), stderr=0.1, doubt=0.1)
    assert walk.worth_longer(seen, 0.05)
    assert not walk.worth_longer(seen, 0.2)
    assert walk.worth_longer(replace(seen, doubt=1.0), 0.2)


@pytest.mark.parametrize("memory", [0.0, 0.7, -0.5])
def test_the_error_of_the_mean_of_a_series_that_remembers(memory):
    # Of 400 means the rms z is outside [0.85, 1.2] with probability below 1e-3.
    noise = np.random.default_rng(1).standard_normal((400, 600))
    values = signal.lfilter([1.0], [1.0, -memory], noise, axis=1)[:, 100:]
    series = [Series(row) for row in values]
    z = np.array([one.mean / one.stderr for one in series])
    assert 0.85 < np.sqrt(np.mean(z**2)) < 1.2
    between = np.mean([one.before(one).mean() for one in series])
    expected = memory / (1 - memory) / (1 - memory**2)
    assert between == pytest.approx(expected, abs=0.15 * (1 + abs(expected)))
