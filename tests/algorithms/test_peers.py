"""Parts against independent libraries, where those are installed: ByzFL's aggregators, torch's optimizers."""

import importlib
import importlib.util
import sys
import types
from typing import Any

import numpy as np
import pytest

from desgd_fast import algorithms as a
from tests.algorithms.test_parts import DIM, Steps, combined, of

F = 2
THEIRS: dict[str, tuple[a.Algorithm, str, dict[str, Any]]] = {
    "coordinate_median": (a.coordinate_median(), "Median", {}),
    "trimmed_mean": (a.trimmed_mean(F), "TrMean", {"f": F}),
    "krum": (a.krum(F, neighbours="n-f-1"), "Krum", {"f": F}),
    "multi_krum": (a.multi_krum(F, neighbours="n-f-1"), "MultiKrum", {"f": F}),
    "nearest_neighbour_averaging": (a.nearest_neighbour_averaging(F), "MoNNA", {"f": F, "idx": 3}),
    "geometric_median": (a.geometric_median(), "GeometricMedian", {"nu": 1e-9, "T": 200}),
}


@pytest.fixture(scope="module")
def byzfl() -> types.ModuleType:
    """Its aggregators; its own __init__ would load a benchmark with data sets of images."""
    spec = importlib.util.find_spec("byzfl")
    if spec is None or importlib.util.find_spec("torch") is None:
        pytest.skip("ByzFL is not installed")
    bare = types.ModuleType("byzfl")
    bare.__path__ = list(spec.submodule_search_locations or ())
    sys.modules.setdefault("byzfl", bare)
    return importlib.import_module("byzfl.aggregators.aggregators")


@pytest.mark.parametrize("name", THEIRS)
def test_aggregations_equal_byzfl(name: str, byzfl: types.ModuleType) -> None:
    algorithm, theirs, options = THEIRS[name]
    aggregate = getattr(byzfl, theirs)(**options)
    for seed in range(20):
        received = np.random.default_rng(seed).standard_normal((9, DIM))
        rtol = 1e-6 if name == "geometric_median" else 1e-12
        np.testing.assert_allclose(combined(of(algorithm), received, 3), aggregate(received), rtol=rtol)


OPTIMIZERS: dict[str, tuple[a.Algorithm, str, dict[str, Any]]] = {
    "heavy_ball": (a.heavy_ball(0.6), "SGD", {"momentum": 0.6}),
    "nesterov": (a.nesterov(0.6), "SGD", {"momentum": 0.6, "nesterov": True}),
    "moving_average": (a.moving_average(0.6), "SGD", {"momentum": 0.6, "dampening": 0.6}),
    "adam": (a.adam(0.8, 0.95), "Adam", {"betas": (0.8, 0.95)}),
    "amsgrad": (a.amsgrad(0.8, 0.95), "Adam", {"betas": (0.8, 0.95), "amsgrad": True}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_local_rules_equal_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    algorithm, theirs, options = OPTIMIZERS[name]
    gradients = np.random.default_rng(4).standard_normal((30, DIM))
    parameter = torch.nn.Parameter(torch.zeros(DIM, dtype=torch.float64))
    optimizer = getattr(torch.optim, theirs)([parameter], lr=0.1, **options)
    steps, iterate = Steps(of(algorithm), 0), np.zeros(DIM)
    for k, gradient in enumerate(gradients):
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        direction = steps.take(gradient, iterate, np.empty(0), np.empty(0))
        # The first gradient enters torch's momentum whole, ours with its share.
        if name == "moving_average":
            direction += 0.6 ** (k + 1) * gradients[0]
        iterate -= 0.1 * direction
        np.testing.assert_allclose(iterate, parameter.detach().numpy(), rtol=0, atol=1e-12)
