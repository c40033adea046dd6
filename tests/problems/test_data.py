"""Data: samplings equal the plain truth, laws are what they say, partitions follow their published rules."""

import networkx as nx
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import desgd_fast as dsf
from tests.truth import losses as truth

PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()
KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
SAMPLINGS = ["replacement", "without-replacement", "reshuffle", "shuffle-once", "flip-flop"]

# Rows that show themselves: with least squares from the origin on unit vectors, each step adds its rows.
UNIT = np.eye(13)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("batch_size", [1, 3, [1, 2, 4], [7, 1, 2]])
def test_rows_drawn_equal_the_plain_truth(sampling: str, batch_size: object) -> None:
    if sampling == "without-replacement" and batch_size == [7, 1, 2]:
        pytest.skip("more than the node's rows")
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(), UNIT, np.ones(13), sampling=sampling, reference=np.zeros(13)
    )
    part, sizes = problem.partition(3), np.broadcast_to(batch_size, 3)
    # With W = I a coordinate stays at (1 - η/b)^count − 1 after so many draws of its row.
    runs = dsf.simulate(problem, np.eye(3), step_size=0.5, batch_size=batch_size, n_steps=11, n_runs=2, rng=1)
    for run in range(2):

        def gradient(step: int, node: int, x: np.ndarray, run: int = run) -> np.ndarray:
            first, last = part.offsets[node : node + 2]
            chosen = first + np.array(truth.batch(sampling, KEY, last - first, sizes[node], step, node, run))
            a, y = part.features[chosen], part.targets[chosen]
            return (a @ x - y) @ a / sizes[node]

        path = truth.run(np.zeros((3, 13)), np.eye(3), [0.5] * 11, gradient, 11)
        np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_rows_in_common_are_drawn_by_each_node_for_itself(sampling: str) -> None:
    held = np.array([np.arange(13) % 2 == 0, np.ones(13, bool), np.arange(13) > 3])
    for assignment, shares in (("shared", [range(13)] * 3), (held, [np.flatnonzero(own) for own in held])):
        problem = dsf.EmpiricalRisk(
            dsf.losses.least_squares(), UNIT, np.ones(13), assignment, sampling, reference=np.zeros(13)
        )
        runs = dsf.simulate(problem, np.eye(3), step_size=0.5, batch_size=2, n_steps=11, rng=1)

        def gradient(step: int, node: int, x: np.ndarray, shares: list = shares) -> np.ndarray:
            rows = np.array(shares[node])
            a = UNIT[rows[truth.batch(sampling, KEY, rows.size, 2, step, node, 0)]]
            return (a @ x - 1) @ a / 2

        path = truth.run(np.zeros((3, 13)), np.eye(3), [0.5] * 11, gradient, 11)
        np.testing.assert_allclose(runs.final[0], path[-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("sampling", ["reshuffle", "shuffle-once", "flip-flop"])
def test_an_epoch_visits_every_row_once(sampling: str) -> None:
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(), UNIT, np.ones(13), sampling=sampling, reference=np.zeros(13)
    )
    for n_epochs in (1, 2, 3):
        runs = dsf.simulate(
            problem, [[1.0]], step_size=0.5, batch_size=1, n_steps=13 * n_epochs, n_runs=5, rng=0
        )
        np.testing.assert_allclose(runs.final, 1 - 0.5**n_epochs, rtol=1e-14)


def test_permutations_are_uniform() -> None:
    # The first step shows the first row of the permutation, the second step the second.
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(),
        np.eye(4),
        np.ones(4),
        sampling="reshuffle",
        reference=np.zeros(4),
    )
    options = {"batch_size": 1, "n_steps": 4, "n_runs": 24_000, "rng": 3}
    runs = dsf.simulate(problem, [[1.0]], step_size=lambda k: 0.5 ** (k + 1), **options)
    orders = runs.final[:, 0] @ np.array([1.0, 100.0, 1e4, 1e6])
    _, counts = np.unique(orders, return_counts=True)
    assert counts.size == 24
    # False alarm 1e-8.
    assert stats.chisquare(counts).pvalue > 1e-8


# Laws


@numba.njit
def grows(normals, uniforms, node, a):
    a[0] = (node + 1) * normals[0]
    a[1] = uniforms[0]
    return a[0] - 2 * a[1] + uniforms[1]


LAWS = {
    "gaussian": dsf.laws.linear([1.0, -2.0], features=dsf.laws.gaussian(2.0)),
    "student": dsf.laws.linear([1.0, -2.0], features=dsf.laws.student_t(3.0), noise=dsf.laws.student_t(5.0)),
    "rademacher": dsf.laws.linear([1.0, -2.0], features=dsf.laws.rademacher(), noise=dsf.laws.gaussian(0.5)),
    "uniform": dsf.laws.linear(np.arange(6.0).reshape(3, 2), features=dsf.laws.uniform(1.0)),
    "user": dsf.Law(grows, n_features=2, n_normals=1, n_uniforms=2),
    "logistic": dsf.laws.logistic([1.0, -2.0]),
}


def plain_samples(name: str, normals: np.ndarray, uniforms: np.ndarray, node: int) -> tuple:
    def student(df: float, u: np.ndarray) -> np.ndarray:
        return np.sqrt(df * (u[..., 0] ** (-2 / df) - 1)) * np.cos(2 * np.pi * u[..., 1])

    optimum = np.array([1.0, -2.0])
    if name == "gaussian":
        a = 2 * normals[:, :2]
        return a, a @ optimum + normals[:, 2]
    if name == "student":
        a = student(3.0, uniforms[:, :4].reshape(-1, 2, 2))
        return a, a @ optimum + student(5.0, uniforms[:, 4:])
    if name == "rademacher":
        a = np.where(uniforms > 0.5, 1.0, -1.0)
        return a, a @ optimum + 0.5 * normals[:, 0]
    if name == "uniform":
        a = 2 * uniforms - 1
        return a, a @ np.arange(6.0).reshape(3, 2)[node] + normals[:, 0]
    if name == "logistic":
        return normals, np.where(uniforms[:, 0] <= 1 / (1 + np.exp(-normals @ optimum)), 1.0, -1.0)
    a = np.column_stack([(node + 1) * normals[:, 0], uniforms[:, 0]])
    return a, a[:, 0] - 2 * a[:, 1] + uniforms[:, 1]


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("batch_size", [1, [2, 5, 3]])
def test_streaming_steps_equal_the_plain_truth(name: str, batch_size: object) -> None:
    law = LAWS[name]
    loss = dsf.losses.logistic(0.1) if name == "logistic" else dsf.losses.huber(1.0, 0.1)
    formula = truth.logistic if name == "logistic" else truth.huber
    parameters = (0.1,) if name == "logistic" else (0.1, 1.0)
    problem = dsf.StreamingRisk(loss, law, reference=np.zeros(2))
    runs = dsf.simulate(problem, PATH, step_size=0.1, batch_size=batch_size, n_steps=5, n_runs=2, rng=1)
    sizes = np.broadcast_to(batch_size, 3)
    for run in range(2):

        def gradient(step: int, node: int, x: np.ndarray, run: int = run) -> np.ndarray:
            drawn = truth.variates(KEY, sizes[node], law.n_normals, law.n_uniforms, step, node, run)
            samples = zip(*plain_samples(name, *drawn, node), strict=True)
            per_row = [
                truth.complex_step(lambda z, a=a, y=y: formula(z, a, y, *parameters), x) for a, y in samples
            ]
            return np.mean(per_row, axis=0)

        path = truth.run(np.zeros((3, 2)), PATH, [0.1] * 5, gradient, 5)
        np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("distribution", "law"),
    [
        (dsf.laws.gaussian(2.0), stats.norm(scale=2.0)),
        (dsf.laws.student_t(3.0, 0.5), stats.t(3.0, scale=0.5)),
        (dsf.laws.student_t(0.5), stats.t(0.5)),
        (dsf.laws.uniform(2.0), stats.uniform(-2.0, 4.0)),
    ],
)
def test_features_follow_their_distribution(distribution: object, law: object) -> None:
    features, _ = dsf.laws.linear([0.0], features=distribution).draw(20_000, rng=5)
    # False alarm 1e-8 each.
    assert stats.kstest(features[:, 0], law.cdf).pvalue > 1e-8


def test_rademacher_signs_and_logistic_labels_are_balanced() -> None:
    signs, _ = dsf.laws.linear([0.0], features=dsf.laws.rademacher(2.0)).draw(20_000, rng=5)
    assert set(np.unique(signs)) == {-2.0, 2.0}
    features, labels = dsf.laws.logistic([1.5]).draw(20_000, rng=5)
    margin = 1 / (1 + np.exp(-1.5 * features[:, 0]))
    # Sums of independent bounded variables within 6 standard deviations: false alarm 4e-9.
    assert abs(signs.sum()) < 6 * 2 * np.sqrt(20_000)
    assert abs(((labels > 0) - margin).sum()) < 6 * np.sqrt((margin * (1 - margin)).sum())


def test_a_streaming_least_squares_law_is_the_gaussian_problem() -> None:
    law = dsf.laws.linear(np.array([1.0, 2.0]), noise=dsf.laws.gaussian(0.5))
    options = {"step_size": 0.1, "batch_size": 2, "n_steps": 50, "n_runs": 4000, "rng": 2}
    general = dsf.simulate(dsf.StreamingRisk(dsf.losses.least_squares(), law), PATH, **options)
    special = dsf.simulate(
        dsf.GaussianRegression(dim=2, noise_std=0.5, optimum=[1.0, 2.0]), PATH, **{**options, "rng": 3}
    )
    # False alarm 1e-8.
    for of in (lambda r: r.norms(stacked=True), lambda r: r.final[:, 1, 0]):
        assert stats.ks_2samp(of(general), of(special), method="asymp").pvalue > 1e-8


@numba.njit
def forgets(normals, uniforms, node, a):
    a[0] = normals[0]
    return 0.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dsf.Law(lambda z, u, i, a: 0.0, 1), TypeError, r"sample must be a function sample\(normals"),
        (lambda: dsf.Law(grows.py_func, 1), TypeError, r"@numba.njit above its def"),
        (lambda: dsf.Law(forgets, n_features=2, n_normals=1), ValueError, "sample must give finite numbers"),
        (lambda: dsf.Law(forgets, n_features=0), ValueError, "n_features must be"),
        (lambda: dsf.laws.linear(np.zeros((2, 2, 2))), ValueError, r"truth must have shape \(dim,\) or"),
        (lambda: dsf.laws.linear([1.0], noise=1.0), TypeError, "noise must be a Distribution"),
        (lambda: dsf.laws.student_t(0.0), ValueError, "df must be a positive"),
        (lambda: dsf.StreamingRisk(dsf.losses.ridge(0.1), 3), TypeError, "law must be a Law"),
        (
            lambda: dsf.StreamingRisk(dsf.losses.multinomial(2), LAWS["logistic"]),
            ValueError,
            "law must be among 0, 1 for this loss, got -1",
        ),
        (
            lambda: dsf.StreamingRisk(dsf.losses.logistic(), LAWS["gaussian"]),
            ValueError,
            "law must be among -1, 1 for this loss",
        ),
    ],
)
def test_bad_laws_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_truth_per_node_needs_as_many_nodes() -> None:
    problem = dsf.StreamingRisk(dsf.losses.least_squares(), LAWS["uniform"])
    with pytest.raises(ValueError, match="one for each of the 1, got 3"):
        dsf.simulate(problem, [[1.0]], step_size=0.1, batch_size=1, n_steps=1)


# Partitions


@given(
    beta=st.floats(0.05, 100.0),
    n_nodes=st.integers(1, 8),
    n_labels=st.integers(1, 10),
    seed=st.integers(0, 2**32),
)
def test_label_partitions_hand_out_every_row_and_keep_the_smallest_share(
    beta: float, n_nodes: int, n_labels: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, n_labels, 400).astype(float)
    rule = dsf.partitions.ByLabel(beta, least_rows=2, rng=seed)
    try:
        nodes = rule(labels, n_nodes)
    except ValueError:  # a beta so small that a thousand draws leave a node short
        assert beta < 0.5
        return
    assert nodes.shape == (400,)
    shares = np.bincount(nodes, minlength=n_nodes)
    assert shares.size == n_nodes
    assert shares.min() >= 2
    np.testing.assert_array_equal(nodes, rule(labels, n_nodes))


def test_label_partition_is_the_published_rule() -> None:
    # Written from the paper's description, with the same generator calls.
    labels = np.random.default_rng(0).integers(0, 10, 1000).astype(float)
    n_nodes, beta, least = 7, 0.5, 10
    generator = np.random.default_rng(4)
    smallest = 0
    while smallest < least:
        held = [[] for _ in range(n_nodes)]
        for label in range(10):
            rows = generator.permutation([r for r in range(1000) if labels[r] == label])
            shares = generator.dirichlet([beta] * n_nodes)
            shares = np.array([p * (len(h) < 1000 / n_nodes) for p, h in zip(shares, held, strict=True)])
            cuts = (np.cumsum(shares / shares.sum()) * len(rows)).astype(int)[:-1]
            held = [h + part.tolist() for h, part in zip(held, np.split(rows, cuts), strict=True)]
        smallest = min(len(h) for h in held)
    nodes = dsf.partitions.ByLabel(beta, least_rows=least, rng=4)(labels, n_nodes)
    for node in range(n_nodes):
        assert sorted(held[node]) == np.flatnonzero(nodes == node).tolist()


def test_smaller_concentration_separates_labels_more() -> None:
    labels = np.repeat(np.arange(10.0), 100)
    features = np.ones((1000, 1))

    def distance(beta: float) -> float:
        problem = dsf.EmpiricalRisk(
            dsf.losses.multinomial(10, 0.1),
            features,
            labels,
            assignment=dsf.partitions.ByLabel(beta, least_rows=5, rng=2),
            reference=np.zeros(10),
        )
        return float(problem.report(5).label_distance.mean())

    assert distance(0.1) > distance(1.0) > distance(100.0)
    assert distance(0.1) > 0.4
    assert distance(100.0) < 0.1


def test_quantity_partition_keeps_the_smallest_share() -> None:
    nodes = dsf.partitions.ByQuantity(0.5, least_rows=10, rng=3)(np.zeros(500), 6)
    shares = np.bincount(nodes)
    assert (shares.size, shares.sum()) == (6, 500)
    assert shares.min() >= 10
    assert shares.max() > 2 * shares.min()


def test_report_states_shares_labels_and_effective_sample_size() -> None:
    features = np.ones((6, 1))
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(),
        features,
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
        assignment=[0, 0, 0, 0, 1, 1],
    )
    report = problem.report(2)
    assert report.shares.tolist() == [4, 2]
    assert report.label_counts.tolist() == [[3, 1], [0, 2]]
    np.testing.assert_allclose(report.label_distance, [0.25, 0.5])
    # Gradients at the mean ½ of all targets: ½ − ¼ and ½ − 1.
    np.testing.assert_allclose(report.gradient_distance, [0.25, 0.5])
    assert report.effective_sample_size == pytest.approx(4 / (1 / 4 + 1 / 2))
    assert "effective sample size 5.3" in str(report)


def test_report_counts_rows_in_common_once() -> None:
    features, targets = np.ones((4, 1)), [0.0, 0.0, 1.0, 1.0]
    least_squares = dsf.losses.least_squares()
    report = dsf.EmpiricalRisk(least_squares, features, targets, "shared").report(3)
    assert report.shares.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(report.label_distance, 0)
    np.testing.assert_allclose(report.gradient_distance, 0, atol=1e-15)
    assert report.effective_sample_size == pytest.approx(4)
    held = np.array([[True, True, True, False], [False, False, True, True]])
    report = dsf.EmpiricalRisk(least_squares, features, targets, held).report(2)
    assert report.label_counts.tolist() == [[2, 1], [0, 2]]
    np.testing.assert_allclose(report.label_distance, [1 / 6, 1 / 2])
    # Weights of the rows in the average of the two means: 1/6, 1/6, 1/6 + 1/4, 1/4.
    expected = 1 / (2 / 36 + (5 / 12) ** 2 + 1 / 16)
    assert report.effective_sample_size == pytest.approx(expected)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (np.ones((2, 4), bool), r"assignment must have a row for each of 3 nodes, got shape \(2, 4\)"),
        (np.eye(3, 4) > 0, "assignment must give every row at least one node, but row 3 has none"),
        (np.arange(3)[:, None] > [0] * 4, "assignment must give every node at least one row, but node 0 has"),
        (lambda y, n: np.ones((n, 3), bool), r"assignment must give the node of every row.*\(n_nodes, 4\)"),
        ([0, 0, 0, 0], "assignment must give every node at least one row, but node 1 has none"),
        ([0, 1, 2, 3], "assignment must name nodes from 0 to 2, got 3"),
        (lambda y, n: np.zeros(3, int), r"assignment must give the node of every row.*\(4,\)"),
        (lambda y, n: np.zeros(4), r"assignment must give the node of every row"),
        (lambda y, n: np.full(4, -1), r"assignment must name nodes from 0 on"),
        (dsf.partitions.ByLabel(0.5, least_rows=2), "least_rows must be at most 1 for 4 rows on 3 nodes"),
    ],
)
def test_bad_partitions_are_refused(assignment: object, message: str) -> None:
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(), np.ones((4, 1)), np.arange(4.0), assignment=assignment
    )
    with pytest.raises(ValueError, match=message):
        dsf.simulate(problem, PATH, step_size=0.1, batch_size=1, n_steps=1)


def test_an_unreachable_share_is_said_to_be_so() -> None:
    with pytest.raises(ValueError, match=r"least_rows=10 was not reached by all 10 nodes"):
        dsf.partitions.ByQuantity(1e-3, least_rows=10, rng=0)(np.zeros(100), 10)
