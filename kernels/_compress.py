"""Copying the few values of a row that pass a test, eight at a time.

A loop that writes always and moves on only past what it keeps takes three cycles a value; processors with
512-bit vectors pack eight in one instruction. Elsewhere LLVM writes the lanes one by one.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from ._jit import Reals, Word

LANES = 8

_DOUBLE, _WORD, _BYTE = ir.DoubleType(), ir.IntType(64), ir.IntType(8)
_DOUBLES, _WORDS, _MASK = (ir.VectorType(kind, LANES) for kind in (_DOUBLE, _WORD, ir.IntType(1)))


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), lanes)


@intrinsic  # type: ignore[untyped-decorator]
def _append_reached(
    typingctx: Any, row: Any, start: Any, kept: Any, flipped: Any, floor: Any, found: Any, at: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, start, kept, flipped, floor, found, at = args
        source = _place(context, builder, signature.args[0], row, start)
        bits = builder.load(builder.bitcast(source, _WORDS.as_pointer()), align=8)
        bits = builder.and_(bits, _spread(builder, kept, _WORDS))
        values = builder.bitcast(builder.xor(bits, _spread(builder, flipped, _WORDS)), _DOUBLES)
        mask = builder.fcmp_ordered(">=", values, _spread(builder, floor, _DOUBLES))
        kind = ir.FunctionType(ir.VoidType(), [_DOUBLES, _DOUBLE.as_pointer(), _MASK])
        store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.compressstore.v{LANES}f64")
        builder.call(store, [values, _place(context, builder, signature.args[5], found, at), mask])
        return builder.add(at, builder.zext(builder.ctpop(builder.bitcast(mask, _BYTE)), _WORD))

    return types.uint64(row, start, kept, flipped, floor, found, at), codegen


def append_reached(
    row: Reals, start: Any, kept: Word, flipped: Word, floor: float, found: Reals, at: Any
) -> Any:
    """Append to found[:at] the magnitudes ≥ floor among row[start : start + LANES]; where that ends."""
    values = ((row[start : start + LANES].view(np.uint64) & kept) ^ flipped).view(np.float64)
    reached = values[values >= floor]
    found[at : at + reached.size] = reached
    return np.uint64(at + reached.size)


@overload(append_reached, inline="always")
def _overload_append_reached(row, start, kept, flipped, floor, found, at):  # type: ignore[no-untyped-def]
    return lambda row, start, kept, flipped, floor, found, at: _append_reached(
        row, start, kept, flipped, floor, found, at
    )


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(_place(context, builder, signature.args[0], *args), _BYTE.as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [place, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(array, index), codegen


def prefetch(array: Reals, index: Any) -> None:
    """Have array[index] brought near, which need not exist: what is read next, while this is computed."""


@overload(prefetch, inline="always")
def _overload_prefetch(array, index):  # type: ignore[no-untyped-def]
    return lambda array, index: _prefetch(array, index)
