"""The slow plain truth about random numbers and simulation. Imports nothing of the package.

Written from the published algorithms and the recursions as papers state them: dense matrices, one run, one
sample at a time. Variates are computed from the documented counters, so a kernel must agree to rounding.
"""

import itertools

import numpy as np

# What a variate is for: the top four bits of the first counter word.
FEATURES, CHI_SQUARE, ROWS = (purpose << 28 for purpose in (0, 2, 3))
LOW = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011) of four 32-bit words; Python integers or uint64 arrays."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    return c0, c1, c2, c3


def words(key, index, step, node, run):
    """The four random words of every counter, the arguments broadcast against each other."""
    arrays = np.broadcast_arrays(*(np.asarray(word, np.uint64) for word in (index, step, node, run)))
    return philox(arrays, [int(word) for word in key])


def uniform(high, low):
    """(0, 1] from the upper 52 bits of high·2^32 + low."""
    return 1 - (((high << 32) | low) >> 12) * 2.0**-52


def normal_pairs(key, index, step, node, run):
    """Box–Muller: a radius from one uniform; a half turn and a sign from the bits of another."""
    c0, c1, c2, c3 = words(key, index, step, node, run)
    radius = np.sqrt(-2 * np.log(uniform(c0, c1)))
    angle = np.pi * ((((c2 << 32) | c3) >> 12) * 2.0**-52 - 0.5)
    sign = 1.0 - 2.0 * (c3 & 1)
    return sign * radius * np.cos(angle), sign * radius * np.sin(angle)


def counter_normals(key, index, step, node, run, *, single=False):
    """All normals of every counter, on a last axis: a cosine and a sine; in single precision two and two.

    In single precision 32 bits make each number, the lower words of a pair of words first.
    """
    if not single:
        return np.stack(normal_pairs(key, index, step, node, run), axis=-1)
    c0, c1, c2, c3 = words(key, index, step, node, run)
    pairs = []
    for radial, angular in ((c1, c3), (c0, c2)):
        radius = np.sqrt(-2 * np.log((radial >> 1) * 2.0**-31 + 2.0**-32))
        angle = np.pi * angular.astype(np.uint32).view(np.int32) * 2.0**-32
        sign = 1.0 - 2.0 * (angular & 1)
        pairs.append((sign * radius * np.cos(angle), sign * radius * np.sin(angle)))
    return np.stack([values for kind in zip(*pairs, strict=True) for values in kind], axis=-1)


def normal_sequence(key, count, first_index, step, node, run, *, single=False):
    """Normals one after the other, counter by counter."""
    indices = first_index + np.arange(-(-count // (4 if single else 2)))
    return counter_normals(key, indices, step, node, run, single=single).ravel()[:count]


def normal_vector(key, dim, first_index, step, node, run, *, single=False):
    """A vector's normals: a sequence whose last counter two runs share where half of it is enough for each.

    Those runs differ in bit 4 of their numbers; the one that has it takes the sines.
    """
    drawn, numbers = (
        normal_sequence(key, dim, first_index, step, node, run, single=single),
        4 if single else 2,
    )
    whole = (dim - 1) // numbers
    rest = dim - whole * numbers
    if rest <= numbers // 2:
        shared = counter_normals(key, first_index + whole, step, node, run & ~16, single=single)
        drawn[whole * numbers :] = shared[numbers // 2 if run & 16 else 0 :][:rest]
    return drawn


def chi_square(key, degrees, step, node, run, purpose=CHI_SQUARE):
    """Marsaglia–Tsang (ACM TOMS 2000): attempt t reads counters purpose + 4t and purpose + 4t + 1."""
    shape = degrees / 2 + (degrees < 2) - 1 / 3
    for attempt in range(1000):
        x, _ = normal_pairs(key, purpose + 4 * attempt, step, node, run)
        c0, c1, c2, c3 = words(key, purpose + 4 * attempt + 1, step, node, run)
        v = (1 + x / np.sqrt(9 * shape)) ** 3
        if v > 0 and np.log(uniform(c0, c1)) < x**2 / 2 + shape * (1 - v + np.log(v)):
            value = 2 * shape * v
            return value * uniform(c2, c3) ** (2 / degrees) if degrees < 2 else value
    raise RuntimeError("a thousand rejections")


def integer(key, bound, draw, step, node, run, purpose=ROWS):
    """Lemire (TOMACS 2019), draw number ``draw``: four draws share a counter, a rejected one has its own."""
    word = int(words(key, purpose + draw // 4, step, node, run)[draw % 4])
    attempt = 0
    while (word * bound) % 2**32 < 2**32 % bound:
        attempt += 1
        word = int(words(key, purpose + (attempt << 24) + draw, step, node, run)[0])
    return word * bound >> 32


def minibatch(key, n_rows, batch_size, replacement, step, node, run):
    """Rows of one minibatch: independent, or distinct by Floyd's algorithm (CACM 1987)."""
    if replacement:
        return [integer(key, n_rows, draw, step, node, run) for draw in range(batch_size)]
    chosen = []
    for draw in range(batch_size):
        last = n_rows - batch_size + draw
        row = integer(key, last + 1, draw, step, node, run)
        chosen.append(last if row in chosen else row)
    return chosen


def sampled_gradient(error, features, noise, feature_std, noise_std, root):
    """(1/b) Σ a (aᵀe − σ ε) over the rows a = s·Λ^½ z of the minibatch, e = x − x*."""
    rows = feature_std * root * features
    return rows.T @ (rows @ error - noise_std * noise) / len(rows)


def collapsed_gradient(error, zeta, chi_squared, feature_std, noise_std, batch_size, root):
    """The same in law given e: b·g = sΛ^½ [χ² ẽ + χ (τζ + (σ − τ)(uᵀζ)u)], ẽ = sΛ^½ e, u = ẽ/‖ẽ‖."""
    tilted = feature_std * root * error
    length = np.linalg.norm(tilted)
    tau, chi = np.hypot(length, noise_std), np.sqrt(chi_squared)
    unit = tilted / length if length > 0 else np.zeros_like(tilted)
    inner = chi_squared * tilted + chi * (tau * zeta + (noise_std - tau) * (unit @ zeta) * unit)
    return feature_std * root * inner / batch_size


def data_gradient(iterate, features, targets, ridge):
    """Gradient of (1 / 2b) Σ (aᵀx − y)² + ½ ridge ‖x‖²."""
    return features.T @ (features @ iterate - targets) / len(targets) + ridge * iterate


def mix_and_step(iterates, W, gradients, step_size, adapt_first):
    """One step of all nodes: x ← W x − ηg, or x ← W (x − ηg)."""
    moved = np.asarray(step_size)[:, None] * gradients
    return W @ (iterates - moved) if adapt_first else W @ iterates - moved


def directions(key, step, run, n_nodes, dim, *, single=False):
    """The collapsed law's normals of one run, (n_nodes, dim)."""
    return np.stack(
        [normal_vector(key, dim, FEATURES, step, node, run, single=single) for node in range(n_nodes)]
    )


def samples(key, step, node, run, batch_size, dim, *, single=False):
    """A minibatch of one run, (batch_size, dim + 1): one vector a sample, the noise last."""
    n_counters = -(-(dim + 1) // (4 if single else 2))
    return np.stack(
        [
            normal_vector(key, dim + 1, FEATURES + q * n_counters, step, node, run, single=single)
            for q in range(batch_size)
        ]
    )


def gaussian_run(
    start,
    W,
    step_size,
    batch_size,
    feature_std,
    noise_std,
    root,
    key,
    run,
    n_steps,
    *,
    direct,
    adapt_first,
    single=False,
):
    """Deviations after 0 … n_steps steps in the eigenbasis, (n_steps + 1, n_nodes, dim).

    ``step_size`` has an entry for each node, or a row of those for each step.
    """
    n_nodes, dim = start.shape
    step_sizes = np.broadcast_to(step_size, (n_steps, n_nodes))
    path = [start]
    for step in range(n_steps):
        gradients = np.empty_like(start)
        zeta = directions(key, step, run, n_nodes, dim, single=single)
        for i in range(n_nodes):
            error = path[-1][i]
            if direct:
                drawn = samples(key, step, i, run, batch_size[i], dim, single=single)
                gradients[i] = sampled_gradient(
                    error, drawn[:, :dim], drawn[:, -1], feature_std[i], noise_std[i], root
                )
            else:
                chi_squared = chi_square(key, batch_size[i], step, i, run)
                gradients[i] = collapsed_gradient(
                    error, zeta[i], chi_squared, feature_std[i], noise_std[i], batch_size[i], root
                )
        path.append(mix_and_step(path[-1], W, gradients, step_sizes[step], adapt_first))
    return np.array(path)


def moments(start, W, step_size, batch_size, feature_std, noise_std, eigenvalues, n_steps, adapt_first):
    """Exact mean E e (n_nodes, dim) and second moments E e_ip e_jp (dim, n_nodes, n_nodes) after n_steps.

    Given e, the gradient of node i has mean s²Λe and covariance
    (1/b)[s²Λ (s² eᵀΛe + σ²) + s⁴ Λe eᵀΛ] (Isserlis), independently from node to node.
    """
    mean, second = start.copy(), np.einsum("ip,jp->pij", start, start)
    power = feature_std**2
    nodes = np.arange(len(W))
    for _ in range(n_steps):
        local = second[:, nodes, nodes]
        loss = power * (eigenvalues @ local) + noise_std**2
        gain = step_size**2 / batch_size
        moved, spread = [], []
        for p, value in enumerate(eigenvalues):
            mixing = np.eye(len(W)) if adapt_first else W
            moved.append(mixing - np.diag(step_size * power * value))
            spread.append(np.diag(gain * (power * value * loss + power**2 * value**2 * local[p])))
        after = np.eye(len(W)) if not adapt_first else W
        second = np.array(
            [after @ (M @ P @ M.T + S) @ after.T for M, P, S in zip(moved, second, spread, strict=True)]
        )
        mean = np.array([after @ M @ column for M, column in zip(moved, mean.T, strict=True)]).T
    return mean, second


# Neural networks

INITIAL_WEIGHTS = 15 << 28


def split_parameters(parameters, sizes, bias):
    """[(weights (n_out, n_in), biases (n_out,))] of a vector of parameters."""
    layers, position = [], 0
    for n_in, n_out in itertools.pairwise(sizes):
        weights = parameters[position : position + n_out * n_in].reshape(n_out, n_in)
        position += n_out * n_in
        biases = parameters[position : position + n_out] if bias else np.zeros(n_out)
        position += n_out * bias
        layers.append((weights, biases))
    assert position == len(parameters)
    return layers


def activation_of(name, slope):
    """φ and its derivative, of the values before activation."""
    if name == "tanh":
        return np.tanh, lambda z: 1 / np.cosh(z) ** 2
    slope = {"relu": 0.0, "linear": 1.0}.get(name, slope)
    return lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope)


def network_outputs(parameters, sizes, bias, activation, slope, features):
    """The outputs (n_rows, n_outputs), and the values of every layer before and after activation."""
    phi, _ = activation_of(activation, slope)
    before, after = [], [features]
    for weights, biases in split_parameters(parameters, sizes, bias):
        before.append(after[-1] @ weights.T + biases)
        after.append(phi(before[-1]))
    return before[-1], before, after


def network_loss(outputs, targets, loss):
    """Mean over the samples; targets (n_rows, n_outputs), unit vectors for labels."""
    if loss == "squared":
        return 0.5 * np.square(outputs - targets).sum(axis=1).mean()
    top = outputs.max(axis=1, keepdims=True)
    logs = outputs - top - np.log(np.exp(outputs - top).sum(axis=1, keepdims=True))
    return -(targets * logs).sum(axis=1).mean()


def network_gradient(parameters, sizes, bias, activation, slope, loss, features, targets):
    """Gradient of the mean loss by the chain rule, layer by layer."""
    outputs, before, after = network_outputs(parameters, sizes, bias, activation, slope, features)
    _, derivative = activation_of(activation, slope)
    error = outputs - targets
    if loss == "cross-entropy":
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        error = shares / shares.sum(axis=1, keepdims=True) - targets
    layers, parts = split_parameters(parameters, sizes, bias), []
    for layer in range(len(layers) - 1, -1, -1):
        gradient = [(error.T @ after[layer]).ravel()] + [error.sum(axis=0)] * bias
        parts.append(np.concatenate(gradient) / len(features))
        if layer > 0:
            error = (error @ layers[layer][0]) * derivative(before[layer - 1])
    return np.concatenate(parts[::-1])


def network_run(
    start, W, step_size, batch_size, shares, key, run, n_steps, gradient, *, replacement, adapt_first
):
    """Parameters after 0 … n_steps steps; shares[i] holds the (features, targets) of node i."""
    path = [start]
    for step in range(n_steps):
        gradients = np.empty_like(start)
        for i, (features, targets) in enumerate(shares):
            rows = minibatch(key, len(targets), batch_size[i], replacement, step, i, run)
            gradients[i] = gradient(path[-1][i], features[rows], targets[rows])
        path.append(mix_and_step(path[-1], W, gradients, step_size, adapt_first))
    return np.array(path)
