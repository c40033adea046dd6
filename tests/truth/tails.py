"""The plain NumPy truth about tails: formulas as printed, one sample at a time. Imports no package code."""

import numpy as np
from scipy import stats


def descending(x, tail="abs"):
    values = {"abs": np.abs, "upper": np.positive, "lower": np.negative}[tail](np.asarray(x, float))
    return np.sort(values[values > 0])[::-1]


def log_excesses(x, k):
    ordered = descending(x)
    return np.log(ordered[:k]) - np.log(ordered[k])


def hill(x, k):
    return log_excesses(x, k).mean()


def moment(x, k):
    first, second = log_excesses(x, k).mean(), (log_excesses(x, k) ** 2).mean()
    return first + 1 - 0.5 / (1 - first**2 / second)


def pickands(x, k):
    ordered = descending(x)
    return np.log2((ordered[k - 1] - ordered[2 * k - 1]) / (ordered[2 * k - 1] - ordered[4 * k - 1]))


def smoothed_hill(x, k, ratio):
    return np.mean([hill(x, j) for j in range(k + 1, ratio * k + 1)])


def trimmed_hill(x, k, trim):
    logs = np.log(descending(x))
    top = (trim + 1) * (logs[trim] - logs[k])
    return (top + (logs[trim + 1 : k] - logs[k]).sum()) / (k - trim)


def interval(xi, k, level):
    tails = (1 - level) / 2
    low, high = stats.chi2.ppf([tails, 1 - tails], 2 * k)
    return low / (2 * k * xi), high / (2 * k * xi)


def second_order(x):
    """(rho, beta) at ⌊n^0.999⌋ for both tau, with the steadier one, as Gomes & Pestana (2007) write it."""
    ordered = descending(x)
    n = len(ordered)
    k_low, k_high = int(n**0.995), min(n - 1, int(n**0.999))

    def rho_of(k, tau):
        excess = np.log(ordered[:k] / ordered[k])
        m1, m2, m3 = excess.mean(), (excess**2).mean() / 2, (excess**3).mean() / 6
        if tau == 0:
            ratio = (np.log(m1) - np.log(m2) / 2) / (np.log(m2) / 2 - np.log(m3) / 3)
        else:
            ratio = (m1 - m2**0.5) / (m2**0.5 - m3 ** (1 / 3))
        return -abs(3 * (ratio - 1) / (ratio - 3))

    paths = np.array([[rho_of(k, tau) for k in range(k_low, k_high + 1)] for tau in (0, 1)])
    spread = ((paths - np.median(paths, axis=1, keepdims=True)) ** 2).sum(axis=1)
    rho = rho_of(k_high, int(spread[1] < spread[0]))
    i = np.arange(1, k_high + 1)
    spacings = i * np.log(ordered[:k_high] / ordered[1 : k_high + 1])
    weight = (i / k_high) ** -rho
    top = weight.mean() * spacings.mean() - (weight * spacings).mean()
    bottom = weight.mean() * (weight * spacings).mean() - (weight**2 * spacings).mean()
    return rho, (k_high / n) ** rho * top / bottom


def min_amse(x):
    rho, beta = second_order(x)
    n = len(descending(x))
    k = ((1 - rho) ** 2 * n ** (-2 * rho) / (-2 * rho * beta**2)) ** (1 / (1 - 2 * rho))
    return int(min(max(k, 1), n - 1))


def ks_threshold(x):
    """(distance, threshold, alpha): every distinct value tried, all pairs."""
    ordered = descending(x)[::-1]
    distinct, first = np.unique(ordered, return_index=True)
    best = (np.inf, np.nan, np.nan)
    for d in range(len(distinct) - 1):
        m = len(ordered) - first[d]
        alpha = m / np.log(ordered[first[d] :] / distinct[d]).sum()
        fitted = 1 - (distinct[d:] / distinct[d]) ** -alpha
        distance = np.abs(fitted - (first[d:] - first[d]) / m).max()
        if distance < best[0]:
            best = (distance, distinct[d], alpha)
    return best


def square_errors(logs, size, n_resamples, generator):
    """Mean over resamples of (M2 − 2·M1²)² for k < size."""
    total = np.zeros(size - 1)
    k = np.arange(1, size)
    for _ in range(n_resamples):
        drawn = np.sort(generator.choice(logs, size))[::-1]
        first, second = np.cumsum(drawn)[:-1] / k, np.cumsum(drawn**2)[:-1] / k
        m1 = first - drawn[1:]
        m2 = second - 2 * drawn[1:] * first + drawn[1:] ** 2
        total += (m2 - 2 * m1**2) ** 2
    return total / n_resamples


def published_mmo(x, block):
    """The function of the published scripts, for scalars (n,) and vectors (n, dim)."""
    x = np.asarray(x, float).reshape(len(x), -1)
    n = len(x) // block
    x = x[: n * block]
    sums = x.reshape(n, block, -1).sum(axis=1)
    epsilon = np.spacing(1.0)
    top = np.log(np.linalg.norm(sums, axis=1) + epsilon).mean()
    bottom = np.log(np.linalg.norm(x, axis=1) + epsilon).mean()
    return np.log(block) / (top - bottom)


def block_variance(x, k, length):
    """Leverage-corrected variance of Hill's xi over disjoint blocks, and its degrees of freedom."""
    x = np.abs(np.asarray(x, float))
    threshold = np.sort(x)[::-1][k]
    above = x > threshold
    excess = np.log(np.where(above, x, threshold) / threshold)
    influence = np.where(above, excess - excess.sum() / above.sum(), 0)
    moved = []
    for start in range(0, len(x), length):
        share = above[start : start + length].sum() / above.sum()
        moved.append(influence[start : start + length].sum() / (1 - min(share, 0.9)))
    moved = np.array(moved)
    return (moved**2).sum() / k**2, (moved**2).sum() ** 2 / (moved**4).sum() - 1
