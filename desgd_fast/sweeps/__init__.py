"""A function at every point of a grid, on any executor, with a store on disk."""

from desgd_fast.sweeps.sweeping import estimate as estimate
from desgd_fast.sweeps.sweeping import open_store as open_store
from desgd_fast.sweeps.sweeping import sweep as sweep
