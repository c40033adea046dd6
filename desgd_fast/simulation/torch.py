"""Training of any ``torch.nn.Module`` on every node, on whatever device there is.

The same mixing matrices, algorithms, minibatches and records as :func:`desgd_fast.train`, whose compiled
networks it reproduces step for step in float64. Needs the extra ``torch``.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import Algorithm, Part
from desgd_fast.algorithms.schedules import Schedule
from desgd_fast.common import check
from desgd_fast.common.progress import count_steps
from desgd_fast.common.rng import RNG
from desgd_fast.experiment import Experiment, experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.minibatches import Sampling, draw_minibatches
from desgd_fast.loop import checks as loop_checks
from desgd_fast.problems import checks as problems_checks
from desgd_fast.simulation import checks
from desgd_fast.simulation.trained import Training
from desgd_fast.simulation.training import records_of, sampled_rows

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
    algorithm: Algorithm = Algorithm(),  # noqa: B008
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
    algorithm : Algorithm
        As in :func:`desgd_fast.train`, of parts that have an array form.
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
    checks.array_forms("algorithm", algorithm)
    checks.fixed_matrix("W", asked.process)
    n_nodes, batch_sizes, step_sizes = asked.n_nodes, asked.batch_sizes, asked.step_sizes
    loop_checks.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a network")
    keep_every = check.positive_integer("keep_every", keep_every)
    keep_last = check.integer("keep_last", keep_last, 0, n_steps // keep_every)
    keep_node = check.integer("keep_node", keep_node, 0, n_nodes - 1)
    record_steps = records_of("record_every", record_every, n_steps)
    progress = check.flag("progress", progress)
    replacement = check.flag("replacement", replacement)

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
    batches = _minibatches(*sampled_rows(labels, assignment, replacement, asked), asked, place)
    alike = _alike(np.tile(batch_sizes, n_runs), place)
    weights = asked.process.base.toarray()
    dense = torch.tensor(weights, dtype=nodes.dtype, device=place)
    identity = bool((weights == np.eye(n_nodes)).all())
    sizes = torch.tensor(step_sizes, dtype=nodes.dtype, device=place)
    rule = _LocalRule.of(algorithm, nodes.parameters)

    def mix_at(step: int, values: torch.Tensor) -> torch.Tensor:
        if identity or (step + 1) % algorithm.period:
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
            moved = eta * rule.direction(nodes.parameters, gradient, mix)
            if algorithm.adapt_first:
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
    asked.warn_of_divergence(diverged, "training")
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
class _LocalRule:
    """What becomes of gradients: the parts of an algorithm on one row for every copy, and their memory."""

    parts: tuple[Part, ...]
    memory: list[list[torch.Tensor]]

    @classmethod
    def of(cls, algorithm: Algorithm, like: torch.Tensor) -> "_LocalRule":
        memory = [[torch.zeros_like(like) for _ in range(part.memory)] for part in algorithm.local]
        return cls(algorithm.local, memory)

    def direction(
        self, parameters: torch.Tensor, gradient: torch.Tensor, mix: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Of this step; ``mix`` is what the nodes do to what they send each other."""
        for part, memory in zip(self.parts, self.memory, strict=True):
            memory[: part.mixed] = [mix(vector) for vector in memory[: part.mixed]]
            assert part.array_form is not None
            gradient = part.array_form(gradient, parameters, memory, part.parameters)
        return gradient


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
    rows: NDArray[np.int64], sampling: Sampling, asked: Experiment, place: torch.device
) -> Iterator[torch.Tensor]:
    """Rows of every copy's minibatch, (runs · nodes, largest batch), step by step; smaller ones end in 0."""
    runs, shape = asked.runs, (asked.n_nodes, int(asked.batch_sizes.max()))
    for first in range(0, asked.n_steps, _STEPS_PER_DRAW):
        count = min(_STEPS_PER_DRAW, asked.n_steps - first)
        drawn = np.zeros((len(runs), count, *shape), np.int64)
        for own, run in zip(drawn, runs, strict=True):
            draw_minibatches(sampling, rows, asked.key, np.uint64(run), first, own)
        ordered = np.swapaxes(drawn, 0, 1).reshape(count, -1, shape[1])
        yield from torch.tensor(ordered, device=place)
