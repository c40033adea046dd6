"""Pictures: matplotlib axes in, axes out; told apart by line style, so that they survive greyscale."""

from desgd_fast.plots.parameters import (
    frontier_plot,
    mark_frontiers,
    parameter_plot,
    published,
    published_cycle_plot,
    regime_plot,
    shade_no_law,
    tail_index_plot,
)
from desgd_fast.plots.runs import graph_plot, survival_plot
from desgd_fast.plots.samples import hill_plot, mean_excess, qq_plot, tail_plot

__all__ = [
    "frontier_plot",
    "graph_plot",
    "hill_plot",
    "mark_frontiers",
    "mean_excess",
    "parameter_plot",
    "published",
    "published_cycle_plot",
    "qq_plot",
    "regime_plot",
    "shade_no_law",
    "survival_plot",
    "tail_index_plot",
    "tail_plot",
]
