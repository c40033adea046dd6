"""Seconds beside steps: how long a step takes when somebody is slow, and who waits for whom.

>>> import numpy as np, desgd_fast as dsf
>>> compute = dsf.walltime.draw_times(lambda rng, shape: 1 + rng.exponential(size=shape), 1000, 8, rng=0)
>>> clock = dsf.walltime.synchronous(compute)
>>> round(clock.seconds_per_step, 1)
3.7
"""

from desgd_fast.walltime.clock import Clock as Clock
from desgd_fast.walltime.coding import gradient_coding as gradient_coding
from desgd_fast.walltime.coding import multiplexed_coding as multiplexed_coding
from desgd_fast.walltime.coding import selective_repetition as selective_repetition
from desgd_fast.walltime.systems import buffered as buffered
from desgd_fast.walltime.systems import gossip as gossip
from desgd_fast.walltime.systems import synchronous as synchronous
from desgd_fast.walltime.times import draw_times as draw_times
from desgd_fast.walltime.times import read_times as read_times
