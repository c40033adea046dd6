"""Sixteen runs as one value: explicit vector registers for small dense algebra run by run.

Loops over lanes inside loops over tiny matrices leave the compiler proving that no two rows overlap,
at ten times the cost of the arithmetic. These read, compute and write whole rows of sixteen doubles.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from ._jit import Reals

LANES = 16

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_FLAGS = ("nsz", "arcp", "contract", "afn")


class _LanesType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name=f"Lanes({LANES})")


_LANES = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _row_pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def _load(typingctx: Any, array: Any, row: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_row_pointer(context, builder, signature.args[0], args[0], args[1]), align=8)

    return _LANES(array, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _store(typingctx: Any, array: Any, row: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _row_pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, _LANES), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _spread(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), mask)

    return _LANES(types.float64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply(typingctx: Any, a: Any, b: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], args[1], flags=_FLAGS)

    return _LANES(_LANES, _LANES), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply_add(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=_FLAGS), args[2], flags=_FLAGS)

    return _LANES(_LANES, _LANES, _LANES), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply_subtract(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(args[2], builder.fmul(args[0], args[1], flags=_FLAGS), flags=_FLAGS)

    return _LANES(_LANES, _LANES, _LANES), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _total(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double, _VECTOR])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f64")
        return builder.call(add, [double(-0.0), args[0]], fastmath=("reassoc",))

    return types.float64(_LANES), codegen


def load(array: Reals, row: int) -> Any:
    """Row ``row`` of a C-contiguous (rows, LANES) array."""
    return array.reshape(-1, LANES)[row].copy()


def store(array: Reals, row: int, value: Any) -> None:
    """array[row] = value."""
    array.reshape(-1, LANES)[row] = value


def spread(value: float) -> Any:
    """The same number in every lane."""
    return np.full(LANES, value)


def multiply(a: Any, b: Any) -> Any:
    """The product a·b."""
    return a * b


def multiply_add(a: Any, b: Any, c: Any) -> Any:
    """The sum c + a·b."""
    return c + a * b


def multiply_subtract(a: Any, b: Any, c: Any) -> Any:
    """The difference c − a·b."""
    return c - a * b


def total(value: Any) -> Any:
    """The sum over the lanes."""
    return value.sum()


@overload(load, inline="always")
def _overload_load(array, row):  # type: ignore
    return lambda array, row: _load(array, row)


@overload(store, inline="always")
def _overload_store(array, row, value):  # type: ignore
    return lambda array, row, value: _store(array, row, value)


@overload(spread, inline="always")
def _overload_spread(value):  # type: ignore
    return lambda value: _spread(value)


@overload(multiply, inline="always")
def _overload_multiply(a, b):  # type: ignore
    return lambda a, b: _multiply(a, b)


@overload(multiply_add, inline="always")
def _overload_multiply_add(a, b, c):  # type: ignore
    return lambda a, b, c: _multiply_add(a, b, c)


@overload(multiply_subtract, inline="always")
def _overload_multiply_subtract(a, b, c):  # type: ignore
    return lambda a, b, c: _multiply_subtract(a, b, c)


@overload(total, inline="always")
def _overload_total(value):  # type: ignore
    return lambda value: _total(value)
