"""Many numbers as one value: explicit vector registers, with the operators of a scalar.

Loops over lanes inside loops over tiny matrices leave the compiler proving that no two rows overlap,
at ten times the cost of the arithmetic. These read, compute and write whole rows. Arithmetic between a
vector and a number takes the number in every lane, in the vector's precision.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

# Runs side by side, and samples of a minibatch: two registers of 512 bits in double precision, and one.
LANES, SAMPLES = 16, 8

# What two registers hold: enough for the latency of one to hide behind the other.
TWO_REGISTERS = 128

_ELEMENTS = {
    types.float64: ir.DoubleType(),
    types.float32: ir.FloatType(),
    types.int64: ir.IntType(64),
    types.uint64: ir.IntType(64),
    types.uint32: ir.IntType(32),
}
_OPERATIONS = {
    operator.add: ("add", "fadd"),
    operator.sub: ("sub", "fsub"),
    operator.mul: ("mul", "fmul"),
    operator.truediv: ("", "fdiv"),
    operator.xor: ("xor", ""),
    operator.or_: ("or_", ""),
    operator.and_: ("and_", ""),
    operator.lshift: ("shl", ""),
    operator.rshift: ("lshr", ""),
}


class LanesType(types.Type):  # type: ignore[misc]
    """So many numbers of one type."""

    def __init__(self, dtype: Any, count: int) -> None:
        super().__init__(name=f"Lanes({dtype}, {count})")
        self.dtype, self.count = dtype, count
        self.vector = ir.VectorType(_ELEMENTS[dtype], count)

    def spread(self, builder: Any, kind: Any, value: Any) -> Any:
        """The value as a vector of this type, if it is not one."""
        if isinstance(kind, LanesType):
            return value
        one = builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [0] * self.count)
        return builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)

    def call(self, builder: Any, name: str, kinds: Any, values: Any) -> Any:
        """LLVM's elementwise function of this name."""
        precision = "f64" if self.dtype == types.float64 else "f32"
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * len(values)),
            f"{name}.v{self.count}{precision}",
        )
        return builder.call(
            function, [self.spread(builder, *pair) for pair in zip(kinds, values, strict=True)]
        )


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.vector)


def elementwise(*kinds: Any) -> Any:
    """The signature of an operation between vectors, or vectors and numbers; None if there is no vector."""
    vectors = [kind for kind in kinds if isinstance(kind, LanesType)]
    if not vectors or any(vector != vectors[0] for vector in vectors):
        return None
    common = vectors[0]
    return signature(common, *(kind if kind == common else common.dtype for kind in kinds))


def _define_operation(operation: Any, on_integers: str, on_floats: str) -> None:
    class Template(AbstractTemplate):  # type: ignore[misc]
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            return elementwise(*args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name = on_integers if isinstance(sig.return_type.dtype, types.Integer) else on_floats
        values = (sig.return_type.spread(builder, *pair) for pair in zip(sig.args, args, strict=True))
        return getattr(builder, name)(*values)

    infer_global(operation)(Template)
    for kinds in ((LanesType, LanesType), (LanesType, types.Number), (types.Number, LanesType)):
        lower_builtin(operation, *kinds)(lower)


for _operation, _names in _OPERATIONS.items():
    _define_operation(_operation, *_names)


@infer_global(operator.neg)
class _Negative(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return elementwise(*args)


@lower_builtin(operator.neg, LanesType)  # type: ignore[untyped-decorator]
def _lower_negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _pointer(context: Any, builder: Any, kind: Any, array: Any, position: Any, vector: Any) -> Any:
    """Where the vector lies whose first element has this flat position, in elements of the vector."""
    data = context.make_array(kind)(context, builder, array).data
    data = builder.bitcast(data, vector.element.as_pointer())
    return builder.bitcast(builder.gep(data, [position]), vector.as_pointer())


def _loader(count: int, by_row: bool, doc: str) -> Any:
    def load_vector(typingctx: Any, array: Any, position: Any) -> Any:
        # Vectors of two registers hold more numbers the shorter those are.
        kind = LanesType(array.dtype, count or TWO_REGISTERS * 8 // array.dtype.bitwidth)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            first = builder.mul(args[1], args[1].type(kind.count)) if by_row else args[1]
            place = _pointer(context, builder, signature.args[0], args[0], first, kind.vector)
            return builder.load(place, align=array.dtype.bitwidth // 8)

        return kind(array, types.int64), codegen

    load_vector.__doc__ = doc
    return intrinsic(load_vector)


load = _loader(LANES, True, "Row ``row`` of a C-contiguous (rows, LANES) array.")
load_from = _loader(LANES, False, "The LANES entries from a flat position of a C-contiguous array on.")
load_two = _loader(0, False, "The entries from a flat position on that fill two registers.")
load_samples = _loader(SAMPLES, True, "Row ``row`` of a C-contiguous (rows, SAMPLES) array.")
load_entries = _loader(SAMPLES, False, "The SAMPLES entries from a flat position of a C-contiguous array on.")


def _storer(by_row: bool, doc: str) -> Any:
    def store_vector(typingctx: Any, array: Any, position: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind, _, lanes = signature.args
            first = builder.mul(args[1], args[1].type(lanes.count)) if by_row else args[1]
            place = _pointer(context, builder, kind, args[0], first, lanes.vector)
            builder.store(args[2], place, align=kind.dtype.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(array, types.int64, value), codegen

    store_vector.__doc__ = doc
    return intrinsic(store_vector)


store = _storer(True, "Write a vector as row ``row`` of a C-contiguous array with rows of its length.")
store_entries = _storer(False, "Write a vector from a flat position on, counted in the vector's own numbers.")


def _first(builder: Any, kind: Any, count: Any) -> Any:
    """Which lanes of a vector come before the one of this number."""
    numbers = ir.Constant(ir.VectorType(count.type, kind.count), list(range(kind.count)))
    one = builder.insert_element(ir.Constant(numbers.type, ir.Undefined), count, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
    return builder.icmp_signed(
        "<", numbers, builder.shuffle_vector(one, ir.Constant(numbers.type, ir.Undefined), mask)
    )


@intrinsic  # type: ignore[untyped-decorator]
def load_some(typingctx: Any, array: Any, position: Any, count: Any) -> Any:
    """The first ``count`` of what :func:`load_entries` reads, then zeros: the others are not touched."""
    kind = LanesType(array.dtype, SAMPLES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args[0], args[1], kind.vector)
        mask, align = _first(builder, kind, args[2]), ir.IntType(32)(array.dtype.bitwidth // 8)
        function = ir.FunctionType(kind.vector, [place.type, align.type, mask.type, kind.vector])
        name = f"llvm.masked.load.v{SAMPLES}f{array.dtype.bitwidth}.p0"
        read = cgutils.get_or_insert_function(builder.module, function, name)
        return builder.call(read, [place, align, mask, ir.Constant(kind.vector, None)])

    return kind(array, types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def store_some(typingctx: Any, array: Any, position: Any, count: Any, value: Any) -> Any:
    """Write the first ``count`` lanes of a vector from a flat position on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args[0], args[1], value.vector)
        mask, align = _first(builder, value, args[2]), ir.IntType(32)(value.dtype.bitwidth // 8)
        function = ir.FunctionType(ir.VoidType(), [args[3].type, place.type, align.type, mask.type])
        name = f"llvm.masked.store.v{value.count}f{value.dtype.bitwidth}.p0"
        write = cgutils.get_or_insert_function(builder.module, function, name)
        builder.call(write, [args[3], place, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def store_reached(typingctx: Any, array: Any, position: Any, value: Any, floor: Any) -> Any:
    """Write the lanes ≥ floor side by side from a flat position on; how many.

    Processors with 512-bit vectors pack a register in one instruction; elsewhere LLVM writes one by one.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])
        mask = builder.fcmp_ordered(">=", args[2], value.spread(builder, signature.args[3], args[3]))
        function = ir.FunctionType(ir.VoidType(), [args[2].type, first.type, mask.type])
        name = f"llvm.masked.compressstore.v{value.count}f64"
        write = cgutils.get_or_insert_function(builder.module, function, name)
        builder.call(write, [args[2], first, mask])
        reached = builder.ctpop(builder.bitcast(mask, ir.IntType(value.count)))
        return builder.zext(reached, ir.IntType(64))

    return types.uint64(array, types.uint64, value, value.dtype), codegen


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typingctx: Any, array: Any, position: Any) -> Any:
    """Ask for the cache line of a flat position, soon to be read."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), byte)
        # To read, into every level of the cache, data.
        builder.call(function, [place, integer(0), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


def _spreader(count: int, doc: str) -> Any:
    def spread_value(typingctx: Any, value: Any) -> Any:
        kind = LanesType(value, count)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return kind.spread(builder, value, args[0])

        return kind(value), codegen

    spread_value.__doc__ = doc
    return intrinsic(spread_value)


spread = _spreader(LANES, "The same number in every lane.")
spread_samples = _spreader(SAMPLES, "The same number for every sample.")


def _entry_spreader(count: int, doc: str) -> Any:
    def spread_one(typingctx: Any, array: Any, position: Any) -> Any:
        kind = LanesType(array.dtype, count)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            return kind.spread(builder, array.dtype, builder.load(builder.gep(data, [args[1]])))

        return kind(array, types.int64), codegen

    spread_one.__doc__ = doc
    return intrinsic(spread_one)


spread_from = _entry_spreader(LANES, "The entry at a flat position of a C-contiguous array, in every lane.")
spread_entry = _entry_spreader(
    SAMPLES, "The entry at a flat position of a C-contiguous array, for every sample."
)


@intrinsic  # type: ignore[untyped-decorator]
def zeros(typingctx: Any) -> Any:
    """Zero for every sample."""
    kind = LanesType(types.float64, SAMPLES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(kind.vector, None)

    return kind(), codegen


def _counter(count: int, doc: str) -> Any:
    kind = LanesType(types.uint64, count)

    def count_from(typingctx: Any, first: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            steps = ir.Constant(kind.vector, list(range(count)))
            return builder.add(kind.spread(builder, types.uint64, args[0]), steps)

        return kind(types.uint64), codegen

    count_from.__doc__ = doc
    return intrinsic(count_from)


counters = _counter(LANES, "LANES integers from ``first`` on.")
counters_of_samples = _counter(SAMPLES, "SAMPLES integers from ``first`` on.")


def _shuffled(builder: Any, value: Any, positions: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), positions)
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


def _periodic(change: Any, doc: str) -> Any:
    """An intrinsic that changes a vector once for every power of two from ``period`` to half of LANES."""

    def periodic(typingctx: Any, value: Any, period: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            result = args[0]
            for width in (8, 4, 2, 1):
                smaller = builder.icmp_signed("<=", args[1], args[1].type(width))
                result = builder.select(smaller, change(builder, result, width), result)
            return result

        return value(value, types.int64), codegen

    periodic.__doc__ = doc
    return intrinsic(periodic)


def _add_rotated(builder: Any, value: Any, width: int) -> Any:
    return builder.fadd(value, _shuffled(builder, value, [(lane + width) % LANES for lane in range(LANES)]))


def _repeat(builder: Any, value: Any, width: int) -> Any:
    return _shuffled(builder, value, [lane % width for lane in range(LANES)])


sum_period = _periodic(
    _add_rotated, "In every lane the sum of those that differ by multiples of ``period``, a power of two."
)
repeat_period = _periodic(_repeat, "The first ``period`` lanes, a power of two, repeated over all.")


def _order_of_runs(width: int, lanes: int) -> list[int]:
    """Where :func:`by_coordinate` takes its numbers from, in the row of all first and all second ones."""
    order = [0] * (2 * width * LANES)
    for counter in range(LANES):
        place, run = divmod(counter, lanes)
        for number in range(2 * width):
            half, own = divmod(number, width)
            row = 2 * width * place + number
            order[row * lanes + run] = (half * LANES + counter) * width + own
    return order


@intrinsic  # type: ignore[untyped-decorator]
def by_coordinate(typingctx: Any, first: Any, second: Any, lanes: Any) -> Any:
    """Numbers of LANES counters, those of ``lanes`` runs side by side: coordinates in order, runs innermost.

    A counter has as many numbers in ``first`` as in ``second``, which come after.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = first.count // LANES
        start, end = builder.block, builder.append_basic_block("ordered")
        found: list[list[Any]] = [[], []]
        for case in (LANES, 8, 4, 2, 1):
            block = builder.append_basic_block(f"lanes_{case}")
            if case == LANES:
                with builder.goto_block(start):
                    choice = builder.switch(args[2], block)
            else:
                choice.add_case(ir.Constant(args[2].type, case), block)
            order = _order_of_runs(width, case)
            builder.position_at_end(block)
            for half, values in enumerate(found):
                part = order[half * first.count : (half + 1) * first.count]
                mask = ir.Constant(ir.VectorType(ir.IntType(32), first.count), part)
                values.append((builder.shuffle_vector(args[0], args[1], mask), block))
            builder.branch(end)
        builder.position_at_end(end)
        results = []
        for values in found:
            result = builder.phi(first.vector)
            for value, block in values:
                result.add_incoming(value, block)
            results.append(result)
        return context.make_tuple(builder, signature.return_type, results)

    return types.UniTuple(first, 2)(first, second, types.int64), codegen


def _reinterpreter(dtype: Any, doc: str) -> Any:
    def reinterpret(typingctx: Any, value: Any) -> Any:
        kind = LanesType(dtype, value.count * value.dtype.bitwidth // dtype.bitwidth)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], kind.vector)

        return kind(value), codegen

    reinterpret.__doc__ = doc
    return intrinsic(reinterpret)


as_singles = _reinterpreter(types.float32, "The floats with the bits of a vector.")
as_words = _reinterpreter(types.uint32, "The bits of a vector in words of 32.")


@intrinsic  # type: ignore[untyped-decorator]
def signed_to_single(typingctx: Any, words: Any) -> Any:
    """Words of 32 bits, read as signed integers, as floats."""
    kind = LanesType(types.float32, words.count)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sitofp(args[0], kind.vector)

    return kind(words), codegen


@intrinsic  # type: ignore[untyped-decorator]
def total(typingctx: Any, value: Any) -> Any:
    """The sum over the lanes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double, value.vector])
        name = f"llvm.vector.reduce.fadd.v{value.count}f64"
        add = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(add, [double(-0.0), args[0]], fastmath=("reassoc",))

    return types.float64(value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def union(typingctx: Any, value: Any) -> Any:
    """The bits that any lane has."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [value.vector])
        name = f"llvm.vector.reduce.or.v{value.count}i64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return types.uint64(value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def four_totals(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums over the lanes of four vectors of SAMPLES, in a third of the operations of four sums."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def added(x: Any, y: Any, low: list[int], high: list[int]) -> Any:
            masks = (ir.Constant(ir.VectorType(ir.IntType(32), len(each)), each) for each in (low, high))
            return builder.fadd(*(builder.shuffle_vector(x, y, mask) for mask in masks))

        even, odd = [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]
        first, second = added(args[0], args[1], even, odd), added(args[2], args[3], even, odd)
        halves = added(first, second, [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
        sums = added(halves, halves, [0, 1, 2, 3], [4, 5, 6, 7])
        four = [builder.extract_element(sums, ir.IntType(32)(k)) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, four)

    return types.UniTuple(types.float64, 4)(a, b, c, d), codegen


@intrinsic  # type: ignore[untyped-decorator]
def load_pairs(typingctx: Any, array: Any, positions: Any, offset: Any) -> Any:
    """What SAMPLES rows, which begin at flat ``positions``, hold at ``offset``, and next to it: two vectors.

    Pairs are loaded and interleaved: gathers of single numbers take 1.7 times as long where they are fast.
    """
    kind = LanesType(array.dtype, SAMPLES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        two = ir.VectorType(kind.vector.element, 2).as_pointer()
        pairs = []
        for k in range(SAMPLES):
            first = builder.gep(data, [builder.extract_value(args[1], k)])
            place = builder.bitcast(builder.gep(first, [args[2]]), two)
            pairs.append(builder.load(place, align=array.dtype.bitwidth // 8))

        def shuffled(low: Any, high: Any, lanes: list[int]) -> Any:
            mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
            return builder.shuffle_vector(low, high, mask)

        def joined(parts: list[Any]) -> Any:
            if len(parts) == 1:
                return parts[0]
            half = len(parts) // 2
            return shuffled(joined(parts[:half]), joined(parts[half:]), list(range(2 * len(parts))))

        even, odd = joined(pairs[::2]), joined(pairs[1::2])
        # Lane 2k of the one and of the other in turn: what the processor does within 128 bits.
        columns = [
            shuffled(even, odd, [k + side + start for k in range(0, SAMPLES, 2) for start in (0, SAMPLES)])
            for side in range(2)
        ]
        return context.make_tuple(builder, signature.return_type, columns)

    return types.UniTuple(kind, 2)(array, types.UniTuple(types.int64, SAMPLES), types.int64), codegen
