"""Compressors that send every coordinate with few bits."""

import math

from desgd_fast.algorithms.algorithm import Part
from desgd_fast.algorithms.compression.sparsifiers import REAL_BITS
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _qsgd(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    dim, levels, square, factor = vector.size, parameters[0], 0.0, 1.0
    for t in range(dim):
        square += vector[t] * vector[t]
    if parameters[1] == 0:
        factor /= 1 + min(dim / (levels * levels), math.sqrt(dim) / levels)
    # Not where it is nan, which must pass through.
    if square == 0:
        return
    unit = math.sqrt(square) / levels
    for t in range(dim):
        below = math.floor(abs(vector[t]) / unit)
        level = below + (1.0 if uniforms[t] <= abs(vector[t]) / unit - below else 0.0)
        vector[t] = math.copysign(factor * unit * level, vector[t])


def qsgd(levels: int, *, unbiased: bool = True) -> Part:
    """QSGD: ‖v‖ · sign(v_t) · ℓ_t / levels, the level ℓ_t a random neighbour of levels · abs(v_t) / ‖v‖.

    Parameters
    ----------
    levels : int
        Levels above zero (s in Alistarh et al., NeurIPS 2017).
    unbiased : bool
        Otherwise divided by 1 + min(dim / levels², √dim / levels), which contracts, as CHOCO and error
        feedback want it (Koloskova, Stich & Jaggi, ICML 2019).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.qsgd(15).bits(100)
    532.0
    """
    levels = check.positive_integer("levels", levels)
    return Part(
        "qsgd",
        _qsgd,
        (float(levels), float(check.flag("unbiased", unbiased))),
        uniforms="dim",
        degree="homogeneous",
        equivariant=False,
        bits=lambda dim: REAL_BITS + dim * (1 + math.ceil(math.log2(levels + 1))),
    )


@inlined
def _sign(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    size = 0.0
    for t in range(vector.size):
        size += abs(vector[t])
    size = 1.0 if parameters[0] == 0 else size / vector.size
    for t in range(vector.size):
        # Zero has no sign; nan keeps its own.
        if vector[t] != 0:
            vector[t] = math.copysign(size, vector[t]) if vector[t] == vector[t] else vector[t]


def sign(*, scaled: bool = True) -> Part:
    """Every coordinate's sign, times their mean magnitude ‖v‖₁ / dim, or alone.

    Karimireddy et al. and Bernstein et al., ICML 2019 and 2018.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> [dsf.algorithms.sign(scaled=scaled).degree for scaled in (True, False)]
    ['homogeneous', 'bounded']
    """
    scaled = check.flag("scaled", scaled)
    return Part(
        "sign",
        _sign,
        (float(scaled),),
        degree="homogeneous" if scaled else "bounded",
        equivariant=False,
        bits=lambda dim: dim + (REAL_BITS if scaled else 0.0),
    )


@inlined
def _natural(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(vector.size):
        # Zeros, infinities and nan are what they are.
        if vector[t] - vector[t] == 0 and vector[t] != 0:
            fraction, exponent = math.frexp(abs(vector[t]))
            power = math.ldexp(0.5, exponent)
            up = uniforms[t] <= 2 * fraction - 1
            vector[t] = math.copysign(2 * power if up else power, vector[t])


def natural() -> Part:
    """Every coordinate rounded at random to a power of two, its mean kept (Horváth et al., MSML 2022).

    It scales with powers of two alone: C(c·v) = c·C(v) for c = 2, not for c = 3.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.natural().bits(100)
    900.0
    """
    return Part(
        "natural",
        _natural,
        uniforms="dim",
        degree="homogeneous",
        equivariant=False,
        bits=lambda dim: 9.0 * dim,
    )


@inlined
def logarithmic_byte(value: float) -> float:
    """± e^(n / 16), n the nearest integer to 16 log abs(value) within ± 127; zero and nan are themselves."""
    if not abs(value) > 0:
        return value
    n = min(max(math.floor(16 * math.log(abs(value)) + 0.5), -127.0), 127.0)
    return math.copysign(math.exp(n / 16), value)


@inlined
def _one_byte(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(vector.size):
        vector[t] = logarithmic_byte(vector[t])


def one_byte() -> Part:
    """± e^(n / 16), the integer n within ± 127: a sign and a logarithm (Zelikman et al., 2023).

    What is sent is between e^(−127/16) and e^(127/16) ≈ 2800 in magnitude: steps are bounded.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.one_byte().degree
    'bounded'
    """
    return Part("one_byte", _one_byte, degree="bounded", equivariant=False, bits=lambda dim: 8.0 * dim)
