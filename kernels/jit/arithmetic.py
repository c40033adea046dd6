"""Elementary functions that LLVM can vectorise.

Without SVML ``math.log``, ``sin``, ``cos`` and ``exp`` are scalar library calls that break a vector
loop; these are straight-line polynomials (Chebyshev interpolants, relative error below 5e-16).
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from desgd_fast.kernels.jit.compile import Reals, elementary, inlined
from desgd_fast.kernels.jit.lanes import LanesType, elementwise


def _reinterpreter(to: Any, element: Any, doc: str) -> Any:
    def reinterpret(typingctx: Any, value: Any) -> Any:
        kind = LanesType(to, value.count) if isinstance(value, LanesType) else to

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], kind.vector if isinstance(value, LanesType) else element)

        return kind(value), codegen

    reinterpret.__doc__ = doc
    return intrinsic(reinterpret)


double_to_bits = _reinterpreter(
    types.uint64, ir.IntType(64), "The 64 bits of a double, or of each in a vector."
)
bits_to_double = _reinterpreter(
    types.float64, ir.DoubleType(), "The double with these 64 bits, or the vector."
)


@intrinsic  # type: ignore[untyped-decorator]
def multiply_add(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """The sum a·b + c, rounded once where the processor can do that: stated, not left to the compiler."""
    vectors = elementwise(a, b, c)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if vectors:
            return vectors.return_type.call(builder, "llvm.fmuladd", signature.args, args)
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.f64"), args)

    return vectors or types.float64(types.float64, types.float64, types.float64), codegen


def without_owner(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Code that takes an array's claim on its memory from a value, or those of all arrays in a tuple."""
    if isinstance(kind, types.BaseTuple):
        members = cgutils.unpack_tuple(builder, value, len(kind))
        lent = [without_owner(context, builder, *pair) for pair in zip(kind, members, strict=True)]
        return context.make_tuple(builder, kind, lent)
    if not isinstance(kind, types.Array):
        return value
    view = context.make_array(kind)(context, builder, value)
    for owner in ("meminfo", "parent"):
        setattr(view, owner, ir.Constant(getattr(view, owner).type, None))
    return view._getvalue()


@intrinsic  # type: ignore[untyped-decorator]
def borrow(typingctx: Any, array: Any) -> Any:
    """The same array without a claim on its memory: passing it on costs no atomic reference counts.

    Or a tuple, with all arrays in it. Only for an argument of the function that calls this, which its own
    caller keeps alive.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return without_owner(context, builder, array, args[0])

    return array(array), codegen


@intrinsic  # type: ignore[untyped-decorator]
def entries(typingctx: Any, array: Any, position: Any, count: Any) -> Any:
    """So many entries of a C-contiguous array from a flat position on, as :func:`borrow` lends it."""
    kind = types.Array(array.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        view = context.make_array(kind)(context, builder)
        view.meminfo, view.parent = (ir.Constant(owner.type, None) for owner in (view.meminfo, view.parent))
        view.data, view.itemsize, view.nitems = builder.gep(source.data, [args[1]]), source.itemsize, args[2]
        view.shape = cgutils.pack_array(builder, [args[2]])
        view.strides = cgutils.pack_array(builder, [source.itemsize])
        return view._getvalue()

    return kind(array, types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def rows(typingctx: Any, matrix: Any, first: Any, count: Any) -> Any:
    """So many rows of a C-contiguous matrix from ``first`` on, as :func:`borrow` lends them."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        view = context.make_array(matrix)(context, builder)
        width = builder.extract_value(source.shape, 1)
        view.meminfo, view.parent = (ir.Constant(owner.type, None) for owner in (view.meminfo, view.parent))
        view.data = builder.gep(source.data, [builder.mul(args[1], width)])
        view.itemsize, view.nitems = source.itemsize, builder.mul(args[2], width)
        view.shape = cgutils.pack_array(builder, [args[2], width])
        view.strides = source.strides
        return view._getvalue()

    return matrix(matrix, types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def outlive(typingctx: Any, value: Any) -> Any:
    """Keep the value's memory until here, whoever :func:`borrow` lent it to."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.void(value), codegen


_SQRT_HALF = np.uint64(0x3FE6A09E667F3BCD)
_ONE = np.uint64(0x3FF0000000000000)
_TWO_TO_52 = np.uint64(0x4330000000000000)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_EXPONENT_SHIFT = np.uint64(52)
_SHIFTED_ZERO = np.uint64(0x4338000000000000)
_TWO_TO_11 = np.uint64(2048)
_TWO_BIASES = np.uint64(2047)
_RSQRT_MAGIC = np.uint64(0x5FE6EB50C7B537A9)
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10


@intrinsic  # type: ignore[untyped-decorator]
def wide_vectors(typingctx: Any) -> Any:
    """Let LLVM fill 512-bit registers in the calling function, where the processor has them.

    Its default on such processors is 256 bits, which costs the fills below a third of their speed.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite's own add() accepts only the attributes it knows by name.
        for attribute in ('"prefer-vector-width"="512"', '"min-legal-vector-width"="512"'):
            set.add(builder.function.attributes, attribute)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def kept_apart(typingctx: Any) -> Any:
    """Keep LLVM from folding the calling function into its callers, which would optimise every copy anew."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def compact(typingctx: Any) -> Any:
    """Keep LLVM from unrolling loops of the calling function: those over lanes gain nothing but length."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("optsize")
        return context.get_dummy_value()

    return types.void(), codegen


@elementary
def sqrt(value: Any) -> Any:
    """Square root of 0 or a number in [1e-300, 1e300] to 2e-16, by multiplications: the divider is slower."""
    y = bits_to_double(_RSQRT_MAGIC - (double_to_bits(value) >> np.uint64(1)))
    half = -0.5 * value
    y = y * multiply_add(half * y, y, 1.5)
    y = y * multiply_add(half * y, y, 1.5)
    y = y * multiply_add(half * y, y, 1.5)
    root = value * y
    return multiply_add(0.5 * y, multiply_add(-root, root, value), root)


@elementary
def log(value: Any) -> Any:
    """Natural logarithm of a positive normal double."""
    # The exponent k with value = 2^k m, m in [√½, √2); biased by 1023 so that it stays unsigned.
    offset = double_to_bits(value) - _SQRT_HALF + _ONE
    biased = offset >> _EXPONENT_SHIFT
    mantissa = bits_to_double((offset & _MANTISSA) + _SQRT_HALF)
    exponent = bits_to_double(biased | _TWO_TO_52) - (4503599627370496.0 + 1023.0)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    y = s * s
    p = multiply_add(y, 0.14809710360655276, 0.1531252814836419)
    p = multiply_add(y, p, 0.18183631680229329)
    p = multiply_add(y, p, 0.22222197056726048)
    p = multiply_add(y, p, 0.2857142876064168)
    p = multiply_add(y, p, 0.3999999999930234)
    p = multiply_add(y, p, 0.6666666666666765)
    tail = multiply_add(s, y * p, exponent * _LN2_LOW)
    return multiply_add(exponent, _LN2_HIGH, multiply_add(2.0, s, tail))


@elementary
def exp_parts(value: Any) -> tuple[Any, Any, Any]:
    """Numbers p, a and b with exp(value) = (1 + p)·a·b, a and b powers of two."""
    value = min(max(value, -1000.0), 1000.0)
    # Adding 1.5·2^52 rounds to an integer and leaves it in the low bits.
    shifted = multiply_add(value, 1.4426950408889634, 6755399441055744.0)
    k = shifted - 6755399441055744.0
    r = multiply_add(-k, _LN2_LOW, multiply_add(-k, _LN2_HIGH, value))
    # Neighbouring terms first: that chain of operations is half as long as Horner's.
    square = r * r
    fourth = square * square
    low = multiply_add(r, 0.1666666666666668, 0.5000000000000019)
    low = multiply_add(square, multiply_add(r, 0.008333333333319601, 0.0416666666664881), low)
    high = multiply_add(r, 0.00019841269890047113, 0.0013888888952314775)
    high = multiply_add(square, multiply_add(r, 2.755724091857897e-06, 2.4801485482328494e-05), high)
    top = multiply_add(r, 2.5110037605963777e-08, 2.763263963904103e-07)
    high = multiply_add(fourth, top, high)
    # The power of two in halves, each of which is a double.
    bits = double_to_bits(shifted) - _SHIFTED_ZERO
    half = (bits + _TWO_TO_11) >> np.uint64(1)
    first = bits_to_double((half - np.uint64(1)) << _EXPONENT_SHIFT)
    second = bits_to_double((bits - half + _TWO_BIASES) << _EXPONENT_SHIFT)
    return multiply_add(square, multiply_add(fourth, high, low), r), first, second


@elementary
def exp(value: Any) -> Any:
    """Exponential: inf and subnormal numbers where they are due, nan of nan."""
    p, first, second = exp_parts(value)
    return (p + 1.0) * first * second


@elementary
def tanh(value: Any) -> Any:
    """Hyperbolic tangent."""
    # Of exp(x) - 1, which loses nothing to cancellation where x is small.
    p, first, second = exp_parts(-2.0 * abs(value))
    power = first * second
    less = multiply_add(p, power, power - 1.0)
    return math.copysign(less / (2.0 + less), value)


@elementary
def sin_cos_pi(t: Any) -> tuple[Any, Any]:
    """(sin πt, cos πt) for |t| ≤ ½."""
    y = t * t
    s = multiply_add(y, -2.113362735205297e-05, 0.0004659870158043378)
    s = multiply_add(y, s, -0.0073703643265304155)
    s = multiply_add(y, s, 0.08214587881631043)
    s = multiply_add(y, s, -0.599264528825224)
    s = multiply_add(y, s, 2.5501640398618677)
    s = multiply_add(y, s, -5.1677127800497855)
    s = multiply_add(y, s, 3.1415926535897927)
    c = multiply_add(y, 4.149564353942586e-06, -0.00010456655338748738)
    c = multiply_add(y, c, 0.0019295562724817132)
    c = multiply_add(y, c, -0.025806888737002202)
    c = multiply_add(y, c, 0.23533063012953284)
    c = multiply_add(y, c, -1.335262768843447)
    c = multiply_add(y, c, 4.058712126416497)
    c = multiply_add(y, c, -4.934802200544676)
    c = multiply_add(y, c, 1.0)
    return t * s, c


@inlined
def aligned_empty(rows: int, size: int, like: Reals) -> Reals:
    """An uninitialised array of the type of ``like``; its rows start on cache lines if size permits.

    Half of all 512-bit accesses to a row that does not would straddle two lines.
    """
    per_line = 64 // like.itemsize
    raw = np.empty(rows * size + per_line - 1, like.dtype)
    skip = (-(raw.ctypes.data // like.itemsize)) & (per_line - 1)
    return raw[skip : skip + rows * size].reshape((rows, size))
