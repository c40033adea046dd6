"""What tests of several rooms share."""

from desgd_fast import algorithms

ORDERS = ("combine-then-adapt", "adapt-then-combine")


def ordered(order: str) -> algorithms.Algorithm:
    """The plain algorithm in this order."""
    return {
        "combine-then-adapt": algorithms.combine_then_adapt(),
        "adapt-then-combine": algorithms.adapt_then_combine(),
    }[order]
