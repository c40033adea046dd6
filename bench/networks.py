"""Training networks against the same descent in PyTorch: the loop over nodes, and all nodes stacked.

Eight nodes on a ring, three bias-free layers of width 128 on 8 × 8 pixels, ReLU, cross-entropy, minibatches
of 5: 25,856 parameters a node. PyTorch computes in single precision, its default and the published one; ours
in double.
"""

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

import desgd_fast as dsf
from bench._measure import Case, Skip, Timed

N_NODES, BATCH_SIZE, STEP_SIZE = 8, 5, 0.1
W = dsf.mixing_matrix(nx.cycle_graph(N_NODES))


def network() -> dsf.NeuralNetwork:
    """Random pixels do for timing: no step depends on what they show."""
    generator = np.random.default_rng(0)
    return dsf.NeuralNetwork(generator.random((1400, 64)), generator.integers(0, 10, 1400), n_outputs=10)


def compiled(n_runs: int, n_steps: int, threads: int) -> Timed:
    """A call of ``train``; its unit of work is one step of one node."""
    problem = network()

    def run() -> object:
        return dsf.train(
            problem,
            W,
            step_size=STEP_SIZE,
            batch_size=BATCH_SIZE,
            n_steps=n_steps,
            n_runs=n_runs,
            record_every=0,
            rng=0,
            threads=threads,
        )

    return Timed(run, n_runs * n_steps * N_NODES)


def modules() -> tuple[Any, list[Any]]:
    """PyTorch, and one network a node."""
    try:
        import torch
    except ImportError as error:
        raise Skip("needs torch") from error

    def one() -> Any:
        sizes = network().sizes
        layers: list[Any] = []
        for n_in, n_out in pairwise(sizes):
            layers += [torch.nn.Linear(n_in, n_out, bias=False), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    return torch, [one() for _ in range(N_NODES)]


def samples(torch: Any) -> tuple[Any, Any]:
    """Features and labels of every node, (nodes, rows, pixels) and (nodes, rows)."""
    problem = network()
    features = torch.tensor(problem.features, dtype=torch.float32)
    return features.view(N_NODES, -1, 64), torch.tensor(problem.targets).view(N_NODES, -1)


def published_loop(n_steps: int) -> Timed:
    """Node by node: forward, backward, and the neighbours' parameters averaged by their weights."""
    torch, nets = modules()
    features, labels = samples(torch)
    loss = torch.nn.CrossEntropyLoss()
    weights = W.toarray().tolist()
    neighbours = [[j for j in range(N_NODES) if weights[i][j]] for i in range(N_NODES)]
    generator = np.random.default_rng(0)

    def run() -> None:
        torch.set_num_threads(1)  # in every call: Numba's own limit changes PyTorch's
        for _ in range(n_steps):
            for i, net in enumerate(nets):
                rows = generator.integers(0, features.shape[1], BATCH_SIZE)
                net.zero_grad()
                loss(net(features[i, rows]), labels[i, rows]).backward()
            with torch.no_grad():
                before = [[p.clone() for p in net.parameters()] for net in nets]
                for i, net in enumerate(nets):
                    for k, parameter in enumerate(net.parameters()):
                        mixed = sum(weights[i][j] * before[j][k] for j in neighbours[i])
                        parameter.copy_(mixed - STEP_SIZE * parameter.grad)

    return Timed(run, n_steps * N_NODES)


def stacked(n_steps: int, threads: int) -> Timed:
    """All nodes at once by ``torch.func``, mixed by one product a layer."""
    torch, nets = modules()
    from torch.func import functional_call, grad, stack_module_state, vmap

    features, labels = samples(torch)
    mixing = torch.tensor(W.toarray(), dtype=torch.float32)
    generator = np.random.default_rng(0)
    nodes = torch.arange(N_NODES)[:, None]
    base = nets[0]

    def loss(parameters: dict[str, Any], x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(functional_call(base, parameters, (x,)), y)

    gradient = vmap(grad(loss))

    def run() -> None:
        torch.set_num_threads(threads)
        state: dict[str, Any] = {name: p.detach() for name, p in stack_module_state(nets)[0].items()}
        for _ in range(n_steps):
            rows = torch.as_tensor(generator.integers(0, features.shape[1], (N_NODES, BATCH_SIZE)))
            slopes = gradient(state, features[nodes, rows], labels[nodes, rows])
            state = {
                name: (mixing @ p.view(N_NODES, -1)).view_as(p) - STEP_SIZE * slopes[name]
                for name, p in state.items()
            }

    return Timed(run, n_steps * N_NODES)


def ours(steps: int) -> NDArray[np.float64]:
    """Parameters after some steps on prescribed minibatches."""
    result: NDArray[np.float64] = dsf.train(
        network(), W, step_size=STEP_SIZE, batch_size=BATCH_SIZE, n_steps=steps, initial=start(), rng=0
    ).final
    return result


def start() -> NDArray[np.float64]:
    """One start for both."""
    result: NDArray[np.float64] = network().parameters("uniform", N_NODES, range(1), 0)
    return result


def difference() -> float:
    """Relative difference of a hundred steps from those of PyTorch in double precision, same minibatches."""
    torch, nets = modules()
    problem = network()
    theirs = dsf.torch.train(
        nets[0].to(torch.float64),
        problem.features,
        problem.targets,
        W,
        step_size=STEP_SIZE,
        batch_size=BATCH_SIZE,
        n_steps=100,
        initial=start(),
        rng=0,
    ).final
    mine = ours(100)
    return float(np.abs(mine - theirs).max() / np.abs(mine).max())


def cases(quick: bool) -> list[Case]:
    """One thread against one thread, and all cores against all cores."""
    steps = 10 if quick else 40

    return [
        Case(
            name="networks: published PyTorch loop",
            numerator="published PyTorch loop",
            denominator="train, 8 nodes, width 128, depth 3, b=5",
            prepare=lambda: (published_loop(steps), compiled(1, 5 * steps, 1)),
            goal="≥ 10",
            difference=difference,
        ),
        Case(
            name="networks: stacked PyTorch",
            numerator="PyTorch stacked over nodes",
            denominator="train, 8 nodes, width 128, depth 3, b=5",
            prepare=lambda: (stacked(steps, 1), compiled(1, 5 * steps, 1)),
            goal="≥ 2",
        ),
        Case(
            name="networks: stacked PyTorch, 2 cores",
            numerator="PyTorch stacked over nodes, 2 cores",
            denominator="train, 4 runs, 2 cores",
            prepare=lambda: (stacked(steps, 2), compiled(4, 5 * steps, 2)),
            goal="≥ 2",
            clock="wall",
        ),
    ]
