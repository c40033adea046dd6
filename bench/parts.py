"""What is sent and how it is combined: against PyTorch loops on digits, plain steps, and floors in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

import desgd_fast as dsf
from bench._measure import Case, Skip, Timed, steps_of
from bench.losses import BATCH_SIZE, N_CLASSES, N_NODES, RIDGE, STEP_SIZE, W, digits, risk
from desgd_fast import algorithms as a

Prepare = Callable[[], tuple[Timed, Timed]]
KEPT, FAULTY = 32, 1
TOP, KRUM, MEDIAN, QSGD = "top-k with error feedback", "Krum", "coordinate median", "QSGD of 16 levels"
ALGORITHMS = {
    TOP: a.compressed(a.top_k(KEPT), memory="error-feedback"),
    QSGD: a.compressed(a.qsgd(16)),
    KRUM: a.chain(a.krum(FAULTY), a.adapt_then_combine()),
    MEDIAN: a.chain(a.coordinate_median(), a.adapt_then_combine()),
}


def ours(algorithm: a.Algorithm, weights: Any = W) -> Timed:
    """Many runs on one thread; the unit of work is one step of one node."""
    options = {"step_size": STEP_SIZE, "batch_size": BATCH_SIZE, "algorithm": algorithm}
    return steps_of(risk(True), weights, n_runs=16, n_steps=50, **options)


def torch_loop(name: str, n_steps: int = 20) -> Timed:
    """PyTorch as usually written: a loop over nodes, autograd, then what is sent or how it is combined."""
    try:
        import torch
    except ImportError as error:
        raise Skip("PyTorch is not installed: pip install torch") from error
    features, labels = (torch.as_tensor(array) for array in digits(True))
    shares = [(features[i::N_NODES], labels[i::N_NODES].long()) for i in range(N_NODES)]
    weights, dim = torch.as_tensor(W.toarray()), N_CLASSES * features.shape[1]

    def gradient(x: Any, share: tuple[Any, Any]) -> Any:
        rows = torch.randint(len(share[1]), (BATCH_SIZE,))
        x = x.detach().requires_grad_()
        scores = share[0][rows] @ x.view(N_CLASSES, -1).T
        loss = torch.nn.functional.cross_entropy(scores, share[1][rows]) + 0.5 * RIDGE * (x * x).sum()
        return torch.autograd.grad(loss, x)[0]

    def top(x: Any, left: Any) -> Any:
        for i in range(N_NODES):
            left[i] += gradient(x[i], shares[i])
        sent = torch.zeros_like(left)
        places = left.abs().topk(KEPT, dim=1).indices
        sent.scatter_(1, places, left.gather(1, places))
        left -= sent
        return weights @ x - STEP_SIZE * sent

    def krum(received: Any) -> Any:
        distances = torch.cdist(received, received) ** 2
        nearest = distances.sort(dim=1).values[:, 1 : len(received) - FAULTY - 1]
        return received[nearest.sum(dim=1).argmin()]

    def robust(x: Any, left: Any) -> Any:
        moved = torch.stack([x[i] - STEP_SIZE * gradient(x[i], shares[i]) for i in range(N_NODES)])
        one = krum(moved) if name == KRUM else moved.quantile(0.5, dim=0)
        return one.expand(N_NODES, dim)

    step = top if name == TOP else robust

    def run() -> Any:
        torch.set_num_threads(1)  # in every call: Numba's own limit changes PyTorch's
        x, left = (torch.zeros(N_NODES, dim, dtype=torch.float64) for _ in range(2))
        for _ in range(n_steps):
            x = step(x, left)
        return x

    return Timed(run, n_steps * N_NODES)


def against_torch(name: str) -> Prepare:
    """The loop against one thread of ours, many runs."""
    weights = W if name == TOP else dsf.mixing.server(N_NODES)
    return lambda: (torch_loop(name), ours(ALGORITHMS[name], weights))


def floor(name: str) -> Timed:
    """What a part cannot do without, in NumPy: a selection, the random numbers, distances, or medians."""
    vectors = np.random.default_rng(0).standard_normal((N_NODES, risk(True).dim))
    generator = np.random.default_rng(1)

    def run() -> None:
        for _ in range(20):
            if name == TOP:
                for vector in vectors:
                    np.argpartition(np.abs(vector), -KEPT)
            elif name == QSGD:
                generator.random(vectors.shape)
            elif name == KRUM:
                for i in range(1, N_NODES):
                    np.square(vectors[:i] - vectors[i]).sum(axis=1)
            else:
                np.partition(vectors, N_NODES // 2, axis=0)

    return Timed(run, 20 * N_NODES)


def over_floor(name: str) -> Prepare:
    """A step with the part, against its floor."""
    weights = dsf.mixing.server(N_NODES) if name in (KRUM, MEDIAN) else W
    return lambda: (ours(ALGORITHMS[name], weights), floor(name))


def over_plain(name: str) -> Prepare:
    """A step with the part, against one without: the same loop, a local rule that changes nothing."""

    def as_it_is(direction, iterate, memory, normals, uniforms, parameters):  # type: ignore[no-untyped-def]
        pass

    at_server = name in (KRUM, MEDIAN)
    weights = dsf.mixing.server(N_NODES) if at_server else W
    plain = a.local_rule(as_it_is)
    plain = a.chain(plain, a.adapt_then_combine()) if at_server else plain
    return lambda: (ours(ALGORITHMS[name], weights), ours(plain, weights))


def cases(quick: bool) -> list[Case]:
    """Every ratio about parts."""
    data = f"digits, multinomial, N={N_NODES}, b={BATCH_SIZE}"
    return [
        *(
            Case(f"{label}-torch", f"PyTorch loop, {name}", f"simulate, {data}", against_torch(name), "≥ 20")
            for label, name in (("top-k", TOP), ("krum", KRUM), ("median", MEDIAN))
        ),
        *(
            Case(f"{label}-{kind}", f"simulate, {name}, {data}", against, prepare(name))
            for label, name in (("top-k", TOP), ("qsgd", QSGD), ("krum", KRUM), ("median", MEDIAN))
            for kind, against, prepare in (
                ("plain", "the same loop without it", over_plain),
                ("floor", "what it cannot do without, in NumPy", over_floor),
            )
        ),
    ]
