"""Compressed, attacked and private systems in the step loop: each equals its recursion; sizes are checked."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from scipy import optimize, stats

import desgd_fast as dsf
from desgd_fast import algorithms as a
from tests.algorithms.test_algorithms import gaussian_run, plain_gradient
from tests.truth import algorithms as truth

RUN, N_STEPS, ETA = 5, 12, 0.1
PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()

STAR = np.full((3, 3), 1 / 3)


def gradients(step: int, x: np.ndarray) -> np.ndarray:
    return np.stack([plain_gradient(step, node, x[node], RUN) for node in range(len(x))])


def ended(algorithm: a.Algorithm, **options: object) -> np.ndarray:
    return gaussian_run(algorithm, engine="collapsed", n_steps=N_STEPS, **options).final[RUN]


def test_choco_follows_its_recursion() -> None:
    x, copies = np.ones((3, 3)), np.zeros((3, 3))
    for step in range(N_STEPS):
        x = x - ETA * gradients(step, x)
        copies = copies + np.stack([truth.top_k(row, 1) for row in x - copies])
        x = x + 0.4 * (PATH - np.eye(3)) @ copies
    np.testing.assert_allclose(ended(a.choco(a.top_k(1), 0.4)), x, rtol=0, atol=1e-12)


def test_deep_squeeze_follows_its_recursion() -> None:
    x, left = np.ones((3, 3)), np.zeros((3, 3))
    for step in range(N_STEPS):
        x = x - ETA * gradients(step, x)
        sent = np.stack([truth.sign(row, True) for row in x + left])
        left = x + left - sent
        x = x + 0.3 * (PATH - np.eye(3)) @ sent
    np.testing.assert_allclose(ended(a.deep_squeeze(a.sign(), 0.3)), x, rtol=0, atol=1e-12)


def test_error_feedback_at_a_server_follows_its_recursion() -> None:
    algorithm = a.chain(a.compressed(a.top_k(1), memory="error-feedback"), a.adapt_then_combine())
    server, left = np.ones(3), np.zeros((3, 3))
    for step in range(N_STEPS):
        left = left + gradients(step, np.tile(server, (3, 1)))
        sent = np.stack([truth.top_k(row, 1) for row in left])
        left = left - sent
        server = server - ETA * sent.mean(axis=0)
    final = ended(algorithm, W=STAR)
    np.testing.assert_allclose(final, np.tile(server, (3, 1)), rtol=0, atol=1e-12)


ATTACKS = {
    "sign_flip": (a.sign_flip([1]), lambda moves: -moves.mean(axis=0)),
    "inner_product": (a.inner_product([1], factor=3.0), lambda moves: -3 * moves.mean(axis=0)),
    "a_little_is_enough": (
        a.a_little_is_enough([1], factor=1.5),
        lambda moves: moves.mean(axis=0) + 1.5 * moves.std(axis=0, ddof=1),
    ),
    "zero": (a.zero([1]), lambda moves: 0 * moves[0]),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacked_servers_follow_their_recursion(name: str) -> None:
    attack, moved = ATTACKS[name]
    algorithm = a.chain(attack, a.trimmed_mean(1), a.adapt_then_combine())
    server = np.ones(3)
    for step in range(N_STEPS):
        moves = -ETA * gradients(step, np.tile(server, (3, 1)))
        moves[1] = moved(moves[[0, 2]])
        server = server + truth.trimmed_mean(moves, 1)
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=3, noise_std=0.5),
        STAR,
        step_size=ETA,
        batch_size=2,
        n_steps=N_STEPS,
        n_runs=RUN + 1,
        initial=1.0,
        algorithm=algorithm,
        engine="collapsed",
        rng=1,
    )
    np.testing.assert_allclose(runs.final[RUN], np.tile(server, (3, 1)), rtol=0, atol=1e-12)


def test_a_median_of_signs_that_alternate_is_stable_only_for_nodes_that_adapt_first() -> None:
    ring, start = dsf.mixing_matrix(nx.cycle_graph(6)), np.tile([[1.0], [-1.0]], (3, 3))
    ended_at = []
    for order in (a.combine_then_adapt(), a.adapt_then_combine()):
        median = a.chain(a.coordinate_median(), order)
        problem = dsf.GaussianRegression(dim=3, noise_std=0.0)
        options = {"step_size": 0.05, "batch_size": 2, "n_steps": 60, "n_runs": 20, "rng": 0}
        runs = dsf.simulate(problem, ring, initial=start, algorithm=median, **options)
        ended_at.append(runs.norms())
    assert ended_at[0].min() > np.linalg.norm(start, axis=1).max()
    assert ended_at[1].max() < 0.5


def test_an_aggregation_of_moves_is_added_to_the_mean_of_iterates() -> None:
    x = start = np.arange(9.0).reshape(3, 3) ** 2
    for step in range(N_STEPS):
        x = np.tile(x.mean(axis=0) + truth.flag(-ETA * gradients(step, x), 2, 5, False), (3, 1))
    final = ended(a.chain(a.flag(), a.adapt_then_combine()), W=STAR, initial=start)
    np.testing.assert_allclose(final, x, rtol=0, atol=1e-7)
    with pytest.raises(ValueError, match="must adapt before it combines with flag"):
        gaussian_run(a.flag())
    with pytest.raises(ValueError, match="must not take local steps with flag"):
        gaussian_run(a.chain(a.flag(), a.local_sgd(2)))


@pytest.mark.parametrize("p", [1.3, 2.0, 4.0])
def test_mirror_descent_takes_gradients_at_primal_points(p: float) -> None:
    theta = np.ones((3, 3))
    for step in range(N_STEPS):
        primal = np.stack([truth.link(row, p / (p - 1)) for row in theta])
        np.testing.assert_allclose(a.dual(a.primal(theta, p), p), theta, rtol=1e-9)
        theta = PATH @ theta - ETA * gradients(step, primal)
    final = ended(a.mirror_descent(p))
    np.testing.assert_allclose(final, theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a.primal(final, p)[0], truth.link(final[0], p / (p - 1)), rtol=1e-12)


def first_moves(algorithm: a.Algorithm, n_runs: int = 4000, dim: int = 3) -> np.ndarray:
    """(n_runs, 3, dim) moves of the first step of nodes that do not mix, away from the optimum."""
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=dim, noise_std=0.0),
        np.eye(3),
        step_size=1.0,
        batch_size=2,
        n_steps=1,
        n_runs=n_runs,
        initial=1.0,
        algorithm=algorithm,
        engine="collapsed",
        rng=3,
    )
    moves: np.ndarray = 1.0 - runs.final
    return moves


def test_shared_masks_are_those_of_all_nodes_and_every_subset_is_as_likely() -> None:
    own = first_moves(a.compressed(a.random_k(1))) != 0
    common = first_moves(a.compressed(a.random_k(1, common=True))) != 0
    assert (common == common[:, :1]).all()
    assert not (own == own[:, :1]).all()
    for masks in (own, common):
        counts = masks[:, 0].sum(axis=0)
        assert counts.sum() == len(masks)
        # False alarm 1e-8 each.
        assert stats.chisquare(counts).pvalue > 1e-8


def test_shared_parts_leave_the_numbers_of_others_alone() -> None:
    noise = a.gaussian_noise(1.0)
    masked = first_moves(a.chain(a.compressed(a.random_k(1, common=True)), noise), 50)
    alone = first_moves(a.chain(a.compressed(a.random_k(1)), noise), 50)
    zeros = (first_moves(a.compressed(a.random_k(1, common=True)), 50) == 0) & (
        first_moves(a.compressed(a.random_k(1)), 50) == 0
    )
    np.testing.assert_array_equal(masked[zeros], alone[zeros])


def test_buckets_are_drawn_anew_for_each_node_and_run() -> None:
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=1, noise_std=0.0),
        np.full((4, 4), 0.25),
        step_size=1e-300,
        batch_size=1,
        n_steps=1,
        n_runs=3000,
        initial=np.array([[0.0], [1.0], [10.0], [100.0]]),
        algorithm=a.bucketing(a.trimmed_mean(0), 3),
        engine="collapsed",
        rng=3,
    )
    # One is left alone, each as likely: half of it and a sixth of the others.
    alone = (3 * runs.final[..., 0] - 55.5).round(9)
    values, counts = np.unique(alone, return_counts=True)
    np.testing.assert_allclose(values, 3 * (np.array([0, 1, 10, 100]) / 3 + 111 / 6) - 55.5)
    assert stats.chisquare(counts).pvalue > 1e-8


@pytest.mark.parametrize("index", [1.0, 2.0])
def test_stable_noise_has_its_law(index: float) -> None:
    problem_moves = first_moves(a.sgd(), 2000)
    noise = (first_moves(a.stable_noise(0.5, index), 2000) - problem_moves)[:, 0, 0]
    law = stats.cauchy(scale=0.5) if index == 1.0 else stats.norm(scale=0.5 * np.sqrt(2))
    # False alarm 1e-8.
    assert stats.kstest(noise, law.cdf).pvalue > 1e-8


def test_samples_are_clipped_before_their_mean() -> None:
    generator = np.random.default_rng(0)
    features, targets = generator.standard_normal((6, 3)), generator.standard_normal(6)
    runs = dsf.simulate(
        dsf.EmpiricalRisk(dsf.losses.least_squares(), features, targets, sampling="without-replacement"),
        np.eye(1),
        step_size=1.0,
        batch_size=6,
        n_steps=1,
        initial=2.0,
        algorithm=a.clipped(0.7, of="samples"),
    )
    each = features * (features @ np.full(3, 2.0) - targets)[:, None]
    mean = np.mean([truth.clipped(g, 0.7) for g in each], axis=0)
    np.testing.assert_allclose(2.0 - runs.final[0, 0], mean, rtol=1e-12)


def test_samples_are_clipped_or_refused_where_only_their_mean_is_known() -> None:
    clip = a.clipped(0.7, of="samples")
    moves = gaussian_run(clip, batch_size=1, n_steps=1, initial=50.0).final - 50.0
    assert np.linalg.norm(moves, axis=-1).max() <= ETA * 0.7 * (1 + 1e-9)
    assert (moves == gaussian_run(a.clipped(0.7), batch_size=1, n_steps=1, initial=50.0).final - 50.0).all()
    with pytest.raises(ValueError, match="problem must be an EmpiricalRisk or a StreamingRisk"):
        gaussian_run(clip)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (a.compressed(a.top_k(4)), r"cannot take 3 coordinates: top_k\(4\) keeps 4"),
        (a.compressed(a.random_k(4), "messages", memory="difference"), "keeps 4"),
        (a.compressed(a.atomic(1.0, n_rows=2)), "makes them 2 rows"),
        (a.preconditioned([1.0, 2.0]), "has 2 factors"),
        (a.krum(1), r"cannot take 2 vectors at a node: krum\(1, 2, 1\) takes 4 or more"),
        (a.trimmed_mean(1), "takes 3 or more"),
        (a.bulyan(1), "takes 7 or more"),
        (a.bucketing(a.trimmed_mean(1), 2), "takes 3 or more"),
        (a.nearest_neighbour_mixing(a.mean(), 1), "takes 3 or more"),
        (a.sign_flip([3]), "Byzantine nodes below 3"),
    ],
)
def test_sizes_that_a_part_cannot_take_are_refused(algorithm: a.Algorithm, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_run(algorithm)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: a.sign_flip([]), "byzantine must hold numbers of nodes"),
        (lambda: a.zero([1, 1]), "byzantine must hold"),
        (lambda: a.gaussian([0], scale=-1.0), "scale must be"),
        (lambda: a.chain(*[a.compressed(a.random_k(1, common=True))] * 2), "both share what they draw"),
        (lambda: a.chain(a.heavy_ball(), a.clipped(1.0, of="samples")), "must come before"),
        (lambda: a.clipped(1.0, of="rows"), "of must be one of"),
        (lambda: a.chain(a.clipped(1.0, of="samples"), a.sophia()), "one gradient a sample, or two"),
        (lambda: a.adahessian(power=2.0), "power must be a number above 0"),
        (lambda: a.sophia(every=0), "every must be an integer"),
        (lambda: a.mirror_descent(1.0), "p must be a number above 1"),
        (lambda: a.flag(0), "rank must be an integer"),
        (lambda: a.fedfix([0, 1]), "intervals must hold integers from 1"),
        (lambda: a.privacy_spent(0.0, sampling_rate=0.1, n_steps=1, delta=0.1), "noise_multiplier must be"),
        (lambda: a.privacy_spent(1.0, sampling_rate=2.0, n_steps=1, delta=0.1), "sampling_rate must be"),
        (lambda: a.privacy_spent(1.0, sampling_rate=0.1, n_steps=1, delta=1.0), "delta must be"),
    ],
)
def test_bad_systems_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_bits_are_those_of_the_papers() -> None:
    assert a.sgd().bits(100) == 3200
    assert a.compressed(a.top_k(2)).bits(100) == 2 * (32 + 7)
    assert a.choco(a.qsgd(15), 0.1).bits(100) == 32 + 100 * 5
    assert a.chain(a.compressed(a.sign(), "messages"), a.local_steps(4)).bits(100) == 132 / 4
    assert a.just_one_byte(encoded=True).bits(100) == 8


def test_privacy_is_that_of_the_gaussian_mechanism() -> None:
    pytest.importorskip("dp_accounting")
    # All data at each step: Rényi divergence α n / 2σ² (Mironov 2017), turned into ε at its best α.
    n_steps, sigma, delta = 10, 8.0, 1e-5
    alphas = np.linspace(1.01, 500, 100_000)
    classic = (alphas * n_steps / (2 * sigma**2) + np.log(1 / delta) / (alphas - 1)).min()
    spent = a.privacy_spent(sigma, sampling_rate=1.0, n_steps=n_steps, delta=delta)
    assert 0.8 * classic < spent <= classic
    assert a.privacy_spent(sigma, sampling_rate=0.01, n_steps=n_steps, delta=delta) < 0.1 * spent


def test_heavy_noise_is_harmless_inside_a_clip_and_worse_than_its_own_after_it() -> None:
    """Index 1.5: min(1.5, α) without a clip, all moments inside one, and down to 0.5 after one."""
    noise, clip = a.stable_noise(1.0, 1.5), a.clipped(1.0)

    def measured(algorithm: a.Algorithm) -> tuple[float, float]:
        runs = dsf.simulate(
            dsf.GaussianRegression(dim=1, noise_std=0.1),
            [[1.0]],
            step_size=0.3,
            batch_size=1,
            n_steps=1000,
            n_runs=4000,
            algorithm=algorithm,
            engine="collapsed",
            keep="norms",
            rng=1,
        )
        found = dsf.tails.hill(runs.norms(stacked=True), 0.02)
        return float(found.alpha), float(found.stderr)

    # Each four standard errors from where the others are: false alarm below 1e-4. Hill's bias is towards
    # lighter tails here, and largest after the clip, where the law is slowest to be a power.
    inside, spread = measured(a.chain(noise, clip))
    assert inside - 4 * spread > 2
    alone, spread = measured(noise)
    assert 1.5 - 4 * spread < alone < 2
    after, spread = measured(a.chain(clip, a.stable_noise(0.05, 1.5)))
    assert after + 4 * spread < 1.5


def index_of_ratios(ratios: np.ndarray) -> tuple[float, float]:
    """The root s of E[R^s] = 1, R how far a server moves away in a step, and its standard error."""
    logs = np.log(ratios)
    root = optimize.brentq(lambda s: np.log(np.exp(s * logs).mean()), 0.5, 20.0)
    weights = np.exp(root * logs)
    return root, float(weights.std() / np.sqrt(weights.size) / np.abs((weights * logs).mean()))


@pytest.mark.parametrize(
    ("algorithm", "published"),
    [(a.sgd(), 3.562), (a.krum(1), 2.848), (a.chain(a.mean(), a.sign_flip([4])), 7.25)],
    ids=["mean", "krum", "mean under sign flip"],
)
def test_tails_at_a_server_are_those_of_one_ratio(algorithm: a.Algorithm, published: float) -> None:
    """Five workers, d = 2, b = 1, η = 1: no direction is special, so that one step's ratio tells all."""
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2, noise_std=0.0),
        np.full((5, 5), 0.2),
        step_size=1.0,
        batch_size=1,
        n_steps=1,
        n_runs=200_000,
        initial=np.array([1.0, 0.0]),
        algorithm=a.chain(algorithm, a.adapt_then_combine()),
        engine="collapsed",
        rng=2,
    )
    found, stderr = index_of_ratios(np.linalg.norm(runs.final[:, 0], axis=1))
    # Figures printed to three digits, themselves with errors as large as ours: false alarm 1e-4.
    assert abs(found - published) < 4 * np.sqrt(2) * stderr + 0.005


def mean_after_a_new_array(out, received, weights, own, uniforms, parameters):  # type: ignore[no-untyped-def]
    # As large as what was received: had that been let go, this would be the same memory.
    other = np.empty(received.shape)
    other[:] = 7.0
    for t in range(out.size):
        out[t] = 0.0
        for i in range(received.shape[0]):
            out[t] += received[i, t] / received.shape[0] + 0.0 * other[i, t]


def test_what_nodes_receive_is_kept_until_they_have_combined_it() -> None:
    rule = a.aggregation_rule(mean_after_a_new_array, degree="linear")
    ours, theirs = (
        dsf.simulate(
            dsf.GaussianRegression(dim=2),
            np.full((3, 3), 1 / 3),
            step_size=0.1,
            batch_size=1,
            n_steps=5,
            n_runs=2,
            rng=0,
            algorithm=algorithm,
        ).final
        for algorithm in (rule, a.mean())
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
