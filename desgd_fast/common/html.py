"""Results as notebooks show them: a small table and a small picture, in the colours of the page around."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_WIDTH, _HEIGHT, _MARGIN = 220, 110, 14
# Points of a curve beyond this number cannot be told apart in so small a picture.
_POINTS = 80


def number(value: Any) -> str:
    """Four digits, or the value as it prints."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def card(title: str, rows: Iterable[tuple[str, Any]], picture: str = "", notes: Iterable[str] = ()) -> str:
    """A titled table of labels and values, its picture beside it and notes below."""
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(label)}</th>'
        f"<td>{escape(number(value))}</td></tr>"
        for label, value in rows
    )
    below = "".join(f"<div><small>{escape(note)}</small></div>" for note in notes)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:center">'
        f"<table><caption>{escape(title)}</caption><tbody>{body}</tbody></table>{picture}</div>{below}"
    )


def grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], notes: Iterable[str] = ()) -> str:
    """A titled table with a line of column names, and notes below."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(number(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    below = "".join(f"<div><small>{escape(note)}</small></div>" for note in notes)
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}"
    )


def interval(value: float, low: float, high: float) -> str:
    """A tail index and its interval on a line from 0, with a mark at 2: the variance is infinite below."""
    ends = [x for x in (value, low, high, 2.0) if math.isfinite(x)]
    scale = (_WIDTH - 2 * _MARGIN) / (1.1 * max(ends))
    place = [_MARGIN + scale * min(x, 1.1 * max(ends)) for x in (value, low, high, 2.0)]
    if not all(map(math.isfinite, place)):
        return ""
    shapes = (
        f'<path d="M{_MARGIN} 24H{_WIDTH - _MARGIN}" stroke-opacity=".3"/>'
        f'<path d="M{place[3]:.1f} 12V36" stroke-dasharray="3 3"/>'
        f'<path d="M{place[1]:.1f} 24H{place[2]:.1f}" stroke-width="3"/>'
        f'<circle cx="{place[0]:.1f}" cy="24" r="4" fill="currentColor"/>'
        f'<text x="{place[3]:.1f}" y="48" text-anchor="middle" stroke="none" fill="currentColor">2</text>'
    )
    told = f"alpha {number(value)}, interval {number(low)} to {number(high)}, beside 2"
    return _svg(shapes, told, 52)


def survival(values: ArrayLike) -> str:
    """How often a value exceeds t, both axes logarithmic; nothing where no value is positive."""
    ordered = np.sort(np.ravel(np.asarray(values, dtype=float)))[::-1]
    ordered = ordered[np.isfinite(ordered) & (ordered > 0)]
    if ordered.size < 2 or ordered[0] == ordered[-1]:
        return ""
    ranks = np.unique(np.geomspace(1, ordered.size, _POINTS).astype(np.int64))
    across, down = np.log(ordered[ranks - 1]), np.log(ranks / ordered.size)
    x = _MARGIN + (across - across.min()) / np.ptp(across) * (_WIDTH - 2 * _MARGIN)
    y = _MARGIN + (down.max() - down) / np.ptp(down) * (_HEIGHT - 2 * _MARGIN)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    told = f"survival function from {number(ordered[-1])} to {number(ordered[0])}, logarithmic axes"
    frame = f'<path d="M{_MARGIN} {_MARGIN}V{_HEIGHT - _MARGIN}H{_WIDTH - _MARGIN}" stroke-opacity=".3"/>'
    return _svg(f'{frame}<polyline points="{points}"/>', told, _HEIGHT)


def _svg(shapes: str, told: str, height: int) -> str:
    return (
        f'<svg role="img" aria-label="{escape(told)}" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" fill="none" stroke="currentColor" font-size="11">{shapes}</svg>'
    )
