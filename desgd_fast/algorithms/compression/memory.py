"""Compressors put into algorithms: of gradients or of messages, and what a node remembers of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from numba.extending import is_jitted

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.arithmetic import rows
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


def compilable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Something that a compiled function can call."""
    return function if is_jitted(function) else inlined(function)


@cache
def _error_feedback(compress: Callable[..., Any]) -> Callable[..., Any]:
    compress = compilable(compress)

    @inlined
    def fed_back(
        vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
    ) -> None:
        left = memory[0]
        for t in range(vector.size):
            vector[t] += left[t]
            left[t] = vector[t]
        inner = rows(memory, 1, memory.shape[0] - 1)
        compress(vector, iterate, inner, normals, uniforms, parameters)
        for t in range(vector.size):
            left[t] -= vector[t]

    return fed_back


@cache
def _difference(compress: Callable[..., Any]) -> Callable[..., Any]:
    compress = compilable(compress)

    @inlined
    def followed(
        vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
    ) -> None:
        copy = memory[0]
        for t in range(vector.size):
            vector[t] -= copy[t]
        inner = rows(memory, 1, memory.shape[0] - 1)
        compress(vector, iterate, inner, normals, uniforms, parameters)
        for t in range(vector.size):
            copy[t] += vector[t]
            vector[t] = copy[t]

    return followed


_MEMORIES = {"error-feedback": _error_feedback, "difference": _difference}


def compressed(compressor: Part, of: str = "gradients", *, memory: str | None = None) -> Algorithm:
    """A compressor C on gradients, or on the messages of nodes, with what they remember.

    Parameters
    ----------
    compressor : Part
        :func:`top_k`, :func:`random_k`, :func:`qsgd`, …, or one of your own (:func:`compressor`).
    of : {"gradients", "messages"}
        What is compressed: what comes out of the local rules before it, or the iterate that a node sends.
    memory : {None, "error-feedback", "difference"}
        None sends C(v). "error-feedback" sends C(v + e) and remembers what is left, e ← v + e − C(v + e)
        (Seide et al., Interspeech 2014; on messages DeepSqueeze, Tang et al. 2019). "difference" follows v
        with a copy that all neighbours have: h ← h + C(v − h), and h stands for v (DIANA of Mishchenko et
        al. 2019 and EF21 of Richtárik et al. on gradients; CHOCO on messages).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> top = dsf.algorithms.top_k(2)
    >>> dsf.algorithms.compressed(top, memory="error-feedback")
    top_k_with_error_feedback(2)
    >>> dsf.algorithms.compressed(top, "messages", memory="difference").bits(100)
    78.0
    """
    check.instance("compressor", compressor, (Part,))
    check.choice("of", of, ("gradients", "messages"))
    if memory is not None:
        check.choice("memory", memory, tuple(_MEMORIES))
        compressor = replace(
            compressor,
            name=f"{compressor.name}_with_{memory.replace('-', '_')}",
            function=_MEMORIES[memory](compressor.function),
            memory=compressor.memory + 1,
        )
    return Algorithm((compressor,)) if of == "gradients" else Algorithm(message=compressor)
