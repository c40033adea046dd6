"""How functions that only kernels call are compiled: linked into each, with no machine code of their own.

For every function Numba optimises the code of all that it calls, and writes machine code; LLVM then does it
again for the callers of its callers. Here that is done once, for the kernel at the top: its code is the same,
and compiling takes half the time.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.registry import CPUDispatcher


class Linked(JITCodeLibrary):  # type: ignore[misc]
    """Code that goes into others as it was lowered."""

    def _optimize_final_module(self) -> None:
        """Left to the kernel."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
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


class Linker(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with :class:`Linked` code."""

    def define_pipelines(self) -> list[Any]:
        """Numba's passes."""
        self.state.library = Linked(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


class Callee(CPUDispatcher):  # type: ignore[misc]
    """A function with :class:`Linked` code; where Python calls it, through another that has machine code.

    A class of its own, because copies in other processes are made by it.
    """

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: Mapping[str, Any] = MappingProxyType({}),
        targetoptions: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(py_func, locals, targetoptions, pipeline_class=Linker)
        self._caller: Any = None

    def add_overload(self, cres: Any) -> None:
        """For kernels; what Python calls knows none."""
        self.overloads[tuple(cres.signature.args)] = cres

    def _compile_for_args(self, *arguments: Any, **named: Any) -> Any:
        if self._caller is None:
            self._caller = numba.njit(lambda *values: self(*values))
        return self._caller
