"""Neural networks: gradients, steps and records equal the slow truth; training learns; bad input fails."""

import sys
import warnings

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast import tails
from desgd_fast.common.rng import key_from
from desgd_fast.simulation import Training
from tests.algorithms.test_algorithms import (
    EXTRAS,
    ORDERS,
    PATH,
    RULES,
    SCHEDULES,
    every_extra,
    rule_of,
    sizes,
)
from tests.harness import ordered
from tests.truth import losses as reference_losses
from tests.truth import simulation as reference

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def unit_vectors(network: dsf.NeuralNetwork) -> np.ndarray:
    if network.loss == "squared":
        return network.targets
    return np.eye(network.n_outputs)[network.targets]


def gradient_of(network: dsf.NeuralNetwork):
    shape = network.sizes, network.bias, network.activation, network.slope

    def gradient(parameters: np.ndarray, features: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return reference.network_gradient(parameters, *shape, network.loss, features, targets)

    return gradient


@st.composite
def networks(draw: st.DrawFn, least_rows: int = 1) -> dsf.NeuralNetwork:
    """Any architecture on random samples; sizes around the groups of eight that kernels work in."""
    size = st.integers(1, 20) | st.sampled_from([8, 16, 17, 33])
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_rows, n_inputs, n_outputs = draw(st.integers(least_rows, 30)), draw(size), draw(size)
    activation = draw(st.sampled_from(["relu", "tanh", "leaky-relu", "linear"]))
    loss = draw(st.sampled_from(["cross-entropy", "squared"]))
    targets = generator.standard_normal((n_rows, n_outputs))
    if loss == "cross-entropy":
        targets = generator.integers(0, n_outputs, n_rows)
    return dsf.NeuralNetwork(
        generator.standard_normal((n_rows, n_inputs)),
        targets,
        hidden=draw(st.lists(size, max_size=3)),
        activation=activation,
        slope=0.2 if activation == "leaky-relu" else None,
        bias=draw(st.booleans()),
        loss=loss,
        n_outputs=n_outputs,
        assignment=draw(st.sampled_from(["even", "sorted"])),
        replacement=draw(st.booleans()),
    )


@st.composite
def weights(draw: st.DrawFn, n_nodes: int) -> np.ndarray:
    """Doubly stochastic and not symmetric."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shares = generator.dirichlet(np.ones(3))
    return sum(share * np.eye(n_nodes)[generator.permutation(n_nodes)] for share in shares)


# The truth itself


@settings(max_examples=20, deadline=None)
@given(networks(), st.integers(0, 2**32))
def test_reference_gradient_is_the_difference_quotient_of_the_loss(
    network: dsf.NeuralNetwork, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    parameters = generator.standard_normal(network.n_parameters)
    direction = generator.standard_normal(network.n_parameters) * 1e-6
    targets = unit_vectors(network)
    shape = network.sizes, network.bias, network.activation, network.slope
    ahead, behind = (
        reference.network_loss(
            reference.network_outputs(parameters + side * direction, *shape, network.features)[0],
            targets,
            network.loss,
        )
        for side in (1, -1)
    )
    slope = gradient_of(network)(parameters, network.features, targets) @ direction
    # A kink of ReLU within the difference has measure zero, and changes it by at most its width squared.
    assert (ahead - behind) / 2 == pytest.approx(slope, rel=1e-3, abs=1e-9)


# Kernels


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 5), st.booleans())
def test_training_equals_the_slow_truth(data: st.DataObject, n_nodes: int, adapt_first: bool) -> None:
    network = data.draw(networks(least_rows=n_nodes))
    W = data.draw(weights(n_nodes))
    seed, first_run = data.draw(st.integers(0, 2**32)), data.draw(st.integers(0, 2**31))
    smallest_share = len(network.features) // n_nodes
    most = 20 if network.replacement else smallest_share
    batch_size = np.array(data.draw(st.lists(st.integers(1, most), min_size=n_nodes, max_size=n_nodes)))
    generator = np.random.default_rng(seed)
    step_size = generator.uniform(0.001, 0.01, n_nodes)
    start = generator.standard_normal((n_nodes, network.n_parameters)) / 2
    training = dsf.train(
        network,
        W,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=3,
        n_runs=2,
        average_last=2,
        algorithm=ordered("adapt-then-combine" if adapt_first else "combine-then-adapt"),
        initial=start,
        first_run=first_run,
        rng=seed,
    )
    nodes = np.arange(len(network.features)) % n_nodes
    if network.assignment == "sorted":
        first_column = np.reshape(network.targets, (len(nodes), -1))[:, 0]
        nodes[np.argsort(first_column, kind="stable")] = np.sort(nodes)
    outputs = unit_vectors(network)
    shares = [(network.features[nodes == i], outputs[nodes == i]) for i in range(n_nodes)]
    for run in range(2):
        path = reference.network_run(
            start,
            W,
            step_size,
            batch_size,
            shares,
            key_from(seed),
            first_run + run,
            3,
            gradient_of(network),
            replacement=network.replacement,
            adapt_first=adapt_first,
        )
        # A squared loss may throw parameters far out, and some of them come back by cancellation.
        close = {"rtol": 1e-11, "atol": 1e-12 * max(1.0, np.abs(path).max())}
        np.testing.assert_allclose(training.final[run], path[-1], **close)
        np.testing.assert_allclose(training.average[run], path[-2:].mean(axis=0), **close)


def small_network() -> dsf.NeuralNetwork:
    generator = np.random.default_rng(4)
    features, labels = generator.standard_normal((14, 5)), generator.integers(0, 3, 14)
    return dsf.NeuralNetwork(features, labels, hidden=(6,), bias=True)


@pytest.mark.parametrize("name", RULES)
@every_extra
def test_every_rule_equals_its_recursion(name: str, extras: dict) -> None:
    network, batch_size = small_network(), np.array([1, 3, 9])
    start = network.parameters(1.0, 3, range(1), 0, common_start=False)[0]
    outputs, slope = unit_vectors(network), gradient_of(network)
    for order in ORDERS:
        algorithm, options = rule_of(name, extras, order)
        for step_size in SCHEDULES.values():
            training = dsf.train(
                network,
                PATH,
                step_size=step_size,
                batch_size=batch_size,
                n_steps=8,
                n_runs=2,
                average_last=3,
                algorithm=algorithm,
                initial=start,
                first_run=5,
                rng=1,
            )
            for run in range(2):

                def gradient(step: int, node: int, x: np.ndarray, run: int = 5 + run) -> np.ndarray:
                    own = np.arange(node, 14, 3)
                    rows = own[
                        reference.minibatch(key_from(1), own.size, batch_size[node], True, step, node, run)
                    ]
                    return slope(x, network.features[rows], outputs[rows])

                path = reference_losses.run(
                    start, PATH, sizes(step_size, 8), gradient, 8, adapt_first=order == ORDERS[1], **options
                )
                np.testing.assert_allclose(training.final[run], path[-1], rtol=0, atol=1e-12)
                np.testing.assert_allclose(training.average[run], path[-3:].mean(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_same_bits_under_every_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm, _ = rule_of(name, EXTRAS)
    common = {"batch_size": 3, "n_steps": 13, "algorithm": algorithm, "average_last": 4, "rng": 3}

    def train(**options: object) -> Training:
        defaults = {"n_runs": 3, "step_size": np.array([[0.1], [0.2], [0.3]]), "record_every": 0}
        return dsf.train(small_network(), PATH, **common, **{**defaults, **options})

    whole = train(threads=1)
    # One run on two threads: its nodes go in parallel, in another kernel.
    single = train(n_runs=1, first_run=2, step_size=0.3, threads=2)
    np.testing.assert_array_equal(single.final[0], whole.final[2])
    np.testing.assert_array_equal(single.average[0], whole.average[2])
    # An odd number of steps in a call, and portions of one run.
    monkeypatch.setattr("desgd_fast.simulation.training._STATE_BYTES", 1)
    monkeypatch.setattr("desgd_fast.simulation.training._CALL_PRODUCTS", 1)
    for other in (train(), train(record_every=5)):
        np.testing.assert_array_equal(other.final, whole.final)
        np.testing.assert_array_equal(other.average, whole.average)


@settings(max_examples=30, deadline=None)
@given(networks(), st.integers(0, 2**32))
def test_records_are_losses_accuracies_and_distances(network: dsf.NeuralNetwork, seed: int) -> None:
    generator = np.random.default_rng(seed)
    start = generator.standard_normal((1, network.n_parameters)) * generator.uniform(0.1, 3, (2, 1))
    W = np.full((2, 2), 0.5)
    if len(network.features) < 2:
        W, start = np.eye(1), start[:1]
    training = dsf.train(
        network,
        W,
        step_size=1e-3,
        batch_size=1,
        n_steps=1,
        initial=start,
        test=(network.features, network.targets),
    )
    targets, together = unit_vectors(network), 0.0
    for node, parameters in enumerate(start):
        shape = network.sizes, network.bias, network.activation, network.slope
        outputs = reference.network_outputs(parameters, *shape, network.features)[0]
        loss = reference.network_loss(outputs, targets, network.loss)
        assert training.train_loss[0, 0, node] == pytest.approx(loss, rel=1e-10, abs=1e-12)
        assert training.test_loss[0, 0, node] == training.train_loss[0, 0, node]
        right = (outputs.argmax(axis=1) == targets.argmax(axis=1)).mean()
        for accuracy in (training.train_accuracy, training.test_accuracy):
            if network.loss == "cross-entropy":
                assert accuracy[0, 0, node] == pytest.approx(right)
            else:
                assert np.isnan(accuracy).all()
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        together = together + shares / shares.sum(axis=1, keepdims=True)
    for accuracy in (training.train_ensemble_accuracy, training.test_ensemble_accuracy):
        if network.loss == "cross-entropy":
            assert accuracy[0, 0] == pytest.approx((together.argmax(axis=1) == network.targets).mean())
        else:
            assert np.isnan(accuracy).all()
    distance = np.sqrt(np.square(start - start.mean(axis=0)).sum(axis=1).mean())
    assert training.consensus_distance[0, 0] == pytest.approx(distance, rel=1e-12, abs=1e-12)


def test_nodes_that_agree_are_measured_as_any_others() -> None:
    network = small_network()
    start = network.parameters(1.0, 3, range(2), 0)
    apart = start.copy()
    apart[1, 2, 0] += 1.0
    options = {"step_size": 1e-3, "batch_size": 1, "n_steps": 1, "n_runs": 2, "rng": 0}
    alike, other = (dsf.train(network, PATH, initial=initial, **options) for initial in (start, apart))
    for name in ("train_loss", "train_accuracy"):
        ours, expected = getattr(alike, name)[:, 0], getattr(other, name)[:, 0]
        np.testing.assert_array_equal(ours[0], expected[0])
        np.testing.assert_array_equal(ours[1], np.full(3, expected[1, 0]))
    assert alike.train_ensemble_accuracy[0, 0] == other.train_ensemble_accuracy[0, 0]


def xor_network(**options) -> dsf.NeuralNetwork:
    return dsf.NeuralNetwork(
        np.tile(XOR, (8, 1)), np.tile([0, 1, 1, 0], 8), hidden=(16,), bias=True, **options
    )


SETTING = {"step_size": 0.3, "batch_size": 3, "n_steps": 20}


def test_same_bits_for_any_thread_count_and_any_cut_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    network, W = xor_network(), dsf.mixing_matrix(nx.cycle_graph(4))
    whole = dsf.train(network, W, n_runs=5, average_last=7, rng=3, threads=1, **SETTING)
    threaded = dsf.train(network, W, n_runs=5, average_last=7, rng=3, threads=2, **SETTING)
    # One run on two threads: its nodes go in parallel, in another kernel.
    single = dsf.train(network, W, first_run=4, average_last=7, rng=3, threads=2, **SETTING)
    recorded = dsf.train(network, W, n_runs=5, average_last=7, rng=3, record_every=3, **SETTING)
    monkeypatch.setattr("desgd_fast.simulation.training._STATE_BYTES", 1)
    monkeypatch.setattr("desgd_fast.simulation.training._CALL_PRODUCTS", 1)
    cut = dsf.train(network, W, n_runs=5, average_last=7, rng=3, **SETTING)
    for other in (threaded, recorded, cut):
        np.testing.assert_array_equal(other.final, whole.final)
        np.testing.assert_array_equal(other.average, whole.average)
        np.testing.assert_array_equal(other.train_loss[:, -1], whole.train_loss[:, -1])
    silent = dsf.train(network, W, n_runs=5, average_last=7, rng=3, record_every=0, **SETTING)
    np.testing.assert_array_equal(silent.final, whole.final)
    assert silent.train_loss.shape == (5, 0, 4)
    np.testing.assert_array_equal(single.final[0], whole.final[4])
    np.testing.assert_array_equal(single.average[0], whole.average[4])
    assert recorded.record_steps.tolist() == [0, 3, 6, 9, 12, 15, 18, 20]


def test_step_sizes_may_differ_from_run_to_run() -> None:
    network, W = xor_network(), dsf.mixing_matrix(nx.cycle_graph(4))
    sizes = np.array([[0.1], [0.3]])
    both = dsf.train(network, W, n_runs=2, rng=3, **SETTING | {"step_size": sizes})
    for run in range(2):
        alone = dsf.train(network, W, first_run=run, rng=3, **SETTING | {"step_size": sizes[run, 0]})
        np.testing.assert_array_equal(both.final[run], alone.final[0])


def test_shared_rows_make_disconnected_nodes_equal_runs_of_one_node() -> None:
    """A node draws from all rows as one node alone does, in a run of its own."""
    network = small_network()
    shared = dsf.NeuralNetwork(network.features, network.targets, hidden=(6,), bias=True, assignment="shared")
    start = network.parameters(1.0, 3, range(1), 0, common_start=False)[0]
    outputs, slope = unit_vectors(network), gradient_of(network)
    training = dsf.train(shared, np.eye(3), initial=start, rng=1, **SETTING)
    path = reference.network_run(
        start,
        np.eye(3),
        np.full(3, SETTING["step_size"]),
        np.full(3, SETTING["batch_size"]),
        [(network.features, outputs)] * 3,
        key_from(1),
        0,
        SETTING["n_steps"],
        slope,
        replacement=True,
        adapt_first=False,
    )
    np.testing.assert_allclose(training.final[0], path[-1], rtol=0, atol=1e-11)
    one = dsf.train(network, [[1.0]], initial=start[0], rng=1, **SETTING)
    np.testing.assert_array_equal(training.final[0, 0], one.final[0, 0])


def test_batch_of_all_rows_with_the_uniform_matrix_is_gradient_descent() -> None:
    network = xor_network(replacement=False)
    start = network.parameters("uniform", 1, range(1), 0)[0, 0]
    W = np.full((4, 4), 0.25)
    setting = {"step_size": 0.3, "batch_size": 8, "n_steps": 5}
    training = dsf.train(network, W, initial=start, algorithm=ordered("adapt-then-combine"), **setting)
    expected, outputs = start, unit_vectors(network)
    for _ in range(5):
        expected = expected - 0.3 * gradient_of(network)(expected, network.features, outputs)
    np.testing.assert_allclose(training.final[0], np.tile(expected, (4, 1)), rtol=1e-11)


def test_labels_may_be_shared_out_by_a_rule() -> None:
    labels = np.repeat([0, 1, 2], 20)
    rule = dsf.partitions.ByLabel(0.2, rng=1)
    network = dsf.NeuralNetwork(np.eye(3)[labels], labels, hidden=(4,), assignment=rule)
    nodes = rule(labels.astype(float), 4)
    named = dsf.NeuralNetwork(np.eye(3)[labels], labels, hidden=(4,), assignment=nodes)
    W = dsf.mixing_matrix(nx.cycle_graph(4))
    ours, same = (dsf.train(each, W, rng=0, **SETTING).final for each in (network, named))
    np.testing.assert_array_equal(ours, same)


def test_kernels_compile_once_whatever_is_passed() -> None:
    from desgd_fast.kernels.loops import general as kernels

    if not hasattr(kernels.advance_nodes, "signatures"):
        pytest.skip("nothing is compiled")
    for assignment in ("even", "shared"):
        network = dsf.NeuralNetwork(XOR, [0, 1, 1, 0], hidden=(3,), assignment=assignment)
        for step_size in (
            0.1,
            [0.1, 0.2],
            np.full((3, 1), 0.1),
            np.full((3, 2), 0.1),
            lambda k: 0.1 / (1 + k),
        ):
            for n_nodes, n_runs in ((2, 3), (1, 1)):
                if np.ndim(step_size) == 0 or n_nodes == 2:
                    dsf.train(
                        network,
                        np.eye(n_nodes),
                        n_runs=n_runs,
                        threads=2,
                        **SETTING | {"n_steps": 2, "step_size": step_size},
                    )
    for kernel in (kernels.advance_some, kernels.advance_nodes):
        assert len([signature for signature in kernel.signatures if "Network" in str(signature)]) == 1


# Random starts


@pytest.mark.parametrize("bias", [False, True])
def test_starts_are_the_documented_draws(bias: bool) -> None:
    network = dsf.NeuralNetwork(np.zeros((4, 7)), [0, 1, 2, 0], hidden=(5,), bias=bias)
    key = key_from(9)
    drawn = network.parameters(1.5, 3, range(2, 4), 9, common_start=False)
    uniform = network.parameters("uniform", 3, range(2, 4), 9)
    np.testing.assert_array_equal(uniform[:, 1:], uniform[:, :2])
    for i, run in enumerate((2, 3)):
        for node in range(3):
            normals = reference.normal_sequence(
                key, network.n_parameters, reference.INITIAL_WEIGHTS, 0, node, run
            )
            layers = reference.split_parameters(normals, network.sizes, bias)
            ours = reference.split_parameters(drawn[i, node], network.sizes, bias)
            for (weights, _), (mine, biases) in zip(layers, ours, strict=True):
                np.testing.assert_allclose(mine, 1.5 / np.sqrt(weights.shape[1]) * weights, rtol=1e-13)
                assert not biases.any()
    for weights, biases in reference.split_parameters(uniform[0, 0], network.sizes, bias):
        bound = 1 / np.sqrt(weights.shape[1])
        assert np.abs(weights).max() < bound
        assert np.abs(biases).max() < bound


def test_uniform_starts_are_uniform() -> None:
    from scipy import stats

    network = dsf.NeuralNetwork(np.zeros((2, 200)), [0, 1], hidden=(200,))
    weights = network.parameters("uniform", 1, range(1), 0)[0, 0, : 200 * 200] * np.sqrt(200)
    # Fixed key; a correct generator fails once in a million keys.
    assert stats.kstest(weights, stats.uniform(-1, 2).cdf).pvalue > 1e-6


# What comes of it


def test_diverged_runs_are_kept_and_flagged() -> None:
    network = xor_network(loss="squared", activation="linear")
    sizes = np.array([[0.01], [1e3]])
    with pytest.warns(dsf.warnings.DivergenceWarning, match="1 of 2 runs diverged"):
        training = dsf.train(
            network,
            np.eye(4),
            n_runs=2,
            rng=0,
            average_last=10,
            **SETTING | {"step_size": sizes, "n_steps": 400},
        )
    assert training.diverged.tolist() == [False, True]
    assert np.isfinite(training.final[0]).all()
    assert training.final.shape[0] == 2
    with pytest.raises(ValueError, match="training must hold no diverged runs, but layer 1"):
        dsf.layer_tails(training)


def test_cross_entropy_divergence_is_not_mistaken_for_learning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dsf.warnings.DivergenceWarning)
        training = dsf.train(
            xor_network(activation="linear"), [[1.0]], step_size=1e200, batch_size=3, n_steps=50, rng=0
        )
    assert training.diverged[0] == ~np.isfinite(training.final).all()
    assert training.diverged[0]


def test_layer_tails_are_the_published_recipe() -> None:
    network = dsf.NeuralNetwork(np.eye(12), np.arange(12), hidden=(100, 40))
    training = dsf.train(
        network, np.eye(2), step_size=0.1, batch_size=2, n_steps=10, n_runs=3, average_last=5, rng=0
    )
    estimates = dsf.layer_tails(training, node=1)
    assert len(estimates) == 3
    for layer, estimate, blocks in zip(
        training.weights("average"),
        estimates,
        [(2, 5, 10, 20, 50, 100, 500), (2, 5, 10, 20, 50, 100, 500, 1000), (2, 5, 10, 20, 50, 100)],
        strict=True,
    ):
        values = layer[2, 1].ravel() - layer[2, 1].mean()
        found = []
        for size in blocks:
            sums = values[: values.size // size * size].reshape(-1, size)
            terms = np.log(np.abs(sums.sum(axis=1))) - np.log(np.abs(sums)).mean(axis=1)
            found.append(np.log(size) / terms.mean())
        assert estimate.alpha[2] == pytest.approx(np.median(found), rel=1e-9)
        assert estimate.ci_low[2] < estimate.alpha[2] < estimate.ci_high[2]
    hill = dsf.layer_tails(training, "hill", of="final", k=50)[0]
    values = training.weights()[0][0, 0].ravel()
    assert hill.alpha[0] == pytest.approx(tails.hill(values - values.mean(), k=50).alpha, rel=1e-12)
    rows = dsf.layer_tails(training, "moment", sample="rows", k=20)[1]
    layer = training.weights("average")[1][0, 0]
    expected = tails.moment(np.linalg.norm(layer - layer.mean(axis=0), axis=1), k=20)
    assert rows.xi[0] == pytest.approx(expected.xi, rel=1e-12)
    # Weights begin uniform, and ten steps make no heavy tail of them.
    assert any(
        "no power tail is seen" in text for text in dsf.layer_tails(training, "tail_index")[1].warnings
    )


def test_training_becomes_a_labelled_dataset() -> None:
    training = dsf.train(xor_network(), np.eye(4), rng=0, record_every=10, **SETTING)
    table = training.to_xarray()
    assert table.train_loss.dims == ("run", "step", "node")
    np.testing.assert_array_equal(table.final, training.final)
    assert "test_loss" not in table


TOPOLOGIES = {
    "complete": nx.complete_graph(8),
    "cycle": nx.cycle_graph(8),
    "star": nx.star_graph(7),
    "hypercube": nx.hypercube_graph(3),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "assignment"),
    [*((name, "even") for name in (*TOPOLOGIES, "disconnected", "centralized")), ("disconnected", "shared")],
)
def test_digits_are_learnt_on_every_network(name: str, assignment: str) -> None:
    """0.95 on 450 held-out digits, by every node's own network, at a step size where all train stably.

    Disconnected nodes need all rows for that; with an eighth of them each, they reach it together.
    """
    split = pytest.importorskip("sklearn.model_selection").train_test_split
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    parts = split(digits.data / 16, digits.target, test_size=450, random_state=0, stratify=digits.target)
    W = np.eye(8) if name == "disconnected" else [[1.0]]
    if name in TOPOLOGIES:
        W = dsf.mixing_matrix(TOPOLOGIES[name])
    alone = name == "disconnected"
    training = dsf.train(
        dsf.NeuralNetwork(parts[0], parts[2], assignment=assignment),
        W,
        # Nobody averages the noise of minibatches of 5 away for a node on its own.
        step_size=0.1 if alone else 0.2,
        batch_size=40 if name == "centralized" else 5,
        # A node on its own with minibatches of 5 takes longer through all rows.
        n_steps=4000 if alone else 1000,
        test=(parts[1], parts[3]),
        rng=0,
    )
    assert training.test_accuracy[0, 0].max() < 0.3
    accuracy = training.test_accuracy[0, -1]
    assert accuracy.min() >= (0.85 if alone and assignment == "even" else 0.95)
    assert training.test_ensemble_accuracy[0, -1] >= 0.95


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": [0, 1, -1, 0]}, "targets must be labels from 0"),
        (
            {"targets": [0, 1, 2, 0], "n_outputs": 2},
            "targets must be labels from 0 to 1, got values from 0 to 2",
        ),
        ({"targets": [0, 1, 2]}, r"targets must have one label per row of features \(4,\)"),
        ({"targets": [0.0, 1.0, 1.0, 0.0]}, "targets must be integer labels"),
        ({"features": [[np.nan, 0.0]] * 4}, "features must be finite"),
        ({"activation": "swish"}, "activation must be one of 'relu'"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"hidden": (3, 0)}, "hidden must be an integer ≥ 1"),
        ({"hidden": 3}, "hidden must be a sequence"),
        ({"slope": 0.1}, "slope belongs to activation='leaky-relu' only"),
        ({"activation": "leaky-relu", "slope": 2.0}, "slope must be a number from 0 to 1"),
        ({"bias": 1}, "bias must be True or False"),
        ({"loss": "squared", "targets": [[1.0], [2.0]]}, "targets must have shape"),
        ({"assignment": [0, 0, 0]}, "assignment must give the node of every row"),
    ],
)
def test_a_network_refuses_bad_input_by_name(options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dsf.NeuralNetwork(**{"features": XOR, "targets": [0, 1, 1, 0]} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"W": np.ones((3, 2))}, "W must be a square matrix"),
        ({"W": np.full((2, 2), 0.4)}, "W must be doubly stochastic"),
        ({"W": np.eye(5)}, "n_nodes must be at most the number of rows"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"step_size": [0.1, 0.2, 0.3]}, "step_size must be a scalar or have one entry per node"),
        ({"step_size": lambda k: np.ones(3)}, r"step_size must return shape \(20,\) or \(20, 2\)"),
        ({"algorithm": "heavy ball"}, "algorithm must be a Algorithm"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"n_steps": 0}, "n_steps must be"),
        ({"average_last": 100}, "average_last must be"),
        ({"initial": "ones"}, "initial must be 'uniform', a positive number"),
        ({"initial": np.zeros(3)}, "initial must be 'uniform', a positive number or have shape"),
        ({"initial": -1.0}, "initial must be a positive"),
        ({"test": XOR}, "test must be None or a pair"),
        ({"test": (XOR[:, :1], [0, 1, 1, 0])}, "test features must have shape"),
        ({"test": (XOR, [0, 1, 1, 2])}, "test must be labels from 0 to 1"),
        ({"record_every": -1}, "record_every must be"),
        ({"network": XOR}, "network must be a NeuralNetwork"),
        ({"rng": "seed"}, "rng must be"),
    ],
)
def test_training_refuses_bad_input_by_name(options: dict, message: str) -> None:
    good = {"network": dsf.NeuralNetwork(XOR, [0, 1, 1, 0], hidden=(3,)), "W": np.eye(2)} | SETTING
    with pytest.raises((ValueError, TypeError), match=message):
        dsf.train(**good | options)


def test_empty_shares_and_batches_beyond_them_are_refused() -> None:
    empty = dsf.NeuralNetwork(XOR, [0, 1, 1, 0], hidden=(3,), assignment=[0, 0, 0, 2])
    with pytest.raises(ValueError, match="assignment must give every node at least one row, but node 1"):
        dsf.train(empty, np.eye(3), **SETTING)
    distinct = dsf.NeuralNetwork(XOR, [0, 1, 1, 0], hidden=(3,), replacement=False)
    with pytest.raises(ValueError, match="batch_size must be at most the 2 rows of node 0"):
        dsf.train(distinct, np.eye(2), **SETTING)


def test_averages_that_were_not_kept_cannot_be_read() -> None:
    training = dsf.train(xor_network(), np.eye(4), rng=0, **SETTING)
    with pytest.raises(ValueError, match="average_last"):
        dsf.layer_tails(training)
    with pytest.raises(ValueError, match="node must be an integer from 0 to 3"):
        dsf.layer_tails(training, of="final", node=4)


def test_without_torch_the_error_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "desgd_fast.torch", raising=False)
    monkeypatch.delitem(vars(dsf), "torch", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'desgd-fast\[torch\]'"):
        _ = dsf.torch
