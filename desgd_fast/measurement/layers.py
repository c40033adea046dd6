"""Tail indices of the layers of trained networks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast import tails
from desgd_fast.common import check
from desgd_fast.measurement import checks
from desgd_fast.simulation import checks as simulation_checks
from desgd_fast.simulation.trained import Training
from desgd_fast.tails.results import TailEstimate

Real = NDArray[np.float64]


# Block sizes of the published script for scalars and for vectors, as the preset "networks" of tails.mmo.
PUBLISHED_BLOCKS = {"weights": (2, 5, 10, 20, 50, 100, 500, 1000), "rows": (2, 5, 10)}

POWER_TAILS: dict[str, Callable[..., TailEstimate]] = {
    "tail_index": tails.tail_index,
    "hill": tails.hill,
    "moment": tails.moment,
}


def layer_tails(
    training: Training,
    estimator: str = "mmo",
    *,
    of: str = "average",
    node: int = 0,
    sample: str = "weights",
    **options: Any,
) -> list[TailEstimate]:
    """The tail index of each layer's weights, one estimate per layer with one entry per run.

    Parameters
    ----------
    training : Training
        From :func:`train`.
    estimator : {"mmo", "tail_index", "hill", "moment"}
        "mmo" as in the publication (arXiv 2205.06689, figure 4a): the layer's mean is subtracted and the
        median taken over its block sizes, those that leave two blocks at least; it answers for alpha-stable
        laws only, and reads 2 on normal weights. The others measure any power tail, of the distances to the
        mean; "tail_index" has the interval that counts the bias, and says where no power tail is seen.
    of : {"average", "final"}
        The averages of the last iterates, as published, or the last iterates.
    node : int
        Which node; the publication takes the first.
    sample : {"weights", "rows"}
        Each weight a value, or each unit's incoming weights a vector (of which all but "mmo" take the
        Euclidean norm).
    **options
        For the estimator in :mod:`desgd_fast.tails`, such as ``k`` or ``level``.

    Returns
    -------
    list of TailEstimate
        Intervals are those of independent values, which the weights of a trained layer are not quite.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or the averages were not kept.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> features = np.random.default_rng(0).standard_normal((40, 3))
    >>> network = dsf.NeuralNetwork(features, features[:, 0], hidden=(8,), loss="squared")
    >>> steps = {"step_size": 0.01, "batch_size": 5, "n_steps": 20, "average_last": 10}
    >>> training = dsf.train(network, [[1.0]], **steps, rng=0)
    >>> [layer.estimator for layer in dsf.layer_tails(training, "tail_index")]
    ['tail index', 'tail index']
    """
    check.instance("training", training, (Training,))
    check.choice("estimator", estimator, ("mmo", *POWER_TAILS))
    check.choice("sample", sample, tuple(PUBLISHED_BLOCKS))
    function = tails.mmo if estimator == "mmo" else POWER_TAILS[estimator]
    check.fits_signature("options", function, {"x": None} | options)
    layers = training.weights(of)
    simulation_checks.all_finite_runs("training", [bool(np.isfinite(layer).all()) for layer in layers])
    node = check.integer("node", node, 0, layers[0].shape[1] - 1)
    with checks.sample_of("training"):
        return [_layer_tail(layer[:, node], estimator, sample, options) for layer in layers]


def _layer_tail(layer: Real, estimator: str, sample: str, options: dict[str, Any]) -> TailEstimate:
    """Of one layer (n_runs, n_out, n_in, …)."""
    values = layer.reshape(*layer.shape[: 1 + (sample == "rows")], -1)
    if estimator == "mmo":
        fitting = [size for size in PUBLISHED_BLOCKS[sample] if values.shape[1] >= 2 * size]
        settings = {"block_size": fitting or 2, "centre": "mean", "vectors": sample == "rows"} | options
        return tails.mmo(values, axis=1, **settings)
    values = values - values.mean(axis=1, keepdims=True)
    if sample == "rows":
        values = np.linalg.norm(values, axis=2)
    return POWER_TAILS[estimator](values, axis=1, **options)
