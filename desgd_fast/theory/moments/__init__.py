"""Exact second moments of every linear algorithm on every problem: one step, stage by stage, on moments.

What the step loop does to iterates is done here to E[S Sᵀ], S the iterates and memory of all nodes:
gradients, local rules and messages node by node (:mod:`.parts`, :mod:`.gradients`), mixing over the
network's own randomness (:mod:`.rounds`), and what these add up to (:mod:`.recursion`).
"""

from desgd_fast.theory.moments.question import has_closed_law as has_closed_law
from desgd_fast.theory.moments.question import recursion as recursion
