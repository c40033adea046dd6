"""Entries of ``plan``: which steps of which runs to compute, and how; TILE counts the nodes of a tile."""

FIRST_STEP, N_STEPS, AVERAGE_FROM, FIRST_RUN, SHIFT, DIM, TILE, ADAPT_FIRST, DIRECT = range(9)
