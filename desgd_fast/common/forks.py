"""Whether this process was forked from one that had started OpenMP, which does not survive it.

Numba aborts such a process, or it hangs, at its first parallel kernel. Whose kernel it was that started
OpenMP makes no difference, so that the package looks at every fork from its import on.
"""

import contextlib
import os
import sys

_lost = False


def openmp_lost() -> bool:
    """Whether parallel kernels cannot run here any more."""
    return _lost


def _look() -> None:
    global _lost
    layer = getattr(sys.modules.get("numba"), "threading_layer", None)
    if layer is None:
        return
    with contextlib.suppress(ValueError):  # no parallel kernel has run
        _lost = _lost or layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look)
