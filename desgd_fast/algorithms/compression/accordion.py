"""Accordion: more is sent where gradients change fast."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Part
from desgd_fast.algorithms.compression.memory import compilable
from desgd_fast.common import check
from desgd_fast.kernels.jit.arithmetic import entries, rows
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# Vectors of memory: the sum of an interval's gradients, and in the first places of the others: that sum's
# length one interval ago, whether gradients change slowly, and the steps since the interval began.
_SUM, _LENGTH, _SLOW, _ELAPSED = range(4)


@cache
def _accordion(low: Callable[..., Any], high: Callable[..., Any]) -> Callable[..., Any]:
    low, high = compilable(low), compilable(high)

    @inlined
    def switched(
        vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
    ) -> None:
        threshold, every, n_low = parameters[0], parameters[1], int(parameters[2])
        total = memory[_SUM]
        for t in range(vector.size):
            total[t] += vector[t]
        memory[_ELAPSED, 0] += 1.0
        nothing = rows(memory, 4, 0)
        if memory[_SLOW, 0] == 0.0:
            compress_low = entries(parameters, 3, n_low)
            low(vector, iterate, nothing, normals, uniforms, compress_low)
        else:
            compress_high = entries(parameters, 3 + n_low, parameters.size - 3 - n_low)
            high(vector, iterate, nothing, normals, uniforms, compress_high)
        if memory[_ELAPSED, 0] >= every:
            square = 0.0
            for t in range(vector.size):
                square += total[t] * total[t]
                total[t] = 0.0
            length, last = math.sqrt(square), memory[_LENGTH, 0]
            memory[_SLOW, 0] = 0.0 if abs(last - length) >= threshold * last else 1.0
            memory[_LENGTH, 0], memory[_ELAPSED, 0] = length, 0.0

    return switched


def accordion(low: Part, high: Part, *, every: int, threshold: float = 0.5) -> Part:
    """A compressor that switches between two: ``low`` compression where gradients change fast, else ``high``.

    At the end of each interval the length n of the sum of its gradients is compared with that of the interval
    before: abs(n_before − n) ≥ threshold · n_before asks for ``low`` (Agarwal et al., MLSys 2021). The first
    intervals are taken as fast. ``bits`` are those of ``low``, the most that it sends.

    Parameters
    ----------
    low, high : Part
        Compressors without memory, as of 99% and of 10% of the coordinates.
    every : int
        Steps of an interval.
    threshold : float
        Relative change from which gradients change fast (η in the paper).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> top = dsf.algorithms.top_k
    >>> dsf.algorithms.accordion(top(99), top(10), every=100).degree
    'homogeneous'
    """
    threshold = check.positive_number("threshold", threshold)
    every = check.positive_integer("every", every)
    for name, part in (("low", low), ("high", high)):
        check.instance(name, part, (Part,))
        if part.memory or (part.normals, part.uniforms) != (low.normals, low.uniforms):
            raise ValueError(f"{name} must keep nothing, and draw as many numbers as the other, got {part!r}")

    def refuses(dim: int) -> str | None:
        reasons = (part.refuses(dim) for part in (low, high) if part.refuses)
        return next((reason for reason in reasons if reason), None)

    return Part(
        f"accordion_{low.name}_{high.name}",
        _accordion(low.function, high.function),
        (threshold, float(every), float(len(low.parameters)), *low.parameters, *high.parameters),
        memory=4,
        unscaled=2,
        normals=low.normals,
        uniforms=low.uniforms,
        degree=max(low.degree, high.degree, "homogeneous", key=checks.DEGREES.index),
        equivariant=low.equivariant and high.equivariant,
        shared=low.shared,
        refuses=refuses,
        bits=low.bits,
    )
