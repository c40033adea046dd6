"""Mixing matrices that change, one round at a time, from uniforms that are given: dense, by definition."""

from collections.abc import Callable, Iterable

import numpy as np


def links_of(W: np.ndarray) -> list[tuple[int, int]]:
    """Links in the order in which they are numbered."""
    n = len(W)
    return [(i, j) for i in range(n) for j in range(i + 1, n) if W[i, j] != 0 or W[j, i] != 0]


def without(W: np.ndarray, gone: Iterable[tuple[int, int]]) -> np.ndarray:
    """W where both ends of these links keep what they would have carried."""
    W = W.copy()
    for i, j in gone:
        apart = np.eye(len(W))[i] - np.eye(len(W))[j]
        W += W[i, j] * np.outer(apart, apart)
    return W


def failed(W: np.ndarray, probability: float, uniforms: np.ndarray) -> np.ndarray:
    return without(W, [link for link, u in zip(links_of(W), uniforms, strict=False) if u <= probability])


def in_bursts(
    W: np.ndarray, failure: float, recovery: float, uniforms: Iterable[np.ndarray]
) -> list[np.ndarray]:
    """One matrix a round."""
    links, bad, matrices = links_of(W), None, []
    for drawn in uniforms:
        limits = (
            np.full(len(links), failure / (failure + recovery))
            if bad is None
            else np.where(bad, 1 - recovery, failure)
        )
        bad = drawn[: len(links)] <= limits
        matrices.append(without(W, [link for link, gone in zip(links, bad, strict=True) if gone]))
    return matrices


def dropped(W: np.ndarray, probability: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    away = uniforms[: len(W)] <= probability
    return without(W, [(i, j) for i, j in links_of(W) if away[i] or away[j]])


def pair(adjacency: np.ndarray, uniform: float) -> np.ndarray:
    """A node wakes, and calls a neighbour: pairs in the order of their links."""
    degrees, links = adjacency.sum(axis=1), links_of(adjacency)
    chances = np.array([1 / degrees[i] + 1 / degrees[j] for i, j in links])
    chosen = int(np.searchsorted(np.cumsum(chances / chances.sum()), uniform))
    i, j = links[min(chosen, len(links) - 1)]
    apart = np.eye(len(adjacency))[i] - np.eye(len(adjacency))[j]
    return np.eye(len(adjacency)) - 0.5 * np.outer(apart, apart)


def one_peer(n: int, t: int) -> np.ndarray:
    return 0.5 * (np.eye(n) + np.roll(np.eye(n), 2**t, axis=1))


def second_moment(
    matrices: Iterable[tuple[float, np.ndarray]], of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Σ probability · of(W) over all outcomes."""
    return sum(probability * of(W) for probability, W in matrices)


def sampled(n: int, uniforms: np.ndarray) -> np.ndarray:
    """Clients of a round, without replacement: Floyd's algorithm."""
    chosen: list[int] = []
    for i, u in enumerate(uniforms):
        last = n - len(uniforms) + i
        client = int((1 - u) * (last + 1))
        chosen.append(last if client in chosen else client)
    return np.array(chosen)


def at(law: np.ndarray, uniform: float) -> int:
    return int(min(np.searchsorted(np.cumsum(law), uniform), len(law) - 1))


def walk(P: np.ndarray, start: np.ndarray, uniforms: Iterable[float]) -> list[int]:
    """Where a token is in every round."""
    places: list[int] = []
    for u in uniforms:
        places.append(at(P[places[-1]] if places else start, u))
    return places


def repelled(
    P: np.ndarray, mu: np.ndarray, strength: float, forgetting: float | None, uniforms: Iterable[float]
) -> list[int]:
    places, x = [], mu.copy()
    for n, u in enumerate(uniforms):
        if places:
            kernel = P[places[-1]] * (x / mu) ** -strength
            places.append(at(kernel / kernel.sum(), u))
        else:
            places.append(at(mu, u))
        gain = 1 / (n + 2) if forgetting is None else forgetting
        x = x + gain * (np.eye(len(P))[places[-1]] - x)
    return places
