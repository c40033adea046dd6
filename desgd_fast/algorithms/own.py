"""Parts of your own: a short function in a slot of the step."""

from collections.abc import Callable
from typing import Any

from desgd_fast.algorithms.algorithm import Algorithm, Part


def _part(function: Callable[..., Any], options: dict[str, Any]) -> Part:
    """Bound to coordinates, and of no known degree, unless the user knows better: theory says nothing."""
    name = options.pop("name", getattr(function, "__name__", "rule"))
    unknown: dict[str, Any] = {"degree": "unknown", "equivariant": False}
    return Part(name, function, **unknown | options)


def local_rule(function: Callable[..., Any], **options: Any) -> Algorithm:
    """A local rule of your own: what becomes of a gradient.

    Parameters
    ----------
    function : callable
        ``function(direction, iterate, memory, normals, uniforms, parameters)`` changes ``direction`` in
        place; a Python function, or one under ``@numba.njit``. Where it raises, the run diverges.
    **options
        The other fields of :class:`desgd_fast.algorithms.Part`; the degree is "unknown" if you do not say.

    Examples
    --------
    >>> import numba, desgd_fast as dsf
    >>> @numba.njit
    ... def sign(direction, iterate, memory, normals, uniforms, parameters):
    ...     for t in range(direction.size):
    ...         direction[t] = parameters[0] * ((direction[t] > 0) - (direction[t] < 0))
    >>> dsf.algorithms.local_rule(sign, parameters=(0.5,))
    sign(0.5)
    """
    return Algorithm((_part(function, options),))


def compressor(function: Callable[..., Any], **options: Any) -> Part:
    """A compressor of your own, for :func:`compressed`: ``function`` as in :func:`local_rule`.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> def halved(vector, iterate, memory, normals, uniforms, parameters):
    ...     for t in range(vector.size):
    ...         vector[t] *= 0.5
    >>> half = dsf.algorithms.compressor(halved, degree="linear", equivariant=True)
    >>> dsf.algorithms.compressed(half, "messages", memory="difference")
    halved_with_difference()
    """
    return _part(function, options)


def message_rule(function: Callable[..., Any], **options: Any) -> Algorithm:
    """A message of your own: ``function`` as in :func:`local_rule`, its ``direction`` a copy of the iterate.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> def rounded(message, iterate, memory, normals, uniforms, parameters):
    ...     for t in range(message.size):
    ...         message[t] = round(message[t])
    >>> dsf.algorithms.message_rule(rounded).message
    rounded()
    """
    return Algorithm(message=_part(function, options))


def aggregation_rule(function: Callable[..., Any], **options: Any) -> Algorithm:
    """An aggregation of your own.

    ``function(out, received, weights, own, uniforms, parameters)`` fills ``out``. Row i of ``received`` has
    the weight ``weights[i]`` in W; row ``own`` is the node's, −1 if it has no weight there.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> def first(out, received, weights, own, uniforms, parameters):
    ...     for t in range(out.size):
    ...         out[t] = received[0, t]
    >>> dsf.algorithms.aggregation_rule(first, degree="linear").degree
    'linear'
    """
    return Algorithm(aggregation=_part(function, options))


def participation_rule(function: Callable[..., Any], **options: Any) -> Algorithm:
    """A participation of your own: a factor of the node's step size.

    ``function(round, node, uniforms, memory, links, parameters)`` returns it for all steps of a round; at 0
    the node takes none and its local rule remembers nothing. ``memory`` is the node's own, ``links`` that of
    the mixing process. ``parameters`` are the same for all nodes.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> def in_turn(step, node, uniforms, memory, links, parameters):
    ...     return 1.0 if step % 8 == node else 0.0
    >>> dsf.algorithms.participation_rule(in_turn, degree="linear").participation
    in_turn()
    """
    return Algorithm(participation=_part(function, options))
