"""Second moments under compression: published figures, and closed recursions of masks and error feedback."""

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, theory
from tests.theory.test_moments import THIRDS, frontier

EQUAL = np.full((8, 8), 1 / 8)
D, B = 100, 5


@pytest.mark.parametrize(("k", "expected"), [(50, 0.11851), (10, 0.04086), (1, 0.00658)])
def test_random_masks_on_gradients_lower_the_frontier(k: int, expected: float) -> None:
    assert frontier(THIRDS, algorithms.compressed(algorithms.random_k(k))) == pytest.approx(
        expected, abs=6e-6
    )


@pytest.mark.parametrize(
    ("k", "gamma", "expected"), [(50, 0.4, 0.14284), (10, 0.08, 0.10125), (1, 0.01, 0.09434)]
)
def test_compressed_differences_tend_to_disconnected_nodes(k: int, gamma: float, expected: float) -> None:
    masks = algorithms.random_k(k, unbiased=False)
    algorithm = algorithms.chain(
        algorithms.compressed(masks, "messages", memory="difference"), algorithms.consensus_step(gamma)
    )
    assert frontier(THIRDS, algorithm) == pytest.approx(expected, abs=6e-6)
    # As published nodes move before they send, and then mix what they have just found.
    assert frontier(THIRDS, algorithms.choco(masks, gamma)) > expected


def growth(W: np.ndarray, algorithm: algorithms.Algorithm, eta: float) -> float:
    problem = dsf.GaussianRegression(dim=D)
    return theory.second_moment_growth(problem, W, step_size=eta, batch_size=B, algorithm=algorithm)


def test_a_mask_common_to_all_nodes_has_its_closed_recursion() -> None:
    eta, factor, W = 0.1, D / 25, THIRDS.toarray()

    def apply(q: np.ndarray) -> np.ndarray:
        noise = q + (D + 1) / B * np.diag(np.diag(q))
        return W @ q @ W.T - eta * (W @ q + q @ W.T) + eta**2 * factor * noise

    basis = np.eye(64).reshape(64, 8, 8)
    operator = np.stack([apply(unit).ravel() for unit in basis], axis=1)
    algorithm = algorithms.compressed(algorithms.random_k(25, common=True))
    expected = np.abs(np.linalg.eigvals(operator)).max()
    assert growth(THIRDS, algorithm, eta) == pytest.approx(expected, rel=1e-9)


def test_error_feedback_at_a_server_has_its_closed_recursion() -> None:
    """State (x, e_1 … e_N), p_i = e_i + ηg_i, x⁺ = x − mean of C(p_i), e_i⁺ = p_i − C(p_i)."""
    eta, share, n = 0.4, 0.25, 8
    made = np.eye(n + 1)
    made[1:, 0] = eta
    kept = np.eye(n + 1)
    kept[0, 1:] = -share / n
    kept[1:, 1:] *= 1 - share

    def apply(q: np.ndarray) -> np.ndarray:
        y = made @ q @ made.T
        y[range(1, n + 1), range(1, n + 1)] += eta**2 * (D + 1) / B * q[0, 0]
        out = kept @ y @ kept.T
        for i in range(1, n + 1):
            c = np.zeros(n + 1)
            c[0], c[i] = -1 / n, -1.0
            out += share * (1 - share) * y[i, i] * np.outer(c, c)
        return out

    size = (n + 1) ** 2
    operator = np.stack([apply(u.reshape(n + 1, n + 1)).ravel() for u in np.eye(size)], axis=1)
    algorithm = algorithms.chain(
        algorithms.compressed(algorithms.random_k(25, unbiased=False), memory="error-feedback"),
        algorithms.adapt_then_combine(),
    )
    expected = np.abs(np.linalg.eigvals(operator)).max()
    assert growth(EQUAL, algorithm, eta) == pytest.approx(expected, rel=1e-9)


def test_a_random_direction_is_refused_where_its_law_with_the_gradient_is_not_known() -> None:
    rows = np.array([[1.0, 0.5], [0.2, 1.0]])
    problem = dsf.DatasetRegression(rows, rows[:, 0])
    with pytest.raises(ValueError, match=r"must have isotropic features .* of projection\(1, 0\)"):
        theory.second_moment_growth(
            problem, np.eye(1), step_size=0.1, batch_size=1, algorithm=algorithms.just_one_byte()
        )
