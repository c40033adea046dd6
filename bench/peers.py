"""The same descent as others would write it: NumPy run by run, NumPy batched, PyTorch, JAX.

All draw every sample, as published code does, except where ``collapsed`` says otherwise. Streaming
regression with standard normal features, every node with the same step size and batch size b,
combine-then-adapt: x_i ← Σ_j W_ij x_j − η (1/b) Σ_q a_q (a_qᵀ x_i − y_q), y = aᵀx* + noise_std·ε. All but
the published loop save themselves x* by following x − x*.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._measure import Skip, Timed, fastest

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """N, d, b and the rest of one experiment; ``W`` (N, N) dense or a SciPy sparse array."""

    W: Any
    dim: int
    batch_size: int
    step_size: float
    noise_std: float = 3.0

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.W.shape[0])


def published_loop(setting: Setting, n_steps: int) -> Timed:
    """One run at a time, a Python loop over nodes, a fresh minibatch for each: the published way."""
    n_nodes, dim, b = setting.n_nodes, setting.dim, setting.batch_size
    W = setting.W
    optimum = 3.0 * np.random.default_rng(0).standard_normal(dim)
    generator = np.random.RandomState(0)  # what np.random.normal uses

    def run() -> Real:
        x = generator.uniform(-3.0, 3.0, (n_nodes, dim))
        for _ in range(n_steps):
            new = np.empty_like(x)
            for i in range(n_nodes):
                a = generator.normal(0.0, 1.0, (b, dim))
                y = a @ optimum + generator.normal(0.0, setting.noise_std, b)
                gradient = a.T @ (a @ x[i] - y) / b
                new[i] = W[i] @ x - setting.step_size * gradient
            x = new
        return x

    return Timed(run, n_steps * n_nodes)


def batched_numpy(setting: Setting, n_steps: int, sizes: tuple[int, ...]) -> tuple[str, Timed]:
    """All nodes of many runs in one operation, NumPy's fastest bit generator, the best number of runs."""
    n_nodes, dim, b = setting.n_nodes, setting.dim, setting.batch_size

    def make(n_runs: int) -> Timed:
        generator = np.random.Generator(np.random.SFC64(0))
        a, noise = np.empty((n_runs, n_nodes, b, dim)), np.empty((n_runs, n_nodes, b))
        gradient = setting.step_size / b

        def run() -> Real:
            x = np.zeros((n_runs, n_nodes, dim))
            for _ in range(n_steps):
                generator.standard_normal(out=a)
                generator.standard_normal(out=noise)
                residual = (a @ x[..., None])[..., 0] - setting.noise_std * noise
                step = (residual[..., None, :] @ a)[..., 0, :]
                x = setting.W @ x if n_nodes > 1 else x
                x -= gradient * step
            return x

        return Timed(run, n_runs * n_steps * n_nodes)

    best, timed = fastest({str(size): make(size) for size in sizes})
    return f"{best} runs side by side", timed


def sparse_numpy(setting: Setting, n_steps: int) -> Timed:
    """One run of a large graph: NumPy batched over nodes, SciPy's sparse product for the mixing."""
    n_nodes, dim, b = setting.n_nodes, setting.dim, setting.batch_size
    generator = np.random.Generator(np.random.SFC64(0))
    a, noise = np.empty((n_nodes, b, dim)), np.empty((n_nodes, b))

    def run() -> Real:
        x = np.zeros((n_nodes, dim))
        for _ in range(n_steps):
            generator.standard_normal(out=a)
            generator.standard_normal(out=noise)
            residual = (a @ x[..., None])[..., 0] - setting.noise_std * noise
            x = setting.W @ x - setting.step_size / b * (residual[:, None, :] @ a)[:, 0, :]
        return x

    return Timed(run, n_steps * n_nodes)


def batched_torch(setting: Setting, n_steps: int, sizes: tuple[int, ...]) -> tuple[str, Timed]:
    """PyTorch on all cores, batched over runs, samples drawn into one buffer, no gradients recorded."""
    try:
        import torch
    except ImportError as error:
        raise Skip("PyTorch is not installed: pip install torch") from error
    torch.set_num_threads(os.cpu_count() or 1)
    n_nodes, dim, b = setting.n_nodes, setting.dim, setting.batch_size
    W = torch.as_tensor(setting.W, dtype=torch.float64)

    def make(n_runs: int) -> Timed:
        a = torch.empty((n_runs * n_nodes, b, dim), dtype=torch.float64)
        noise = torch.empty((n_runs * n_nodes, b, 1), dtype=torch.float64)

        def run() -> Any:
            with torch.inference_mode():
                x = torch.zeros((n_runs, n_nodes, dim), dtype=torch.float64)
                for _ in range(n_steps):
                    a.normal_()
                    noise.normal_(0.0, setting.noise_std)
                    residual = torch.baddbmm(noise, a, x.view(-1, dim, 1), beta=-1.0)
                    gradient = torch.bmm(residual.transpose(1, 2), a).view(n_runs, n_nodes, dim)
                    x = torch.matmul(W, x).add_(gradient, alpha=-setting.step_size / b)
                return x

        return Timed(run, n_runs * n_steps * n_nodes)

    best, timed = fastest({str(size): make(size) for size in sizes})
    return f"{best} runs side by side", timed


def batched_jax(
    setting: Setting, n_steps: int, sizes: tuple[int, ...], collapsed: bool = False, dtype: str = "float64"
) -> tuple[str, Timed]:
    """JAX on all cores: jit of a lax.scan over steps of many runs.

    The best of its random bit generators, of two ways to write the products and of the numbers of runs.
    ``collapsed`` gives it our own algorithm: each gradient from its closed law.
    """
    try:
        import jax
    except ImportError as error:
        raise Skip("JAX is not installed: pip install jax") from error
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    jnp: Any = jax.numpy
    n_nodes, dim, b = setting.n_nodes, setting.dim, setting.batch_size
    W = jnp.asarray(setting.W, dtype)
    std, rate = setting.noise_std, setting.step_size / b

    def minibatch(key: Any, x: Any, einsum: bool) -> Any:
        features, noise = jax.random.split(key)
        a = jax.random.normal(features, (*x.shape[:2], b, dim), dtype=dtype)
        epsilon = jax.random.normal(noise, (*x.shape[:2], b), dtype=dtype)
        if einsum:
            return jnp.einsum("rnb,rnbd->rnd", jnp.einsum("rnbd,rnd->rnb", a, x) - std * epsilon, a)
        residual = (a * x[:, :, None, :]).sum(-1) - std * epsilon
        return (residual[..., None] * a).sum(2)

    def closed_law(key: Any, x: Any, einsum: bool) -> Any:
        normals, chi_squares = jax.random.split(key)
        zeta = jax.random.normal(normals, x.shape, dtype=dtype)
        chi = jnp.sqrt(jax.random.chisquare(chi_squares, b, (*x.shape[:2], 1), dtype=dtype))
        square = (x * x).sum(-1, keepdims=True)
        dot = (x * zeta).sum(-1, keepdims=True)
        tau = jnp.sqrt(square + std * std)
        projection = jnp.where(square > 0, dot / jnp.where(square > 0, square, 1.0), 0.0)
        return chi * ((chi + (std - tau) * projection) * x + tau * zeta)

    gradient = closed_law if collapsed else minibatch

    def make(generator: str, n_runs: int, einsum: bool) -> Timed:
        def step(x: Any, key: Any) -> tuple[Any, None]:
            return jnp.einsum("ij,rjd->rid", W, x) - rate * gradient(key, x, einsum), None

        @jax.jit
        def advance(key: Any) -> Any:
            x = jnp.zeros((n_runs, n_nodes, dim), dtype=dtype)
            return jax.lax.scan(step, x, jax.random.split(key, n_steps))[0]

        key = jax.random.key(0, impl=generator)
        return Timed(lambda: advance(key).block_until_ready(), n_runs * n_steps * n_nodes)

    forms = {"one sum": False} if collapsed else {"einsum": True, "one sum": False}
    candidates = {
        f"{generator}, {size} runs side by side, {form}": make(generator, size, einsum)
        for generator in ("threefry2x32", "rbg")
        for form, einsum in forms.items()
        for size in sizes
    }
    return fastest(candidates)
