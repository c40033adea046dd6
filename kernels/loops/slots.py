"""The five slots of a step, as the general loop takes them: functions behind pointers, and their numbers.

The loop is compiled once, whatever an algorithm is made of; what is compiled for each algorithm is these few
lines with its parts folded into them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types
from numba.core.typing.typeof import typeof_impl

from desgd_fast.kernels.jit.adoption import adopted, attempt
from desgd_fast.kernels.jit.arithmetic import borrow, entries, rows
from desgd_fast.kernels.jit.compile import Absent, Integers, Matrix, Reals, elementary, exact, pointer

_VECTOR, _MATRIX, _COUNTS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
TRANSFORM = types.void(_VECTOR, _VECTOR, _MATRIX, _VECTOR, _VECTOR, _VECTOR, _COUNTS)
COMBINE = types.void(_VECTOR, _MATRIX, _VECTOR, types.int64, _VECTOR, _VECTOR)
PARTICIPATE = types.float64(types.int64, types.int64, _VECTOR, _VECTOR, _VECTOR, _VECTOR)
WEIGH = types.void(types.int64, _VECTOR, _COUNTS, _COUNTS, _VECTOR, _MATRIX, _VECTOR, _VECTOR)
LOOK = types.void(_VECTOR, _VECTOR, _MATRIX, _VECTOR, _VECTOR)
ATTACK = types.void(_MATRIX, _MATRIX, _VECTOR, _VECTOR, _VECTOR)

# What stands for a function where a slot is empty.
NO_TRANSFORM, NO_COMBINE = Absent(TRANSFORM), Absent(COMBINE)
NO_PARTICIPATE, NO_WEIGH = Absent(PARTICIPATE), Absent(WEIGH)
NO_LOOK, NO_ATTACK = Absent(LOOK), Absent(ATTACK)

# Numbers of a part in ``cuts``: rows of memory, normals, uniforms and parameters that are its own.
MEMORY, NORMALS, UNIFORMS, PARAMETERS = range(4)
# And of the part that looks: its first vector of memory and how many, its first uniform and how many, and
# whether its vectors begin as iterates, and whether the first of them holds the gradient at the iterate.
LOOK_MEMORY, LOOK_VECTORS, LOOK_UNIFORM, LOOK_UNIFORMS, LOOK_KEEPS, LOOK_TWICE = range(6)
# And of the part whose variates all nodes share: first normal and how many, first uniform and how many.
FIRST_NORMAL, SHARED_NORMALS, FIRST_UNIFORM, SHARED_UNIFORMS = range(4)

_0 = np.uint64(0)


class Transform(NamedTuple):
    """What changes a vector of one node: a direction before its step, or a message before it is sent.

    ``parameters`` hold ``n_parameters`` for all nodes, or as many for each.
    The first ``n_mixed`` of a node's ``n_memory`` vectors are averaged with the neighbours' before it.
    """

    used: bool
    function: Any
    parameters: Reals
    n_parameters: int
    cuts: Integers
    n_memory: int
    n_mixed: int
    n_normals: int
    n_uniforms: int
    shared: Integers


class Slots(NamedTuple):
    """An algorithm and who it talks to: the fields of the five slots, and when nodes talk.

    Flat, since Numba hands parallel loops no tuples of tuples. Parts see the first ``dim`` entries of a row.
    """

    dim: int
    participates: bool
    participate: Any
    participation_parameters: Reals
    presence: int
    participation_uniforms: int
    transforms: bool
    transform: Any
    local_parameters: Reals
    local_numbers: int
    local_cuts: Integers
    local_memory: int
    local_mixed: int
    local_normals: int
    local_uniforms: int
    local_shared: Integers
    local_scales: Reals
    looks: bool
    look: Any
    look_parameters: Reals
    look_numbers: int
    look_cuts: Integers
    by_sample: bool
    sample_transform: Any
    sample_parameters: Reals
    sample_cuts: Integers
    sends: bool
    encodes: bool
    send: Any
    message_parameters: Reals
    message_numbers: int
    message_cuts: Integers
    message_memory: int
    message_normals: int
    message_uniforms: int
    message_shared: Integers
    message_keeps: bool
    own_iterate: bool
    attacks: bool
    attack: Any
    attack_parameters: Reals
    byzantine: Reals
    attack_normals: int
    indptr: Integers
    indices: Integers
    weights: Reals
    weighs: bool
    weigh: Any
    tables: Matrix
    link_uniforms: int
    link_memory: int
    common: bool
    aggregates: bool
    combine: Any
    aggregation_normals: int
    aggregation_uniforms: int
    aggregation_parameters: Reals
    of_moves: bool
    adapt_first: bool
    period: int
    waits: bool
    local_steps: Integers
    consensus_step: float


class Rules(Slots):
    """The same, with its Numba type kept: to find it takes longer than a short call, for its pointers."""

    kind: Any


def _kind_of(rules: Rules, context: Any) -> Any:
    if "kind" not in rules.__dict__:
        rules.kind = types.NamedTuple([typeof(field) for field in rules], Rules)
    return rules.kind


typeof_impl.register(Rules, _kind_of)


@exact
def local_of(rules: Rules) -> Transform:
    """The local rule."""
    return Transform(
        rules.transforms,
        rules.transform,
        rules.local_parameters,
        rules.local_numbers,
        rules.local_cuts,
        rules.local_memory,
        rules.local_mixed,
        rules.local_normals,
        rules.local_uniforms,
        rules.local_shared,
    )


@exact
def message_of(rules: Rules) -> Transform:
    """The message."""
    return Transform(
        rules.encodes,
        rules.send,
        rules.message_parameters,
        rules.message_numbers,
        rules.message_cuts,
        rules.message_memory,
        0,
        rules.message_normals,
        rules.message_uniforms,
        rules.message_shared,
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
    """Pointer to combine(out, received, weights, own, uniforms, parameters); row ``own`` is the node's."""
    ours = adopted(combine)

    @pointer(COMBINE)
    def apply(
        out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals
    ) -> None:
        if attempt(ours, (out, received, weights, own, uniforms, parameters))[1]:
            out[_0] = np.nan

    return apply


@cache
def participation(participate: Callable[..., Any]) -> Any:
    """Pointer to participate(meeting, node, uniforms, memory, links, parameters): a factor of its steps."""
    ours = adopted(participate)

    @pointer(PARTICIPATE)
    def apply(
        meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
    ) -> float:
        factor, raised = attempt(ours, (meeting, node, uniforms, memory, links, parameters))
        return np.nan if raised else float(factor)

    return apply


@cache
def weighing(weigh: Callable[..., Any]) -> Any:
    """Pointer to weigh(meeting, base, indptr, indices, uniforms, tables, memory, weights): fills the last."""
    ours = adopted(weigh)

    @pointer(WEIGH)
    def apply(
        meeting: int,
        base: Reals,
        indptr: Integers,
        indices: Integers,
        uniforms: Reals,
        tables: Matrix,
        memory: Reals,
        weights: Reals,
    ) -> None:
        if attempt(ours, (meeting, base, indptr, indices, uniforms, tables, memory, weights))[1]:
            weights[_0] = np.nan

    return apply


@cache
def looking(look: Callable[..., Any]) -> Any:
    """Pointer to look(place, iterate, memory, uniforms, parameters): moves where the gradient is taken."""
    ours = adopted(look)

    @pointer(LOOK)
    def apply(place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals) -> None:
        if attempt(ours, (place, iterate, memory, uniforms, parameters))[1]:
            place[_0] = np.nan

    return apply


@cache
def attacking(attack: Callable[..., Any]) -> Any:
    """Pointer to attack(sent, before, byzantine, normals, parameters): overwrites rows of ``sent``."""
    ours = adopted(attack)

    @pointer(ATTACK)
    def apply(sent: Matrix, before: Matrix, byzantine: Reals, normals: Reals, parameters: Reals) -> None:
        if attempt(ours, (sent, before, byzantine, normals, parameters))[1]:
            sent[_0, _0] = np.nan

    return apply
