"""Logistic regression on the digits of scikit-learn, 1797 × 64: the general engine against others' code.

Binary: even digits against odd ones; multinomial: all ten. Eight nodes on a ring hold equal shares,
minibatches of 5 drawn with replacement, a ridge of 0.01, float64 everywhere.
"""

import os
from collections.abc import Callable
from typing import Any

import networkx as nx
import numba
import numpy as np

import desgd_fast as dsf
from bench._measure import Case, Skip, Timed, fastest

N_NODES, BATCH_SIZE, STEP_SIZE, RIDGE, N_CLASSES = 8, 5, 0.1, 0.01, 10
W = dsf.mixing_matrix(nx.cycle_graph(N_NODES))

Prepare = Callable[[], tuple[Timed, Timed]]


@numba.njit
def gradient(x, a, y, out):  # type: ignore[no-untyped-def]
    """Logistic loss with a ridge as a user would write it."""
    margin = 0.0
    for j in range(x.size):
        margin += a[j] * x[j]
    factor = -y / (1 + np.exp(y * margin))
    for j in range(x.size):
        out[j] = factor * a[j] + RIDGE * x[j]


@numba.njit
def value(x, a, y):  # type: ignore[no-untyped-def]
    """Its value."""
    return np.log1p(np.exp(-y * (a * x).sum())) + 0.5 * RIDGE * (x * x).sum()


@numba.njit
def log_loss(s, y):  # type: ignore[no-untyped-def]
    """The loss of a prediction."""
    return np.log1p(np.exp(-y * s))


@numba.njit
def slope(s, y):  # type: ignore[no-untyped-def]
    """Its derivative."""
    return -y / (1 + np.exp(y * s))


def digits(multinomial: bool) -> tuple[Any, Any]:
    """Features scaled to [0, 1] and labels: −1 and 1 for odd and even, or the digits."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise Skip("scikit-learn is not installed: pip install scikit-learn") from error
    features, labels = load_digits(return_X_y=True)
    return features / 16, labels.astype(float) if multinomial else np.where(labels % 2, -1.0, 1.0)


def risk(multinomial: bool, loss: dsf.Loss | None = None) -> dsf.EmpiricalRisk:
    """The problem; distances from the origin, since finding the optimum is not what is timed."""
    ready = dsf.losses.multinomial(N_CLASSES, RIDGE) if multinomial else dsf.losses.logistic(RIDGE)
    features, labels = digits(multinomial)
    dim = features.shape[1] * (N_CLASSES if multinomial else 1)
    return dsf.EmpiricalRisk(loss or ready, features, labels, reference=np.zeros(dim))


def simulation(problem: dsf.EmpiricalRisk, n_runs: int, n_steps: int, threads: int | None = 1) -> Timed:
    """A call of ``simulate`` that keeps norms; its unit of work is one step of one node."""

    def run() -> object:
        return dsf.simulate(
            problem,
            W,
            step_size=STEP_SIZE,
            batch_size=BATCH_SIZE,
            n_steps=n_steps,
            n_runs=n_runs,
            keep="norms",
            rng=0,
            threads=threads,
        )

    return Timed(run, n_runs * n_steps * N_NODES)


def torch_loop(multinomial: bool, n_steps: int) -> Timed:
    """PyTorch as usually written: a loop over nodes, each a minibatch, a loss and its autograd."""
    try:
        import torch
    except ImportError as error:
        raise Skip("PyTorch is not installed: pip install torch") from error
    torch.set_num_threads(1)  # minibatches of 5 are too small to share
    features, labels = (torch.as_tensor(array) for array in digits(multinomial))
    labels = labels.long() if multinomial else labels
    shares = [(features[i::N_NODES], labels[i::N_NODES]) for i in range(N_NODES)]
    weights = torch.as_tensor(W.toarray())
    shape = (N_NODES, N_CLASSES if multinomial else 1, features.shape[1])

    def node_gradient(x: Any, share: tuple[Any, Any]) -> Any:
        rows = torch.randint(len(share[1]), (BATCH_SIZE,))
        a, y = share[0][rows], share[1][rows]
        x = x.detach().requires_grad_()
        scores = a @ x.T
        if multinomial:
            loss = torch.nn.functional.cross_entropy(scores, y)
        else:
            loss = torch.nn.functional.softplus(-y * scores[:, 0]).mean()
        loss = loss + 0.5 * RIDGE * (x * x).sum()
        return torch.autograd.grad(loss, x)[0]

    def run() -> Any:
        x = torch.zeros(shape, dtype=torch.float64)
        for _ in range(n_steps):
            gradients = torch.stack([node_gradient(x[i], share) for i, share in enumerate(shares)])
            x = torch.einsum("ij,jcd->icd", weights, x) - STEP_SIZE * gradients
        return x

    return Timed(run, n_steps * N_NODES)


def batched_jax(multinomial: bool, n_steps: int, sizes: tuple[int, ...]) -> tuple[str, Timed]:
    """JAX on all cores: jit of a lax.scan over steps of many runs, gradients written out by hand.

    The best of its random bit generators, of two ways to write the products and of the numbers of runs.
    """
    try:
        import jax
    except ImportError as error:
        raise Skip("JAX is not installed: pip install jax") from error
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    jnp: Any = jax.numpy
    features, labels = digits(multinomial)
    order = np.argsort(np.arange(labels.size) % N_NODES, kind="stable")
    shares = np.bincount(np.arange(labels.size) % N_NODES)
    first = jnp.asarray(np.cumsum(shares) - shares)[:, None]
    count = jnp.asarray(shares)[:, None]
    A, weights = jnp.asarray(features[order]), jnp.asarray(W.toarray())
    Y = jnp.asarray(np.eye(N_CLASSES)[labels[order].astype(int)] if multinomial else labels[order])
    shape = (N_CLASSES, features.shape[1]) if multinomial else (features.shape[1],)

    def binary(a: Any, y: Any, x: Any, einsum: bool) -> Any:
        scores = jnp.einsum("rnbd,rnd->rnb", a, x) if einsum else (a * x[:, :, None]).sum(-1)
        factor = -y * jax.nn.sigmoid(-y * scores) / BATCH_SIZE
        return jnp.einsum("rnb,rnbd->rnd", factor, a) if einsum else (factor[..., None] * a).sum(2)

    def many(a: Any, y: Any, x: Any, einsum: bool) -> Any:
        if einsum:
            factor = (jax.nn.softmax(jnp.einsum("rnbd,rncd->rnbc", a, x)) - y) / BATCH_SIZE
            return jnp.einsum("rnbc,rnbd->rncd", factor, a)
        factor = (jax.nn.softmax(a @ x.swapaxes(2, 3)) - y) / BATCH_SIZE
        return factor.swapaxes(2, 3) @ a

    gradient = many if multinomial else binary

    def make(generator: str, n_runs: int, einsum: bool) -> Timed:
        def step(x: Any, key: Any) -> tuple[Any, None]:
            rows = first + jax.random.randint(key, (n_runs, N_NODES, BATCH_SIZE), 0, count)
            slope = gradient(A[rows], Y[rows], x, einsum) + RIDGE * x
            return jnp.tensordot(weights, x, (1, 1)).swapaxes(0, 1) - STEP_SIZE * slope, None

        @jax.jit
        def advance(key: Any) -> Any:
            x = jnp.zeros((n_runs, N_NODES, *shape), dtype=jnp.float64)
            return jax.lax.scan(step, x, jax.random.split(key, n_steps))[0]

        key = jax.random.key(0, impl=generator)
        return Timed(lambda: advance(key).block_until_ready(), n_runs * n_steps * N_NODES)

    return fastest(
        {
            f"{generator}, {size} runs side by side, {'einsum' if einsum else 'one product'}": make(
                generator, size, einsum
            )
            for generator in ("threefry2x32", "rbg")
            for einsum in (True, False)
            for size in sizes
        }
    )


def against_torch(multinomial: bool) -> Prepare:
    """Prepare the loop over nodes against one thread of ours, many runs."""
    return lambda: (torch_loop(multinomial, 20), simulation(risk(multinomial), 16, 100))


def against_jax(multinomial: bool, quick: bool) -> Prepare:
    """Prepare JAX at its best against ours, both on all cores."""

    def prepare() -> tuple[Timed, Timed]:
        chosen, peer = batched_jax(multinomial, 20, (16,) if quick else (1, 4, 16, 64))
        print(f"  (JAX at its best: {chosen})")
        return peer, simulation(risk(multinomial), 64, 100, threads=None)

    return prepare


def user_loss(whole: bool) -> Prepare:
    """Prepare a user's copy of the loss, its whole gradient or its slope in aᵀx, against the ready one."""

    def prepare() -> tuple[Timed, Timed]:
        if whole:
            own = dsf.Loss(gradient=gradient, value=value)
        else:
            own = dsf.losses.linear_model(log_loss, slope, ridge=RIDGE)
        return simulation(risk(False, own), 16, 200), simulation(risk(False), 16, 200)

    return prepare


def cases(quick: bool) -> list[Case]:
    """Every ratio about losses."""
    every_core = f"{os.cpu_count()} cores"
    data = "digits 1797 × 64, N=8, b=5"
    return [
        Case(
            "logistic-torch",
            "PyTorch, loop over nodes, binary logistic",
            f"simulate, {data}",
            against_torch(False),
            "≥ 30",
        ),
        Case(
            "logistic-jax",
            f"JAX jit + scan, {every_core}, binary logistic",
            f"simulate, {every_core}, {data}",
            against_jax(False, quick),
            "≥ 5",
            clock="wall",
        ),
        Case(
            "multinomial-torch",
            "PyTorch, loop over nodes, multinomial logistic",
            f"simulate, {data}",
            against_torch(True),
        ),
        Case(
            "multinomial-jax",
            f"JAX jit + scan, {every_core}, multinomial logistic",
            f"simulate, {every_core}, {data}",
            against_jax(True, quick),
            clock="wall",
        ),
        Case(
            "user-loss-slope",
            "a user's @njit logistic loss, its slope in aᵀx",
            f"the ready one, {data}",
            user_loss(False),
            "≤ 1.1",
            seconds=8.0,
        ),
        Case(
            "user-loss-gradient",
            "a user's @njit logistic loss, its whole gradient",
            f"the ready one, {data}",
            user_loss(True),
            "≤ 1.1",
            seconds=8.0,
        ),
    ]
