"""What rules are checked for."""

import math
from typing import Any

from desgd_fast.common.check.values import flag, integer, non_negative_number, number, positive_number


def update_rule(
    momentum: Any, nesterov: Any, tracking: Any, weight_decay: Any, clip_norm: Any, local_steps: Any
) -> None:
    """The numbers of an update rule, and that they go together."""
    number("momentum", momentum, "a number from 0 to below 1", lambda result: 0 <= result < 1)
    flag("nesterov", nesterov)
    if flag("tracking", tracking) and momentum != 0:
        raise ValueError(f"tracking excludes momentum, got momentum={momentum!r}")
    non_negative_number("weight_decay", weight_decay)
    if clip_norm != math.inf:
        positive_number("clip_norm", clip_norm)
    integer("local_steps", local_steps, 1, 2**32)
