"""Figures and axes to draw on, and styles that stay apart in greyscale."""

from typing import TYPE_CHECKING

from desgd_fast.common import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour, line and marker change together; the colours (Okabe and Ito) also differ in lightness.
STYLES = (
    ("#000000", "-", "o"),
    ("#0072b2", "--", "s"),
    ("#d55e00", "-.", "^"),
    ("#009e73", ":", "D"),
    ("#cc79a7", (0, (5, 1)), "v"),
    ("#e69f00", (0, (3, 1, 1, 1)), "P"),
    ("#56b4e9", (0, (1, 1)), "X"),
)


def axes_or_new(ax: "Axes | None") -> "Axes":
    """The axes given, or those of a new figure."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'desgd-fast[plots]'") from error
    if ax is not None:
        check.instance("ax", ax, (Axes,))
        return ax
    return plt.subplots(layout="constrained")[1]


def new_figure(width: float, height: float, dpi: int = 150) -> "Figure":
    """An empty figure of this size in inches, without a window behind it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the picture needs matplotlib: pip install 'desgd-fast[plots]'") from error
    return Figure(figsize=(width, height), layout="constrained", dpi=dpi)
