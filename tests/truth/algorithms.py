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


# Local rules


def heavy_ball(g, state, momentum, nesterov=False):
    state["v"] = momentum * state.get("v", 0.0) + g
    return momentum * state["v"] + g if nesterov else state["v"]


def moving_average(g, state, decay):
    state["m"] = decay * state.get("m", 0.0) + (1 - decay) * g
    return state["m"]


def gradient_tracking(g, state):
    state["t"] = state.get("t", 0.0) + g - state.get("last", 0.0)
    state["last"] = g
    return state["t"]


def clipped(g, norm):
    return g * min(1.0, norm / max(np.linalg.norm(g), 1e-300))


def normalized(g):
    return g / np.linalg.norm(g) if np.linalg.norm(g) > 0 else g


def stable_noise(g, normals, uniforms, scale, index):
    """A normal vector times the root of a positive stable variate (Kanter 1975, with index / 2)."""
    a, angle, exponential = index / 2, np.pi * uniforms[0], -np.log(uniforms[1])
    positive = np.sin(a * angle) * np.sin(angle) ** (-1 / a)
    positive *= (np.sin((1 - a) * angle) / exponential) ** ((1 - a) / a)
    return g + scale * np.sqrt(2 * positive) * normals


def moments(g, state, decay, decay_of_squares, deviation=None, added=0.0):
    """Means of g and of g² (or of a deviation), both corrected for their start at zero."""
    state["k"] = state.get("k", 0) + 1
    state["m"] = decay * state.get("m", 0.0) + (1 - decay) * g
    square = (g if deviation is None else deviation(g, state["m"])) ** 2
    state["v"] = decay_of_squares * state.get("v", 0.0) + (1 - decay_of_squares) * square + added
    return state["m"] / (1 - decay ** state["k"]), state["v"] / (1 - decay_of_squares ** state["k"])


def adam(g, state, decay, decay_of_squares, epsilon):
    m, v = moments(g, state, decay, decay_of_squares)
    return m / (np.sqrt(v) + epsilon)


def amsgrad(g, state, decay, decay_of_squares, epsilon):
    m, v = moments(g, state, decay, decay_of_squares)
    state["most"] = np.maximum(state.get("most", 0.0), state["v"])
    return m / (np.sqrt(state["most"] * v / np.where(state["v"] > 0, state["v"], 1)) + epsilon)


def adabelief(g, state, decay, decay_of_squares, epsilon):
    m, s = moments(g, state, decay, decay_of_squares, lambda g, m: g - m, epsilon)
    return m / (np.sqrt(s) + epsilon)


def diffgrad(g, state, decay, decay_of_squares, epsilon):
    friction = 1 / (1 + np.exp(-np.abs(state.get("last", 0.0) - g)))
    state["last"] = g
    return friction * adam(g, state, decay, decay_of_squares, epsilon)


def diffgrad_as_coded(g, state, decay, decay_of_squares, epsilon):
    """The step of its PyTorch code: η √(1 − β₂^k) / (1 − β₁^k) · ½ m / (√v + ε)."""
    moments(g, state, decay, decay_of_squares)
    factor = np.sqrt(1 - decay_of_squares ** state["k"]) / (1 - decay ** state["k"])
    return factor * 0.5 * state["m"] / (np.sqrt(state["v"]) + epsilon)


def frugal(g, state, n_blocks, every, decay, decay_of_squares, epsilon):
    turn, place = divmod(state.setdefault("step", 0), every)
    state["step"] += 1
    if place == 0:
        state["adam"] = {}
    blocks = np.arange(g.size) * n_blocks // g.size
    everywhere = adam(g, state["adam"], decay, decay_of_squares, epsilon)
    return np.where(blocks == turn % n_blocks, everywhere, np.sign(g))


def dice(g, state, norm, memory_norm, as_coded):
    e = state.get("e", np.zeros_like(g))
    v = clipped(g, norm) + clipped(e, memory_norm)
    r = memory_norm / max(np.linalg.norm(e), 1e-300)
    state["e"] = e * min(r, 1 - min(r, 1)) + g - clipped(g, norm) if as_coded else e + g - v
    return v


def projection(g, normals, factor, encoded):
    along = np.array([normals @ g])
    return factor * (one_byte(along) if encoded else along) * normals


def optimistic(g, state):
    last, state["last"] = state.get("last", 0.0), g
    return 2 * g - last


def adahessian(g, curvature, state, decay, decay_of_squares, power, epsilon):
    m, v = moments(g, state, decay, decay_of_squares, lambda g, m: curvature)
    return m / (np.sqrt(v) ** power + epsilon)


def sophia(g, curvature, state, decay, decay_of_curvatures, every, scale, epsilon):
    if state.setdefault("k", 0) % every == 0:
        state["h"] = decay_of_curvatures * state.get("h", 0.0) + (1 - decay_of_curvatures) * curvature
    state["k"] += 1
    state["m"] = decay * state.get("m", 0.0) + (1 - decay) * g
    return np.clip(state["m"] / np.maximum(scale * state["h"], epsilon), -1, 1)


def link(v, power):
    """The gradient of half the squared norm of this power."""
    length = (np.abs(v) ** power).sum() ** (1 / power)
    return np.sign(v) * np.abs(v) ** (power - 1) * length ** (2 - power)


def signal_to_noise(g, state):
    begin = state.setdefault("begin", g)
    return g * np.linalg.norm(begin) / begin.std(ddof=1)


def projected(rule, g, x, state, threshold):
    d = rule(g, state)
    cosine = abs(g @ x) / (np.linalg.norm(g) * np.linalg.norm(x))
    return d - (d @ x) / (x @ x) * x if cosine < threshold / np.sqrt(g.size) else d


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


def buckets(received, uniforms, size):
    shuffled = received[np.argsort(uniforms)]
    return np.array([shuffled[i : i + size].mean(axis=0) for i in range(0, len(received), size)])


def flag(moves, rank, n_iterations, coded):
    """Reweighted least squares: the leading left singular vectors of weighted unit vectors."""
    unit = moves.T / np.linalg.norm(moves, axis=1)
    weights = np.ones(len(moves))
    for turn in range(n_iterations + 1):
        basis = np.linalg.svd(unit * weights, full_matrices=False)[0][:, :rank]
        if turn < n_iterations:
            weights = (np.maximum(1 - np.square(basis.T @ unit).sum(axis=0), 0) + 1e-7) ** -0.25
    return basis @ (basis.T @ (unit.sum(axis=1) / rank if coded else moves.mean(axis=0)))


def consensus_based(received, own, normals, objective, drift, noise, sharpness, isotropic):
    """With weights exp(-sharpness f), shifted so that the best has 1."""
    values = np.array([objective(x) for x in received])
    weights = np.exp(-sharpness * (values - values.min()))
    apart = received[own] - weights @ received / weights.sum()
    return received[own] - drift * apart + noise * (np.linalg.norm(apart) if isotropic else apart) * normals


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


# Continuous flows between events


def dadao_constants(L, mu, chi):
    nu = mu / 2
    root = np.sqrt(nu / L)
    return {
        "nu": nu,
        "eta": root / 8,
        "theta": 1 / (2 * root),
        "alpha": root / 4,
        "alpha_tilde": root / 8,
        "beta": 0.5,
        "beta_tilde": 2 * chi / root,
        "gamma": 1 / (4 * L),
        "gamma_tilde": 1 / (4 * np.sqrt(L * nu)),
        "delta": root / 4 + 1,
    }


def dadao_flow(c):
    """The matrix of the flow of (x, x̃, y, ỹ, z, z̃)."""
    A = np.zeros((6, 6))
    A[0, :2] = -c["eta"], c["eta"]
    A[1, :2] = c["eta"], -c["eta"]
    A[2, 2:4] = -c["alpha"], c["alpha"]
    A[3, [1, 2, 4]] = -c["theta"] * c["nu"], -c["theta"], -c["theta"]
    A[4, 4:] = -c["alpha"], c["alpha"]
    A[5, 4:] = c["alpha_tilde"], -c["alpha_tilde"]
    return A


def dadao_gradient(state, node, g, c):
    """A node's event, on states (6, nodes, …); g its gradient at x."""
    r = g - c["nu"] * state[0, node] - state[3, node]
    state = state.copy()
    state[0, node] -= c["gamma"] * r
    state[1, node] -= c["gamma_tilde"] * r
    state[3, node] += c["delta"] * r
    return state


def dadao_link(state, i, j, c):
    """A link's event."""
    m = (state[2] + state[4])[i] - (state[2] + state[4])[j]
    state = state.copy()
    for node, sign in ((i, 1), (j, -1)):
        state[4, node] -= sign * c["beta"] * m
        state[5, node] -= sign * c["beta_tilde"] * m
    return state
