"""Box–Muller's functions in single precision, for vectors: twice as many numbers in a register.

Chebyshev interpolants whose relative errors, rounding included, stay below 3e-7. Numbers written here
are rounded to single precision where they meet a vector.
"""

from typing import Any

from desgd_fast.kernels.jit.arithmetic import multiply_add
from desgd_fast.kernels.jit.compile import elementary
from desgd_fast.kernels.jit.lanes import as_singles, as_words, signed_to_single

_SQRT_HALF = 0x3F3504F3
_ONE = 0x3F800000
_MANTISSA = 0x007FFFFF
_EXPONENT_SHIFT = 23
_SIGN_SHIFT = 31
_RSQRT_MAGIC = 0x5F375A86
_LN2 = 0.6931471805599453


@elementary
def log(value: Any) -> Any:
    """Natural logarithm of positive normal numbers."""
    offset = as_words(value) - _SQRT_HALF + _ONE
    exponent = signed_to_single((offset >> _EXPONENT_SHIFT) - 127)
    x = as_singles((offset & _MANTISSA) + _SQRT_HALF) - 1.0
    p = multiply_add(x, -0.0790274377239344, 0.12622319849228378)
    p = multiply_add(x, p, -0.1299818376365153)
    p = multiply_add(x, p, 0.14214495923947962)
    p = multiply_add(x, p, -0.16641281463106394)
    p = multiply_add(x, p, 0.2000104509416068)
    p = multiply_add(x, p, -0.25000306422569796)
    p = multiply_add(x, p, 0.33333330728190674)
    y = x * x
    p = multiply_add(x * y, p, -0.5 * y)
    return multiply_add(exponent, _LN2, p + x)


@elementary
def sqrt(value: Any) -> Any:
    """Square root of 0 or of numbers in [1e-30, 1e30], by multiplications: the divider is slower."""
    y = as_singles(_RSQRT_MAGIC - (as_words(value) >> 1))
    half = -0.5 * value
    y = y * multiply_add(half * y, y, 1.5)
    y = y * multiply_add(half * y, y, 1.5)
    root = value * y
    return multiply_add(0.5 * y, multiply_add(-root, root, value), root)


@elementary
def sin_cos_pi(t: Any) -> tuple[Any, Any]:
    """(sin πt, cos πt) for |t| ≤ ½."""
    y = t * t
    s = multiply_add(y, 0.07765591227601387, -0.5982904112834275)
    s = multiply_add(y, s, 2.550077386528912)
    s = multiply_add(y, s, -5.167710076668315)
    s = multiply_add(y, s, 3.1415926400772034)
    c = multiply_add(y, -0.024395932097550446, 0.2349370685950865)
    c = multiply_add(y, c, -1.3352119493905503)
    c = multiply_add(y, c, 4.058709154763134)
    c = multiply_add(y, c, -4.934802136928946)
    c = multiply_add(y, c, 0.999999999779154)
    return t * s, c


@elementary
def squared_radius(words: Any) -> Any:
    """Box–Muller's -2 log U, U uniform on [2^-32, 1] from the upper 31 of 32 bits."""
    return -2.0 * log(multiply_add(signed_to_single(words >> 1), 2.0**-31, 2.0**-32))


@elementary
def turn(radius: Any, words: Any) -> tuple[Any, Any]:
    """Points at these radii and uniform angles: half a turn from 32 bits, and a sign from the lowest.

    Rounding the half turn to 24 bits leaves nothing of the lowest bit but where the angle is tiny.
    """
    sine, cosine = sin_cos_pi(signed_to_single(words) * 2.0**-32)
    signed = as_singles(as_words(radius) ^ (words << _SIGN_SHIFT))
    return signed * cosine, signed * sine
