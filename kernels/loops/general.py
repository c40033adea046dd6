"""The step loop of every algorithm: participation, local rule, message, mixing, aggregation.

One run at a time, an iterate in every row of ``x``, filled up with zeros. At a step each node takes the
gradient of a fresh minibatch at its iterate, or where its local rule looks, the local rule turns that into
a direction, and the node moves against it; before that, or after it, it averages with its neighbours:

    x_i ← Σ_j W_ij x_j − η_i d_i(x_i)    or    x_i ← Σ_j W_ij (x_j − η_j d_j(x_j)).

Where messages m_j stand for iterates, Σ_j W_ij x_j is x_i + γ (Σ_j W_ij m_j − m_i); where nodes aggregate,
it is what they make of what they received. :mod:`.steps` is faster where all of that is plain.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numba import prange

from desgd_fast.kernels.draw.minibatches import Epochs
from desgd_fast.kernels.draw.normals import Counter, fill_normals
from desgd_fast.kernels.draw.random import LINKS, MESSAGES, PARTICIPATION, RULES, fill_uniforms
from desgd_fast.kernels.gradients.minibatches import half_of
from desgd_fast.kernels.jit.arithmetic import (
    aligned_empty,
    borrow,
    entries,
    kept_apart,
    multiply_add,
    outlive,
    rows,
    wide_vectors,
)
from desgd_fast.kernels.jit.compile import (
    Integers,
    Matrix,
    Reals,
    Word,
    Words,
    behind_pointer,
    elementary,
    exact,
    kernel,
)
from desgd_fast.kernels.loops.slots import (
    FIRST_NORMAL,
    FIRST_UNIFORM,
    LOOK_KEEPS,
    LOOK_MEMORY,
    LOOK_TWICE,
    LOOK_UNIFORM,
    LOOK_UNIFORMS,
    LOOK_VECTORS,
    SHARED_NORMALS,
    SHARED_UNIFORMS,
    Rules,
    Transform,
    local_of,
    message_of,
)
from desgd_fast.kernels.loops.sources import (
    add_by_sample_of,
    add_gradients_of,
    epochs_of,
    room_again,
    room_for,
)
from desgd_fast.kernels.loops.steps import Span, copy_nodes, filled, mix_row

# Nodes whose gradients are taken together, at most, and doubles that these may fill.
MOST_TOGETHER, TOGETHER = 8, 4096

# Runs that share a room, one after the other; and parts of them for each thread, where there are fewer.
RUNS_TOGETHER, PARTS = 32, 8

# Stands for a node where all nodes draw the same.
EVERYBODY = (1 << 32) - 1


class State(NamedTuple):
    """Of all runs: iterates, what is summed of them, and the memory of local rule, message and participation.

    ``memory[run, node · n + v]`` is vector v of the n that a node keeps; ``links`` holds the memory of the
    mixing process, and after it the weights of the round that is under way.
    """

    iterates: Reals
    sums: Reals
    memory: Reals
    messages: Reals
    presence: Reals
    links: Reals


class Nodes(NamedTuple):
    """Of one run: iterates, where they move if not within themselves, and memory."""

    x: Matrix
    y: Matrix
    apart: bool
    memory: Matrix
    messages: Matrix
    presence: Matrix
    links: Reals


class Desk(NamedTuple):
    """What some nodes need for one step: directions, factors of gradients, and variates of parts."""

    directions: Matrix
    factors: Reals
    sizes: Reals
    normals: Reals
    uniforms: Reals


class Work(NamedTuple):
    """Where gradients come from, all that taking them needs, and where they are taken if not at iterates."""

    source: Any
    epochs: Any
    room: Any
    desk: Desk
    places: Matrix


class Post(NamedTuple):
    """What mixing needs: messages, a spare for memory, iterates as they were if somebody asks, and draws."""

    sent: Matrix
    spare: Matrix
    before: Matrix
    uniforms: Reals


class Office(NamedTuple):
    """All that one run needs on its way: where iterates move, what mixing needs, and what gradients need."""

    spare: Matrix
    post: Post
    work: Work


@exact
def nodes_together(size: int) -> int:
    """Nodes whose gradients fit the nearest cache together, by the problem alone."""
    count = MOST_TOGETHER
    while count > 1 and count * size > TOGETHER:
        count //= 2
    return count


@exact
def reserve_desk(rules: Rules, together: int, size: int, like: Matrix) -> Desk:
    """Room for so many nodes."""
    n_normals = max(rules.local_normals, rules.message_normals)
    n_uniforms = max(rules.local_uniforms, rules.message_uniforms, rules.participation_uniforms)
    return Desk(
        aligned_empty(together, size, like),
        np.empty(together),
        np.empty(together),
        np.empty(filled(n_normals)),
        np.empty(2 * half_of(n_uniforms)),
    )


@exact
def reserve_post(rules: Rules, n_nodes: int, size: int, like: Matrix) -> Post:
    """Room for the messages of all nodes."""
    return Post(
        aligned_empty(n_nodes if rules.sends else 0, size, like),
        aligned_empty(n_nodes * rules.local_mixed, size, like),
        aligned_empty(n_nodes if rules.attacks or rules.of_moves else 0, size, like),
        np.empty(2 * half_of(rules.link_uniforms)),
    )


@elementary
def draw_variates(
    purpose: Word,
    counter: Counter,
    node: int,
    n_normals: int,
    n_uniforms: int,
    normals: Reals,
    uniforms: Reals,
) -> None:
    """What a part of this purpose draws for a node; the indices of uniforms begin at 2²⁷."""
    key, step, run, label = borrow(counter.key), counter.step, counter.run, np.uint64(node)
    if n_normals > 0:
        fill_normals(key, purpose, np.uint64(0), step, label, run, filled(n_normals), normals)
    if n_uniforms > 0:
        half = half_of(n_uniforms)
        fill_uniforms(key, purpose + np.uint64(1 << 27), step, label, run, half, half, uniforms)


@exact
def share_variates(
    purpose: Word, counter: Counter, shared: Integers, normals: Reals, uniforms: Reals
) -> None:
    """Replace what a part draws by what it draws for every node."""
    n_normals, n_uniforms = shared[SHARED_NORMALS], shared[SHARED_UNIFORMS]
    same_normals, same_uniforms = np.empty(filled(n_normals)), np.empty(2 * half_of(n_uniforms))
    draw_variates(purpose, counter, EVERYBODY, n_normals, n_uniforms, same_normals, same_uniforms)
    for i in range(n_normals):
        normals[shared[FIRST_NORMAL] + i] = same_normals[i]
    for i in range(n_uniforms):
        uniforms[shared[FIRST_UNIFORM] + i] = same_uniforms[i]


@exact
def of_node(parameters: Reals, count: int, node: int) -> Any:
    """A node's parameters, so many; all nodes may have the same."""
    return entries(parameters, 0 if parameters.size == count else node * count, count)


@elementary
def apply_transform(
    part: Transform,
    purpose: Word,
    counter: Counter,
    node: int,
    vector: Reals,
    iterate: Reals,
    memory: Matrix,
    desk: Desk,
) -> None:
    """Let a part change a node's vector, with its memory and fresh variates."""
    normals, uniforms = borrow(desk.normals), borrow(desk.uniforms)
    draw_variates(purpose, counter, node, part.n_normals, part.n_uniforms, normals, uniforms)
    if part.shared[SHARED_NORMALS] + part.shared[SHARED_UNIFORMS] > 0:
        share_variates(purpose, counter, part.shared, normals, uniforms)
    part.function(
        vector,
        iterate,
        rows(memory, node * part.n_memory, part.n_memory),
        entries(normals, 0, part.n_normals),
        entries(uniforms, 0, part.n_uniforms),
        of_node(borrow(part.parameters), part.n_parameters, node),
        borrow(part.cuts),
    )


@exact
def decide_participation(
    first: int, last: int, rules: Rules, counter: Counter, nodes: Nodes, desk: Desk
) -> None:
    """Multiply the nodes' step sizes with what their participation says: 0 where they stay out.

    It is asked at the first step of a round, and its last number keeps what it said.
    """
    count, uniforms, sizes = rules.participation_uniforms, borrow(desk.uniforms), borrow(desk.sizes)
    presence, links, numbers = borrow(nodes.presence), borrow(nodes.links), rules.participation_parameters
    drawn, of_links = entries(uniforms, 0, count), entries(links, 0, rules.link_memory)
    width, step = presence.shape[1], np.int64(counter.step)
    begins = step % rules.period == 0
    for node in range(first, last):
        if begins:
            draw_variates(PARTICIPATION, counter, node, 0, count, uniforms, uniforms)
            own = entries(presence, node * width, width - 1)
            factor = rules.participate(step // rules.period, node, drawn, own, of_links, numbers)
            presence[node, width - 1] = factor
        sizes[node - first] *= presence[node, width - 1]


@exact
def wait_for_others(first: int, last: int, rules: Rules, counter: Counter, desk: Desk) -> None:
    """Nodes that have taken all their local steps take no more until the round ends."""
    taken, sizes = np.int64(counter.step) % rules.period, borrow(desk.sizes)
    for node in range(first, last):
        if taken >= rules.local_steps[node]:
            sizes[node - first] = 0.0


@exact
def choose_places(
    first: int, last: int, rules: Rules, counter: Counter, nodes: Nodes, desk: Desk, places: Matrix
) -> None:
    """Where these nodes take their gradients: their iterates, moved by what their local rule looks at."""
    x, memory, places, uniforms = borrow(nodes.x), borrow(nodes.memory), borrow(places), borrow(desk.uniforms)
    size, cuts = x.shape[1], rules.look_cuts
    alike = rules.local_shared[SHARED_UNIFORMS] == rules.local_uniforms > 0
    if alike:
        draw_variates(RULES, counter, EVERYBODY, 0, rules.local_uniforms, uniforms, uniforms)
    for node in range(first, last):
        place, iterate = entries(places, node * size, size), entries(x, node * size, size)
        for t in range(size):
            place[t] = iterate[t]
        if not alike:
            draw_variates(RULES, counter, node, 0, rules.local_uniforms, uniforms, uniforms)
        if rules.local_shared[SHARED_UNIFORMS] > 0 and not alike:
            share_variates(RULES, counter, rules.local_shared, borrow(desk.normals), uniforms)
        kept = rows(memory, node * rules.local_memory + cuts[LOOK_MEMORY], cuts[LOOK_VECTORS])
        if cuts[LOOK_KEEPS] and counter.step == 0:
            for v in range(cuts[LOOK_VECTORS]):
                for t in range(size):
                    kept[v, t] = iterate[t]
        drawn = entries(uniforms, cuts[LOOK_UNIFORM], cuts[LOOK_UNIFORMS])
        numbers = of_node(borrow(rules.look_parameters), rules.look_numbers, node)
        seen, there = entries(place, 0, rules.dim), entries(iterate, 0, rules.dim)
        rules.look(seen, there, kept, drawn, numbers)


@elementary
def add_gradients(
    first: int, last: int, counter: Counter, x: Matrix, factors: Reals, work: Work, out: Matrix
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i]."""
    wide_vectors()
    x, factors, work, out = borrow(x), borrow(factors), borrow(work), borrow(out)
    add_gradients_of(work.source, work.epochs, work.room, first, last, counter, x, factors, out)


@elementary
def take_gradients(
    first: int, last: int, counter: Counter, rules: Rules, x: Matrix, factors: Reals, work: Work, out: Matrix
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i], of all nodes that take part."""
    source, epochs, room = work.source, work.epochs, work.room
    sizes, factors, out = borrow(work.desk.sizes), borrow(factors), borrow(out)
    begin = first
    while begin < last:
        end = last
        if rules.participates or rules.waits:  # a stretch of nodes that do
            while begin < last and sizes[begin - first] == 0.0:
                begin += 1
            end = begin
            while end < last and sizes[end - first] != 0.0:
                end += 1
        if end > begin:
            theirs = entries(factors, begin - first, end - begin)
            to = rows(out, begin - first, end - begin)
            if rules.by_sample:
                add_by_sample_of(source, epochs, room, begin, end, counter, x, theirs, to, rules)
            else:
                add_gradients(begin, end, counter, x, theirs, work, to)
        begin = end


@exact
def take_at_iterates(
    first: int, last: int, counter: Counter, rules: Rules, nodes: Nodes, factors: Reals, work: Work
) -> None:
    """The gradients of the same minibatches at the iterates, for the part that looks elsewhere to compare."""
    x, memory, n = borrow(nodes.x), borrow(nodes.memory), rules.local_memory
    sizes = borrow(work.desk.sizes)
    for node in range(first, last):
        if sizes[node - first] == 0.0:
            continue
        kept = rows(memory, node * n + rules.look_cuts[LOOK_MEMORY], 1)
        for t in range(x.shape[1]):
            kept[0, t] = 0.0
        theirs = entries(factors, node - first, 1)
        add_gradients(node, node + 1, counter, x, theirs, work, kept)


@exact
def all_stay(first: int, last: int, presence: Matrix) -> bool:
    """Whether none of these nodes takes part in the round."""
    width, stay = presence.shape[1], True
    for node in range(first, last):
        stay = stay and presence[node, width - 1] == 0.0
    return stay


@elementary
def move_nodes(
    first: int,
    last: int,
    counter: Counter,
    rules: Rules,
    step_sizes: Reals,
    nodes: Nodes,
    work: Work,
) -> None:
    """Move the nodes ``first`` … ``last`` - 1 of y, which may be x, against their directions at x."""
    wide_vectors()
    x, y, memory, desk = borrow(nodes.x), borrow(nodes.y), borrow(nodes.memory), work.desk
    directions, factors, sizes = borrow(desk.directions), borrow(desk.factors), borrow(desk.sizes)
    count, size = last - first, x.shape[1]
    for i in range(count):
        sizes[i] = -step_sizes[first + i]
    if rules.participates:
        decide_participation(first, last, rules, counter, nodes, desk)
    if rules.waits:
        wait_for_others(first, last, rules, counter, desk)
    at = x
    if rules.looks:
        choose_places(first, last, rules, counter, nodes, desk, work.places)
        at = borrow(work.places)
    for i in range(count):
        factors[i] = 1.0 if rules.transforms else sizes[i]
    if nodes.apart and not rules.transforms:  # straight into the iterate
        take_gradients(first, last, counter, rules, at, factors, work, rows(y, first, count))
        return
    for i in range(count):
        if sizes[i] != 0.0:
            along = entries(directions, i * size, size)
            for t in range(size):
                along[t] = 0.0
    take_gradients(first, last, counter, rules, at, factors, work, rows(directions, 0, count))
    if rules.look_cuts[LOOK_TWICE]:
        take_at_iterates(first, last, counter, rules, nodes, factors, work)
    part = local_of(rules)
    for node in range(first, last):
        i = node - first
        if sizes[i] == 0.0:
            continue
        if rules.transforms:
            direction, iterate = entries(directions, i * size, rules.dim), entries(x, node * size, rules.dim)
            apply_transform(part, RULES, counter, node, direction, iterate, memory, desk)
        factor = sizes[i] if rules.transforms else 1.0
        moved, along = entries(y, node * size, size), entries(directions, i * size, size)
        for t in range(size):
            moved[t] = multiply_add(factor, along[t], moved[t])


@exact
def mix_memory(rules: Rules, memory: Matrix, weights: Reals, post: Post) -> None:
    """Average the vectors of memory that are mixed with the neighbours'."""
    wide_vectors()
    n, mixed, size = rules.local_memory, rules.local_mixed, memory.shape[1]
    memory, spare, weights = borrow(memory), borrow(post.spare), borrow(weights)
    indptr, indices = borrow(rules.indptr), borrow(rules.indices)
    n_nodes = memory.shape[0] // n
    for place in range(n_nodes * mixed):
        node, v, to = place // mixed, place % mixed, entries(spare, place * size, size)
        node = 0 if rules.common else node
        for e in range(indptr[node], indptr[node + 1]):
            w, other = weights[e], entries(memory, (indices[e] * n + v) * size, size)
            if e == indptr[node]:
                for t in range(size):
                    to[t] = w * other[t]
            else:
                for t in range(size):
                    to[t] = multiply_add(w, other[t], to[t])
    for place in range(n_nodes * mixed):
        kept = entries(memory, (place // mixed * n + place % mixed) * size, size)
        new = entries(spare, place * size, size)
        for t in range(size):
            kept[t] = new[t]


@exact
def weights_now(rules: Rules, links: Reals) -> Any:
    """The weights of the round under way."""
    return entries(links, rules.link_memory, rules.weights.size) if rules.weighs else borrow(rules.weights)


@exact
def weigh_links(rules: Rules, counter: Counter, links: Reals, uniforms: Reals) -> None:
    """The weights of this round of this run; a round ends with the step at which nodes talk."""
    rules, counter, links, uniforms = borrow(rules), borrow(counter), borrow(links), borrow(uniforms)
    draw_variates(LINKS, counter, 0, 0, rules.link_uniforms, uniforms, uniforms)
    drawn, meeting = entries(uniforms, 0, rules.link_uniforms), np.int64(counter.step) // rules.period
    kept, weights = entries(links, 0, rules.link_memory), weights_now(rules, links)
    rules.weigh(meeting, rules.weights, rules.indptr, rules.indices, drawn, rules.tables, kept, weights)


@exact
def write_messages(
    first: int, last: int, rules: Rules, counter: Counter, nodes: Nodes, desk: Desk, sent: Matrix
) -> None:
    """What the nodes ``first`` … ``last`` - 1 send in place of their iterates."""
    x, sent, memory, part = borrow(nodes.x), borrow(sent), borrow(nodes.messages), message_of(rules)
    size = x.shape[1]
    for node in range(first, last):
        for t in range(size):
            sent[node, t] = x[node, t]
        if rules.encodes:
            message, iterate = entries(sent, node * size, rules.dim), entries(x, node * size, rules.dim)
            if rules.message_keeps and np.int64(counter.step) < rules.period:
                for v in range(rules.message_memory):
                    for t in range(size):
                        memory[node * rules.message_memory + v, t] = x[node, t]
            apply_transform(part, MESSAGES, counter, node, message, iterate, memory, desk)


@exact
def attack_messages(rules: Rules, counter: Counter, post: Post) -> None:
    """Let Byzantine nodes overwrite what they send, knowing what everybody sends."""
    normals = np.empty(filled(rules.attack_normals))
    draw_variates(MESSAGES + np.uint64(1 << 26), counter, 0, rules.attack_normals, 0, normals, normals)
    drawn = entries(normals, 0, rules.attack_normals)
    rules.attack(post.sent, post.before, rules.byzantine, drawn, rules.attack_parameters)
    outlive(normals)


@exact
def aggregate(
    rules: Rules, counter: Counter, node: int, sent: Matrix, before: Matrix, weights: Reals, out: Reals
) -> None:
    """Into out: what the node, or the server, makes of all that it received at this step.

    Of moves, what it makes is added to the mean of the iterates they began at: nodes that differ would differ
    for ever, were each to add it to its own.
    """
    begin, own, count, size = rules.indptr[node], -1, 0, out.size
    n_links = rules.indptr[node + 1] - begin
    received, of_links = np.empty((n_links, size)), np.empty(n_links)
    for e in range(begin, begin + n_links):
        j = rules.indices[e]
        if weights[e] != 0.0:
            own = count if j == node and not rules.common else own
            of_links[count] = weights[e]
            for t in range(size):
                received[count, t] = sent[j, t] - (before[j, t] if rules.of_moves else 0.0)
            count += 1
    n_normals, n_uniforms = rules.aggregation_normals, rules.aggregation_uniforms
    variates = np.empty(filled(n_normals) if n_normals > 0 else 2 * half_of(n_uniforms))
    purpose = MESSAGES + np.uint64(1 << 26)
    draw_variates(purpose, counter, node, n_normals, n_uniforms, variates, variates)
    drawn, numbers = entries(variates, 0, n_normals + n_uniforms), rules.aggregation_parameters
    rules.combine(out, rows(received, 0, count), entries(of_links, 0, count), own, drawn, numbers)
    outlive((received, of_links, variates))
    if rules.of_moves:
        for e in range(begin, begin + n_links):
            for t in range(size):
                out[t] += weights[e] * before[rules.indices[e], t]


@exact
def own_share(rules: Rules, weights: Reals, node: int) -> float:
    """W_ii, the share of its own message in what a node combines."""
    for e in range(rules.indptr[node], rules.indptr[node + 1]):
        if rules.indices[e] == node:
            return float(weights[e])
    return 0.0


@elementary
def meet_neighbours(
    first: int,
    last: int,
    rules: Rules,
    counter: Counter,
    x: Matrix,
    y: Matrix,
    weights: Reals,
    post: Post,
) -> None:
    """y of the nodes ``first`` … ``last`` - 1 from what they and their neighbours sent."""
    wide_vectors()
    x, y, size = borrow(x), borrow(y), x.shape[1]
    sent = borrow(post.sent) if rules.sends else x
    indptr, indices, weights = borrow(rules.indptr), borrow(rules.indices), borrow(weights)
    for node in range(first, last):
        if rules.common and node > first:
            for t in range(size):
                y[node, t] = y[first, t]
        elif rules.aggregates:
            receiver, out = 0 if rules.common else node, entries(y, node * size, size)
            aggregate(rules, counter, receiver, sent, post.before, weights, out)
        elif rules.common:
            mix_row(indptr, indices, weights, 0, sent, rows(y, node, 1))
        else:
            mix_row(indptr, indices, weights, node, sent, y)
    if not (rules.sends or rules.consensus_step != 1.0):
        return
    for node in range(first, last):
        if rules.attacks and rules.byzantine[node] > 0.0:  # what it sent is not where it stands
            continue
        share = own_share(rules, weights, node) if rules.own_iterate else 1.0
        for t in range(size):
            own = x[node, t] + share * (sent[node, t] - x[node, t])
            y[node, t] = x[node, t] + rules.consensus_step * (y[node, t] - own)


@exact
def communicates(period: int, step: Any) -> bool:
    """Whether the nodes talk at this step: the last of every ``period``."""
    return period == 1 or (np.int64(step) + 1) % period == 0


@elementary
def mix_nodes(rules: Rules, counter: Counter, nodes: Nodes, desk: Desk, post: Post) -> None:
    """y from x: messages, then mixing."""
    n_nodes = nodes.x.shape[0]
    if rules.sends:
        write_messages(0, n_nodes, rules, counter, nodes, desk, post.sent)
    if rules.attacks:
        attack_messages(rules, counter, post)
    meet_neighbours(0, n_nodes, rules, counter, nodes.x, nodes.y, weights_now(rules, nodes.links), post)


@elementary
def begin_step(rules: Rules, counter: Counter, nodes: Nodes, post: Post) -> None:
    """The weights of a round at its first step, the memory that is mixed, and iterates before an attack."""
    if rules.weighs and np.int64(counter.step) % rules.period == 0:
        weigh_links(rules, counter, nodes.links, post.uniforms)
    if rules.local_mixed > 0 and communicates(rules.period, counter.step):
        mix_memory(rules, nodes.memory, weights_now(rules, nodes.links), post)
    if (rules.attacks or rules.of_moves) and communicates(rules.period, counter.step):
        copy_nodes(nodes.x, post.before)


@exact
def add_node(x: Matrix, node: int, total: Matrix) -> None:
    """total[node] += x[node]."""
    wide_vectors()
    size = x.shape[1]
    here, there = entries(x, node * size, size), entries(total, node * size, size)
    for t in range(size):
        there[t] += here[t]


@exact
def turned(nodes: Nodes) -> Nodes:
    """The other way round: what has moved is the iterate."""
    return Nodes(nodes.y, nodes.x, True, nodes.memory, nodes.messages, nodes.presence, nodes.links)


@exact
def in_place(nodes: Nodes) -> Nodes:
    """Moving within the iterates themselves."""
    return Nodes(nodes.x, nodes.x, False, nodes.memory, nodes.messages, nodes.presence, nodes.links)


@exact
def nodes_of(state: State, run: int, spare: Matrix) -> Nodes:
    """The nodes of one run, which move into ``spare``."""
    kept = state.memory[run], state.messages[run], state.presence[run], state.links[run]
    return Nodes(state.iterates[run], spare, True, *kept)


@exact
def reserve_office(state: State, source: Any, rules: Rules, run: Word) -> Office:
    """Room for one run at a time, now for the one of this number."""
    n_nodes, size, like = state.iterates.shape[1], state.iterates.shape[2], state.iterates[0]
    together = min(nodes_together(size), n_nodes)
    return Office(
        aligned_empty(n_nodes, size, like),
        reserve_post(rules, n_nodes, size, like),
        Work(
            source,
            epochs_of(source),
            room_for(source, together, size, run, like),
            reserve_desk(rules, together, size, like),
            aligned_empty(n_nodes if rules.looks else 0, size, like),
        ),
    )


@exact
def next_run(office: Office, run: Word) -> Office:
    """The same room for the run of another number."""
    work, current = office.work, borrow(office.work.epochs.current)
    for node in range(current.size):
        current[node] = -1
    room = room_again(work.source, work.room, run)
    return Office(office.spare, office.post, Work(work.source, work.epochs, room, work.desk, work.places))


@behind_pointer
def advance_some(
    state: State, source: Any, rules: Rules, step_sizes: Reals, key: Words, span: Span, first: int, last: int
) -> None:
    """Advance the runs ``first`` … ``last`` - 1 by ``span``, one after the other in the same room."""
    wide_vectors()
    kept_apart()
    rules, step_sizes, key = borrow(rules), borrow(step_sizes), borrow(key)
    n_nodes, size = state.iterates.shape[1], state.iterates.shape[2]
    together = min(nodes_together(size), n_nodes)
    office = reserve_office(state, source, rules, np.uint64(span.first_run + first))
    for run in range(first, last):
        label = np.uint64(span.first_run + run)
        office = next_run(office, label)
        owned = nodes_of(state, run, office.spare), state.sums[run], office.post, office.work
        nodes, total, post, work = borrow(owned)
        turns = 0
        for k in range(span.n_steps):
            step: Any = span.first_step + k
            counter, talks = Counter(key, np.uint64(step), label), communicates(rules.period, step)
            sizes = step_sizes[step % step_sizes.shape[0], run % step_sizes.shape[1]]
            begin_step(rules, counter, nodes, post)
            if talks and not rules.adapt_first:
                mix_nodes(rules, counter, nodes, work.desk, post)
            moving = nodes if talks and not rules.adapt_first else in_place(nodes)
            decided = rules.participates and not rules.looks and np.int64(step) % rules.period != 0
            for node in range(0, n_nodes, together):
                end = min(node + together, n_nodes)
                if not (decided and all_stay(node, end, nodes.presence)):
                    move_nodes(node, end, counter, rules, sizes, moving, work)
            if talks and rules.adapt_first:
                mix_nodes(rules, counter, nodes, work.desk, post)
            if talks:
                nodes = turned(nodes)
                turns += 1
            if step >= span.average_from:
                for node in range(n_nodes):
                    add_node(nodes.x, node, total)
        if turns % 2:
            copy_nodes(nodes.x, nodes.y)
        outlive(owned)


@kernel(parallel=True)
def advance_parts(
    advance: Any,
    n_parts: int,
    state: State,
    source: Any,
    rules: Rules,
    step_sizes: Reals,
    key: Words,
    span: Span,
) -> None:
    """Advance all runs in so many parts by a pointer to :func:`advance_some`, parts in parallel."""
    n_runs = state.iterates.shape[0]
    for i in prange(n_parts):
        part: Any = np.int64(i)
        first, last = part * n_runs // n_parts, (part + 1) * n_runs // n_parts
        advance(state, source, rules, step_sizes, key, span, first, last)


def advance_runs(state: State, source: Any, rules: Rules, step_sizes: Reals, key: Words, span: Span) -> None:
    """Advance every run by ``span``, runs in parallel.

    ``step_sizes[k, run, node]`` belongs to step k of a run; an axis of length 1 to all of them.
    The loop stands behind a pointer: compiled into the parallel kernel, LLVM would optimise it four times.
    """
    n_runs = state.iterates.shape[0]
    n_parts = min(n_runs, max(n_runs // RUNS_TOGETHER, PARTS * numba.get_num_threads()))
    arguments = state, source, rules, step_sizes, key, span
    advance_parts(advance_some(*arguments, 0, 0), n_parts, *arguments)


@kernel(parallel=True)
def advance_nodes(state: State, source: Any, rules: Rules, step_sizes: Reals, key: Words, span: Span) -> None:
    """:func:`advance_runs` with the nodes of each step in parallel: for fewer runs than threads."""
    n_runs, n_nodes, size = state.iterates.shape
    spare = aligned_empty(n_nodes, size, state.iterates[0])
    post = reserve_post(rules, n_nodes, size, spare)
    sent, spare_memory, before, uniforms = post.sent, post.spare, post.before, post.uniforms
    places = aligned_empty(n_nodes if rules.looks else 0, size, spare)
    for run in range(n_runs):
        x, y, total = state.iterates[run], spare, state.sums[run]
        memory, messages, presence = state.memory[run], state.messages[run], state.presence[run]
        links = state.links[run]
        weights = weights_now(rules, links)
        epochs, label = epochs_of(source), np.uint64(span.first_run + run)
        order, current = epochs.order, epochs.current
        turns = 0
        for k in range(span.n_steps):
            step: Any = span.first_step + k
            number, talks = np.uint64(step), communicates(rules.period, step)
            sizes = step_sizes[step % step_sizes.shape[0], run % step_sizes.shape[1]]
            post = Post(sent, spare_memory, before, uniforms)
            begin_step(
                rules, Counter(key, number, label), Nodes(x, y, True, memory, messages, presence, links), post
            )
            for turn in range(2):
                if turn == int(rules.adapt_first):
                    if talks and rules.sends:
                        for i in prange(n_nodes):
                            node: Any = np.int64(i)
                            desk = reserve_desk(rules, 1, size, x)
                            of_run = Nodes(x, y, True, memory, messages, presence, links)
                            counter = Counter(key, number, label)
                            write_messages(node, node + 1, rules, counter, of_run, desk, sent)
                    if talks and rules.attacks:
                        attack_messages(
                            rules, Counter(key, number, label), Post(sent, spare_memory, before, uniforms)
                        )
                    if talks and rules.common:
                        post = Post(sent, spare_memory, before, uniforms)
                        meet_neighbours(0, n_nodes, rules, Counter(key, number, label), x, y, weights, post)
                    elif talks:
                        for i in prange(n_nodes):
                            node = np.int64(i)
                            post = Post(sent, spare_memory, before, uniforms)
                            counter = Counter(key, number, label)
                            meet_neighbours(node, node + 1, rules, counter, x, y, weights, post)
                else:
                    apart = talks and not rules.adapt_first
                    moved = y if apart else x
                    for i in prange(n_nodes):
                        node = np.int64(i)
                        of_run = Nodes(x, moved, apart, memory, messages, presence, links)
                        desk, room = reserve_desk(rules, 1, size, x), room_for(source, 1, size, label, x)
                        work = Work(source, Epochs(order, current), room, desk, places)
                        counter = Counter(key, number, label)
                        move_nodes(node, node + 1, counter, rules, sizes, of_run, work)
            if talks:
                x, y = y, x
                turns += 1
            if step >= span.average_from:
                for i in prange(n_nodes):
                    node = np.int64(i)
                    add_node(x, node, total)
        if turns % 2:
            copy_nodes(x, y)
