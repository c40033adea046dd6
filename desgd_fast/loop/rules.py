"""An algorithm and a mixing process as the step loop takes them: pointers, and their numbers."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import Part, checks
from desgd_fast.experiment import Experiment
from desgd_fast.kernels.loops import slots


def rules_of(experiment: Experiment, dim: int, *, at_infinity: bool = False) -> slots.Rules:
    """The algorithm and the mixing process as the loop takes them; at infinity without additive noise."""
    algorithm, process, n_nodes = experiment.algorithm, experiment.process, experiment.n_nodes
    n_received = np.diff(process.base.indptr).tolist()
    checks.fits_sizes(algorithm, dim, n_received)
    chain = tuple(part for part in algorithm.local if not (at_infinity and part.additive))
    # A sample's gradient is that of a batch of one.
    alone = bool((experiment.batch_sizes == 1).all())
    local = _numbers(tuple(part for part in chain if alone or not part.by_sample), dim)
    samples = _numbers(tuple(part for part in chain if part.by_sample and not alone), dim)
    sent = _numbers((algorithm.message,) if algorithm.message else (), dim)
    look, look_cuts = _look(local.parts, dim)
    participation, aggregation, attack = algorithm.participation, algorithm.aggregation, algorithm.attack
    base = process.base
    return slots.Rules(
        dim=dim,
        participates=participation is not None,
        participate=slots.participation(participation.function) if participation else slots.NO_PARTICIPATE,
        participation_parameters=_parameters(participation),
        presence=participation.memory + 1 if participation else 0,
        participation_uniforms=participation.variates(1)[1] if participation else 0,
        transforms=bool(local.parts),
        transform=_transform(local.parts),
        local_parameters=local.parameters,
        local_numbers=local.numbers,
        local_cuts=local.cuts,
        local_memory=local.memory,
        local_mixed=sum(part.mixed for part in local.parts),
        local_normals=local.normals,
        local_uniforms=local.uniforms,
        local_shared=_shared(local.parts, dim),
        local_scales=_scales(local.parts),
        looks=look is not None,
        look=slots.looking(look.look) if look is not None and look.look else slots.NO_LOOK,
        look_parameters=_parameters(look),
        look_numbers=_count(look) if look else 0,
        look_cuts=look_cuts,
        by_sample=bool(samples.parts),
        sample_transform=_transform(samples.parts),
        sample_parameters=samples.parameters,
        sample_cuts=samples.cuts,
        sends=bool(sent.parts) or attack is not None,
        encodes=bool(sent.parts),
        send=_transform(sent.parts),
        message_parameters=sent.parameters,
        message_numbers=sent.numbers,
        message_cuts=sent.cuts,
        message_memory=sent.memory,
        message_normals=sent.normals,
        message_uniforms=sent.uniforms,
        message_shared=_shared(sent.parts, dim),
        message_keeps=any(part.keeps_iterates for part in sent.parts),
        own_iterate=any(part.own_iterate for part in sent.parts),
        attacks=attack is not None,
        attack=slots.attacking(attack.function) if attack else slots.NO_ATTACK,
        attack_parameters=_parameters(attack),
        byzantine=algorithm.byzantine_nodes(n_nodes),
        attack_normals=attack.variates(dim)[0] if attack else 0,
        indptr=base.indptr,
        indices=base.indices,
        weights=base.data,
        weighs=process.function is not None,
        weigh=slots.NO_WEIGH if process.function is None else slots.weighing(process.function),
        tables=np.ascontiguousarray(process.tables),
        link_uniforms=process.n_uniforms,
        link_memory=process.n_memory,
        common=process.common,
        aggregates=aggregation is not None,
        combine=slots.aggregation(aggregation.function) if aggregation else slots.NO_COMBINE,
        aggregation_normals=aggregation.variates(dim)[0] if aggregation else 0,
        aggregation_uniforms=aggregation.variates(max(n_received))[1] if aggregation else 0,
        aggregation_parameters=_parameters(aggregation),
        of_moves=aggregation is not None and aggregation.of_moves,
        adapt_first=algorithm.adapt_first,
        period=algorithm.period,
        waits=isinstance(algorithm.local_steps, tuple),
        local_steps=np.broadcast_to(algorithm.local_steps or 1, n_nodes).astype(np.int64),
        consensus_step=1.0 if algorithm.consensus_step is None else algorithm.consensus_step,
    )


def _parameters(part: Part | None) -> NDArray[np.float64]:
    return np.array(part.parameters if part else (), np.float64)


def _transform(parts: tuple[Part, ...]) -> Any:
    return slots.transform(tuple(part.function for part in parts)) if parts else slots.NO_TRANSFORM


def _look(parts: tuple[Part, ...], dim: int) -> tuple[Part | None, NDArray[np.int64]]:
    """The part that says where gradients are taken, and where its memory and its uniforms lie."""
    memory = uniforms = 0
    for part in parts:
        drawn = part.variates(dim)[1]
        if part.look is not None:
            flags = int(part.keeps_iterates), int(part.twice)
            return part, np.array([memory, part.memory, uniforms, drawn, *flags])
        memory, uniforms = memory + part.memory, uniforms + drawn
    return None, np.zeros(6, np.int64)


def _scales(parts: tuple[Part, ...]) -> NDArray[np.float64]:
    """One for every vector of memory that grows with the iterates, zero for the others; none if all do."""
    flags = [float(v < part.memory - part.unscaled) for part in parts for v in range(part.memory)]
    return np.array(flags if 0.0 in flags else (), np.float64)


def _shared(parts: tuple[Part, ...], dim: int) -> NDArray[np.int64]:
    """Which variates all nodes have in common: those of one part."""
    normals = uniforms = 0
    for part in parts:
        n_normals, n_uniforms = part.variates(dim)
        if part.shared:
            return np.array([normals, n_normals, uniforms, n_uniforms])
        normals, uniforms = normals + n_normals, uniforms + n_uniforms
    return np.zeros(4, np.int64)


class _Numbers(NamedTuple):
    """What some parts take together."""

    parts: tuple[Part, ...]
    parameters: NDArray[np.float64]
    numbers: int
    cuts: NDArray[np.int64]
    memory: int
    normals: int
    uniforms: int


def _count(part: Part) -> int:
    """Numbers of a part that one node has."""
    return part.width if part.per_node else len(part.parameters)


def _numbers(parts: tuple[Part, ...], dim: int) -> _Numbers:
    counts = [(part.memory, *part.variates(dim), _count(part)) for part in parts]
    memory, normals, uniforms, numbers = (sum(count[i] for count in counts) for i in range(4))
    lists = [
        np.reshape(part.parameters, (max(len(part.parameters) // max(count[-1], 1), 1), count[-1]))
        for part, count in zip(parts, counts, strict=True)
    ]
    n_rows = max((len(listed) for listed in lists), default=1)
    each = [np.broadcast_to(listed, (n_rows, listed.shape[1])) for listed in lists]
    parameters = np.concatenate([np.empty((n_rows, 0)), *each], axis=1).ravel()
    cuts = np.array(counts, np.int64).reshape(-1)
    return _Numbers(parts, parameters, numbers, cuts, memory, normals, uniforms)
