"""Compressors that keep few coordinates.

A compressor is a :class:`desgd_fast.algorithms.Part` with the arguments of a local rule, which changes a
vector into what is sent of it; :func:`.memory.compressed` puts it into an algorithm.
"""

import math
from functools import partial

import numpy as np

from desgd_fast.algorithms.algorithm import Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.arithmetic import double_to_bits
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# Of a real number as papers count it.
REAL_BITS = 32.0


def index_bits(dim: int) -> float:
    """Bits that name one of so many coordinates."""
    return math.ceil(math.log2(dim)) if dim > 1 else 0


def _fewer_than(k: int, dim: int) -> str | None:
    return f"keeps {k}" if k > dim else None


@inlined
def _random_k(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    left, factor = parameters[0], 1.0
    if parameters[1] > 0:
        factor = vector.size / parameters[0]
    for t in range(vector.size):
        # Knuth's selection sampling (TAOCP 3.4.2): every subset is as likely as any other.
        if uniforms[t] * (vector.size - t) <= left:
            vector[t] *= factor
            left -= 1
        else:
            vector[t] = 0.0


def _k_outcomes(dim: int, k: float, unbiased: float) -> list[tuple[float, list[float]]]:
    return [(k / dim, [k / dim] * dim), (1 - k / dim, [1.0] * dim)]


def random_k(k: int, *, unbiased: bool = True, common: bool = False) -> Part:
    """k coordinates drawn at random, the others zero (Stich, Cordonnier & Jaggi, NeurIPS 2018).

    Parameters
    ----------
    k : int
        Coordinates that are kept.
    unbiased : bool
        Whether they are multiplied with dim / k, so that the mean is the vector itself.
    common : bool
        Whether all nodes keep the same ones at a step.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.compressed(dsf.algorithms.random_k(10)).degree
    'linear'
    """
    k = check.positive_integer("k", k)
    numbers = float(k), float(check.flag("unbiased", unbiased))
    return Part(
        "random_k",
        _random_k,
        numbers,
        uniforms="dim",
        equivariant=False,
        shared=check.flag("common", common),
        outcomes=_k_outcomes,
        refuses=partial(_fewer_than, k),
        bits=lambda dim: k * REAL_BITS,
    )


@inlined
def _random_mask(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(vector.size):
        vector[t] = vector[t] * parameters[1] if uniforms[t] <= parameters[0] else 0.0


def _mask_outcomes(dim: int, share: float, factor: float) -> list[tuple[float, list[float]]]:
    return [(share, [share] * dim), (1 - share, [1.0] * dim)]


def random_mask(share: float, *, unbiased: bool = False, common: bool = False) -> Part:
    """Every coordinate is kept with probability ``share``, and is zero otherwise.

    Parameters
    ----------
    share : float
        In (0, 1).
    unbiased, common : bool
        As for :func:`random_k`; the factor is 1 / share.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.compressed(dsf.algorithms.random_mask(0.25), "messages").message
    random_mask(0.25, 1)
    """
    share = check.number(
        "share", share, "a number of at least 1e-300 and below 1", lambda value: 1e-300 <= value < 1
    )
    return Part(
        "random_mask",
        _random_mask,
        (share, 1 / share if check.flag("unbiased", unbiased) else 1.0),
        uniforms="dim",
        equivariant=False,
        shared=check.flag("common", common),
        outcomes=_mask_outcomes,
        bits=lambda dim: share * dim * REAL_BITS,
    )


@inlined
def _top_k(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    dim, k = vector.size, int(parameters[0])
    # Bits order magnitudes as numbers do, and nan above all: it is kept.
    sizes = np.empty(dim, np.uint64)
    for t in range(dim):
        sizes[t] = double_to_bits(abs(vector[t]))
    # Hoare's selection of the k-th largest (CACM 1961).
    first, last, place = 0, dim - 1, k - 1
    while first < last:
        pivot, i, j = sizes[(first + last) // 2], first, last
        while i <= j:
            while sizes[i] > pivot:
                i += 1
            while sizes[j] < pivot:
                j -= 1
            if i <= j:
                sizes[i], sizes[j] = sizes[j], sizes[i]
                i += 1
                j -= 1
        if place <= j:
            last = j
        elif place >= i:
            first = i
        else:
            break
    least, above = sizes[place], 0
    for t in range(dim):
        above += double_to_bits(abs(vector[t])) > least
    for t in range(dim):
        size = double_to_bits(abs(vector[t]))
        if size == least and above < k:
            above += 1
        elif size <= least:
            vector[t] = 0.0


def top_k(k: int) -> Part:
    """The k largest coordinates in magnitude, the others zero (Aji & Heafield, EMNLP 2017).

    Of equal magnitudes the first are kept.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.compressed(dsf.algorithms.top_k(1), memory="error-feedback").degree
    'homogeneous'
    """
    k = check.positive_integer("k", k)
    return Part(
        "top_k",
        _top_k,
        (float(k),),
        degree="homogeneous",
        equivariant=False,
        refuses=partial(_fewer_than, k),
        bits=lambda dim: k * (REAL_BITS + index_bits(dim)),
    )
