"""The block estimator of stable laws, and the published scripts that use it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from desgd_fast.common import check
from desgd_fast.kernels.tails.blocks import measure_block_sums
from desgd_fast.tails import checks
from desgd_fast.tails.intervals import classical
from desgd_fast.tails.results import TailEstimate

Array = NDArray[np.float64]

DEFAULT_BLOCK = 8

# numpy.spacing(1), added to every norm by the published scripts.
PUBLISHED_EPSILON = 2.0**-52

SUSPICIOUS_ALPHA = 1.9


@dataclass(frozen=True)
class Preset:
    """What a published script does."""

    centre: str | None
    scalar_blocks: tuple[int, ...] | None
    vector_blocks: tuple[int, ...] | None
    flatten: bool = False


_LONG = (2, 5, 10, 20, 50, 100, 40)

PRESETS = {
    "sgd_ht": Preset(None, _LONG, _LONG),
    "desgd": Preset("mean", (40,), (40,)),
    "networks": Preset("mean", (2, 5, 10, 20, 50, 100, 500, 1000), (2, 5, 10)),
    "tail_index_2019": Preset("mean", None, None, flatten=True),
}


def largest_divisor(n: int) -> int:
    """The largest divisor of n up to √n."""
    return next(m for m in range(math.isqrt(n), 0, -1) if n % m == 0)


def centre_of(values: Array, centre: str) -> Array:
    """Mean or median over the first axis; of nothing, zero."""
    if not len(values):
        return np.zeros(values.shape[1:])
    return np.asarray((np.mean if centre == "mean" else np.median)(values, axis=0))


@dataclass(frozen=True)
class BlockTerms:
    """xi of each sample at one block size, with its standard error."""

    xi: Array
    xi_stderr: Array
    n_blocks: Array


def block_terms(data: Array, block_size: int, epsilon: float) -> BlockTerms:
    """Xi is the mean over blocks of (log‖sum‖ − mean log‖x‖)/log K, whose terms are independent.

    data (samples, n, dim). Blocks with a zero norm have no logarithm and are left out.
    """
    n_blocks = data.shape[1] // block_size
    log_sums, log_norms = np.empty((2, len(data), n_blocks))
    measure_block_sums(data, block_size, epsilon, log_sums, log_norms)
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = (log_sums - log_norms) / math.log(block_size)
        kept = np.isfinite(terms)
        count = kept.sum(axis=1)
        terms = np.where(kept, terms, 0.0)
        xi = terms.sum(axis=1) / count
        squares = (np.where(kept, terms - xi[:, np.newaxis], 0.0) ** 2).sum(axis=1)
        xi_stderr = np.sqrt(squares / (count - 1) / count)
    return BlockTerms(xi, xi_stderr, count)


def _alpha(xi: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(1 / xi)


def _arrange(
    x: ArrayLike, axis: int | None, vectors: bool | None, flatten: bool
) -> tuple[Array, tuple[int, ...], bool]:
    """Data as (samples, n, dim), the shape over samples, and whether they are vectors."""
    array = check.real_array("x", x)
    if vectors is None:
        vectors = axis is None and array.ndim == 2
    vectors = check.flag("vectors", vectors)
    checks.block_shape("x", array.shape, axis, vectors)
    coordinates = array.ndim - 1 if vectors else array.ndim
    position = 0 if axis is None else check.integer("axis", axis, -coordinates, coordinates - 1)
    if position < 0:
        position += coordinates
    if not vectors:
        array = array[..., np.newaxis]
    moved = np.moveaxis(array, position, -2)
    shape = moved.shape[:-2]
    return np.ascontiguousarray(moved).reshape(-1, *moved.shape[-2:]), shape, vectors and not flatten


def mmo(
    x: ArrayLike,
    *,
    block_size: int | Sequence[int] | None,
    centre: str | None,
    remainder: str,
    preset: str | None,
    axis: int | None,
    vectors: bool | None,
    level: float,
) -> TailEstimate:
    """See :func:`desgd_fast.tails.mmo`."""
    chosen = None if preset is None else PRESETS[check.choice("preset", preset, PRESETS)]
    if chosen is not None:
        checks.preset_alone("preset", block_size=block_size, centre=centre)
        centre = chosen.centre
    data, shape, are_vectors = _arrange(x, axis, vectors, chosen is not None and chosen.flatten)
    if chosen is None:
        data = _scaled(data)
    if centre is not None:
        check.choice("centre", centre, ("mean", "median"))
        data = data - centre_of(np.swapaxes(data, 0, 1), centre)[:, np.newaxis]
    if chosen is not None and chosen.flatten:
        data = np.ascontiguousarray(data.reshape(len(data), -1, 1))
    n = data.shape[1]
    if chosen is None:
        data, zeros = _zeros_last(data)
        blocks = checks.block_sizes("block_size", DEFAULT_BLOCK if block_size is None else block_size)
    else:
        # The published scripts let a zero count as their epsilon.
        zeros = np.zeros(len(data), np.int64)
        listed = chosen.vector_blocks if are_vectors else chosen.scalar_blocks
        blocks = (largest_divisor(n),) if listed is None else listed
    for size in blocks:
        checks.block_fits("x", n, size, preset)
    if check.choice("remainder", remainder, ("trim", "raise")) == "raise":
        checks.no_remainder("x", n, blocks)
    if shape == () and n - zeros[0] < 2 * max(blocks):
        raise ValueError(
            f"x must hold at least two blocks of {max(blocks)} values other than zero, got {n - zeros[0]}"
        )
    epsilon = 0.0 if chosen is None else PUBLISHED_EPSILON
    return _collect(data, shape, blocks, epsilon, level, centre, zeros)


def _zeros_last(data: Array) -> tuple[Array, NDArray[np.int64]]:
    """Zeros, which have no logarithm and which no stable law gives, after all others; and their number.

    A block that they reach has no term.
    """
    kept = np.asarray(data.any(axis=2))
    zeros = np.asarray((~kept).sum(axis=1))
    if zeros.any():
        order = np.argsort(~kept, axis=1, kind="stable")
        data = np.take_along_axis(data, order[:, :, np.newaxis], axis=1)
    return data, zeros


def _scaled(data: Array) -> Array:
    """Every sample times a power of two, so that sums stay finite: alpha and the digits are as they were."""
    largest = np.abs(data).max(axis=(1, 2), keepdims=True)
    return np.asarray(np.ldexp(data, -np.frexp(largest)[1]))


def _collect(
    data: Array,
    shape: tuple[int, ...],
    blocks: tuple[int, ...],
    epsilon: float,
    level: float,
    centre: str | None,
    zeros: NDArray[np.int64],
) -> TailEstimate:
    n_samples, n, _ = data.shape
    found = [block_terms(data, size, epsilon) for size in blocks]
    # The scripts take the median of alpha, not of 1/alpha: they differ where two are averaged.
    alpha = np.median([_alpha(terms.xi) for terms in found], axis=0)
    alpha = np.where(np.min([terms.n_blocks for terms in found], axis=0) >= 2, alpha, np.nan)
    with np.errstate(divide="ignore"):
        xi = 1 / alpha
    nearest = np.argmin([np.abs(terms.xi - xi) for terms in found], axis=0)
    rows = np.arange(n_samples)
    xi_stderr = np.array([terms.xi_stderr for terms in found])[nearest, rows]
    n_blocks = np.array([terms.n_blocks for terms in found])[nearest, rows]
    quantile = -special.stdtrit(np.maximum(n_blocks - 1, 1), (1 - level) / 2)
    low, high = classical.normal_interval(xi, xi_stderr, quantile)
    if not epsilon:
        # Sums shorter than their terms: no stable law; what the scripts print there is negative.
        alpha = np.where(xi <= 0, np.inf, alpha)
    low_reach, high_reach, drifts = _drift(data, blocks, epsilon, alpha, xi_stderr)
    dropped = zeros + np.max([(n - zeros) % size for size in blocks], axis=0)
    filled = np.max(
        [(n - zeros) // size - terms.n_blocks for size, terms in zip(blocks, found, strict=True)], axis=0
    )
    bulk = shape != ()

    def shaped(values: Any) -> Any:
        values = np.broadcast_to(values, n_samples)
        return values.reshape(shape).copy() if bulk else values[0].item()

    return TailEstimate(
        alpha=shaped(alpha),
        xi=shaped(xi),
        stderr=shaped(np.where(np.isinf(alpha), np.inf, xi_stderr * alpha**2)),
        xi_stderr=shaped(xi_stderr),
        ci_low=shaped(low),
        ci_high=shaped(high),
        level=level,
        k=shaped(0),
        threshold=shaped(np.nan),
        n_used=shaped(n - dropped),
        n_dropped=shaped(dropped),
        n_censored=shaped(0),
        n_ties=shaped(0),
        sensitivity=(shaped(low_reach), shaped(high_reach)),
        estimator="MMO",
        warnings=_warnings(data, alpha, drifts, centre, zeros, filled),
    )


def _drift(
    data: Array, blocks: tuple[int, ...], epsilon: float, alpha: Array, xi_stderr: Array
) -> tuple[Array, Array, int]:
    """Lowest and highest alpha over block sizes, and how many samples drift by more than chance would."""
    middle = int(np.median(blocks))
    sizes = {middle // 2, middle, 2 * middle, 4 * middle} | set(blocks)
    # Eight blocks at least, or the estimate is noise.
    usable = sorted(size for size in sizes if size >= 2 and data.shape[1] // size >= 8)
    found = [block_terms(data, size, epsilon) for size in usable]
    if not found:
        return alpha, alpha, 0
    alphas = np.array([_alpha(np.maximum(terms.xi, 0.0)) for terms in found])
    first, last = found[0], found[-1]
    moved = np.abs(first.xi - last.xi)
    noise = np.sqrt(first.xi_stderr**2 + last.xi_stderr**2)
    drifting = (moved > 3 * noise) & (len(found) > 1)
    return alphas.min(axis=0), alphas.max(axis=0), int(drifting.sum())


def _warnings(
    data: Array,
    alpha: Array,
    drifts: int,
    centre: str | None,
    zeros: NDArray[np.int64],
    cancelled: NDArray[np.int64],
) -> tuple[str, ...]:
    notes = []
    n_samples = len(data)

    def share(count: int) -> str:
        return "" if n_samples == 1 else f" ({count} of {n_samples} samples)"

    failed = int(np.isnan(alpha).sum())
    if failed:
        notes.append(
            f"{failed} of {n_samples} samples admit no estimate: two blocks at least must have a sum"
        )
    # A median that is one of the values makes one zero.
    odd = int((zeros > (centre is not None)).sum())
    if odd:
        notes.append(
            f"{int(zeros.max())} zeros are left out{share(odd)}: alpha is that of the other values, as if "
            "rounding or silence had made the zeros"
        )
    coarse = int((cancelled > 0).sum())
    if coarse:
        notes.append(
            f"{int(cancelled.max())} blocks whose sum is zero are left out{share(coarse)}: the values are "
            "too coarse for block sums"
        )
    high = int(((alpha >= SUSPICIOUS_ALPHA) | (alpha <= 0)).sum())
    if high:
        notes.append(f"alpha ≥ {SUSPICIOUS_ALPHA}{share(high)}: any law with finite variance reads so")
    if drifts:
        notes.append(f"alpha drifts with the block size{share(drifts)}: the data are not alpha-stable")
    if centre is None:
        middle = np.median(data, axis=1)
        scale = np.median(np.linalg.norm(data - middle[:, np.newaxis], axis=2), axis=1)
        shifted = int((np.linalg.norm(middle, axis=1) > scale).sum())
        if shifted:
            notes.append(
                f"the location exceeds the scale{share(shifted)}, read as alpha = 1: pass centre='median'"
            )
    return tuple(notes)
