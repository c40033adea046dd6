"""Train your own: any ``torch.nn.Module`` on every node, on whatever device there is.

The same mixing matrices, updates, minibatches and records as :func:`desgd_fast.train`, whose compiled
networks it reproduces step for step in float64. Needs the extra ``torch``.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms.schedules import Schedule
from desgd_fast.algorithms.updates import Update
from desgd_fast.common import check
from desgd_fast.common.progress import count_steps
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.loops.networks import BATCH_SIZE, draw_minibatches
from desgd_fast.mixing import checks as mixing_checks
from desgd_fast.mixing.rules import ORDERS
from desgd_fast.problems import checks as problems_checks
from desgd_fast.simulation import checks
from desgd_fast.simulation.trained import Training
from desgd_fast.simulation.training import assign_rows, records_of

try:
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap
except ImportError as error:
    raise ImportError("desgd_fast.torch needs PyTorch: pip install 'desgd-fast[torch]'") from error

# Minibatches drawn at once, and samples that one forward pass of a record takes.
_STEPS_PER_DRAW = 64
_SAMPLES_PER_PASS = 1024

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def train(
    module: torch.nn.Module,
    features: ArrayLike | torch.Tensor,
    targets: ArrayLike | torch.Tensor,
    W: Any,
    *,
    step_size: ArrayLike | Schedule,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int = 1,
    loss: Loss = torch.nn.functional.cross_entropy,
    average_last: int = 0,
    keep_last: int = 0,
    keep_every: int = 1,
    keep_node: int = 0,
    order: str = "combine-then-adapt",
    update: Update = Update(),  # noqa: B008
    initial: ArrayLike | None = None,
    assignment: Any = "even",
    replacement: bool = True,
    record_every: int | None = None,
    test: tuple[ArrayLike | torch.Tensor, ArrayLike | torch.Tensor] | None = None,
    device: str | torch.device | None = None,
    first_run: int = 0,
    allow_row_stochastic: bool = False,
    allow_negative: bool = False,
    rng: RNG = None,
    progress: bool = False,
) -> Training:
    """Train a module by decentralized SGD: one copy on every node of every run, all stacked in one tensor.

    Parameters
    ----------
    module : torch.nn.Module
        Maps a batch of features to a batch of outputs. It is copied; its dtype is kept.
    features : (n_rows, …) array or tensor
        Samples, of whatever shape the module takes.
    targets : (n_rows,) or (n_rows, …) array or tensor
        Labels (integers), or numbers to predict.
    W : (n_nodes, n_nodes) array or sparse array
        Doubly stochastic mixing matrix.
    step_size : scalar, (n_nodes,), (n_runs, 1) or (n_runs, n_nodes) array, or schedule
        η, for all, for each node, or for each run; or a function of the steps' numbers, as for
        :func:`desgd_fast.train`.
    batch_size : int or (n_nodes,) integer array
        Rows of a minibatch. Nodes whose batches are equal compute together, so that few sizes are fast.
    n_steps, n_runs : int
        Steps of a run, and independent runs.
    loss : callable
        ``loss(outputs, targets)``, the mean over the batch.
    average_last : int
        Also average the last so many iterates of each node; 0 for none.
    keep_last, keep_every, keep_node : int
        Keep the last so many checkpoints of one node, so many steps apart, in the memory of the host.
    order : {"combine-then-adapt", "adapt-then-combine"}
        Which recursion, as in :func:`desgd_fast.simulate`.
    update : Update
        What comes in place of the gradient, as for :func:`desgd_fast.train`.
    initial : None or (P,), (n_nodes, P) or (n_runs, n_nodes, P) array
        Start, in the order of ``torch.nn.utils.parameters_to_vector``; None is the module's own parameters.
    assignment, replacement
        As for :class:`desgd_fast.NeuralNetwork`.
    record_every, test, first_run, allow_row_stochastic, allow_negative, progress
        As for :func:`desgd_fast.train`.
    device : str or torch.device, optional
        By default CUDA where there is any, else the CPU.
    rng : None, int, Generator, ...
        The minibatches are those of :func:`desgd_fast.train` for the same ``rng``. Modules that draw
        themselves, as dropout does, use torch's own generator: see ``torch.manual_seed``.

    Returns
    -------
    Training
        In the module's dtype.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Warns
    -----
    DivergenceWarning
        If runs overflowed; they are kept and flagged in ``training.diverged``.

    Examples
    --------
    >>> import numpy as np, networkx as nx, torch, desgd_fast as dsf
    >>> _ = torch.manual_seed(0)
    >>> features, labels = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (3, 1)), np.tile([0, 1, 1, 0], 3)
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    >>> W = dsf.mixing_matrix(nx.complete_graph(3))
    >>> training = dsf.torch.train(
    ...     module, features, labels, W, step_size=0.5, batch_size=4, n_steps=500, rng=0)
    >>> training.final.shape, training.train_accuracy[:, -1].min()
    ((1, 3, 82), np.float64(1.0))
    """
    problems_checks.module_with_parameters("module", module, torch.nn.Module)
    weights = mixing_checks.stochastic_matrix(
        "W",
        W,
        allow_row_stochastic=check.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=check.flag("allow_negative", allow_negative),
    )
    n_nodes = int(weights.shape[0])
    n_runs = check.integer("n_runs", n_runs, 1, 2**32 - 1)
    first_run = check.integer("first_run", first_run, 0, 2**32 - n_runs)
    batch_sizes = check.counts_per_node("batch_size", batch_size, n_nodes)
    checks.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a network")
    n_steps = check.integer("n_steps", n_steps, 1, 2**32 - 1)
    step_sizes = checks.step_sizes_of_runs("step_size", step_size, n_steps, n_runs, n_nodes)
    check.instance("update", update, (Update,))
    average_last = check.integer("average_last", average_last, 0, n_steps)
    keep_every = check.positive_integer("keep_every", keep_every)
    keep_last = check.integer("keep_last", keep_last, 0, n_steps // keep_every)
    keep_node = check.integer("keep_node", keep_node, 0, n_nodes - 1)
    adapt_first = check.choice("order", order, ORDERS) == "adapt-then-combine"
    record_steps = records_of("record_every", record_every, n_steps)
    progress = check.flag("progress", progress)
    replacement = check.flag("replacement", replacement)
    key = key_from(rng)

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    nodes = _Nodes.of(module, n_runs * n_nodes, loss, place)
    data = [_samples("features", features, "targets", targets, nodes.dtype, place)]
    if test is not None:
        data.append(_samples("test", *_split(test), nodes.dtype, place))
    for name, (inputs, outputs) in zip(("targets", "test"), data, strict=False):
        if loss is torch.nn.functional.cross_entropy and not outputs.is_floating_point():
            with torch.no_grad():
                shape = copy.deepcopy(nodes.module).eval()(inputs[:1]).shape
            problems_checks.labels_of_outputs(name, int(outputs.min()), int(outputs.max()), tuple(shape))
    labels = np.asarray(data[0][1].cpu())
    if initial is not None:
        size = nodes.parameters.shape[1]
        start = problems_checks.initial_parameters("initial", initial, n_runs, n_nodes, size, drawn=False)
        nodes.parameters.copy_(torch.tensor(np.reshape(start, nodes.parameters.shape)))

    assignment = problems_checks.assignment("assignment", assignment, len(labels))
    rows, columns = assign_rows(labels, assignment, replacement, batch_sizes)
    runs = range(first_run, first_run + n_runs)
    batches = _minibatches(key, columns, rows, runs, n_steps, replacement, place)
    alike = _alike(np.tile(batch_sizes, n_runs), place)
    dense = torch.tensor(weights.toarray(), dtype=nodes.dtype, device=place)
    identity = bool((weights.toarray() == np.eye(n_nodes)).all())
    sizes = torch.tensor(step_sizes, dtype=nodes.dtype, device=place)
    steps = _Steps(update, torch.zeros_like(nodes.parameters[: None if update.remembers else 0]))

    def mix_at(step: int, values: torch.Tensor) -> torch.Tensor:
        if identity or (step + 1) % update.local_steps:
            return values
        return (dense @ values.view(n_runs, n_nodes, -1)).view_as(values)

    table = np.empty((len(data), 2, n_runs, record_steps.size, n_nodes))
    together = np.empty((len(data), n_runs, record_steps.size))
    distances = np.empty((n_runs, record_steps.size))
    sums = torch.zeros_like(nodes.parameters) if average_last else None
    kept: list[NDArray[Any]] = []
    with torch.no_grad(), count_steps(progress, n_runs * n_steps) as tick:
        for step in range(n_steps + 1):
            for i in np.flatnonzero(record_steps == step):
                stacked = nodes.parameters.view(n_runs, n_nodes, -1)
                apart = (stacked - stacked.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1).sqrt()
                distances[:, i] = apart.cpu()
                for j, part in enumerate(data):
                    table[j, :, :, i], together[j, :, i] = nodes.measure(*part, n_runs)
            if step == n_steps:
                break
            mix = partial(mix_at, step)
            gradient = nodes.gradient(*data[0], next(batches), alike)
            eta = sizes[step % len(sizes)].expand(n_runs, n_nodes).reshape(-1, 1)
            moved = eta * steps.direction(nodes.parameters, gradient, mix)
            if adapt_first:
                nodes.parameters = mix(nodes.parameters - moved)
            else:
                nodes.parameters = mix(nodes.parameters) - moved
            if sums is not None and step >= n_steps - average_last:
                sums += nodes.parameters
            left = n_steps - 1 - step
            if left < keep_last * keep_every and left % keep_every == 0:
                kept.append(nodes.parameters.view(n_runs, n_nodes, -1)[:, keep_node].cpu().numpy())
            tick(n_runs)
    final = nodes.parameters.view(n_runs, n_nodes, -1).cpu().numpy()
    diverged = np.asarray(~np.isfinite(final).all(axis=(1, 2)))
    if diverged.any():
        warnings.warn(
            f"{np.count_nonzero(diverged)} of {n_runs} runs diverged (overflowed); they are kept, see "
            "training.diverged. A smaller step_size may be stable.",
            DivergenceWarning,
            stacklevel=2,
        )
    return Training(
        final=final,
        average=None if sums is None else (sums / average_last).view(n_runs, n_nodes, -1).cpu().numpy(),
        diverged=diverged,
        record_steps=record_steps,
        consensus_distance=distances,
        train_loss=table[0, 0],
        train_accuracy=table[0, 1],
        test_loss=table[1, 0] if len(data) > 1 else None,
        test_accuracy=table[1, 1] if len(data) > 1 else None,
        train_ensemble_accuracy=together[0],
        test_ensemble_accuracy=together[1] if len(data) > 1 else None,
        names=nodes.names,
        shapes=nodes.shapes,
        first_run=first_run,
        checkpoints=np.stack(kept, axis=1) if kept else None,
    )


@dataclass
class _Steps:
    """What becomes of gradients: the rules of :mod:`desgd_fast.updates` on one row for every copy."""

    update: Update
    velocity: torch.Tensor
    last_gradient: torch.Tensor | float = 0.0

    def direction(
        self, parameters: torch.Tensor, gradient: torch.Tensor, mix: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Of this step; ``mix`` is what the nodes do to what they send each other."""
        rule = self.update
        if rule.clip_norm < math.inf:
            lengths = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient = torch.where(lengths > rule.clip_norm, gradient * (rule.clip_norm / lengths), gradient)
        if rule.weight_decay:
            gradient = gradient + rule.weight_decay * parameters
        if rule.tracking:
            self.velocity = mix(self.velocity) + gradient - self.last_gradient
            self.last_gradient = gradient
            return self.velocity
        if not rule.momentum:
            return gradient
        self.velocity = rule.momentum * self.velocity + gradient
        return gradient + rule.momentum * self.velocity if rule.nesterov else self.velocity


@dataclass
class _Nodes:
    """Copies of a module: one row of ``parameters`` and one slice of every buffer for each."""

    module: torch.nn.Module
    loss: Loss
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    parameters: torch.Tensor
    buffers: dict[str, torch.Tensor]

    @classmethod
    def of(cls, module: torch.nn.Module, count: int, loss: Loss, place: torch.device) -> "_Nodes":
        module = copy.deepcopy(module).to(place).train()
        # One copy stacked with itself: views, until the first gradient makes them differ.
        own, buffers = stack_module_state([module])
        flat = torch.cat([value.detach().reshape(1, -1) for value in own.values()], dim=1)
        return cls(
            module=module,
            loss=loss,
            names=tuple(own),
            shapes=tuple(tuple(value.shape[1:]) for value in own.values()),
            parameters=flat.repeat(count, 1),
            buffers={
                name: value.detach().repeat(count, *[1] * (value.ndim - 1)) for name, value in buffers.items()
            },
        )

    @property
    def dtype(self) -> torch.dtype:
        return self.parameters.dtype

    def _named(self, copies: Any = slice(None)) -> dict[str, torch.Tensor]:
        parts = self.parameters[copies].split([math.prod(shape) for shape in self.shapes], dim=1)
        return {
            name: part.view(-1, *shape)
            for name, shape, part in zip(self.names, self.shapes, parts, strict=True)
        }

    def gradient(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        chosen: torch.Tensor,
        alike: list[tuple[int, Any]],
    ) -> torch.Tensor:
        """Of every copy's loss on its own batch, (copies, P); buffers move on as the module moves them.

        The batches are ``chosen`` rows (copies, most); of the copies that are ``alike``, the first so many.
        """

        def loss(
            parameters: dict[str, torch.Tensor],
            buffers: dict[str, torch.Tensor],
            x: torch.Tensor,
            y: torch.Tensor,
        ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            outputs = functional_call(self.module, (parameters, buffers), (x,))
            return self.loss(outputs, y), buffers

        each = vmap(grad(loss, has_aux=True), randomness="different")
        result = torch.empty_like(self.parameters)
        for batch_size, copies in alike:
            rows = chosen[copies, :batch_size]
            buffers = {name: value[copies] for name, value in self.buffers.items()}
            gradients, buffers = each(self._named(copies), buffers, features[rows], targets[rows])
            result[copies] = torch.cat([gradients[name].flatten(1) for name in self.names], dim=1)
            for name, value in buffers.items():
                self.buffers[name][copies] = value
        return result

    def measure(
        self, features: torch.Tensor, targets: torch.Tensor, n_runs: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean loss and share of samples classified right, (2, runs, nodes), and by all nodes, (runs,)."""
        totals = torch.zeros(2, n_runs, len(self.parameters) // n_runs, dtype=torch.float64)
        together = torch.zeros(n_runs, dtype=torch.float64)

        def outputs_and_loss(
            parameters: dict[str, torch.Tensor],
            buffers: dict[str, torch.Tensor],
            x: torch.Tensor,
            y: torch.Tensor,
        ) -> tuple[torch.Tensor, torch.Tensor]:
            outputs = functional_call(self.module, (parameters, buffers), (x,))
            return self.loss(outputs, y), outputs

        self.module.eval()
        each = vmap(outputs_and_loss, in_dims=(0, 0, None, None))
        for x, y in zip(features.split(_SAMPLES_PER_PASS), targets.split(_SAMPLES_PER_PASS), strict=True):
            losses, outputs = each(self._named(), self.buffers, x, y)
            totals[0] += losses.view(n_runs, -1).cpu().double() * len(x)
            if targets.is_floating_point():
                continue
            right = (outputs.argmax(dim=2) == y).flatten(1).double().mean(dim=1)
            totals[1] += right.view(n_runs, -1).cpu() * len(x)
            shares = outputs.softmax(dim=2).unflatten(0, (n_runs, -1)).mean(dim=1)
            together += (shares.argmax(dim=2) == y).flatten(1).double().mean(dim=1).cpu() * len(x)
        if targets.is_floating_point():
            totals[1], together = math.nan, together + math.nan
        self.module.train()
        return np.asarray(totals / len(features)), np.asarray(together / len(features))


def _split(test: Any) -> tuple[Any, str, Any]:
    features, targets = problems_checks.held_out("test", test)
    return features, "test", targets


def _samples(
    name: str, features: Any, targets_name: str, targets: Any, dtype: torch.dtype, place: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features in the module's dtype, and targets in it or as labels."""
    inputs = torch.as_tensor(features).to(place, dtype)
    outputs = torch.as_tensor(targets).to(place)
    problems_checks.same_rows(name, tuple(inputs.shape), targets_name, tuple(outputs.shape))
    return inputs, outputs.to(dtype) if outputs.is_floating_point() else outputs.long()


def _alike(batch_sizes: NDArray[np.int64], place: torch.device) -> list[tuple[int, Any]]:
    """Each batch size, and the copies that have it: a slice, without copying, where that is all of them."""
    distinct = np.unique(batch_sizes)
    if distinct.size == 1:
        return [(int(distinct[0]), slice(None))]
    return [(int(size), torch.tensor(np.flatnonzero(batch_sizes == size), device=place)) for size in distinct]


def _minibatches(
    key: NDArray[np.uint64],
    nodes: NDArray[np.int64],
    rows: NDArray[np.int64],
    runs: range,
    n_steps: int,
    replacement: bool,
    place: torch.device,
) -> Iterator[torch.Tensor]:
    """Rows of every copy's minibatch, (runs · nodes, largest batch), step by step; smaller ones end in 0."""
    n_nodes, most = len(nodes), int(nodes[:, BATCH_SIZE].max())
    for first in range(0, n_steps, _STEPS_PER_DRAW):
        count = min(_STEPS_PER_DRAW, n_steps - first)
        drawn = np.zeros((len(runs), count, n_nodes, most), np.int64)
        plan = np.array([first, count, n_steps, runs.start, 0, 0, 0, 0, int(replacement)])
        for own, run in zip(drawn, runs, strict=True):
            draw_minibatches(key, np.uint64(run), nodes, rows, plan, own)
        ordered = np.swapaxes(drawn, 0, 1).reshape(count, len(runs) * n_nodes, most)
        yield from torch.tensor(ordered, device=place)
