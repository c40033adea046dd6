"""Second moments by summing over everything that can happen in a step: E[M ⊗ M] as one dense matrix.

Gaussian variables take the three values of Gauss–Hermite quadrature, exact to the fifth degree. Imports
nothing of the package.
"""

import itertools

import numpy as np

_VALUES, _CHANCES = np.array([-(3**0.5), 0.0, 3**0.5]), np.array([1, 4, 1]) / 6


def normals(count):
    """Probabilities (n,) and values (n, count) that stand for independent standard normals."""
    places = np.array(list(itertools.product(range(3), repeat=count))).reshape(-1, count)
    return _CHANCES[places].prod(axis=1), _VALUES[places]


def events(chances):
    """Probabilities and 0/1 patterns (n, count) of independent events."""
    chances = np.asarray(chances, float)
    patterns = np.array(list(itertools.product([0.0, 1.0], repeat=chances.size))).reshape(-1, chances.size)
    return np.where(patterns > 0, chances, 1 - chances).prod(axis=1), patterns


def together(*laws):
    """Independent laws at once: probabilities, and the values of each."""
    chances, *values = laws[0]
    for more, *others in laws[1:]:
        n, m = len(chances), len(more)
        values = [np.repeat(value, m, axis=0) for value in values] + [
            np.tile(other, (n, *[1] * (np.ndim(other) - 1))) for other in others
        ]
        chances = np.repeat(chances, m) * np.tile(more, n)
    return (chances, *values)


def gaussian_samples(batch_size, stds, noise_stds, eigenvalues):
    """Features (n, nodes, b, d) and residuals at the optimum (n, nodes, b) of all nodes."""
    n_nodes, d, b = len(stds), len(eigenvalues), batch_size
    chances, z, eps = together(normals(n_nodes * b * d), normals(n_nodes * b))
    features = z.reshape(-1, n_nodes, b, d) * np.sqrt(eigenvalues) * np.asarray(stds)[:, None, None]
    return chances, features, eps.reshape(-1, n_nodes, b) * np.asarray(noise_stds)[:, None]


def row_samples(features, residuals, batch_size, distinct):
    """The same for nodes that draw rows: lists of (rows, d) and (rows,) arrays."""
    laws = []
    for a, e in zip(features, residuals, strict=True):
        draws = [
            pick
            for pick in itertools.product(range(len(a)), repeat=batch_size)
            if not distinct or len(set(pick)) == batch_size
        ]
        picks = np.array(draws)
        laws.append((np.full(len(draws), 1 / len(draws)), a[picks], e[picks]))
    chances, *values = together(*laws)
    return chances, np.stack(values[0::2], axis=1), np.stack(values[1::2], axis=1)


def gradient(x, features, residuals):
    """Of least squares at deviations x (n, nodes, d)."""
    slopes = np.einsum("nibd,nid->nib", features, x) - residuals
    return np.einsum("nib,nibd->nid", slopes, features) / features.shape[2]


def matrices(step, n_samples, shape):
    """Affine maps of states (n, *shape), as matrices (n, size + 1, size + 1) of (state, 1)."""
    size = int(np.prod(shape))
    columns = np.zeros((n_samples, size + 1, size + 1))
    columns[:, size, size] = 1.0
    at_zero = step(np.zeros((n_samples, *shape))).reshape(n_samples, size)
    columns[:, :size, size] = at_zero
    for k in range(size):
        unit = np.zeros(size)
        unit[k] = 1.0
        moved = step(np.tile(unit.reshape(shape), (n_samples, *[1] * len(shape))))
        columns[:, :size, k] = moved.reshape(n_samples, size) - at_zero
    return columns


def reachable(sets, starts):
    """Orthonormal columns that span what the matrices make of these coordinates."""
    basis = np.eye(sets[0].shape[1])[:, starts]
    while True:
        images = [(many @ basis).transpose(1, 0, 2).reshape(len(basis), -1) for many in sets]
        left, sizes, _ = np.linalg.svd(np.concatenate([basis, *images], axis=1), full_matrices=False)
        grown = left[:, sizes > 1e-9 * sizes[0]]
        if grown.shape[1] == basis.shape[1]:
            return basis
        basis = grown


def second_moments(ways, n_nodes, n_start):
    """h(2) per step, and E⟨e_i, e_j⟩ after the last one, of rounds that follow each other for ever.

    A round goes one of several ways, (probability, steps), ``steps`` a list of (probabilities, matrices); the
    first ``n_start`` coordinates of a state are the iterates' deviations, node after node, and memory begins
    at zero.
    """
    steps = [step for _, way in ways for step in way]
    size = steps[0][1].shape[1] - 1
    span = reachable([many for _, many in steps], [*range(n_start), size])
    linear = reachable([many[:, :size, :size] for _, many in steps], [*range(n_start)])
    product, whole = np.zeros((linear.shape[1] ** 2,) * 2), np.zeros((span.shape[1] ** 2,) * 2)
    for chance, way in ways:
        inner, outer = chance * np.eye(len(product)), chance * np.eye(len(whole))
        for chances, many in way:
            inner = _square(chances, linear.T @ many[:, :size, :size] @ linear) @ inner
            outer = _square(chances, span.T @ many @ span) @ outer
        product, whole = product + inner, whole + outer
    growth = np.abs(np.linalg.eigvals(product)).max() ** (1 / len(ways[0][1]))
    values, vectors = np.linalg.eig(whole)
    fixed = vectors[:, np.argmin(np.abs(values - 1))].real.reshape(span.shape[1], -1)
    raw = span @ fixed @ span.T
    raw = (raw / raw[size, size])[:n_start, :n_start]
    return growth, np.einsum("icjc->ij", raw.reshape(n_nodes, n_start // n_nodes, n_nodes, -1))


def _square(chances, many):
    """E[M ⊗ M]."""
    size = many.shape[1]
    return np.einsum("n,nij,nkl->ikjl", chances, many, many, optimize=True).reshape(size**2, size**2)
