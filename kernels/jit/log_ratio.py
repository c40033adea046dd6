"""The logarithm of a quotient, for positive doubles of any size."""

import numpy as np

from desgd_fast.kernels.jit.arithmetic import bits_to_double, double_to_bits
from desgd_fast.kernels.jit.compile import elementary

_EXPONENT_SHIFT = np.uint64(52)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_ONE = np.uint64(0x3FF0000000000000)
_TWO_TO_52 = np.uint64(0x4330000000000000)
_SMALLEST_NORMAL = 2.2250738585072014e-308
_TWO_TO_54 = 18014398509481984.0
_SQRT2 = 1.4142135623730951
_LN2 = 0.6931471805599453


@elementary
def log_ratio(x: float, y: float) -> float:
    """log(x/y) of positive finite x, y, to about one unit in the last place.

    The quotient is never formed, so that it cannot overflow, and log(x/y) = 2 artanh((x − y)/(x + y)) is
    accurate where x is close to y too.
    """
    x_small, y_small = x < _SMALLEST_NORMAL, y < _SMALLEST_NORMAL
    x_bits = double_to_bits(x * _TWO_TO_54 if x_small else x)
    y_bits = double_to_bits(y * _TWO_TO_54 if y_small else y)
    # The constant OR-ed into the mantissa makes a double of the exponent; it cancels in the difference.
    x_exponent = bits_to_double((x_bits >> _EXPONENT_SHIFT) | _TWO_TO_52) - (54.0 if x_small else 0.0)
    y_exponent = bits_to_double((y_bits >> _EXPONENT_SHIFT) | _TWO_TO_52) - (54.0 if y_small else 0.0)
    upper = bits_to_double((x_bits & _MANTISSA) | _ONE)
    lower = bits_to_double((y_bits & _MANTISSA) | _ONE)
    high, low = upper > _SQRT2 * lower, _SQRT2 * upper < lower
    upper *= 0.5 if high else (2.0 if low else 1.0)
    exponent = x_exponent - y_exponent + (1.0 if high else (-1.0 if low else 0.0))
    s = (upper - lower) / (upper + lower)
    z = s * s
    # Minimax coefficients of FreeBSD's e_log.c.
    p = 0.1531383769920937332 + z * 0.1479819860511658591
    p = 0.1818357216161805012 + z * p
    p = 0.2222219843214978396 + z * p
    p = 0.2857142874366239149 + z * p
    p = 0.3999999999940941908 + z * p
    p = 0.6666666666666735130 + z * p
    return float(exponent * _LN2 + s * (2.0 + z * p))
