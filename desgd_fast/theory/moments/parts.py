"""The linear maps of parts, read off their own functions, and the law of a node's rows made of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
from numba.extending import is_jitted
from numpy.typing import NDArray

from desgd_fast.algorithms import Algorithm, Part
from desgd_fast.kernels.jit.compile import inlined
from desgd_fast.mixing import MixingProcess
from desgd_fast.theory.moments import checks

Array = NDArray[np.float64]

_MOST_DECIDED = 4096


@dataclass(frozen=True, eq=False)
class NodeLaw:
    """A random linear map of a node's rows: of outcome o with ``probabilities[o, node]``.

    The inputs are the n rows, the gradient at Σ_r places[o, r] · row r + places[o, n] · optimum, and the
    optimum: maps (outcomes, nodes or 1, n', n + 2). ``noise`` (nodes or 1, n', n') is the covariance of what
    is added to every coordinate of the rows.
    """

    probabilities: Array
    maps: Array
    places: Array
    noise: Array | None = None

    @property
    def n_rows(self) -> int:
        """Rows that go in."""
        return int(self.maps.shape[3]) - 2

    @cached_property
    def mean_maps(self) -> Array:
        """(nodes or 1, n', n + 2)."""
        return np.asarray((self.probabilities[..., None, None] * self.maps).sum(axis=0))

    @cached_property
    def gradients_taken(self) -> list[tuple[Array, Array, Array]]:
        """Every place at which gradients are taken; E[column columnᵀ] and E[column] of how they enter."""
        column = self.probabilities[..., None] * self.maps[..., self.n_rows]
        square = column[..., :, None] * self.maps[..., None, :, self.n_rows]
        places, which = np.unique(self.places, axis=0, return_inverse=True)
        here = [which.ravel() == k for k in range(len(places))]
        sums = (
            (place, square[one].sum(axis=0), column[one].sum(axis=0))
            for place, one in zip(places, here, strict=True)
        )
        return [(place, taken, mean) for place, taken, mean in sums if taken.any()]


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part's function as Python calls it."""
    return function if is_jitted(function) else inlined(function)


def _rule(part: Part) -> Callable[..., Any]:
    """A local rule or a message as a function of (vectors, normals, uniforms)."""
    run, parameters = compiled(part.function), np.array(part.parameters, float)
    return lambda v, normals, uniforms: run(v[0], v[1], v[2:], normals, uniforms, parameters)


def _look(part: Part) -> Callable[..., Any]:
    """Where a local rule takes its gradient, likewise: the first vector is the place."""
    run, parameters = compiled(part.look or part.function), np.array(part.parameters, float)
    return lambda v, normals, uniforms: run(v[0], v[1], v[2:], uniforms, parameters)


def linear_map(
    part: Part, function: Callable[..., Any], dim: int, n_vectors: int, uniforms: Array | None
) -> Array:
    """What a function of vectors does to one coordinate of them, (outputs, inputs); refused if not linear.

    ``function(vectors, normals, uniforms)`` changes (n_vectors, dim) vectors in place. Inputs are the
    vectors, and last, where the part draws normals, the coordinate's own one.
    """
    drawn = np.zeros(part.variates(dim)[1]) if uniforms is None else np.asarray(uniforms, float)
    inputs = n_vectors + (part.normals == "dim")
    if part.gains is not None:
        return np.diag([drawn[0], *np.ones(n_vectors - 1)]) @ np.eye(n_vectors, inputs)

    def apply(values: Array) -> Array:
        vectors = values[:n_vectors].copy()
        normals = (
            np.ascontiguousarray(values[n_vectors]) if inputs > n_vectors else np.zeros(part.variates(dim)[0])
        )
        with np.errstate(all="ignore"):
            function(vectors, normals, drawn)
        return vectors

    units = np.zeros((inputs, inputs, dim))
    units[np.arange(inputs), np.arange(inputs), 0] = 1.0
    result = np.stack([apply(unit)[:, 0] for unit in units], axis=1)
    generator = np.random.default_rng(0)
    for scale in (0.0, 1e-3, 1.0, 1e3):
        values = scale * generator.standard_normal((inputs, dim))
        made, expected = apply(values), result @ values
        if part.variates(dim)[1]:  # coordinates may differ by what they draw
            made, expected = made[:, :1], expected[:, :1]
        checks.linear_part("algorithm", part, bool(np.allclose(made, expected, rtol=1e-9, atol=1e-9 * scale)))
    return result


def outcomes(part: Part, dim: int, parameters: tuple[float, ...]) -> list[tuple[float, Array | None]]:
    """All that a part's uniforms may decide, with probabilities, or the number that its matrix comes to."""
    if part.gains is not None:
        return [(chance, np.array([gain])) for chance, gain in part.gains(dim, *parameters)]
    if part.variates(dim)[1] == 0:
        return [(1.0, None)]
    listed = checks.known_outcomes("algorithm", part)(dim, *parameters)
    return [(float(chance), np.asarray(drawn, float)) for chance, drawn in listed if chance > 0]


@dataclass(frozen=True, eq=False)
class Rows:
    """Which inputs a node's maps have: its iterate, memory of its local rules, memory of its message, then
    the gradient, the optimum, and a normal for every part that draws some.
    """

    algorithm: Algorithm
    local: tuple[Part, ...]

    @classmethod
    def of(cls, algorithm: Algorithm, *, at_infinity: bool) -> "Rows":
        """The rows of an algorithm; at infinity without parts that only add noise."""
        parts = tuple(part for part in algorithm.local if not (at_infinity and part.additive))
        return cls(algorithm, parts)

    @property
    def local_memory(self) -> int:
        """Vectors of local rules."""
        return sum(part.memory for part in self.local)

    @property
    def n(self) -> int:
        """Rows of a node."""
        message = self.algorithm.message
        return 1 + self.local_memory + (message.memory if message else 0)

    @property
    def mixed(self) -> tuple[int, ...]:
        """Rows of memory that are averaged."""
        return tuple(range(1, 1 + sum(part.mixed for part in self.local)))

    @property
    def n_inputs(self) -> int:
        """Inputs of every map."""
        return self.n + 2 + len(self.local)

    def unit(self, *inputs: int) -> Array:
        """The form that adds these inputs up."""
        form = np.zeros(self.n_inputs)
        form[list(inputs)] = 1.0
        return form

    @property
    def iterate(self) -> Array:
        """The iterate itself, not its deviation."""
        return self.unit(0, self.n + 1)


@dataclass(frozen=True, eq=False)
class Direction:
    """What a node makes of its gradient in one outcome: the direction, its memory, and where it looks.

    ``looked`` is the memory of a node that takes no part, whose local rule looks and does no more, and
    ``iterate`` where looking has left its iterate.
    """

    probability: float
    direction: Array
    memory: Array
    place: Array
    looked: Array
    iterate: Array


def directions(rows: Rows, dim: int) -> Iterator[tuple[float, list[Direction]]]:
    """The outcomes of the local rules: those common to all nodes, and for each those of every node."""
    for part in rows.local:
        checks.same_for_all_nodes("algorithm", part)
    listed = [outcomes(part, dim, part.parameters) for part in rows.local]
    common = [choice if part.shared else [None] for part, choice in zip(rows.local, listed, strict=True)]
    for fixed in product(*common):
        choices = [
            choice if one is None else [(1.0, one[1])] for one, choice in zip(fixed, listed, strict=True)
        ]
        chance = float(np.prod([one[0] for one in fixed if one is not None]))
        yield chance, [_direction(rows, dim, chosen) for chosen in product(*choices)]


def _direction(rows: Rows, dim: int, chosen: Sequence[tuple[float, Array | None]]) -> Direction:
    place = iterate = rows.iterate
    looked = [rows.unit(1 + v) for v in range(rows.local_memory)]
    firsts = np.cumsum([0, *(part.memory for part in rows.local)])
    for part, first, (_, drawn) in zip(rows.local, firsts, chosen, strict=False):
        if part.look is not None:
            seen = linear_map(part, _look(part), dim, 2 + part.memory, drawn)[:, : 2 + part.memory]
            kept = looked[first : first + part.memory]
            place, iterate, *looked[first : first + part.memory] = seen @ np.stack([place, iterate, *kept])
    form = rows.unit(rows.n)
    memory: list[Array] = []
    for k, (part, first, (_, drawn)) in enumerate(zip(rows.local, firsts, chosen, strict=False)):
        kept = looked[first : first + part.memory]
        inputs = [form, iterate, *kept, rows.unit(rows.n + 2 + k)][
            : 2 + part.memory + (part.normals == "dim")
        ]
        made = linear_map(part, _rule(part), dim, 2 + part.memory, drawn) @ np.stack(inputs)
        form = made[0]
        memory.extend(made[2:])
    optimum = rows.unit(rows.n + 1)
    return Direction(
        float(np.prod([probability for probability, _ in chosen])),
        form,
        np.reshape(memory, (-1, rows.n_inputs)),
        (place - optimum)[[*range(rows.n), rows.n + 1]],
        np.reshape(looked, (-1, rows.n_inputs)),
        iterate - optimum,
    )


Factors = tuple[tuple[tuple[float, float], ...], ...]


def decided(factors: Factors, n_nodes: int) -> Iterator[tuple[float, Factors]]:
    """All that may come out for all nodes at once, where it holds for more than one step."""
    if all(len(one) == 1 for one in factors):
        yield 1.0, factors
        return
    each = factors if len(factors) > 1 else factors * n_nodes
    checks.few("algorithm", "outcomes of its participation", math.prod(map(len, each)), _MOST_DECIDED)
    for chosen in product(*each):
        yield math.prod(chance for chance, _ in chosen), tuple(((1.0, factor),) for _, factor in chosen)


def not_waiting(factors: Factors, local_steps: int | tuple[int, ...] | None, k: int) -> Factors:
    """The same at the k-th step of a round, where nodes with steps of their own may have taken all."""
    if not isinstance(local_steps, tuple):
        return factors
    each = factors if len(factors) > 1 else factors * len(local_steps)
    return tuple(one if k < count else ((1.0, 0.0),) for one, count in zip(each, local_steps, strict=True))


def factors(part: Part | None, meeting: int, links: Array, n_nodes: int) -> Factors:
    """Probabilities and values of what multiplies the step sizes, for all nodes or for each."""
    if part is None:
        return (((1.0, 1.0),),)
    checks.memoryless("algorithm", part)
    run, parameters = compiled(part.function), np.array(part.parameters, float)

    def of_node(node: int, at: int) -> tuple[tuple[float, float], ...]:
        own = (parameters[node % parameters.size],) if part.per_node else part.parameters
        listed = outcomes(part, 1, own)
        drawn = [(chance, np.zeros(0) if uniforms is None else uniforms) for chance, uniforms in listed]
        return tuple(
            (chance, float(run(at, node, uniforms, np.zeros(0), links.copy(), parameters)))
            for chance, uniforms in drawn
        )

    found = tuple(of_node(node, meeting) for node in range(n_nodes))
    for later in (1, 2, 3, 5, 7, 1000):
        repeats = of_node(later % n_nodes, meeting + later * part.period) == found[later % n_nodes]
        checks.repeats("algorithm", part, repeats)
    return found if any(one != found[0] for one in found) else found[:1]


def reads_links(part: Part, process: MixingProcess) -> bool:
    """Whether who takes part depends on what the mixing process remembers."""
    size, n_nodes = process.n_memory, process.n_nodes
    generator = np.random.default_rng(0)
    tried = [np.zeros(size), np.ones(size), *generator.integers(0, 2, (4, size)).astype(float)]
    return any(factors(part, 0, links, n_nodes) != factors(part, 0, tried[0], n_nodes) for links in tried)


def moving(rows: Rows, made: Sequence[Direction], step_sizes: Array, factors: Factors) -> NodeLaw:
    """x ← x − η f d, unless f = 0, where a node stays as it is."""
    still = np.eye(rows.n, rows.n_inputs)
    chances, maps, places = [], [], []
    for k in range(max(map(len, factors))):
        listed = [of_node[k] if k < len(of_node) else (0.0, 0.0) for of_node in factors]
        chance, factor = (np.array(column) for column in zip(*listed, strict=True))
        n_nodes = max(factor.size, step_sizes.size)
        for one in made:
            moved = np.tile(still, (n_nodes, 1, 1))
            moved[:, 1 : 1 + len(one.memory)] = one.memory
            moved[:, 0] = one.iterate - np.multiply.outer(step_sizes * factor, one.direction)
            out = still.copy()
            out[0] = one.iterate
            out[1 : 1 + len(one.looked)] = one.looked
            moved[np.broadcast_to(factor == 0, n_nodes)] = out
            chances.append(np.broadcast_to(chance * one.probability, n_nodes))
            maps.append(moved)
            places.append(one.place)
    return _without_normals(NodeLaw(np.stack(chances), np.stack(maps), np.stack(places)), rows.n)


def _without_normals(law: NodeLaw, n: int) -> NodeLaw:
    """Columns of normals made into the covariance of the noise."""
    normal = law.maps[..., n + 2 :]
    noise = np.einsum("oi,oirk,oisk->irs", law.probabilities, normal, normal)
    return NodeLaw(law.probabilities, law.maps[..., : n + 2], law.places, noise if noise.any() else None)


def sending(rows: Rows, dim: int) -> Iterator[tuple[float, NodeLaw]]:
    """Before nodes mix: γ m on a row of its own after x − γ m and the memory; m the iterate if not sent.

    Where others' messages meet the node's own iterate, x itself.
    """
    algorithm, n = rows.algorithm, rows.n
    size = 1.0 if algorithm.consensus_step is None else algorithm.consensus_step
    part = algorithm.message
    if part is not None:
        checks.same_for_all_nodes("algorithm", part)
    listed = [(1.0, None)] if part is None else outcomes(part, dim, part.parameters)

    def law(chosen: Sequence[tuple[float, Array | None]]) -> NodeLaw:
        maps = []
        for _, drawn in chosen:
            message, made = rows.unit(0), np.eye(n, rows.n_inputs)
            if part is not None:
                first = n - part.memory
                inputs = [rows.iterate, rows.iterate, *(rows.unit(first + v) for v in range(part.memory))]
                seen = linear_map(part, _rule(part), dim, 2 + part.memory, drawn) @ np.stack(inputs)
                message, made[first:] = seen[0] - rows.unit(n + 1), seen[2:]
            if part is None or not part.own_iterate:
                made[0] -= size * message
            maps.append(np.vstack([made, size * message])[:, : n + 2])
        chances = np.array([chance for chance, _ in chosen])[:, None]
        return NodeLaw(chances, np.stack(maps)[:, None], np.tile(np.eye(n + 1)[0], (len(maps), 1)))

    if part is not None and part.shared:
        yield from ((chance, law([(1.0, drawn)])) for chance, drawn in listed)
    else:
        yield 1.0, law(listed)


def receiving(n: int, others: int) -> NodeLaw:
    """After nodes have mixed: row n added to the first and dropped, the ``others`` after it kept."""
    maps = np.delete(np.eye(n + 1 + others, n + 3 + others), n, axis=0)
    maps[0, n] = 1.0
    return NodeLaw(np.ones((1, 1)), maps[None, None], np.eye(n + 2 + others)[:1])


def staying(n: int) -> NodeLaw:
    """All rows as they are."""
    return NodeLaw(np.ones((1, 1)), np.eye(n, n + 2)[None, None], np.eye(n + 1)[:1])


def remembering(law: NodeLaw) -> NodeLaw:
    """The same, and the iterate as it was on a last row of its own."""
    before = np.broadcast_to(np.eye(law.maps.shape[3])[0], (*law.maps.shape[:2], 1, law.maps.shape[3]))
    return replace(law, maps=np.concatenate([law.maps, before], axis=2))


def without_iterate(law: NodeLaw) -> NodeLaw:
    """The same less the iterate, which is added once it has mixed."""
    maps = law.maps.copy()
    maps[:, :, 0, 0] -= 1.0
    return replace(law, maps=maps)


def from_memory(law: NodeLaw) -> NodeLaw:
    """The same where the iterate has mixed, on the first row, and moves by what it was, on the last."""
    n = law.n_rows
    maps, places = (
        np.insert(law.maps, n, law.maps[..., 0], axis=3),
        np.insert(law.places, n, law.places[:, 0], axis=1),
    )
    maps[..., 0], places[:, 0] = 0.0, 0.0
    maps[:, :, 0, 0] = 1.0
    maps[:, :, 0, n] -= 1.0
    return replace(law, maps=maps, places=places)
