"""How functions that only kernels call are compiled: linked into each, with no machine code of their own.

For every function Numba optimises the code of all that it calls, and writes machine code; LLVM then does it
again for the callers of its callers. Here that is done once, for the kernel at the top: its code is the same,
and compiling takes half the time.
"""

import weakref
from functools import cache
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder


class Linked(JITCodeLibrary):  # type: ignore[misc]
    """Code that goes into others as it was lowered."""

    def _optimize_final_module(self) -> None:
        """Left to the kernel."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._final_module.__library = weakref.proxy(self)
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """None: there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """What Numba tells of the function's environment, which code without machine code does not have."""
        return self

    def set_env(self, env_name: str, env: Any) -> None:
        """Nowhere to keep it: only code that leaves for Python reads it."""


class Callee(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with :class:`Linked` code."""

    def define_pipelines(self) -> list[Any]:
        """Numba's passes."""
        self.state.library = Linked(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


def with_caller(compiled: Any) -> Any:
    """The same function; where Python calls it, through another that has machine code."""
    caller = cache(lambda: numba.njit(lambda *arguments: compiled(*arguments)))
    compiled._insert = lambda *arguments: None
    compiled._compile_for_args = lambda *arguments: caller()
    return compiled
