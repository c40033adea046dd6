"""Published systems against PyTorch: FedAvg's sampled clients, DADAO's events."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np

import desgd_fast as dsf
from bench._measure import Case, Skip, Timed
from desgd_fast import algorithms as a

Prepare = Callable[[], tuple[Timed, Timed]]
CLIENTS, SAMPLED, LOCAL, DIM, N_ROWS, BATCH, STEP_SIZE = 1000, 10, 5, 20, 50, 10, 0.01
STAR, STAR_ROWS = 300, 100


def data(n_nodes: int, n_rows: int, dim: int) -> tuple[Any, Any]:
    """Features (nodes, rows, dim) and targets of linear models that differ from node to node."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((n_nodes, n_rows, dim))
    targets = (features * generator.standard_normal((n_nodes, 1, dim))).sum(axis=2)
    return features, targets + generator.standard_normal(targets.shape)


def risk(n_nodes: int, n_rows: int, dim: int, sampling: str) -> dsf.EmpiricalRisk:
    """Least squares on them."""
    features, targets = data(n_nodes, n_rows, dim)
    owner = np.repeat(np.arange(n_nodes), n_rows)
    return dsf.EmpiricalRisk(
        dsf.losses.least_squares(), features.reshape(-1, dim), targets.ravel(), owner, sampling=sampling
    )


def imported() -> Any:
    """PyTorch."""
    try:
        import torch
    except ImportError as error:
        raise Skip("PyTorch is not installed: pip install torch") from error
    return torch


def fedavg(n_rounds: int = 2000) -> Timed:
    """One run on one thread; the unit of work is a round."""
    problem, server = risk(CLIENTS, N_ROWS, DIM, "replacement"), dsf.mixing.server(CLIENTS, SAMPLED)
    asked = {"step_size": STEP_SIZE, "batch_size": BATCH, "n_steps": n_rounds * LOCAL, "keep": "norms"}
    algorithm = a.fedavg(LOCAL)
    return Timed(
        lambda: dsf.simulate(problem, server, algorithm=algorithm, threads=1, rng=0, **asked), n_rounds
    )


def fedavg_loop(n_rounds: int = 10) -> Timed:
    """PyTorch as usually written: a loop over the sampled clients, a module and an optimizer for each."""
    torch = imported()
    features, targets = (torch.as_tensor(array) for array in data(CLIENTS, N_ROWS, DIM))

    def client(start: Any, i: int) -> Any:
        model = torch.nn.Linear(DIM, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            model.weight.copy_(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=STEP_SIZE)
        for _ in range(LOCAL):
            rows = torch.randint(N_ROWS, (BATCH,))
            loss = 0.5 * (model(features[i, rows])[:, 0] - targets[i, rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model.weight.detach()

    def run() -> Any:
        torch.set_num_threads(1)  # in every call: Numba's own limit changes PyTorch's
        x = torch.zeros(1, DIM, dtype=torch.float64)
        for _ in range(n_rounds):
            chosen = torch.randperm(CLIENTS)[:SAMPLED].tolist()
            x = torch.stack([client(x, i) for i in chosen]).mean(dim=0)
        return x

    return Timed(run, n_rounds)


def fedavg_at_once(n_rounds: int = 50) -> Timed:
    """PyTorch as it is fastest here: all sampled clients in one batch, gradients by hand."""
    torch = imported()
    features, targets = (torch.as_tensor(array) for array in data(CLIENTS, N_ROWS, DIM))

    def run() -> Any:
        torch.set_num_threads(1)
        with torch.inference_mode():
            x = torch.zeros(DIM, dtype=torch.float64)
            for _ in range(n_rounds):
                chosen = torch.randperm(CLIENTS)[:SAMPLED, None]
                each = x.expand(SAMPLED, DIM)
                for _ in range(LOCAL):
                    rows = torch.randint(N_ROWS, (SAMPLED, BATCH))
                    batch = features[chosen, rows]
                    slopes = torch.bmm(batch, each[:, :, None])[:, :, 0] - targets[chosen, rows]
                    each = each - STEP_SIZE / BATCH * torch.bmm(slopes[:, None], batch)[:, 0]
                x = each.mean(dim=0)
        return x

    return Timed(run, n_rounds)


def dadao(n_events: int = 5000) -> Timed:
    """One run on one thread, all nodes flowing at every event, which is the unit of work."""
    problem, clocks = (
        risk(STAR, STAR_ROWS, 2, "without-replacement"),
        dsf.mixing.poisson_clocks(nx.star_graph(STAR - 1)),
    )
    assert clocks.event_rate is not None
    gap = dsf.mixing_report(clocks).spectral_gap
    algorithm = a.dadao(1.7, 0.5, event_rate=clocks.event_rate, spectral_gap=gap)
    asked = {"step_size": 1 / 6.8, "batch_size": STAR_ROWS, "n_steps": n_events, "keep": "norms"}
    return Timed(
        lambda: dsf.simulate(problem, clocks, algorithm=algorithm, threads=1, rng=0, **asked), n_events
    )


def dadao_loop(n_events: int = 200) -> Timed:
    """PyTorch as the paper's code does it: nodes flow when they are woken, by a matrix exponential."""
    torch = imported()
    features, targets = (torch.as_tensor(array) for array in data(STAR, STAR_ROWS, 2))
    L, nu, rate = 1.7, 0.25, 599.0
    root = (nu / L) ** 0.5
    flow = torch.zeros(6, 6, dtype=torch.float64)
    flow[0, :2] = torch.tensor([-root / 8, root / 8])
    flow[1, :2] = torch.tensor([root / 8, -root / 8])
    flow[2, 2:4] = torch.tensor([-root / 4, root / 4])
    flow[3, [1, 2, 4]] = torch.tensor([-nu, -1.0, -1.0], dtype=torch.float64) / (2 * root)
    flow[4, 4:] = torch.tensor([-root / 4, root / 4])
    flow[5, 4:] = torch.tensor([root / 8, -root / 8])
    jump = torch.tensor(
        [-1 / (4 * L), -1 / (4 * (L * nu) ** 0.5), 0, 1 + root / 4, 0, 0], dtype=torch.float64
    )
    apart = torch.tensor([0, 0, 0, 0, -0.5, -2 / root], dtype=torch.float64)

    def run() -> Any:
        torch.set_num_threads(1)
        generator = np.random.default_rng(0)
        state, last, now = torch.zeros(STAR, 6, 2, dtype=torch.float64), np.zeros(STAR), 0.0

        def wake(node: int) -> None:
            state[node] = torch.linalg.matrix_exp(flow * (now - last[node])) @ state[node]
            last[node] = now

        for _ in range(n_events):
            now += generator.exponential(1 / rate)
            node = int(generator.integers(STAR))
            wake(node)
            if generator.random() < STAR / rate:
                x = state[node, 0].clone().requires_grad_()
                loss = 0.5 * (features[node] @ x - targets[node]).square().mean()
                gradient = torch.autograd.grad(loss, x)[0]
                state[node] += jump[:, None] * (gradient - nu * state[node, 0] - state[node, 3])
            else:
                leaf = max(node, 1)
                wake(leaf)
                wake(0)
                message = (state[leaf] - state[0])[[2, 4]].sum(dim=0)
                state[leaf] += apart[:, None] * message
                state[0] -= apart[:, None] * message
        return state

    return Timed(run, n_events)


def cases(quick: bool) -> list[Case]:
    """Every ratio about published systems."""
    federated = f"simulate, FedAvg, {SAMPLED} of {CLIENTS} clients, {LOCAL} local steps, d={DIM}, b={BATCH}"
    events = f"simulate, DADAO, star of {STAR}, {STAR_ROWS} samples a worker, d=2"
    return [
        Case(
            "fedavg-torch",
            "PyTorch loop over the sampled clients",
            federated,
            lambda: (fedavg_loop(), fedavg()),
            "≥ 100",
            unit="round",
        ),
        Case(
            "fedavg-torch-batched",
            "PyTorch, sampled clients in one batch, gradients by hand",
            federated,
            lambda: (fedavg_at_once(), fedavg()),
            unit="round",
        ),
        Case(
            "dadao-torch",
            "PyTorch loop over events",
            events,
            lambda: (dadao_loop(), dadao()),
            unit="event",
            note="the loop moves the woken nodes alone, simulate all of them",
        ),
    ]
