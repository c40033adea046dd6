"""Slow plain truths about second moments and products of random matrices; imports none of the package."""

import numpy as np


def second_moment_matrix(W, eigenvalues, power, batch_size, step_size, adapt_first):
    """The recursion of vec(G_1), …, vec(G_d) as one dense (d N², d N²) matrix, one block per coordinate."""
    n, d = len(W), len(eigenvalues)
    result = np.zeros((d * n * n, d * n * n))
    outer = np.kron(W, W) if adapt_first else np.eye(n * n)
    for p in range(d):
        contraction = np.diag(step_size * power * eigenvalues[p])
        mean = np.eye(n) - contraction if adapt_first else W - contraction
        rows = slice(p * n * n, (p + 1) * n * n)
        result[rows, rows] += outer @ np.kron(mean, mean)
        for q in range(d):
            spread = np.zeros((n * n, n * n))
            for i in range(n):
                k = i * n + i
                kappa = (step_size[i] * power[i]) ** 2 / batch_size[i]
                spread[k, k] = kappa * (eigenvalues[p] * eigenvalues[q] + (p == q) * eigenvalues[p] ** 2)
            result[rows, q * n * n : (q + 1) * n * n] += outer @ spread
    return result


def second_moment_noise(W, eigenvalues, power, noise, batch_size, step_size, adapt_first):
    """What one step adds to vec(G_1), …, vec(G_d)."""
    added = []
    for value in eigenvalues:
        block = np.diag(step_size**2 * power * noise * value / batch_size)
        added.append((W @ block @ W.T if adapt_first else block).ravel())
    return np.concatenate(added)


def minibatch_step(generator, errors, W, eigenvalues, power, noise, batch_size, step_size, adapt_first):
    """One step of every run from drawn samples; errors has shape (n_runs, n_nodes, dim)."""
    n_runs, n, d = errors.shape
    gradient = np.empty_like(errors)
    for i in range(n):
        features = generator.standard_normal((n_runs, batch_size[i], d)) * np.sqrt(power[i] * eigenvalues)
        residual = np.einsum("rqd,rd->rq", features, errors[:, i])
        residual -= np.sqrt(noise[i]) * generator.standard_normal((n_runs, batch_size[i]))
        gradient[:, i] = np.einsum("rq,rqd->rd", residual, features) / batch_size[i]
    moved = step_size[:, None] * gradient
    if adapt_first:
        return np.einsum("ij,rjd->rid", W, errors - moved)
    return np.einsum("ij,rjd->rid", W, errors) - moved
