"""What algorithms are checked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check
from desgd_fast.common.check.arrays import real_array
from desgd_fast.common.check.values import given

# From the most to the least that is known of the tail: what a step is far from the optimum.
DEGREES = ("linear", "homogeneous", "bounded", "unknown")


def part(part: Any) -> None:
    """The numbers that a part states of itself."""
    if not isinstance(part.name, str):
        raise TypeError(f"name must be a string, got {given(part.name)}")
    if not isinstance(part.parameters, tuple | list):
        raise TypeError(f"parameters must be a tuple of numbers, got {given(part.parameters)}")
    for value in part.parameters:
        check.number("parameters", value)
    check.integer("memory", part.memory, 0)
    check.integer("mixed", part.mixed, 0, part.memory)
    for name in ("normals", "uniforms"):
        value = getattr(part, name)
        if not (isinstance(value, str) and value == "dim"):
            check.integer(f"{name} (unless 'dim')", value, 0)
    check.choice("degree", part.degree, DEGREES)
    check.flag("equivariant", part.equivariant)
    check.flag("by_sample", part.by_sample)
    check.flag("flows", part.flows)
    check.flag("own_iterate", part.own_iterate)
    check.flag("additive", part.additive)
    check.flag("twice", part.twice)
    check.integer("unscaled", part.unscaled, 0, part.memory)
    check.flag("of_moves", part.of_moves)
    check.positive_integer("period", part.period)
    check.positive_integer("width", part.width)
    check.compilable("function", part.function)
    if part.by_sample and (part.memory or part.normals or part.uniforms or part.per_node):
        raise ValueError(
            "by_sample must be False for a part that keeps vectors, draws variates or has numbers per node"
        )


def algorithm(algorithm: Any, part: type) -> None:
    """Slots that hold what belongs there."""
    check.instance("local", algorithm.local, (tuple,))
    for value in algorithm.local:
        check.instance("local", value, (part,))
    for name in ("participation", "message", "attack", "aggregation"):
        if (value := getattr(algorithm, name)) is not None:
            check.instance(name, value, (part,))
    if algorithm.order is not None:
        check.choice("order", algorithm.order, ("combine-then-adapt", "adapt-then-combine"))
    if algorithm.consensus_step is not None:
        check.non_negative_number("consensus_step", algorithm.consensus_step)
    if algorithm.local_steps is not None:
        steps = algorithm.local_steps
        for count in steps if isinstance(steps, tuple) and steps else (steps,):
            check.positive_integer("local_steps", count)
    if algorithm.byzantine is not None:
        check.instance("byzantine", algorithm.byzantine, (tuple,))
        check.nodes("byzantine", algorithm.byzantine)


def compatible(parts: Sequence[Any]) -> None:
    """Local rules none of which excludes another."""
    for i, part in enumerate(parts):
        for other in parts[:i]:
            if part.role and part.role == other.role:
                raise ValueError(f"{other!r} and {part!r} exclude each other: both decide the {part.role}")
            if part.shared and other.shared:
                raise ValueError(f"{other!r} and {part!r} exclude each other: both share what they draw")
            if part.look is not None and other.look is not None:
                raise ValueError(f"{other!r} and {part!r} exclude each other: both say where gradients are")
            if part.by_sample and not other.by_sample:
                raise ValueError(f"{part!r} works on every sample's gradient and must come before {other!r}")
            if other.by_sample and part.twice:
                raise ValueError(f"{other!r} and {part!r} exclude each other: one gradient a sample, or two")


def filled_once(slot: str, values: Sequence[Any]) -> Any:
    """The one value that is not None."""
    given = [value for value in values if value is not None]
    if len(given) > 1:
        shown = " and ".join(repr(value) for value in given[:2])
        raise ValueError(f"{slot.replace('_', ' ')} must be given once, got {shown}")
    return given[0] if given else None


def fits_nodes(algorithm: Any, n_nodes: int) -> None:
    """Parts with one number for all nodes, or one for each of them."""
    for part in algorithm.parts:
        if part.per_node and len(part.parameters) not in (part.width, part.width * n_nodes):
            raise ValueError(
                f"algorithm must hold one number or one for each of the {n_nodes} nodes, got {part!r}"
            )
    if isinstance(algorithm.local_steps, tuple) and len(algorithm.local_steps) != n_nodes:
        raise ValueError(
            f"algorithm must have local steps for each of the {n_nodes} nodes, "
            f"got {len(algorithm.local_steps)} numbers"
        )
    if algorithm.byzantine is not None and max(algorithm.byzantine) >= n_nodes:
        raise ValueError(
            f"algorithm must name Byzantine nodes below {n_nodes}, got node {max(algorithm.byzantine)}"
        )


def fits_process(algorithm: Any, process: Any) -> None:
    """Participations that ask who is awake where somebody is woken, and nodes that move before they meet."""
    participation = algorithm.participation
    if participation is not None and participation.woken and not process.wakes:
        raise ValueError(
            f"algorithm must not be {algorithm!r} under W={process.name}, which wakes no nodes; "
            "pairwise_gossip, node_dropout, server and token do"
        )
    message = algorithm.message
    if message is not None and message.own_iterate and (process.common or algorithm.aggregation):
        raise ValueError(
            f"algorithm must not have {message!r} where nodes do not combine messages on their own: "
            f"{algorithm.aggregation or process.name!r}"
        )
    for part in algorithm.local:
        if part.flows and (process.event_rate is None or not algorithm.adapt_first):
            raise ValueError(
                f"algorithm must adapt before it combines, under a W whose rounds are events, for {part!r}; "
                f"poisson_clocks is one, got W={process.name}"
            )
    if process.common and process.function is not None and not algorithm.adapt_first:
        raise ValueError(
            f"algorithm must adapt before it combines under W={process.name}: add adapt_then_combine()"
        )


def fits_sizes(algorithm: Any, dim: int, n_received: Sequence[int]) -> None:
    """Parts that take vectors of so many coordinates, and an aggregation that takes so many of them."""
    for part in (*algorithm.local, algorithm.message):
        if part is not None and part.refuses and (reason := part.refuses(dim)):
            raise ValueError(f"algorithm cannot take {dim} coordinates: {part!r} {reason}")
    part = algorithm.aggregation
    if part is not None and part.of_moves and not algorithm.adapt_first:
        raise ValueError(f"algorithm must adapt before it combines with {part!r}: add adapt_then_combine()")
    if part is not None and part.of_moves and algorithm.period > 1:
        raise ValueError(
            f"algorithm must not take local steps with {part!r}, which sees the moves of one step"
        )
    if part is not None and part.normals and part.uniforms:
        raise ValueError(
            f"algorithm must draw normals or uniforms in {part!r}: an aggregation is given one of both"
        )
    if part is not None and part.refuses:
        for count in sorted(set(n_received)):
            if reason := part.refuses(count):
                raise ValueError(f"algorithm cannot take {count} vectors at a node: {part!r} {reason}")


def aggregation_alone(name: str, algorithm: Any) -> Any:
    """The one part of an algorithm that is nothing but an aggregation."""
    part = getattr(algorithm, "aggregation", None)
    if part is None or part.uniforms or algorithm != type(algorithm)(aggregation=part):
        raise ValueError(
            f"{name} must be an aggregation that draws no numbers, such as krum(1), and nothing else, "
            f"got {given(algorithm)}"
        )
    return part


def local_rule_alone(name: str, algorithm: Any) -> Any:
    """The one part of an algorithm that is nothing but a local rule."""
    local: tuple[Any, ...] = getattr(algorithm, "local", ())
    if len(local) != 1 or algorithm != type(algorithm)(local=local):
        raise ValueError(
            f"{name} must be one local rule, such as adam(), and nothing else, got {given(algorithm)}"
        )
    return local[0]


def factors(name: str, value: Any) -> NDArray[np.float64]:
    """Positive numbers, one for each coordinate."""
    array = real_array(name, value)
    if array.ndim != 1 or array.size == 0 or not (array > 0).all():
        raise ValueError(f"{name} must hold positive numbers, one for each coordinate, got {given(value)}")
    return array


def momentum(name: str, value: Any) -> float:
    """A share of the last step that the next one keeps."""
    return check.number(name, value, "a number from 0 to below 1", lambda result: 0 <= result < 1)


def probabilities(name: str, value: Any) -> NDArray[np.float64]:
    """One probability above 0, or one for each node."""
    array = np.atleast_1d(real_array(name, value))
    if array.ndim != 1 or array.size == 0 or not ((array > 0) & (array <= 1)).all():
        raise ValueError(
            f"{name} must hold probabilities above 0, for all nodes or for each, got {given(value)}"
        )
    return array


def positive_numbers(name: str, value: Any) -> NDArray[np.float64]:
    """One positive number, or one for each node."""
    array = np.atleast_1d(real_array(name, value))
    if array.ndim != 1 or array.size == 0 or not (array > 0).all():
        raise ValueError(f"{name} must hold positive numbers, for all nodes or for each, got {given(value)}")
    return array


def rounds(name: str, value: Any, least: int, most: int) -> NDArray[np.float64]:
    """One whole number between these, or one for each node."""
    allowed = f"hold integers from {least} to {most}"
    array = np.atleast_1d(check.integer_array(name, value, allowed))
    if array.ndim != 1 or array.size == 0 or array.min() < least or array.max() > most:
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    return array.astype(np.float64)


def together(**arrays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of every node side by side; arrays of one number serve all."""
    sizes = {array.size for array in arrays.values()} - {1}
    if len(sizes) > 1:
        raise ValueError(
            f"{' and '.join(arrays)} must have one number or one for each node, "
            f"got {', '.join(str(array.size) for array in arrays.values())}"
        )
    return np.stack(np.broadcast_arrays(*arrays.values()), axis=1)


def law(name: str, value: Any) -> NDArray[np.float64]:
    """Probabilities that sum to one."""
    array = real_array(name, value)
    if array.ndim != 1 or array.size == 0 or (array < 0).any() or abs(array.sum() - 1) > 1e-9:
        raise ValueError(f"{name} must be probabilities that sum to one, got {given(value)}")
    return array


def replaced(numbers: Mapping[str, float], given_ones: Mapping[str, Any]) -> dict[str, float]:
    """Positive numbers by their names, some of them replaced."""
    for name in given_ones:
        check.choice("constants", name, tuple(numbers))
    return {name: check.positive_number(name, given_ones.get(name, value)) for name, value in numbers.items()}
