"""Any torch module: the compiled networks step for step, records, windows, other layers, bad input."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from tests.algorithms.test_algorithms import ORDERS, RULES, SCHEDULES, every_extra, rule_of
from tests.harness import ordered

torch = pytest.importorskip("torch")

GENERATOR = np.random.default_rng(0)
FEATURES = GENERATOR.standard_normal((40, 6))
LABELS = GENERATOR.integers(0, 3, 40)
WHEEL = dsf.mixing_matrix(nx.wheel_graph(5))
SETTING = {"step_size": 0.05, "batch_size": 5, "n_steps": 6, "rng": 7}


def twin(network: dsf.NeuralNetwork) -> "torch.nn.Module":
    """The same architecture as torch states it."""
    activations = {
        "relu": torch.nn.ReLU(),
        "tanh": torch.nn.Tanh(),
        "leaky-relu": torch.nn.LeakyReLU(network.slope),
        "linear": torch.nn.Identity(),
    }
    layers: list[torch.nn.Module] = []
    for n_out, n_in in network.shapes:
        layers += [
            torch.nn.Linear(n_in, n_out, bias=network.bias, dtype=torch.float64),
            activations[network.activation],
        ]
    return torch.nn.Sequential(*layers[:-1])


def half_square(outputs: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    return 0.5 * (outputs - targets).square().sum(dim=1).mean()


@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky-relu", "linear"])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("bias", [False, True])
def test_compiled_gradient_is_that_of_autograd(activation: str, loss: str, bias: bool) -> None:
    targets = LABELS if loss == "cross-entropy" else GENERATOR.standard_normal((40, 3))
    network = dsf.NeuralNetwork(
        FEATURES, targets, hidden=(9, 17), activation=activation, bias=bias, loss=loss, replacement=False
    )
    start = network.parameters(1.2, 1, range(1), 0)[0, 0]
    module = twin(network)
    parameters = torch.tensor(start)
    torch.nn.utils.vector_to_parameters(parameters, module.parameters())
    outputs = module(torch.tensor(FEATURES))
    measure = torch.nn.functional.cross_entropy if loss == "cross-entropy" else half_square
    measure(outputs, torch.tensor(targets)).backward()
    theirs = torch.nn.utils.parameters_to_vector([p.grad for p in module.parameters()]).numpy()
    # One step of size one with all rows, on one node, moves by the gradient.
    training = dsf.train(network, [[1.0]], step_size=1.0, batch_size=40, n_steps=1, initial=start)
    np.testing.assert_allclose(start - training.final[0, 0], theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("order", ["combine-then-adapt", "adapt-then-combine"])
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_run_step_for_step_in_both(order: str, replacement: bool, bias: bool) -> None:
    network = dsf.NeuralNetwork(
        FEATURES, LABELS, hidden=(9, 8), bias=bias, assignment="sorted", replacement=replacement
    )
    start = network.parameters("uniform", 5, range(2), 7)
    eta = np.array([[0.05], [0.2]])
    common = {**SETTING, "step_size": eta, "n_runs": 2, "average_last": 4, "record_every": 2}
    common["algorithm"] = ordered(order)
    ours = dsf.train(network, WHEEL, initial=start, test=(FEATURES[:9], LABELS[:9]), **common)
    theirs = dsf.torch.train(
        twin(network),
        FEATURES,
        LABELS,
        WHEEL,
        initial=start,
        test=(FEATURES[:9], LABELS[:9]),
        assignment="sorted",
        replacement=replacement,
        keep_last=6,
        **common,
    )
    for name in ("final", "average", "consensus_distance", "train_loss", "test_loss"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(theirs.train_accuracy, ours.train_accuracy)
    np.testing.assert_allclose(theirs.test_accuracy, ours.test_accuracy)
    np.testing.assert_allclose(theirs.train_ensemble_accuracy, ours.train_ensemble_accuracy)
    np.testing.assert_allclose(theirs.test_ensemble_accuracy, ours.test_ensemble_accuracy)
    assert theirs.names == ours.names
    assert theirs.shapes == ours.shapes
    for steps in range(1, 6):  # not only at the end
        shorter = dsf.train(network, WHEEL, initial=start, **common | {"n_steps": steps, "average_last": 0})
        np.testing.assert_allclose(
            theirs.checkpoints[:, steps - 1], shorter.final[:, 0], rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize("name", RULES)
@every_extra
def test_every_rule_step_for_step_in_both(name: str, extras: dict) -> None:
    network = dsf.NeuralNetwork(FEATURES, LABELS, hidden=(7,), bias=True)
    W = dsf.mixing_matrix(nx.path_graph(3))
    start = network.parameters(1.0, 3, range(2), 7, common_start=False)
    module = twin(network)
    for order, step_size in zip(ORDERS, ("per node", "schedule per node"), strict=True):
        common = {
            "step_size": SCHEDULES[step_size],
            "batch_size": [4, 9, 4],
            "n_steps": 7,
            "n_runs": 2,
            "algorithm": rule_of(name, extras, order)[0],
            "initial": start,
            "rng": 7,
        }
        ours = dsf.train(network, W, **common)
        theirs = dsf.torch.train(module, FEATURES, LABELS, W, keep_last=7, **common)
        np.testing.assert_allclose(theirs.final, ours.final, rtol=1e-11, atol=1e-12)
        for steps in range(1, 7):  # not only at the end
            shorter = dsf.train(network, W, record_every=0, **common | {"n_steps": steps})
            np.testing.assert_allclose(
                theirs.checkpoints[:, steps - 1], shorter.final[:, 0], rtol=1e-11, atol=1e-12
            )


def test_checkpoints_are_the_window_that_was_asked_for() -> None:
    module = twin(dsf.NeuralNetwork(FEATURES, LABELS, hidden=(4,)))
    every = dsf.torch.train(module, FEATURES, LABELS, WHEEL, keep_last=6, keep_node=3, **SETTING)
    spaced = dsf.torch.train(
        module, FEATURES, LABELS, WHEEL, keep_last=2, keep_every=3, keep_node=3, average_last=6, **SETTING
    )
    np.testing.assert_array_equal(spaced.checkpoints, every.checkpoints[:, [2, 5]])
    np.testing.assert_array_equal(every.checkpoints[:, -1], every.final[:, 3])
    np.testing.assert_allclose(spaced.average[:, 3], every.checkpoints.mean(axis=1), rtol=1e-12)


def test_convolutions_in_single_precision_learn() -> None:
    images = GENERATOR.standard_normal((60, 1, 5, 5)).astype(np.float32)
    labels = (images.mean(axis=(1, 2, 3)) > 0).astype(int)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 2)
    )
    before = torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()
    training = dsf.torch.train(
        module, images, labels, WHEEL, step_size=0.1, batch_size=6, n_steps=150, average_last=50, rng=0
    )
    assert training.final.dtype == np.float32
    assert training.train_accuracy[0, -1].min() > 0.9
    assert [layer.shape[2:] for layer in training.weights()] == [(4, 1, 3, 3), (2, 36)]
    assert dsf.layer_tails(training, "hill", k=10)[1].alpha[0] > 0
    after = torch.nn.utils.parameters_to_vector(module.parameters())
    assert torch.equal(before, after)  # a copy was trained, not the caller's module


def test_running_statistics_of_batch_norm_move_with_their_node() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
    training = dsf.torch.train(module, FEATURES, LABELS, WHEEL, **SETTING | {"n_steps": 40})
    assert np.isfinite(training.train_loss).all()
    # Statistics never updated would leave the loss in evaluation far above that of a network that learns.
    assert training.train_loss[0, -1].max() < training.train_loss[0, 0].min()


def test_running_statistics_stay_apart_where_batches_differ() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
    common = {**SETTING, "n_steps": 12}
    sizes = [4, 9, 4, 9, 6]
    together = dsf.torch.train(module, FEATURES, LABELS, np.eye(5), **common | {"batch_size": sizes})
    for node, batch_size in enumerate(sizes):
        # Without mixing, a node does what it does among nodes that all have its batch size.
        alike = dsf.torch.train(module, FEATURES, LABELS, np.eye(5), **common | {"batch_size": batch_size})
        np.testing.assert_allclose(together.final[:, node], alike.final[:, node], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(together.train_loss[..., node], alike.train_loss[..., node], rtol=1e-5)


def test_divergence_is_flagged() -> None:
    module = twin(dsf.NeuralNetwork(FEATURES, LABELS, hidden=(4,), activation="linear"))
    with pytest.warns(dsf.warnings.DivergenceWarning, match="1 of 1 runs"):
        training = dsf.torch.train(
            module, FEATURES, LABELS, WHEEL, **SETTING | {"step_size": 1e30, "n_steps": 40}
        )
    assert training.diverged.tolist() == [True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"module": np.zeros(3)}, "module must be a torch.nn.Module"),
        ({"module": torch.nn.ReLU()}, "module must have at least one parameter"),
        ({"targets": LABELS[:-1]}, r"targets must have one entry per row of features \(40\)"),
        ({"W": np.eye(3)[:2]}, "W must be a square matrix"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": [1, 2]}, "batch_size must be"),
        ({"algorithm": "heavy ball"}, "algorithm must be a Algorithm"),
        ({"step_size": lambda k: np.ones(3)}, r"step_size must return shape \(6,\) or \(6, 5\)"),
        ({"keep_last": 7}, "keep_last must be an integer from 0 to 6"),
        ({"keep_node": 5}, "keep_node must be an integer from 0 to 4"),
        ({"initial": np.zeros(2)}, "initial must have shape"),
        ({"initial": 0.5}, "initial must have shape"),
        ({"initial": "uniform"}, "initial must have shape"),
        ({"targets": LABELS + 1}, "targets must be labels from 0 to 2, one per output"),
        ({"test": (FEATURES, LABELS - 1)}, "test must be labels from 0 to 2"),
        ({"test": FEATURES}, "test must be None or a pair"),
        ({"assignment": np.zeros(40, int)}, "assignment must give every node at least one row"),
    ],
)
def test_bad_input_is_refused_by_name(options: dict, message: str) -> None:
    good = {"module": torch.nn.Linear(6, 3), "features": FEATURES, "targets": LABELS, "W": WHEEL} | SETTING
    with pytest.raises((ValueError, TypeError), match=message):
        dsf.torch.train(**good | options)
