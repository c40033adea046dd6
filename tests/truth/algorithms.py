"""The slow plain truth about parts of algorithms. Imports nothing of the package.

``state`` is a dictionary that a part keeps from step to step; ``received`` are vectors, (n, dim).
"""

import numpy as np

# Compressors


def random_k(v, uniforms, k, unbiased):
    """Coordinate by coordinate, kept with the chance that leaves every subset as likely as any other."""
    kept = np.zeros(v.size, bool)
    for t, u in enumerate(uniforms):
        kept[t] = u <= (k - kept.sum()) / (v.size - t)
    return np.where(kept, v, 0.0) * (v.size / k if unbiased else 1.0)


def top_k(v, k):
    kept = np.argsort(-np.abs(v), kind="stable")[:k]
    return np.where(np.isin(np.arange(v.size), kept), v, 0.0)


def qsgd(v, uniforms, levels, unbiased):
    length = np.linalg.norm(v)
    if length == 0:
        return v
    scaled = levels * np.abs(v) / length
    level = np.floor(scaled) + (uniforms <= scaled - np.floor(scaled))
    shrunk = 1 if unbiased else 1 + min(v.size / levels**2, np.sqrt(v.size) / levels)
    return length * np.sign(v) * level / levels / shrunk


def sign(v, scaled):
    return np.sign(v) * (np.abs(v).mean() if scaled else 1.0)


def natural(v, uniforms):
    below = 2.0 ** np.floor(np.log2(np.where(v == 0, 1.0, np.abs(v))))
    return np.sign(v) * below * np.where(uniforms <= np.abs(v) / below - 1, 2.0, 1.0)


def one_byte(v):
    n = np.clip(np.round(16 * np.log(np.where(v == 0, 1.0, np.abs(v)))), -127, 127)
    return np.sign(v) * np.exp(n / 16)


def atom_probabilities(sizes, budget, refilled):
    """ATOMO's algorithm: the largest atoms are certain while the rest of the budget would make them so."""
    if not refilled:
        return np.minimum(1.0, budget * sizes / sizes.sum())
    probabilities = np.zeros(sizes.size)
    certain = 0
    order = np.argsort(-sizes)
    while certain < sizes.size and (budget - certain) * sizes[order[certain]] >= sizes[order[certain:]].sum():
        probabilities[order[certain]] = 1.0
        certain += 1
    rest = order[certain:]
    if rest.size:
        probabilities[rest] = (budget - certain) * sizes[rest] / sizes[rest].sum()
    return probabilities


def atomic(v, uniforms, budget, refilled):
    p = atom_probabilities(np.abs(v), budget, refilled)
    return np.where(uniforms <= p, v / np.where(p > 0, p, 1), 0.0)


def atomic_matrix(v, uniforms, budget, refilled, n_rows):
    left, sizes, right = np.linalg.svd(v.reshape(n_rows, -1), full_matrices=False)
    p = atom_probabilities(sizes, budget, refilled)
    weights = np.where(uniforms[: p.size] <= p, sizes / np.where(p > 0, p, 1), 0.0)
    return ((left * weights) @ right).ravel()


def error_feedback(compress, v, state):
    state["e"] = state.get("e", 0.0) + v
    sent = compress(state["e"])
    state["e"] = state["e"] - sent
    return sent


def difference(compress, v, state):
    state["h"] = state.get("h", 0.0) + compress(v - state.get("h", 0.0))
    return state["h"]


def accordion(low, high, v, state, every, threshold):
    state.setdefault("fast", True)
    state.setdefault("before", 0.0)
    state.setdefault("sum", []).append(v)
    sent = (low if state["fast"] else high)(v)
    if len(state["sum"]) == every:
        length = np.linalg.norm(sum(state["sum"]))
        state["fast"] = abs(state["before"] - length) >= threshold * state["before"]
        state["before"], state["sum"] = length, []
    return sent


# Aggregations


def trimmed_mean(received, f):
    return np.sort(received, axis=0)[f : len(received) - f].mean(axis=0)


def krum_scores(received, n_neighbours):
    distances = np.square(received[:, None] - received).sum(axis=-1)
    others = [np.delete(row, i) for i, row in enumerate(distances)]
    return np.array([np.sort(row)[:n_neighbours].sum() for row in others])


def multi_krum(received, f, beyond, kept):
    order = np.argsort(krum_scores(received, len(received) - f - beyond), kind="stable")
    return received[order[:kept]].mean(axis=0)


def nearest(received, to, count):
    return np.argsort(np.square(received - to).sum(axis=1), kind="stable")[:count]


def nearest_neighbour_averaging(received, own, n_discarded):
    return received[nearest(received, received[own], len(received) - n_discarded)].mean(axis=0)


def nearest_neighbour_mixing(received, f):
    return np.array([received[nearest(received, x, len(received) - f)].mean(axis=0) for x in received])


def bulyan(received, f):
    left, chosen = received.copy(), []
    while len(chosen) < len(received) - 2 * f:
        best = np.argmin(krum_scores(left, max(len(left) - f - 2, 1)))
        chosen.append(left[best])
        left = np.delete(left, best, axis=0)
    chosen = np.array(chosen)
    kept = len(chosen) - 2 * f
    median = np.median(chosen, axis=0)
    order = np.argsort(np.abs(chosen - median), axis=0, kind="stable")[:kept]
    return np.take_along_axis(chosen, order, axis=0).mean(axis=0)
