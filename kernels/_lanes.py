"""Sixteen runs, or eight samples, as one value: explicit vector registers for small dense algebra.

Loops over lanes inside loops over tiny matrices leave the compiler proving that no two rows overlap,
at ten times the cost of the arithmetic. These read, compute and write whole rows of doubles.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from ._jit import Reals

# Runs side by side, and samples of a minibatch: two registers of 512 bits, and one.
LANES, SAMPLES = 16, 8

_FLAGS = ("nsz", "arcp", "contract", "afn")


class _LanesType(types.Type):  # type: ignore[misc]
    def __init__(self, count: int) -> None:
        super().__init__(name=f"Lanes({count})")
        self.vector = ir.VectorType(ir.DoubleType(), count)


_LANES, _SAMPLES = _LanesType(LANES), _LanesType(SAMPLES)


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.vector)


def _row_pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, vector.count))
    return builder.bitcast(builder.gep(data, [first]), vector.as_pointer())


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _loader(kind: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load_row(typingctx: Any, array: Any, row: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _row_pointer(context, builder, signature.args[0], args[0], args[1], kind.vector)
            return builder.load(place, align=8)

        return kind(array, types.int64), codegen

    return load_row


_load, _load_samples = _loader(_LANES), _loader(_SAMPLES)


@intrinsic  # type: ignore[untyped-decorator]
def _store(typingctx: Any, array: Any, row: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, _, lanes = signature.args
        builder.store(args[2], _row_pointer(context, builder, kind, args[0], args[1], lanes.vector), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _spread(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], _LANES.vector)

    return _LANES(types.float64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _spread_entry(typingctx: Any, array: Any, position: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return _splat(builder, builder.load(builder.gep(data, [args[1]])), _SAMPLES.vector)

    return _SAMPLES(array, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _zeros(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_SAMPLES.vector, None)

    return _SAMPLES(), codegen


def _entry_pointer(context: Any, builder: Any, kind: Any, array: Any, position: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [position]), _SAMPLES.vector.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def _load_entries(typingctx: Any, array: Any, position: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_entry_pointer(context, builder, signature.args[0], *args), align=8)

    return _SAMPLES(array, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _store_entries(typingctx: Any, array: Any, position: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _entry_pointer(context, builder, signature.args[0], *args[:2])
        builder.store(args[2], place, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


def _first_lanes(builder: Any, count: Any) -> Any:
    numbers = ir.VectorType(count.type, SAMPLES)
    return builder.icmp_signed(
        "<", ir.Constant(numbers, list(range(SAMPLES))), _splat(builder, count, numbers)
    )


@intrinsic  # type: ignore[untyped-decorator]
def _load_some(typingctx: Any, array: Any, position: Any, count: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _entry_pointer(context, builder, signature.args[0], *args[:2])
        mask, vector, align = _first_lanes(builder, args[2]), _SAMPLES.vector, ir.IntType(32)(8)
        kind = ir.FunctionType(vector, [place.type, align.type, mask.type, vector])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{SAMPLES}f64.p0")
        return builder.call(load, [place, align, mask, ir.Constant(vector, None)])

    return _SAMPLES(array, types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _store_some(typingctx: Any, array: Any, position: Any, count: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _entry_pointer(context, builder, signature.args[0], *args[:2])
        mask, align = _first_lanes(builder, args[2]), ir.IntType(32)(8)
        kind = ir.FunctionType(ir.VoidType(), [args[3].type, place.type, align.type, mask.type])
        store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{SAMPLES}f64.p0")
        builder.call(store, [args[3], place, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply(typingctx: Any, a: Any, b: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], args[1], flags=_FLAGS)

    return a(a, a), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply_add(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=_FLAGS), args[2], flags=_FLAGS)

    return a(a, a, a), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _multiply_subtract(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(args[2], builder.fmul(args[0], args[1], flags=_FLAGS), flags=_FLAGS)

    return a(a, a, a), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _total(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double, vector = ir.DoubleType(), value.vector
        kind = ir.FunctionType(double, [double, vector])
        name = f"llvm.vector.reduce.fadd.v{vector.count}f64"
        add = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(add, [double(-0.0), args[0]], fastmath=("reassoc",))

    return types.float64(value), codegen


def load(array: Reals, row: int) -> Any:
    """Row ``row`` of a C-contiguous (rows, LANES) array."""
    return array.reshape(-1, LANES)[row].copy()


def load_samples(array: Reals, row: int) -> Any:
    """Row ``row`` of a C-contiguous (rows, SAMPLES) array."""
    return array.reshape(-1, SAMPLES)[row].copy()


def store(array: Reals, row: int, value: Any) -> None:
    """array[row] = value."""
    array.reshape(-1, len(value))[row] = value


def spread(value: float) -> Any:
    """The same number in every lane."""
    return np.full(LANES, value)


def spread_entry(array: Reals, position: int) -> Any:
    """The entry at a flat position of a C-contiguous array, for every sample."""
    return np.full(SAMPLES, array.reshape(-1)[position])


def zeros() -> Any:
    """Zero for every sample."""
    return np.zeros(SAMPLES)


def load_entries(array: Reals, position: int) -> Any:
    """The SAMPLES entries from a flat position of a C-contiguous array on."""
    return array.reshape(-1)[position : position + SAMPLES].copy()


def store_entries(array: Reals, position: int, value: Any) -> None:
    """Write SAMPLES entries from a flat position of a C-contiguous array on."""
    array.reshape(-1)[position : position + SAMPLES] = value


def load_some(array: Reals, position: int, count: int) -> Any:
    """The first ``count`` < SAMPLES of such entries, then zeros."""
    values = np.zeros(SAMPLES)
    values[:count] = array.reshape(-1)[position : position + count]
    return values


def store_some(array: Reals, position: int, count: int, value: Any) -> None:
    """Write the first ``count`` < SAMPLES entries only."""
    array.reshape(-1)[position : position + count] = value[:count]


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


@overload(load)
def _overload_load(array, row):  # type: ignore
    return lambda array, row: _load(array, row)


@overload(load_samples)
def _overload_load_samples(array, row):  # type: ignore
    return lambda array, row: _load_samples(array, row)


@overload(store)
def _overload_store(array, row, value):  # type: ignore
    return lambda array, row, value: _store(array, row, value)


@overload(spread)
def _overload_spread(value):  # type: ignore
    return lambda value: _spread(value)


@overload(zeros)
def _overload_zeros():  # type: ignore
    return lambda: _zeros()


@overload(load_entries)
def _overload_load_entries(array, position):  # type: ignore
    return lambda array, position: _load_entries(array, position)


@overload(store_entries)
def _overload_store_entries(array, position, value):  # type: ignore
    return lambda array, position, value: _store_entries(array, position, value)


@overload(load_some)
def _overload_load_some(array, position, count):  # type: ignore
    return lambda array, position, count: _load_some(array, position, count)


@overload(store_some)
def _overload_store_some(array, position, count, value):  # type: ignore
    return lambda array, position, count, value: _store_some(array, position, count, value)


@overload(spread_entry)
def _overload_spread_entry(array, position):  # type: ignore
    return lambda array, position: _spread_entry(array, position)


@overload(multiply)
def _overload_multiply(a, b):  # type: ignore
    return lambda a, b: _multiply(a, b)


@overload(multiply_add)
def _overload_multiply_add(a, b, c):  # type: ignore
    return lambda a, b, c: _multiply_add(a, b, c)


@overload(multiply_subtract)
def _overload_multiply_subtract(a, b, c):  # type: ignore
    return lambda a, b, c: _multiply_subtract(a, b, c)


@overload(total)
def _overload_total(value):  # type: ignore
    return lambda value: _total(value)
