"""Slow plain truths about second moments and products of random matrices; imports none of the package."""

import numpy as np
from scipy import optimize, special


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


def squares(batch_size, n=40):
    """Probabilities and values of mean a² over a minibatch of standard normals, by Gauss–Laguerre."""
    roots, chances = special.roots_genlaguerre(n, batch_size / 2 - 1)
    return chances / chances.sum(), 2 * roots / batch_size


def two_nodes(W, step_size, batch_size, stds=(1.0, 1.0), adapt_first=False, failure=0.0):
    """Probabilities and 2×2 matrices of a step of two nodes with d = 1 whose link may fail."""
    (p, x), (q, y) = (squares(b) for b in batch_size)
    chances = np.multiply.outer(p, q).ravel()
    moves = np.zeros((chances.size, 2, 2))
    moves[:, 0, 0] = step_size[0] * stds[0] ** 2 * np.repeat(x, y.size)
    moves[:, 1, 1] = step_size[1] * stds[1] ** 2 * np.tile(y, x.size)
    met = [W @ (np.eye(2) - moves) if adapt_first else W - moves for W in (np.asarray(W), np.eye(2))]
    if failure == 0:
        return chances, met[0]
    return np.concatenate([(1 - failure) * chances, failure * chances]), np.concatenate(met)


def one_node_with_momentum(step_size, batch_size, decay):
    """The same of one node with d = 1 and v ← βv + g, x ← x − ηv."""
    chances, x = squares(batch_size, 300)
    ones = np.ones_like(x)
    rows = [[1 - step_size * x, -step_size * decay * ones], [x, decay * ones]]
    return chances, np.moveaxis(np.array(rows), 2, 0)


def one_node_with_delay(step_size, batch_size):
    """The same of one node with d = 1 that takes its gradient where it was a step ago."""
    chances, x = squares(batch_size, 300)
    rows = [[np.ones_like(x), -step_size * x], [np.ones_like(x), np.zeros_like(x)]]
    return chances, np.moveaxis(np.array(rows), 2, 0)


def planar_tail_index(chances, matrices, n=64):
    """The alpha of products of 2×2 matrices with this law: h(s) is a transfer operator's spectral radius.

    (T f)(u) = E[|M u|^s f(M u / |M u|)] on directions u up to sign, f given at n angles and a cubic between.
    """
    angles = np.pi * np.arange(n) / n
    moved = np.einsum("qij,jk->ikq", matrices, np.stack([np.cos(angles), np.sin(angles)]))
    place = (np.arctan2(moved[1], moved[0]) % np.pi) * n / np.pi
    first = np.floor(place)
    t = place - first
    cubic = [
        -t * (t - 1) * (t - 2) / 6,
        (t * t - 1) * (t - 2) / 2,
        -t * (t + 1) * (t - 2) / 2,
        t * (t * t - 1) / 6,
    ]
    from_to = np.arange(n)[:, None] * n
    cells = [(from_to + (first.astype(int) + k) % n).ravel() for k in (-1, 0, 1, 2)]
    lengths = np.hypot(*moved)

    def log_growth(s):
        weight = chances * lengths**s
        counted = zip(cells, cubic, strict=True)
        operator = sum(np.bincount(cell, (weight * c).ravel(), n * n) for cell, c in counted)
        return np.log(np.abs(np.linalg.eigvals(operator.reshape(n, n))).max())

    return optimize.brentq(log_growth, 0.3, 12.0, xtol=1e-7)
