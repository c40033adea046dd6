"""The one place that decides how kernels are compiled and when a cached binary is stale."""

import hashlib
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.experimental.function_type  # registers the type of pointers
import numpy as np
from numba import types
from numba.core.ccallback import CFunc
from numpy.typing import NDArray

from desgd_fast.kernels.jit.linked import Callee, Linker

F = TypeVar("F", bound=Callable[..., Any])

# The dtypes that kernels take.
Word = np.uint64
Words = NDArray[np.uint64]
Reals = NDArray[np.float64]
Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]

# NaN and infinity keep their meaning: divergence must be seen.
FASTMATH = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})

# Said aloud, because an option left out is inherited from whichever caller is compiled first. Wrappers for
# callers in C, whom nothing here has, take time to compile.
COMMON = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

# What functions ask for that only kernels call.
CALLEE = {"no_cpython_wrapper": True, **COMMON}

# What :func:`elementary` asks for, as options of an overload.
ELEMENTARY = {"pipeline_class": Linker, "forceinline": True, "fastmath": False, **CALLEE}

_OF_POINTERS = {"nogil": True, "error_model": "numpy", "fastmath": set(FASTMATH)}

CACHE = os.environ.get("DESGD_FAST_CACHE", "1") != "0"


def source_digest() -> str:
    """Hex digest of every kernel source, so that editing one kernel invalidates its callers too."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest() if CACHE else ""


def _stamp(dispatcher: Any) -> None:
    # Numba stamps a cache file with its own source only, not its callees' (numba issue 1833).
    # Fail safe: where the private attribute is gone, compile afresh rather than trust an old binary.
    try:
        cache_file = dispatcher._cache._cache_file
        cache_file._source_stamp = (cache_file._source_stamp, _DIGEST)
    except AttributeError:  # pragma: no cover
        dispatcher._cache = numba.core.caching.NullCache()


def kernel(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a function that Python calls: cached, without the GIL, divisions that never raise."""

    def decorate(function: F) -> F:
        if numba.config.DISABLE_JIT:
            return _uncompiled(function)
        compiled: Any = numba.njit(cache=CACHE, parallel=parallel, fastmath=set(FASTMATH), **COMMON)(function)
        if CACHE:
            _stamp(compiled)
        return cast(F, compiled)

    return decorate


def _uncompiled(function: F) -> F:
    """What NUMBA_DISABLE_JIT leaves of a kernel: slow, and nothing where it needs the compiler's words."""

    @wraps(function)
    def interpreted(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except NotImplementedError as error:
            raise RuntimeError(
                "NUMBA_DISABLE_JIT turns off the compiler, without which this cannot be computed: unset it"
            ) from error

    return cast(F, interpreted)


def _callee(function: F, **options: Any) -> F:
    if numba.config.DISABLE_JIT:
        return function
    return cast(
        F, Callee(function, targetoptions={"nopython": True, "boundscheck": None, **CALLEE, **options})
    )


def inlined(function: F) -> F:
    """Compile a function that only kernels call; LLVM folds it into its caller's loop."""
    return _callee(function, fastmath=set(FASTMATH))


def exact(function: F) -> F:
    """Compile as :func:`inlined` does, but round every operation as written.

    What a run's bits depend on: a sum that LLVM may reorder, or a product it may fuse, comes out otherwise
    in another caller.
    """
    return _callee(function, forceinline=False, fastmath=False)


def elementary(function: F) -> F:
    """Compile as :func:`exact` does, and fold into the caller however long."""
    return _callee(function, forceinline=True, fastmath=False)


def pointer(signature: Any) -> Callable[[F], F]:
    """Compile a function that kernels take as an argument: one binary of theirs calls whichever it gets."""

    def decorate(function: F) -> F:
        if numba.config.DISABLE_JIT:
            return function
        return cast(F, numba.cfunc(signature, **_OF_POINTERS)(function))

    return decorate


def behind_pointer(function: Callable[..., None]) -> Callable[..., Any]:
    """Turn a function into one that returns a pointer to it, compiled for its arguments and cached.

    What a kernel calls it links, and LLVM optimises it again, in a parallel loop four times.
    """
    binaries: dict[tuple[Any, ...], Any] = {}

    @wraps(function)
    def pointer_for(*arguments: Any) -> Any:
        if numba.config.DISABLE_JIT:
            return function
        kinds = tuple(numba.typeof(argument) for argument in arguments)
        if kinds not in binaries:
            compiled = CFunc(function, (kinds, types.void), {}, _OF_POINTERS)
            if CACHE:
                compiled.enable_caching()
                _stamp(compiled)
            compiled.compile()
            binaries[kinds] = compiled
        return binaries[kinds]

    pointer_for.signatures = binaries  # type: ignore[attr-defined]
    return pointer_for


class Absent(types.WrapperAddressProtocol):  # type: ignore[misc]
    """A pointer that nothing calls, where a parameter wants one: a function would have to be compiled."""

    def __init__(self, signature: Any) -> None:
        self._signature = signature

    def __wrapper_address__(self) -> int:
        """Numba's word for no address."""
        return -1

    def signature(self) -> Any:
        """Type of the function."""
        return self._signature
