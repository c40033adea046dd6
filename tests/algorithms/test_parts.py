"""Parts on vectors alone: each equals its definition on the same numbers, and is of the class it declares."""

from collections.abc import Callable

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desgd_fast import algorithms as a
from tests.truth import algorithms as truth

DIM, N_ROWS = 6, 2
Part = a.Part
Truth = Callable[..., np.ndarray]


def of(algorithm: a.Algorithm) -> Part:
    """The one part of an algorithm."""
    (part,) = algorithm.parts
    return part


# What changes a vector: the part, and its truth of (vector, iterate, normals, uniforms, state).
TRANSFORMS: dict[str, tuple[Part, Truth]] = {
    "random_k": (a.random_k(2), lambda v, x, z, u, s: truth.random_k(v, u, 2, True)),
    "random_k biased": (a.random_k(3, unbiased=False), lambda v, x, z, u, s: truth.random_k(v, u, 3, False)),
    "random_mask": (
        a.random_mask(0.4, unbiased=True),
        lambda v, x, z, u, s: np.where(u <= 0.4, v / 0.4, 0.0),
    ),
    "top_k": (a.top_k(2), lambda v, x, z, u, s: truth.top_k(v, 2)),
    "top_k all": (a.top_k(DIM), lambda v, x, z, u, s: v),
    "qsgd": (a.qsgd(3), lambda v, x, z, u, s: truth.qsgd(v, u, 3, True)),
    "qsgd contracting": (a.qsgd(1, unbiased=False), lambda v, x, z, u, s: truth.qsgd(v, u, 1, False)),
    "sign": (a.sign(), lambda v, x, z, u, s: truth.sign(v, True)),
    "sign unscaled": (a.sign(scaled=False), lambda v, x, z, u, s: truth.sign(v, False)),
    "natural": (a.natural(), lambda v, x, z, u, s: truth.natural(v, u)),
    "one_byte": (a.one_byte(), lambda v, x, z, u, s: truth.one_byte(v)),
    "atomic": (a.atomic(2.5), lambda v, x, z, u, s: truth.atomic(v, u, 2.5, True)),
    "atomic as coded": (
        a.atomic(2.5, refilled=False),
        lambda v, x, z, u, s: truth.atomic(v, u, 2.5, False),
    ),
    "atomic matrix": (
        a.atomic(1.2, n_rows=N_ROWS),
        lambda v, x, z, u, s: truth.atomic_matrix(v, u, 1.2, True, N_ROWS),
    ),
    "top_k with error feedback": (
        of(a.compressed(a.top_k(2), memory="error-feedback")),
        lambda v, x, z, u, s: truth.error_feedback(lambda w: truth.top_k(w, 2), v, s),
    ),
    "random_k following differences": (
        of(a.compressed(a.random_k(2, unbiased=False), "messages", memory="difference")),
        lambda v, x, z, u, s: truth.difference(lambda w: truth.random_k(w, u, 2, False), v, s),
    ),
    "accordion": (
        a.accordion(a.top_k(4), a.top_k(1), every=3, threshold=0.4),
        lambda v, x, z, u, s: truth.accordion(
            lambda w: truth.top_k(w, 4), lambda w: truth.top_k(w, 1), v, s, 3, 0.4
        ),
    ),
}

FACTORS = np.linspace(0.5, 2.0, DIM)
TRANSFORMS |= {
    name: (of(algorithm), definition)
    for name, algorithm, definition in (
        ("heavy_ball", a.heavy_ball(0.6), lambda v, x, z, u, s: truth.heavy_ball(v, s, 0.6)),
        ("nesterov", a.nesterov(0.6), lambda v, x, z, u, s: truth.heavy_ball(v, s, 0.6, nesterov=True)),
        ("moving_average", a.moving_average(0.6), lambda v, x, z, u, s: truth.moving_average(v, s, 0.6)),
        ("gradient_tracking", a.gradient_tracking(), lambda v, x, z, u, s: truth.gradient_tracking(v, s)),
        ("weight_decay", a.weight_decay(0.2), lambda v, x, z, u, s: v + 0.2 * x),
        ("clipped", a.clipped(1.5), lambda v, x, z, u, s: truth.clipped(v, 1.5)),
        ("normalized", a.normalized(), lambda v, x, z, u, s: truth.normalized(v)),
        ("gaussian_noise", a.gaussian_noise(0.3), lambda v, x, z, u, s: v + 0.3 * z),
        (
            "stable_noise",
            a.stable_noise(0.3, 1.5),
            lambda v, x, z, u, s: truth.stable_noise(v, z, u, 0.3, 1.5),
        ),
        ("adam", a.adam(0.8, 0.9), lambda v, x, z, u, s: truth.adam(v, s, 0.8, 0.9, 1e-8)),
        ("amsgrad", a.amsgrad(0.8, 0.9), lambda v, x, z, u, s: truth.amsgrad(v, s, 0.8, 0.9, 1e-8)),
        ("adabelief", a.adabelief(0.8, 0.9), lambda v, x, z, u, s: truth.adabelief(v, s, 0.8, 0.9, 1e-16)),
        ("diffgrad", a.diffgrad(0.8, 0.9), lambda v, x, z, u, s: truth.diffgrad(v, s, 0.8, 0.9, 1e-8)),
        (
            "diffgrad as coded",
            a.diffgrad(0.8, 0.9, as_coded=True),
            lambda v, x, z, u, s: truth.diffgrad_as_coded(v, s, 0.8, 0.9, 1e-8),
        ),
        ("frugal", a.frugal(4, every=3), lambda v, x, z, u, s: truth.frugal(v, s, 4, 3, 0.9, 0.999, 1e-8)),
        (
            "dice",
            a.Algorithm((a.dice_sgd(1.0, 0.7).local[0],)),
            lambda v, x, z, u, s: truth.dice(v, s, 1.0, 0.7, False),
        ),
        (
            "dice as coded",
            a.Algorithm((a.dice_sgd(1.0, 0.7, as_coded=True).local[0],)),
            lambda v, x, z, u, s: truth.dice(v, s, 1.0, 0.7, True),
        ),
        (
            "projection",
            a.Algorithm(a.just_one_byte(root_of=4).local),
            lambda v, x, z, u, s: truth.projection(v, z, 2.0, False),
        ),
        (
            "projection encoded",
            a.Algorithm(a.just_one_byte(encoded=True).local),
            lambda v, x, z, u, s: truth.projection(v, z, 1.0, True),
        ),
        ("preconditioned", a.preconditioned(FACTORS), lambda v, x, z, u, s: v * FACTORS),
        ("optimistic", a.optimistic(), lambda v, x, z, u, s: truth.optimistic(v, s)),
        ("signal_to_noise", a.signal_to_noise(), lambda v, x, z, u, s: truth.signal_to_noise(v, s)),
        (
            "projected heavy_ball",
            a.projected(a.heavy_ball(0.6), threshold=1.0),
            lambda v, x, z, u, s: truth.projected(lambda g, t: truth.heavy_ball(g, t, 0.6), v, x, s, 1.0),
        ),
    )
}


def variates(count: int) -> np.ndarray:
    """What an aggregation draws."""
    return 1 - np.random.default_rng(9).random(count)


# What combines vectors: the part, and its truth of (received, own).
AGGREGATIONS: dict[str, tuple[Part, Truth]] = {
    name: (of(algorithm), definition)
    for name, algorithm, definition in (
        ("mean", a.mean(), lambda r, own: r.mean(axis=0)),
        ("coordinate_median", a.coordinate_median(), lambda r, own: np.median(r, axis=0)),
        ("trimmed_mean", a.trimmed_mean(2), lambda r, own: truth.trimmed_mean(r, 2)),
        ("krum", a.krum(2), lambda r, own: truth.multi_krum(r, 2, 2, 1)),
        ("krum of ByzFL", a.krum(1, neighbours="n-f-1"), lambda r, own: truth.multi_krum(r, 1, 1, 1)),
        ("multi_krum", a.multi_krum(2), lambda r, own: truth.multi_krum(r, 2, 2, len(r) - 2)),
        ("multi_krum of 3", a.multi_krum(1, kept=3), lambda r, own: truth.multi_krum(r, 1, 2, 3)),
        ("bulyan", a.bulyan(1), lambda r, own: truth.bulyan(r, 1)),
        (
            "nearest_neighbour_averaging",
            a.nearest_neighbour_averaging(2),
            lambda r, own: truth.nearest_neighbour_averaging(r, own, 2),
        ),
        (
            "nearest_neighbour_mixing",
            a.nearest_neighbour_mixing(a.trimmed_mean(1), 2),
            lambda r, own: truth.trimmed_mean(truth.nearest_neighbour_mixing(r, 2), 1),
        ),
        (
            "bucketing",
            a.bucketing(a.coordinate_median(), 3),
            lambda r, own: np.median(truth.buckets(r, variates(len(r)), 3), axis=0),
        ),
    )
}

SCALES = st.sampled_from([1e-6, 1.0, 1e6])
SEEDS = st.integers(0, 2**32 - 1)
every_transform = pytest.mark.parametrize("name", TRANSFORMS)
every_aggregation = pytest.mark.parametrize("name", AGGREGATIONS)


class Steps:
    """A part on one node's vectors, step after step, with its memory and variates of a generator."""

    def __init__(self, part: Part, seed: int) -> None:
        self.part, self.memory = part, np.zeros((part.memory, DIM))
        self.generator = np.random.default_rng(seed)
        self.parameters = np.array(part.parameters, float)

    def variates(self) -> tuple[np.ndarray, np.ndarray]:
        normals, uniforms = self.part.variates(DIM)
        return self.generator.standard_normal(normals), 1 - self.generator.random(uniforms)

    def take(
        self, vector: np.ndarray, iterate: np.ndarray, normals: np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        changed = vector.copy()
        try:
            self.part.function(changed, iterate, self.memory, normals, uniforms, self.parameters)
        except np.linalg.LinAlgError:  # which is divergence to the loop
            changed[:] = np.nan
        return changed


def drawn(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal vectors, some coordinates of which are zero."""
    return generator.standard_normal(shape) * (generator.random(shape) < 0.9)


@every_transform
@given(seed=SEEDS, scale=SCALES)
@settings(max_examples=25, deadline=None)
def test_parts_equal_their_definitions_step_by_step(name: str, seed: int, scale: float) -> None:
    part, definition = TRANSFORMS[name]
    steps, state, generator = Steps(part, seed), {}, np.random.default_rng([seed, 1])
    for _ in range(8):
        vector, iterate = scale * drawn(generator, DIM), drawn(generator, DIM)
        normals, uniforms = steps.variates()
        changed = steps.take(vector, iterate, normals, uniforms)
        expected = definition(vector, iterate, normals, uniforms, state)
        size = np.abs(expected).max() + np.abs(vector).max()
        np.testing.assert_allclose(changed, expected, rtol=1e-12, atol=1e-12 * size)


@every_transform
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_parts_scale_or_stay_bounded_as_their_degree_says(name: str, seed: int) -> None:
    part, _ = TRANSFORMS[name]
    paths = []
    # Powers of two, with which natural compression scales, and everything else without rounding.
    for factor in (1.0, 2.0**40):
        steps, generator = Steps(part, seed), np.random.default_rng([seed, 2])
        path = []
        for _ in range(8):
            vector, iterate = factor * generator.standard_normal((2, DIM))
            normals, uniforms = steps.variates()
            if part.additive:
                normals, uniforms = 0 * normals, 0 * uniforms + 0.5
            path.append(steps.take(vector, iterate, normals, uniforms))
        paths.append(np.array(path))
    if part.degree == "bounded":
        assert np.abs(paths[1]).max() < 1e4
    else:
        np.testing.assert_allclose(paths[1], 2.0**40 * paths[0], rtol=1e-9, atol=0)


@every_transform
def test_linear_parts_are_additive_and_equivariant_ones_turn(name: str) -> None:
    part, _ = TRANSFORMS[name]
    generator = np.random.default_rng(5)
    turn = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0]
    vectors = generator.standard_normal((2, 8, 2, DIM))
    variates = [Steps(part, 7) for _ in range(4)]
    ends = []
    for steps, path in zip(
        variates, (vectors[0], vectors[1], vectors[0] + vectors[1], vectors[0] @ turn), strict=True
    ):
        for vector, iterate in path:
            normals, uniforms = steps.variates()
            turns = part.normals == "dim" and path is not vectors[0] and len(ends) == 3
            end = steps.take(vector, iterate, normals @ turn if turns else normals, uniforms)
        ends.append(end)
    if part.degree == "linear" and not part.additive:
        np.testing.assert_allclose(ends[0] + ends[1], ends[2], rtol=0, atol=1e-9 * np.abs(ends).max())
    if part.equivariant:
        np.testing.assert_allclose(ends[0] @ turn, ends[3], rtol=0, atol=1e-9 * np.abs(ends).max())


@every_transform
def test_what_is_not_a_number_is_not_lost_in_a_part(name: str) -> None:
    part, _ = TRANSFORMS[name]
    steps = Steps(part, 3)
    uniforms = np.full(part.variates(DIM)[1], 0.01)
    changed = steps.take(np.full(DIM, np.nan), np.ones(DIM), np.ones(part.variates(DIM)[0]), uniforms)
    assert np.isnan(changed).any()


def combined(part: Part, received: np.ndarray, own: int) -> np.ndarray:
    out = np.empty(received.shape[1])
    weights = np.full(len(received), 1 / len(received))
    uniforms = variates(part.variates(len(received))[1])
    part.function(out, received, weights, own, uniforms, np.array(part.parameters, float))
    return out


@every_aggregation
@given(seed=SEEDS, scale=SCALES, n_received=st.integers(7, 10), dim=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_aggregations_equal_their_definitions(
    name: str, seed: int, scale: float, n_received: int, dim: int
) -> None:
    part, definition = AGGREGATIONS[name]
    generator = np.random.default_rng(seed)
    received = scale * (generator.standard_normal((n_received, dim)) + 3)
    own = int(generator.integers(n_received))
    np.testing.assert_allclose(combined(part, received, own), definition(received, own), rtol=1e-12)


@pytest.mark.parametrize("name", [*AGGREGATIONS, "geometric_median"])
def test_aggregations_scale_shift_and_turn_as_they_declare(name: str) -> None:
    part = of(a.geometric_median()) if name == "geometric_median" else AGGREGATIONS[name][0]
    generator = np.random.default_rng(2)
    turn = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0]
    received = generator.standard_normal((9, DIM))
    out = combined(part, received, 4)
    np.testing.assert_allclose(combined(part, 2.0**40 * received, 4), 2.0**40 * out, rtol=1e-9)
    np.testing.assert_allclose(combined(part, received + 5, 4), out + 5, rtol=0, atol=1e-9)
    if part.equivariant:
        np.testing.assert_allclose(combined(part, received @ turn, 4), out @ turn, rtol=0, atol=1e-9)
    if part.degree == "linear":
        other = generator.standard_normal((9, DIM))
        np.testing.assert_allclose(combined(part, received + other, 4), out + combined(part, other, 4))


@numba.njit
def _compiled(x: np.ndarray) -> float:
    return np.sum(x**2) + np.sum(np.cos(3 * x))


def _objective(x: np.ndarray) -> float:
    return float(np.sum(np.square(x)) + np.sum(np.cos(3 * x)))


@given(
    seed=SEEDS,
    n_received=st.integers(2, 9),
    sharpness=st.sampled_from([1e-3, 1.0, 1e6]),
    isotropic=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_consensus_based_particles_move_as_defined(
    seed: int, n_received: int, sharpness: float, isotropic: bool
) -> None:
    numbers = {"drift": 0.3, "noise": 0.7, "sharpness": sharpness, "isotropic": isotropic}
    part = a.consensus_based(_compiled, **numbers).aggregation
    generator = np.random.default_rng(seed)
    received, normals = generator.standard_normal((n_received, DIM)), generator.standard_normal(DIM)
    weights, out, parameters = np.full(n_received, 1 / n_received), np.empty(DIM), np.array(part.parameters)
    part.function(out, received, weights, 1, normals, parameters)
    expected = truth.consensus_based(received, 1, normals, _objective, **numbers)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)
    part.function(out, received, weights, -1, normals, parameters)
    assert np.isnan(out).all()


@given(seed=SEEDS, scale=SCALES, n_received=st.integers(4, 9), coded=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_flag_aggregator_equals_its_definition_and_is_of_its_class(
    seed: int, scale: float, n_received: int, coded: bool
) -> None:
    part = of(a.flag(3, n_iterations=2, as_coded=coded))
    generator = np.random.default_rng(seed)
    moves = scale * (generator.standard_normal((n_received, DIM)) + 1)
    made = combined(part, moves, 0)
    size = np.abs(made).max()
    np.testing.assert_allclose(made, truth.flag(moves, 3, 2, coded), rtol=0, atol=1e-8 * size)
    grown = combined(part, 2.0**20 * moves, 0)
    np.testing.assert_allclose(grown, made if coded else 2.0**20 * made, rtol=1e-9)
    turn = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0]
    np.testing.assert_allclose(combined(part, moves @ turn, 0), made @ turn, rtol=0, atol=1e-8 * size)


@given(seed=SEEDS, n_received=st.integers(2, 10))
@settings(max_examples=40, deadline=None)
def test_the_geometric_median_has_the_least_sum_of_distances(seed: int, n_received: int) -> None:
    generator = np.random.default_rng(seed)
    received = generator.standard_normal((n_received, 3))

    def objective(z: np.ndarray) -> float:
        return float(np.linalg.norm(received - z, axis=1).sum())

    out = combined(of(a.geometric_median(n_iterations=2000)), received, 0)
    others = [*received, *(out + 10.0 ** generator.uniform(-4, 0) * generator.standard_normal((50, 3)))]
    assert objective(out) <= min(map(objective, others)) * (1 + 1e-5)


@pytest.mark.parametrize("name", ["krum", "multi_krum", "coordinate_median", "bulyan", "trimmed_mean"])
def test_robust_aggregations_stay_among_the_honest(name: str) -> None:
    part, _ = AGGREGATIONS[name]
    received = np.random.default_rng(1).standard_normal((9, 3))
    for wrong in (1e300, np.inf):
        received[2] = wrong
        assert (np.abs(combined(part, received, 4)) < 4).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: a.random_k(0), ValueError, "k must be an integer ≥ 1"),
        (lambda: a.top_k(2.0), TypeError, "k must be an integer"),
        (lambda: a.random_mask(1.0), ValueError, "share must be"),
        (lambda: a.qsgd(0), ValueError, "levels must be"),
        (lambda: a.atomic(0.0), ValueError, "budget must be"),
        (lambda: a.atomic(1.0, n_rows=0), ValueError, "n_rows must be"),
        (lambda: a.compressed(a.heavy_ball()), TypeError, "compressor must be a Part"),
        (
            lambda: a.compressed(a.top_k(1), "iterates"),
            ValueError,
            "of must be one of 'gradients', 'messages'",
        ),
        (lambda: a.compressed(a.top_k(1), memory="momentum"), ValueError, "memory must be one of"),
        (
            lambda: a.accordion(a.top_k(2), a.random_k(1), every=5),
            ValueError,
            "high must keep nothing, and draw",
        ),
        (lambda: a.accordion(a.top_k(2), a.top_k(1), every=0), ValueError, "every must be"),
        (lambda: a.trimmed_mean(-1), ValueError, "n_byzantine must be an integer ≥ 0"),
        (lambda: a.krum(1, neighbours="all"), ValueError, "neighbours must be one of"),
        (lambda: a.multi_krum(1, kept=0), ValueError, "kept must be"),
        (
            lambda: a.nearest_neighbour_mixing(a.heavy_ball(), 1),
            ValueError,
            "aggregation must be an aggregation that draws no",
        ),
    ],
)
def test_bad_parts_are_refused(make: Callable[[], object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
