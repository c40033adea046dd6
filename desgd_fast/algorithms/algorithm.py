"""An algorithm is a value: parts in the slots of one step, composed by :func:`chain`.

    step = participation → local rule → message → mixing → aggregation

Every function of this package that makes an algorithm makes one with a single part; ``chain`` puts parts
together, local rules one after the other. What excludes each other is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import checks
from desgd_fast.common import check


@dataclass(frozen=True)
class Part:
    """What fills a slot of the step: a short compiled function, its numbers, and what is known of it.

    Attributes
    ----------
    name : str
        As it is called in messages and representations.
    function : callable
        A function that Numba compiles, with the arguments of its slot.
    parameters : tuple of float
        Handed to the function as its last argument; functions are compiled once for all parameters.
    memory : int
        Vectors that a node keeps for it (numbers, for a participation).
    mixed : int
        The first of them that are averaged with the neighbours' before each mixing step.
    normals, uniforms : int or "dim"
        Variates that it draws for each node and step; "dim" is one for every coordinate, or for an
        aggregation one uniform for every vector received. An aggregation draws one of both, and is given it
        in the place of uniforms.
    degree : {"linear", "homogeneous", "bounded", "unknown"}
        Whether the step that it makes is linear in iterates and gradients, scales with them, or stays
        bounded; of what is "unknown", theory refuses to speak.
    equivariant : bool
        Whether rotating iterates and gradients rotates what it makes; inner products are, coordinates are
        not.
    per_node : bool
        Whether ``parameters`` hold one number for all nodes or one for each; a participation is given all,
        anything else its node's.
    width : int
        How many numbers of a node these are.
    role : str
        Parts with the same role exclude each other.
    look : callable or None
        ``look(place, iterate, memory, uniforms, parameters)`` of a local rule moves ``place``, a copy of
        the iterate, to where the gradient is taken; memory and uniforms are those that the rule then gets.
        It is called for nodes that take no part, too, and may change the memory.
    flows : bool
        Whether looking also moves the iterate itself, of nodes that take no part too, as a flow between the
        events of Poisson clocks does.
    woken : bool
        Whether a participation asks the mixing process who is awake.
    keeps_iterates : bool
        Whether the vectors of a local rule that looks, or of a message, begin as the node's iterate, not as
        zeros.
    own_iterate : bool
        Whether a node combines the messages of others with its own iterate, not with its own message.
    twice : bool
        Whether a local rule that looks is also given the gradient of the same minibatch at the iterate, in
        its first vector of memory: every sample is then drawn.
    unscaled : int
        The last so many vectors of memory do not grow with iterates and gradients, as means of curvatures.
    of_moves : bool
        Whether an aggregation is given moves since the step began, as a server is given gradients, and what
        it makes of them is added to the mean (by W) of the iterates they began at; nodes have to move before
        they mix.
    by_sample : bool
        Whether a local rule works on every sample's gradient before they are averaged; it then keeps and
        draws nothing, and comes before all that do not.
    outcomes : callable or None
        ``outcomes(dim, *parameters)`` lists all that the part's uniforms may decide for the first coordinate,
        as pairs of a probability and the uniforms that bring it about; with one parameter for each node it is
        asked for every node's. Exact second moments need it of a linear part that draws uniforms.
    gains : callable or None
        ``gains(dim, *parameters)`` of a part that multiplies with a random matrix M whose law no rotation
        changes: a law of one number, as pairs of a probability and a value, with E M = m I and E MᵀM = s I,
        m and s its first two moments. Exact second moments use it where features are isotropic.
    period : int
        Of a participation: rounds after which it begins again, if it depends on their number.
    additive : bool
        Whether all that a local rule does is to add noise that does not depend on iterates and gradients,
        which changes no tail index unless it is heavy-tailed itself.
    shared : bool
        Whether all nodes draw the same variates at a step.
    refuses : callable or None
        ``refuses(count)``: why the part cannot take vectors of so many coordinates, or for an aggregation so
        many vectors; None if it can.
    bits : callable or None
        ``bits(dim)``: what it takes to send what a compressor makes of so many coordinates.
    array_form : callable or None
        array_form(direction, iterate, memory, parameters): the same on rows of arrays or tensors, one a
        node, for :func:`desgd_fast.torch.train`; ``memory`` is a list of arrays that it replaces.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> (part,) = dsf.algorithms.heavy_ball(0.9).local
    >>> part.name, part.parameters, part.memory, part.degree
    ('heavy_ball', (0.9,), 1, 'linear')
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[float, ...] = ()
    memory: int = 0
    mixed: int = 0
    normals: int | str = 0
    uniforms: int | str = 0
    degree: str = "linear"
    equivariant: bool = True
    per_node: bool = False
    width: int = 1
    role: str = ""
    look: Callable[..., Any] | None = field(default=None, repr=False)
    flows: bool = False
    woken: bool = False
    keeps_iterates: bool = False
    own_iterate: bool = False
    twice: bool = False
    unscaled: int = 0
    of_moves: bool = False
    by_sample: bool = False
    additive: bool = False
    outcomes: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    gains: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    period: int = 1
    shared: bool = False
    refuses: Callable[[int], str | None] | None = field(default=None, repr=False, compare=False)
    bits: Callable[[int], float] | None = field(default=None, repr=False, compare=False)
    array_form: Callable[..., Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        checks.part(self)
        numbers = (value if isinstance(value, int) else float(value) for value in self.parameters)
        object.__setattr__(self, "parameters", tuple(numbers))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{value:g}' for value in self.parameters)})"

    def variates(self, dim: int) -> tuple[int, int]:
        """Normals and uniforms for iterates of so many coordinates."""
        drawn = (dim if count == "dim" else int(count) for count in (self.normals, self.uniforms))
        normals, uniforms = drawn
        return normals, uniforms


@dataclass(frozen=True)
class Algorithm:
    """What the nodes do in one step; the functions of :mod:`desgd_fast.algorithms` make them.

    Attributes
    ----------
    local : tuple of Part
        What a node makes of its gradient, one part after the other; none takes the gradient itself.
    order : {None, "combine-then-adapt", "adapt-then-combine"}
        x_i ← Σ_j W_ij x_j − η d_i, which None is too, or x_i ← Σ_j W_ij (x_j − η d_j).
    local_steps : int, tuple of int or None
        Steps from one mixing to the next, of all nodes or of each, who then wait for the others; None is 1.
    participation : Part or None
        Who takes a gradient at a step; None is everybody.
    message : Part or None
        What a node sends in place of its iterate.
    consensus_step : float or None
        γ of x_i ← x_i + γ (Σ_j W_ij m_j − m_i) with messages m_j; None is 1.
    attack : Part or None
        What Byzantine nodes send in place of their messages.
    byzantine : tuple of int or None
        Which nodes are Byzantine; None where nobody attacks.
    aggregation : Part or None
        How a node combines what it receives; None is the mean with the weights of W.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.chain(dsf.algorithms.clipped(2.0), dsf.algorithms.heavy_ball(0.9))
    chain(clipped(2), heavy_ball(0.9))
    """

    local: tuple[Part, ...] = ()
    order: str | None = None
    local_steps: int | tuple[int, ...] | None = None
    participation: Part | None = None
    message: Part | None = None
    consensus_step: float | None = None
    attack: Part | None = None
    byzantine: tuple[int, ...] | None = None
    aggregation: Part | None = None

    def __post_init__(self) -> None:
        checks.algorithm(self, Part)

    def __repr__(self) -> str:
        parts = [repr(part) for part in self.parts]
        if self.local_steps is not None:
            steps = self.local_steps
            parts.append(f"local_steps({list(steps) if isinstance(steps, tuple) else steps})")
        if self.consensus_step is not None:
            parts.append(f"consensus_step({self.consensus_step:g})")
        if self.order is not None:
            parts.append(f"{self.order.replace('-', '_')}()")
        shown = ", ".join(parts)
        return "sgd()" if not parts else shown if len(parts) == 1 else f"chain({shown})"

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of a step."""
        return tuple(
            part
            for part in (self.participation, *self.local, self.message, self.attack, self.aggregation)
            if part is not None
        )

    @property
    def adapt_first(self) -> bool:
        """Whether nodes move before they mix."""
        return self.order == "adapt-then-combine"

    @property
    def period(self) -> int:
        """Steps from one mixing to the next."""
        return max(self.local_steps) if isinstance(self.local_steps, tuple) else self.local_steps or 1

    @property
    def plain(self) -> bool:
        """Whether nodes take the gradient itself and average at every step."""
        return not self.parts and self.period == 1 and self.consensus_step in (None, 1.0)

    @property
    def degree(self) -> str:
        """The worst of its parts: "linear", "homogeneous", "bounded" or "unknown"."""
        return max((part.degree for part in self.parts), key=checks.DEGREES.index, default="linear")

    @property
    def twice(self) -> bool:
        """Whether the gradient of a minibatch is taken at two places."""
        return any(part.twice for part in self.local)

    def byzantine_nodes(self, n_nodes: int) -> NDArray[np.float64]:
        """One for every Byzantine node, zero for the others."""
        flags = np.zeros(n_nodes)
        flags[list(self.byzantine or ())] = 1.0
        return flags

    @property
    def equivariant(self) -> bool:
        """Whether every part is."""
        return all(part.equivariant for part in self.parts)

    def bits(self, dim: int) -> float:
        """Bits that a node sends to each neighbour in one step, on average, 32 for a number as papers count.

        Of a message, or, where the iterates themselves are sent, of the last compressor of gradients: what
        a server receives.

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> dsf.algorithms.sgd().bits(10), dsf.algorithms.compressed(dsf.algorithms.sign()).bits(10)
        (320.0, 42.0)
        """
        dim = check.positive_integer("dim", dim)
        coders = [part.bits for part in (*self.local, self.message) if part is not None and part.bits]
        return (coders[-1](dim) if coders else 32.0 * dim) / self.period


def chain(*algorithms: Algorithm) -> Algorithm:
    """Algorithms put together: local rules one after the other, everything else once.

    Parameters
    ----------
    *algorithms : Algorithm
        What the functions of this module make. The first local rule takes the gradient, each next one what
        the one before it made, and the last one's is the direction of the step.

    Raises
    ------
    ValueError, TypeError
        If two of them fill the same slot or exclude each other.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> decaying, looking = dsf.algorithms.weight_decay(0.1), dsf.algorithms.nesterov(0.5)
    >>> algorithm = dsf.algorithms.chain(decaying, looking, dsf.algorithms.adapt_then_combine())
    >>> algorithm.degree, algorithm.adapt_first
    ('linear', True)
    """
    for i, algorithm in enumerate(algorithms):
        check.instance(f"algorithms[{i}]", algorithm, (Algorithm,))
    local = tuple(part for algorithm in algorithms for part in algorithm.local)
    checks.compatible(local)
    slots = {
        slot.name: checks.filled_once(slot.name, [getattr(one, slot.name) for one in algorithms])
        for slot in fields(Algorithm)
        if slot.name != "local"
    }
    return Algorithm(local=local, **slots)
