"""Somebody's function made part of a kernel: same text, the package's flags and elementary functions.

A loss that calls ``math.exp`` would spend most of its time in the C library, one number at a time, and
break the loop around it. Compiled here, it calls what LLVM can vectorise, as do the functions it calls.
"""

import math
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils, ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import build_definitions, get_definition, guard, mk_unique_var
from numba.core.untyped_passes import WithLifting
from numba.extending import intrinsic, is_jitted, overload

from desgd_fast.kernels.jit import arithmetic
from desgd_fast.kernels.jit.compile import CALLEE, ELEMENTARY, FASTMATH


def _of_doubles(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """A function that compiles to ours for a double, and to the original for anything else."""

    def function(*args):  # type: ignore[no-untyped-def]
        return original(*args)

    @overload(function, jit_options=ELEMENTARY)
    def choose(*args):  # type: ignore[no-untyped-def]
        return (lambda *args: ours(args[0])) if args == (types.float64,) else function

    # As messages of the compiler shall call it.
    function.__qualname__ = original.__name__
    return function


_REPLACED = [
    (original, _of_doubles(original, ours))
    for original, ours in (
        (math.exp, arithmetic.exp),
        (np.exp, arithmetic.exp),
        (math.tanh, arithmetic.tanh),
        (np.tanh, arithmetic.tanh),
    )
]


def _constant(function_ir: Any, value: Any) -> Any:
    """The Python object of a global, of a closure's variable or of a module's attribute; else None."""
    if isinstance(value, ir.Global | ir.FreeVar):
        return value.value
    if isinstance(value, ir.Expr) and value.op == "getattr":
        owner = _constant(function_ir, guard(get_definition, function_ir, value.value))
        return getattr(owner, value.attr, None) if isinstance(owner, ModuleType) else None
    return None


def _replaced(value: Any) -> Any:
    """What stands for a global of the function."""
    # Signatures of its own convert what a function is given.
    if is_jitted(value) and value._can_compile:
        return adopted(value)
    return next((ours for original, ours in _REPLACED if value is original), value)


@register_pass(mutates_CFG=False, analysis_only=False)
class _Adopt(FunctionPass):  # type: ignore[misc]
    """Replace the functions that are called, and let the loops fill 512-bit registers."""

    _name = "adopt"

    def __init__(self) -> None:  # abstract in Numba
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        function_ir = state.func_ir
        for block in function_ir.blocks.values():
            for assignment in block.find_insts(ir.Assign):
                found = _constant(function_ir, assignment.value)
                ours = _replaced(found)
                if ours is not found:
                    assignment.value = ir.Global(mk_unique_var("adopted"), ours, assignment.loc)
        first = function_ir.blocks[min(function_ir.blocks)]
        call, done = (ir.Var(first.scope, mk_unique_var("wide"), first.loc) for _ in range(2))
        first.prepend(ir.Assign(ir.Expr.call(call, (), (), first.loc), done, first.loc))
        first.prepend(
            ir.Assign(ir.Global("wide_vectors", arithmetic.wide_vectors, first.loc), call, first.loc)
        )
        function_ir._definitions = build_definitions(function_ir.blocks)
        return True


class _Compiler(CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_Adopt, WithLifting)
        passes.finalize()
        return [passes]


@cache
def adopted(function: Callable[..., Any]) -> Any:
    """Compile somebody's function anew and fold it into its caller.

    The options of its own decorator would depend on whether it had been called before.
    """
    # Not linked as our own are: where it leaves compiled code, it needs an environment.
    flags = CALLEE | {"pipeline_class": _Compiler, "forceinline": True, "fastmath": set(FASTMATH)}
    return numba.njit(**flags)(getattr(function, "py_func", function))


@intrinsic  # type: ignore[untyped-decorator]
def attempt(typingctx: Any, function: Any, args: Any) -> Any:
    """What an adopted function returns, and whether it raised; ``try`` takes longer to compile.

    It borrows its arguments: their caller keeps them alive.
    """
    of_call = function.get_call_type(typingctx, tuple(args), {})
    kind = types.Tuple((of_call.return_type, types.boolean))

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compiled = function.dispatcher.overloads[tuple(of_call.args)]
        context.add_linking_libs([compiled.library])
        unpacked = cgutils.unpack_tuple(builder, arithmetic.without_owner(context, builder, args, values[1]))
        status, result = context.call_internal_no_propagate(builder, compiled.fndesc, of_call, unpacked)
        return context.make_tuple(builder, kind, [result, status.is_error])

    return kind(function, args), codegen
