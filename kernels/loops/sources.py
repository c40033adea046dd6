"""Where gradients come from, told apart by type: the loop is compiled once for each kind of problem."""

from typing import Any

from numba import types
from numba.extending import overload

from desgd_fast.kernels.draw.minibatches import Epochs, no_epochs, reserve_epochs, sampling_of
from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.gradients.gaussian import (
    Gaussian,
    add_collapsed,
    add_sampled,
    number_run,
    reserve_gaussian,
)
from desgd_fast.kernels.gradients.minibatches import (
    Rows,
    Stream,
    add_by_sample,
    add_of_rows,
    add_of_stream,
    choose_samples,
    reserve_rows,
    reserve_stream,
)
from desgd_fast.kernels.gradients.networks import Network, add_of_network, reserve_network
from desgd_fast.kernels.jit.compile import ELEMENTARY, Matrix, Reals, Word


def _is(source: Any, kind: type) -> bool:
    return isinstance(source, types.NamedTuple) and source.instance_class is kind


def epochs_of(source: Any) -> Epochs:
    """What the nodes of a run go through in common, shared by all who work on it."""
    raise NotImplementedError


@overload(epochs_of, jit_options=ELEMENTARY)
def _epochs_of(source):  # type: ignore[no-untyped-def]
    if _is(source, Rows) or _is(source, Network):
        return lambda source: reserve_epochs(sampling_of(source))
    return lambda source: no_epochs()


def room_for(source: Any, together: int, size: int, run: Word, like: Matrix) -> Any:
    """What computing the gradients of so many nodes needs."""
    raise NotImplementedError


@overload(room_for, jit_options=ELEMENTARY)
def _room_for(source, together, size, run, like):  # type: ignore[no-untyped-def]
    if _is(source, Gaussian):
        return lambda source, together, size, run, like: reserve_gaussian(source, together, size, run, like)
    if _is(source, Rows):
        return lambda source, together, size, run, like: reserve_rows(source, together)
    if _is(source, Stream):
        return lambda source, together, size, run, like: reserve_stream(source, together)
    return lambda source, together, size, run, like: reserve_network(source, together)


def room_again(source: Any, room: Any, run: Word) -> Any:
    """The room of :func:`room_for`, for another run."""
    raise NotImplementedError


@overload(room_again, jit_options=ELEMENTARY)
def _room_again(source, room, run):  # type: ignore[no-untyped-def]
    if _is(source, Gaussian):
        return lambda source, room, run: number_run(room, run)
    return lambda source, room, run: room


def add_gradients_of(
    source: Any,
    epochs: Any,
    room: Any,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """out[i - first] += factors[i - first] · minibatch gradient of node i at x[i], first ≤ i < last."""
    raise NotImplementedError


@overload(add_gradients_of, jit_options=ELEMENTARY)
def _add_gradients_of(source, epochs, room, first, last, counter, x, factors, out):  # type: ignore[no-untyped-def]
    if _is(source, Gaussian):

        def add(source, epochs, room, first, last, counter, x, factors, out):  # type: ignore[no-untyped-def]
            if source.direct:
                add_sampled(source, room, first, last, counter, x, factors, out)
            else:
                add_collapsed(source, room, first, last, counter, x, factors, out)
    elif _is(source, Rows):

        def add(source, epochs, room, first, last, counter, x, factors, out):  # type: ignore[no-untyped-def]
            add_of_rows(source, epochs, room, first, last, counter, x, factors, out)
    elif _is(source, Stream):

        def add(source, epochs, room, first, last, counter, x, factors, out):  # type: ignore[no-untyped-def]
            add_of_stream(source, room, first, last, counter, x, factors, out)
    else:

        def add(source, epochs, room, first, last, counter, x, factors, out):  # type: ignore[no-untyped-def]
            add_of_network(source, epochs, room, first, last, counter, x, factors, out)

    return add


def add_by_sample_of(
    source: Any,
    epochs: Any,
    room: Any,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
    rules: Any,
) -> None:
    """:func:`add_gradients_of` with every sample's gradient transformed before they are averaged."""
    raise NotImplementedError


@overload(add_by_sample_of, jit_options=ELEMENTARY)
def _add_by_sample_of(source, epochs, room, first, last, counter, x, factors, out, rules):  # type: ignore[no-untyped-def]
    if _is(source, Rows) or _is(source, Stream):

        def add(source, epochs, room, first, last, counter, x, factors, out, rules):  # type: ignore[no-untyped-def]
            choose_samples(source, epochs, room, first, last, counter)
            add_by_sample(source, room, first, last, x, factors, out, rules)
    else:  # refused before

        def add(source, epochs, room, first, last, counter, x, factors, out, rules):  # type: ignore[no-untyped-def]
            pass

    return add
