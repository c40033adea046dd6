"""Whole runs in plain NumPy with random numbers of their own, many at once. Imports nothing of the package.

``x`` is (runs, nodes, d); a network draws W (runs, nodes, nodes) and who is awake (runs, nodes) or None.
"""

import numpy as np


def without(W, gone):
    """W (runs, n, n) where both ends keep what links that are gone, (runs, n, n) for i < j, would carry."""
    gone = gone | np.swapaxes(gone, 1, 2)
    lost = np.where(gone, W, 0.0)
    return W - lost + np.eye(W.shape[1]) * lost.sum(axis=2)[:, :, None]


def failing(W, probability):
    def draw(rng, runs, k, kept):
        gone = np.triu(rng.random((runs, *W.shape)) < probability, 1)
        return without(np.broadcast_to(W, gone.shape), gone), None, None

    return draw


def gossiping(links, chances):
    def draw(rng, runs, k, kept):
        n = int(np.max(links)) + 1
        ends = np.array(links)[rng.choice(len(links), runs, p=chances)]
        apart = np.eye(n)[ends[:, 0]] - np.eye(n)[ends[:, 1]]
        return np.eye(n) - 0.5 * apart[:, :, None] * apart[:, None, :], apart != 0, None

    return draw


def one_of(matrices):
    def draw(rng, runs, k, kept):
        return np.array(matrices)[rng.integers(len(matrices), size=runs)], None, None

    return draw


def sampling(n, count):
    def draw(rng, runs, k, kept):
        chosen = np.argsort(rng.random((runs, n)), axis=1) < count
        return np.repeat(chosen[:, None] / count, n, axis=1), chosen, None

    return draw


def walking(P, law):
    def draw(rng, runs, k, kept):
        rows = np.broadcast_to(law, (runs, len(law))) if kept is None else P[kept]
        place = (rng.random(runs)[:, None] > np.cumsum(rows, axis=1)).sum(axis=1)
        awake = np.eye(len(law), dtype=bool)[place]
        return np.repeat(awake[:, None].astype(float), len(law), axis=1), awake, place

    return draw


def gaussian(d, batch_size):
    """Least squares on standard normal features, noise of one standard deviation, optimum at ones."""

    def gradients(rng, x):
        a = rng.standard_normal((*x.shape[:2], batch_size, d))
        slopes = np.einsum("rnbd,rnd->rnb", a, x - 1) - rng.standard_normal(a.shape[:3])
        return np.einsum("rnb,rnbd->rnd", slopes, a) / batch_size

    return gradients


def logistic(features, labels, batch_size, ridge):
    """Rows (nodes, rows, d) with labels -1 and 1, drawn with replacement."""

    def gradients(rng, x):
        n = np.arange(x.shape[1])[:, None]
        rows = rng.integers(features.shape[1], size=(*x.shape[:2], batch_size))
        a, y = features[n, rows], labels[n, rows]
        slopes = -y / (1 + np.exp(y * np.einsum("rnbd,rnd->rnb", a, x)))
        return np.einsum("rnb,rnbd->rnd", slopes, a) / batch_size + ridge * x

    return gradients


def huber(d, batch_size, degrees, delta):
    """Regression on Student features, noise of one standard deviation, truth at ones."""

    def gradients(rng, x):
        a = rng.standard_t(degrees, (*x.shape[:2], batch_size, d))
        residuals = np.einsum("rnbd,rnd->rnb", a, x - 1) - rng.standard_normal(a.shape[:3])
        return np.einsum("rnb,rnbd->rnd", np.clip(residuals, -delta, delta), a) / batch_size

    return gradients


def run(draw, gradients, runs, n_steps, start, step_size, adapt_first, seed):
    """Iterates (runs, nodes, d) after so many steps."""
    rng, x, kept = np.random.default_rng(seed), np.tile(start, (runs, 1, 1)), None
    for k in range(n_steps):
        W, awake, kept = draw(rng, runs, k, kept)
        moved = step_size * gradients(rng, x)
        if awake is not None:
            moved = moved * awake[:, :, None]
        x = W @ (x - moved) if adapt_first else W @ x - moved
    return x
