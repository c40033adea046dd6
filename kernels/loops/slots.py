"""The five slots of a step, as the general loop takes them: functions behind pointers, and their numbers.

The loop is compiled once, whatever an algorithm is made of; what is compiled for each algorithm is these few
lines with its parts folded into them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from desgd_fast.kernels.jit.adoption import adopted, attempt
from desgd_fast.kernels.jit.arithmetic import borrow, entries, rows
from desgd_fast.kernels.jit.compile import Absent, Integers, Matrix, Reals, elementary, exact, pointer

_VECTOR, _MATRIX, _COUNTS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
TRANSFORM = types.void(_VECTOR, _VECTOR, _MATRIX, _VECTOR, _VECTOR, _VECTOR, _COUNTS)
COMBINE = types.void(_VECTOR, _MATRIX, _VECTOR, types.int64, _VECTOR)
PARTICIPATE = types.float64(types.int64, types.int64, _VECTOR, _VECTOR, _VECTOR)
WEIGH = types.void(types.int64, _VECTOR, _COUNTS, _COUNTS, _VECTOR, _MATRIX, _VECTOR)

# What stands for a function where a slot is empty.
NO_TRANSFORM, NO_COMBINE = Absent(TRANSFORM), Absent(COMBINE)
NO_PARTICIPATE, NO_WEIGH = Absent(PARTICIPATE), Absent(WEIGH)

# Numbers of a part in ``cuts``: rows of memory, normals, uniforms and parameters that are its own.
MEMORY, NORMALS, UNIFORMS, PARAMETERS = range(4)

_0 = np.uint64(0)


class Transform(NamedTuple):
    """What changes a vector of one node: a direction before its step, or a message before it is sent.

    The first ``n_mixed`` of a node's ``n_memory`` vectors are averaged with the neighbours' before it.
    """

    used: bool
    function: Any
    parameters: Reals
    cuts: Integers
    n_memory: int
    n_mixed: int
    n_normals: int
    n_uniforms: int


class Rules(NamedTuple):
    """An algorithm and who it talks to: the fields of the five slots, and when nodes talk.

    Flat, since Numba hands parallel loops no tuples of tuples.
    """

    participates: bool
    participate: Any
    participation_parameters: Reals
    presence: int
    participation_uniforms: int
    transforms: bool
    transform: Any
    local_parameters: Reals
    local_cuts: Integers
    local_memory: int
    local_mixed: int
    local_normals: int
    local_uniforms: int
    sends: bool
    send: Any
    message_parameters: Reals
    message_cuts: Integers
    message_memory: int
    message_normals: int
    message_uniforms: int
    indptr: Integers
    indices: Integers
    weights: Reals
    weighs: bool
    weigh: Any
    tables: Matrix
    link_uniforms: int
    aggregates: bool
    combine: Any
    aggregation_parameters: Reals
    adapt_first: bool
    period: int
    consensus_step: float


@exact
def local_of(rules: Rules) -> Transform:
    """The local rule."""
    return Transform(
        rules.transforms,
        rules.transform,
        rules.local_parameters,
        rules.local_cuts,
        rules.local_memory,
        rules.local_mixed,
        rules.local_normals,
        rules.local_uniforms,
    )


@exact
def message_of(rules: Rules) -> Transform:
    """The message."""
    return Transform(
        rules.sends,
        rules.send,
        rules.message_parameters,
        rules.message_cuts,
        rules.message_memory,
        0,
        rules.message_normals,
        rules.message_uniforms,
    )


def _nothing(*args: Any) -> None:
    """Where a chain ends."""


def _then(part: Callable[..., Any], rest: Any) -> Any:
    """A part on its own memory, variates and numbers, and the rest of the chain on what follows them."""
    ours = adopted(part)

    @elementary
    def both(
        vector: Reals,
        iterate: Reals,
        memory: Matrix,
        normals: Reals,
        uniforms: Reals,
        parameters: Reals,
        cuts: Integers,
    ) -> None:
        m, n, u, p = cuts[MEMORY], cuts[NORMALS], cuts[UNIFORMS], cuts[PARAMETERS]
        own = (
            vector,
            iterate,
            rows(memory, 0, m),
            entries(normals, 0, n),
            entries(uniforms, 0, u),
            entries(parameters, 0, p),
        )
        if attempt(ours, own)[1]:
            vector[_0] = np.nan
        rest(
            vector,
            iterate,
            rows(memory, m, memory.shape[0] - m),
            entries(normals, n, normals.size - n),
            entries(uniforms, u, uniforms.size - u),
            entries(parameters, p, parameters.size - p),
            entries(cuts, 4, cuts.size - 4),
        )

    return both


@cache
def transform(parts: tuple[Callable[..., Any], ...]) -> Any:
    """Pointer to these parts, one after the other."""
    chain = elementary(_nothing)
    for part in reversed(parts):
        chain = _then(part, chain)

    @pointer(TRANSFORM)
    def apply(
        vector: Reals,
        iterate: Reals,
        memory: Matrix,
        normals: Reals,
        uniforms: Reals,
        parameters: Reals,
        cuts: Integers,
    ) -> None:
        vector, iterate, memory, cuts = borrow(vector), borrow(iterate), borrow(memory), borrow(cuts)
        normals, uniforms, parameters = borrow(normals), borrow(uniforms), borrow(parameters)
        chain(vector, iterate, memory, normals, uniforms, parameters, cuts)

    return apply


@cache
def aggregation(combine: Callable[..., Any]) -> Any:
    """Pointer to combine(out, received, weights, own, parameters); row ``own`` of received is the node's."""
    ours = adopted(combine)

    @pointer(COMBINE)
    def apply(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
        if attempt(ours, (out, received, weights, own, parameters))[1]:
            out[_0] = np.nan

    return apply


@cache
def participation(participate: Callable[..., Any]) -> Any:
    """Pointer to participate(step, node, uniforms, memory, parameters): a factor of the step."""
    ours = adopted(participate)

    @pointer(PARTICIPATE)
    def apply(step: int, node: int, uniforms: Reals, memory: Reals, parameters: Reals) -> float:
        factor, raised = attempt(ours, (step, node, uniforms, memory, parameters))
        return np.nan if raised else float(factor)

    return apply


@cache
def weighing(weigh: Callable[..., Any]) -> Any:
    """Pointer to weigh(step, base, indptr, indices, uniforms, tables, weights), which fills the last."""
    ours = adopted(weigh)

    @pointer(WEIGH)
    def apply(
        step: int,
        base: Reals,
        indptr: Integers,
        indices: Integers,
        uniforms: Reals,
        tables: Matrix,
        weights: Reals,
    ) -> None:
        if attempt(ours, (step, base, indptr, indices, uniforms, tables, weights))[1]:
            weights[_0] = np.nan

    return apply
