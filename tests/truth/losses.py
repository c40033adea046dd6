"""The slow plain truth about losses, samplings and update rules. Imports nothing of the package.

Losses are written for complex x, so that their derivatives come from a complex step, free of cancellation.
"""

import numpy as np

from tests.truth import simulation as reference

PERMUTATION, UNIFORMS = 8 << 28, 7 << 28


def residual(x, a, y):
    return a @ x - y


def branch(test, inside, beyond):
    return inside if test else beyond


def modulus(z):
    """|z| continued analytically from the real line."""
    return z if z.real >= 0 else -z


def ridged(loss):
    return lambda x, a, y, ridge, *rest: loss(x, a, y, *rest) + ridge / 2 * (x @ x)


@ridged
def least_squares(x, a, y):
    return residual(x, a, y) ** 2 / 2


@ridged
def logistic(x, a, y):
    return np.log(1 + np.exp(-y * (a @ x)))


@ridged
def multinomial(x, a, y, n_classes):
    scores = x.reshape(n_classes, -1) @ a
    return np.log(np.exp(scores).sum()) - scores[int(y)]


@ridged
def huber(x, a, y, threshold):
    r = modulus(residual(x, a, y))
    return branch(r.real <= threshold, r**2 / 2, threshold * (r - threshold / 2))


@ridged
def welsch(x, a, y, scale):
    return scale**2 / 2 * (1 - np.exp(-((residual(x, a, y) / scale) ** 2)))


@ridged
def tukey(x, a, y, scale):
    u = residual(x, a, y) / scale
    return scale**2 / 6 * branch(abs(u.real) <= 1, 1 - (1 - u**2) ** 3, 1.0)


@ridged
def quantile(x, a, y, level):
    r = -residual(x, a, y)
    return r * (level - (r.real < 0))


def complex_step(function, x):
    """Gradient of a function of complex arguments, exact to rounding (Squire & Trapp, SIAM Review 1998)."""
    h = 1e-30
    return np.array([function(x + 1j * h * direction).imag / h for direction in np.eye(x.size)])


def permutation(key, n_rows, epoch, node, run):
    """Fisher–Yates from inside out: place j changes with an earlier one."""
    order = []
    for j in range(n_rows):
        earlier = reference.integer(key, j + 1, j, epoch, node, run, PERMUTATION)
        order.append(j)
        order[j], order[earlier] = order[earlier], order[j]
    return order


def batch(sampling, key, n_rows, batch_size, step, node, run):
    """Rows of one minibatch, counted from the node's first."""
    if sampling in ("replacement", "without-replacement"):
        return reference.minibatch(key, n_rows, batch_size, sampling == "replacement", step, node, run)
    rows = []
    for position in range(step * batch_size, (step + 1) * batch_size):
        epoch, place = divmod(position, n_rows)
        number = {"reshuffle": epoch, "shuffle-once": 0, "flip-flop": epoch // 2 * 2}[sampling]
        order = permutation(key, n_rows, number, node, run)
        rows.append(order[::-1][place] if sampling == "flip-flop" and epoch % 2 else order[place])
    return rows


def variates(key, batch_size, n_normals, n_uniforms, step, node, run):
    """Normals (batch_size, n_normals) and uniforms (batch_size, n_uniforms) of one streaming minibatch."""
    out = []
    for count, kind in ((n_normals, "normal"), (n_uniforms, "uniform")):
        if kind == "normal":
            values = reference.normal_sequence(key, batch_size * count, 0, step, node, run)
        else:
            half = -(-((batch_size * count + 1) // 2) // 8) * 8
            c0, c1, c2, c3 = reference.words(key, UNIFORMS + np.arange(half), step, node, run)
            values = np.concatenate([reference.uniform(c0, c1), reference.uniform(c2, c3)])
        out.append(values[: batch_size * count].reshape(batch_size, count))
    return out


def run(
    start,
    W,
    step_sizes,
    gradient,
    n_steps,
    *,
    adapt_first=False,
    momentum=0.0,
    nesterov=False,
    tracking=False,
    weight_decay=0.0,
    clip_norm=np.inf,
    local_steps=1,
):
    """Iterates after 0 … n_steps steps; gradient(step, node, x) is the minibatch gradient at x."""
    path = [start]
    n_nodes = len(start)
    velocity, tracked, last = (np.zeros_like(start) for _ in range(3))
    for step in range(n_steps):
        x = path[-1]
        mixing = W if (step + 1) % local_steps == 0 else np.eye(n_nodes)
        gradients = []
        for node in range(n_nodes):
            g = gradient(step, node, x[node])
            length = np.linalg.norm(g)
            if length > clip_norm:
                g = g * clip_norm / length
            gradients.append(g + weight_decay * x[node])
        gradients = np.array(gradients)
        if tracking:
            tracked = mixing @ tracked + gradients - last
            last = gradients
            moves = tracked
        elif momentum:
            velocity = momentum * velocity + gradients
            moves = gradients + momentum * velocity if nesterov else velocity
        else:
            moves = gradients
        moved = np.broadcast_to(step_sizes[step], n_nodes)[:, None] * moves
        path.append(mixing @ (x - moved) if adapt_first else mixing @ x - moved)
    return np.array(path)
