"""Random numbers: published bits, accurate transforms, the right laws, no dependence on any counter axis.

Statistical tests use fixed keys; each says how likely it was to fail by chance when the key was chosen.
"""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from desgd_fast.kernels.draw import normals, random
from desgd_fast.kernels.jit import arithmetic
from tests.truth import simulation as reference

KEY = np.array([0x0123ABCD, 0xFEDC4567], np.uint64)

word32 = st.integers(0, 2**32 - 1)
every_dtype = st.sampled_from(["float64", "float32"])
bound = st.sampled_from([1, 2, 3, 2**31 + 1, 3 * 2**30, 2**32 - 1]) | st.integers(1, 2**32 - 1)
# A whole register of nodes and some more.
bounds_of_draws = st.lists(st.lists(bound, min_size=11, max_size=11), min_size=8, max_size=8)


def u64(value: int) -> np.uint64:
    return np.uint64(value)


def draw_normals(
    n_steps: int,
    count: int,
    *,
    key: np.ndarray = KEY,
    purpose: int = 0,
    step: int = 0,
    node: int = 0,
    run: int = 0,
    dtype: str = "float64",
) -> np.ndarray:
    """(n_steps, 2·count) normals, count a multiple of 32."""
    out = np.empty((n_steps, 2 * count), dtype)
    normals.draw_normals(key, u64(purpose), u64(step), u64(node), u64(run), out)
    return out


def draw_vectors(
    dim: int,
    n_nodes: int,
    lanes: int,
    n_blocks: int,
    *,
    key: np.ndarray = KEY,
    step: int = 0,
    node: int = 0,
    run: int = 0,
    dtype: str = "float64",
) -> np.ndarray:
    """(n_nodes, dim, n_blocks·lanes) normals, so many runs drawn side by side."""
    out = np.empty((n_blocks, n_nodes, dim, lanes), dtype)
    for block in range(n_blocks):
        first = u64(run + block * lanes)
        normals.draw_vectors(key, random.FEATURES, u64(step), u64(node), first, out[block])
    return np.concatenate(out, axis=-1)


def draw_chi_square(degrees: np.ndarray, n_steps: int, *, shift: int = 0, node: int = 0, run: int = 0):
    parameters = random.chi_square_parameters(degrees)
    out = np.empty((n_steps, parameters.shape[1]))
    purpose = random.CHI_SQUARE
    random.draw_chi_square(KEY, purpose, u64(0), u64(node), u64(run), u64(shift), parameters, out)
    return out[:, : degrees.size]


def draw_integers(bounds: np.ndarray, n_steps: int, *, node: int = 0, run: int = 0) -> np.ndarray:
    out = np.empty((n_steps, *bounds.shape), np.int64)
    random.draw_integers(KEY, random.ROWS, u64(0), u64(node), u64(run), bounds.astype(np.uint64), out)
    return out


# Bits


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_answers_published_with_random123(counter: str, key: str, answer: str) -> None:
    counter_words, key_words, expected = (
        [int(word, 16) for word in text.split()] for text in (counter, key, answer)
    )
    assert list(reference.philox(counter_words, key_words)) == expected
    assert [int(word) for word in random.philox(*map(u64, counter_words + key_words))] == expected


@given(st.tuples(word32, word32, word32, word32), st.tuples(word32, word32))
def test_philox_equals_the_reference(counter: tuple[int, ...], key: tuple[int, ...]) -> None:
    compiled = random.philox(*map(u64, counter + key))
    assert tuple(int(word) for word in compiled) == reference.philox(counter, key)


@given(word32, word32)
def test_uniforms_are_positive_and_at_most_one(low: int, high: int) -> None:
    value = random.unit(u64(low | high << 32))
    assert value == reference.uniform(high, low)
    assert 2.0**-52 <= value <= 1.0


# Elementary functions. Against extended precision the relative errors reach 3.3e-16 (log), 1.5e-16 (exp),
# 1.1e-16 (sqrt), 3.3e-16 (tanh) and 4.7e-16 (sine), the absolute error of the cosine 2.6e-16; math adds
# 1.2e-16.


@given(st.floats(2.0**-1022, 1.7e308))
@example(1.0)
@example(2.0**-52)
@example(1 - 2.0**-53)
@example(1 + 2.0**-52)
@example(math.sqrt(0.5))
@example(math.nextafter(math.sqrt(0.5), 0))
@example(2.0**-1022)
def test_log_is_accurate(value: float) -> None:
    assert abs(arithmetic.log(value) - math.log(value)) <= 4.5e-16 * abs(math.log(value))


@given(st.floats(-708, 709))
@example(0.0)
@example(-0.0)
@example(5e-324)
@example(709.78)
@example(-708.39)
@example(0.5 * math.log(2))
def test_exp_is_accurate(value: float) -> None:
    assert abs(arithmetic.exp(value) - math.exp(value)) <= 3e-16 * math.exp(value)


@given(st.floats(max_value=-708))
@example(-745.0)
@example(-math.inf)
def test_small_exponentials_are_rounded_to_subnormal_numbers(value: float) -> None:
    assert abs(arithmetic.exp(value) - math.exp(value)) <= max(3e-16 * math.exp(value), 5e-324)


@pytest.mark.parametrize("value", [709.79, 1000.0, 1e308, math.inf])
def test_large_exponentials_are_infinite(value: float) -> None:
    assert arithmetic.exp(value) == math.inf
    assert math.isnan(arithmetic.exp(math.nan))


@given(st.floats())
@example(math.inf)
@example(-math.inf)
@example(-0.0)
@example(1e-200)
@example(5e-324)
@example(0.175)
def test_tanh_is_accurate(value: float) -> None:
    np.testing.assert_allclose(arithmetic.tanh(value), math.tanh(value), rtol=5e-16)


@given(st.floats(1e-300, 1e300))
@example(0.0)
@example(1e-300)
@example(1e300)
@example(2.0**-51)
def test_sqrt_is_accurate(value: float) -> None:
    assert abs(arithmetic.sqrt(value) - math.sqrt(value)) <= 2.3e-16 * math.sqrt(value)


@given(st.floats(-0.5, 0.5))
@example(0.0)
@example(0.5)
@example(-0.5)
@example(0.25)
@example(5e-324)
def test_sine_and_cosine_are_accurate(t: float) -> None:
    sine, cosine = arithmetic.sin_cos_pi(t)
    # math.cos(πt) would err by the rounding of πt near ±½; ½ - |t| is exact there.
    assert abs(sine - math.sin(math.pi * t)) <= 7e-16 * abs(math.sin(math.pi * t)) + 5e-324
    assert abs(cosine - math.sin(math.pi * (0.5 - abs(t)))) <= 4e-16


# Variates equal the reference


@settings(max_examples=50)
@given(
    st.tuples(word32, word32),
    st.sampled_from([0, 1 << 28, 4 << 28]),
    st.integers(0, 2**32 - 3),
    word32,
    word32,
    st.integers(1, 4),
    st.sampled_from(["float64", "float32"]),
)
def test_normals_equal_the_reference(
    key: tuple[int, int], purpose: int, step: int, node: int, run: int, fills: int, dtype: str
) -> None:
    drawn = draw_normals(
        2,
        32 * fills,
        key=np.array(key, np.uint64),
        purpose=purpose,
        step=step,
        node=node,
        run=run,
        dtype=dtype,
    )
    single = dtype == "float32"
    for r in range(2):
        expected = reference.normal_sequence(key, 64 * fills, purpose, step + r, node, run, single=single)
        np.testing.assert_allclose(drawn[r], expected, rtol=0, atol=4e-6 if single else 2e-14)


@settings(max_examples=60)
@given(
    st.tuples(word32, word32),
    st.integers(1, 9) | st.sampled_from([33, 70]),
    word32,
    st.integers(0, 2**32 - 3),
    st.integers(0, 2**32 - 128),
    st.integers(0, 6),
    every_dtype,
)
def test_normal_vectors_equal_the_reference(
    key: tuple[int, int], dim: int, step: int, node: int, run: int, shift: int, dtype: str
) -> None:
    lanes, single = 1 << shift, dtype == "float32"
    first = run // lanes * lanes
    drawn = draw_vectors(
        dim, 3, lanes, 1, key=np.array(key, np.uint64), step=step, node=node, run=first, dtype=dtype
    )
    for lane in {0, lanes // 2, lanes - 1}:
        for n in range(3):
            expected = reference.normal_vector(key, dim, 0, step, node + n, first + lane, single=single)
            atol = 4e-6 if single else 2e-14
            np.testing.assert_allclose(drawn[n, :, lane], expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 6, 7, 33])
def test_normal_vectors_have_the_same_bits_for_any_runs_and_nodes_side_by_side(dim: int, dtype: str) -> None:
    whole = draw_vectors(dim, 5, 64, 2, dtype=dtype)
    if dtype == "float64":  # floats are fewer than one would think
        assert np.unique(whole).size == whole.size
    for shift in range(6):
        np.testing.assert_array_equal(draw_vectors(dim, 5, 1 << shift, 128 >> shift, dtype=dtype), whole)
    for node in range(5):
        np.testing.assert_array_equal(draw_vectors(dim, 1, 8, 16, node=node, dtype=dtype)[0], whole[node])


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 50) | st.sampled_from([1.5, 1000, 10**6]), min_size=1, max_size=8),
    st.integers(0, 3),
    st.integers(0, 2**32 - 20),
    st.integers(0, 2**32 - 8),
)
def test_chi_squares_equal_the_reference(degrees: list[float], shift: int, node: int, run: int) -> None:
    lanes = 1 << shift
    drawn = draw_chi_square(np.repeat(np.array(degrees), lanes), 2, shift=shift, node=node, run=run)
    for step in range(2):
        for t in range(len(degrees) * lanes):
            expected = reference.chi_square(
                KEY, degrees[t // lanes], step, node + t // lanes, run + t % lanes
            )
            assert drawn[step, t] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30)
@given(bounds_of_draws, st.integers(0, 2**32 - 1))
def test_integers_equal_the_reference(bounds: list[list[int]], run: int) -> None:
    drawn = draw_integers(np.array(bounds), 1, run=run)[0]
    for q in range(8):
        for node in range(11):
            assert drawn[q, node] == reference.integer(KEY, bounds[q][node], q, 0, node, run)


# Laws


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ten_million_normals_have_the_moments_of_a_normal(dtype: str) -> None:
    drawn = draw_normals(100, 49_984, dtype=dtype).ravel().astype(float)
    power = drawn.copy()
    # E z^2k = (2k-1)!!; six standard errors for eight moments: false alarm 2e-8.
    for k in range(1, 9):
        exact = 0.0 if k % 2 else float(special.factorial2(k - 1))
        variance = float(special.factorial2(2 * k - 1)) - exact**2
        assert abs(power.mean() - exact) < 6 * math.sqrt(variance / drawn.size), k
        power *= drawn


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ten_million_normals_pass_kolmogorov_smirnov(dtype: str) -> None:
    drawn = draw_normals(100, 49_984, step=12345, node=7, run=1 << 20, dtype=dtype).astype(float)
    # False alarm 1e-7 each.
    assert stats.kstest(drawn.ravel(), special.ndtr).pvalue > 1e-7


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_extreme_normals_are_as_frequent_as_they_should_be(dtype: str) -> None:
    drawn = np.abs(draw_normals(100, 49_984, node=3, dtype=dtype)).ravel()
    # Binomial counts, each outside these bounds with probability below 1e-8.
    for level in (2.0, 3.0, 4.0, 5.0):
        law = stats.binom(drawn.size, 2 * special.ndtr(-level))
        low, high = law.ppf(5e-9), law.isf(5e-9)
        assert low <= np.count_nonzero(drawn > level) <= high, level


def neighbours(axis: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """A million pairs of normals whose counters differ in one coordinate, and only there."""
    n_steps, count = 20, 49_984
    first = draw_normals(n_steps, count, dtype=dtype).astype(float)
    if axis == "index":
        return first[:, : count - 1].ravel(), first[:, 1:count].ravel()
    if axis == "counter":
        return first[:, ::2].ravel(), first[:, 1::2].ravel()
    if axis == "step":
        return first[:-1].ravel(), first[1:].ravel()
    other = {
        "node": {"node": 1},
        "run": {"run": 1},
        "purpose": {"purpose": 4 << 28},
        "key": {"key": KEY + u64(1)},
    }
    return first.ravel(), draw_normals(n_steps, count, dtype=dtype, **other[axis]).ravel().astype(float)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("axis", ["index", "counter", "step", "node", "run", "purpose", "key"])
def test_neighbouring_normals_are_independent(axis: str, dtype: str) -> None:
    a, b = neighbours(axis, dtype)
    assert a.size >= 900_000
    # Means of products of functions of unit variance, six standard errors: false alarm 8e-9 an axis.
    for f in (a, (a**2 - 1) / math.sqrt(2)):
        for g in (b, (b**2 - 1) / math.sqrt(2)):
            assert abs(np.mean(f * g)) < 6 / math.sqrt(a.size)
    # All 256 pairs of sixteenths equally often: false alarm 1e-8 an axis.
    cells = np.floor(16 * special.ndtr(a)).astype(int) * 16 + np.floor(16 * special.ndtr(b)).astype(int)
    counts = np.bincount(cells, minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-8


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_runs_that_share_a_counter_are_independent(dim: int, dtype: str) -> None:
    drawn = draw_vectors(dim, 20_000, 64, 1, dtype=dtype).astype(float)
    one, other = drawn[..., :16].ravel(), drawn[..., 16:32].ravel()
    # Means of products of functions of unit variance, six standard errors, and a law: false alarm 1e-7 each.
    for f in (one, (one**2 - 1) / math.sqrt(2)):
        for g in (other, (other**2 - 1) / math.sqrt(2)):
            assert abs(np.mean(f * g)) < 6 / math.sqrt(one.size)
    assert stats.kstest(drawn[:, -1].ravel(), special.ndtr).pvalue > 1e-7


@pytest.mark.parametrize("degrees", [1, 1.5, 2, 3, 5, 1000, 10**6])
def test_chi_squares_have_their_law(degrees: float) -> None:
    drawn = draw_chi_square(np.full(1000, degrees), 500).ravel()
    # False alarm 1e-8 for each of the seven laws, and 4e-9 for its mean and variance.
    assert stats.kstest(drawn, stats.chi2(degrees).cdf).pvalue > 1e-8
    assert abs(drawn.mean() - degrees) < 6 * math.sqrt(2 * degrees / drawn.size)
    spread = 2 * degrees * math.sqrt((2 + 12 / degrees) / drawn.size)
    assert abs(np.square(drawn - degrees).mean() - 2 * degrees) < 6 * spread


def test_chi_squares_are_independent_of_their_neighbours_and_of_the_normals() -> None:
    drawn = draw_chi_square(np.full(1000, 5), 500)
    score = special.ndtri(stats.chi2(5).cdf(drawn))
    drawn_beside = np.array([draw_normals(500, 32, node=node)[:, 0] for node in range(1000)]).T
    # Correlations of a million normal scores, six standard errors: false alarm 1e-8 in all.
    for a, b in ((score[1:], score[:-1]), (score[:, 1:], score[:, :-1]), (score, drawn_beside)):
        assert abs(np.mean(a * b)) < 6 / math.sqrt(a.size)


@pytest.mark.parametrize("bound", [1, 2, 3, 7, 442, 65_537, 3 * 2**30, 2**31 + 1, 2**32 - 1])
def test_integers_are_uniform_below_awkward_bounds(bound: int) -> None:
    drawn = draw_integers(np.full((8, 1000), bound), 100).ravel()
    assert drawn.min() >= 0
    assert drawn.max() < bound
    # Cells of equal width up to one; taking the remainder of 32 bits would double half of those of 3·2^30.
    n_cells = min(bound, 97)
    edges = [-(-cell * bound // n_cells) for cell in range(n_cells + 1)]
    counts = np.bincount(drawn * n_cells // bound, minlength=n_cells)
    # False alarm 1e-8 a bound.
    assert n_cells == 1 or stats.chisquare(counts, drawn.size * np.diff(edges) / bound).pvalue > 1e-8


# Machine code


@pytest.mark.slow
def test_fills_use_vector_registers() -> None:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" or not features.get("avx2", False):
        pytest.skip("needs compiled code on a processor with AVX2")
    program = (
        "import numpy as np\n"
        "from desgd_fast.kernels.draw import normals\n"
        "zero = np.uint64(0)\n"
        "key = np.zeros(2, np.uint64)\n"
        "for dtype in (np.float64, np.float32):\n"
        "    normals.draw_normals(key, zero, zero, zero, zero, np.empty((1, 64), dtype))\n"
        "    normals.draw_vectors(key, zero, zero, zero, zero, np.empty((2, 3, 16), dtype))\n"
        "for fill in (normals.draw_normals, normals.draw_vectors):\n"
        "    for assembly in fill.inspect_asm().values():\n"
        "        multiplications = max(assembly.count('vpmuludq\\t%' + r + 'mm') for r in 'yz')\n"
        "        print(multiplications, assembly.count('log@'))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DESGD_FAST_CACHE": "0"},
    )
    counts = np.array(result.stdout.split(), int).reshape(4, 2)
    assert (counts[:, 0] >= 10).all()
    assert (counts[:, 1] == 0).all()
