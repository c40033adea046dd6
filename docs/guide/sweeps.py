"""
Sweeps, on a laptop and on a cluster
====================================

:func:`desgd_fast.sweep` computes a function at every point of a grid and returns one labelled
:class:`xarray.Dataset`. What it computes is kept in a store: kill it, lose the machine, call it again,
and only what is missing is computed, to the same bits.
"""

import tempfile

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import desgd_fast as dsf

grid = {
    "graph": {"cycle": nx.cycle_graph(8), "star": nx.star_graph(7), "complete": nx.complete_graph(8)},
    "step_size": np.linspace(0.3, 0.6, 13).round(3).tolist(),
}
fixed = {"problem": dsf.GaussianRegression(dim=2), "batch_size": 1}
store = f"{tempfile.mkdtemp()}/growth.zarr"
ds = dsf.sweep(dsf.theory.second_moment_growth, grid, fixed=fixed, store=store)
print(ds.second_moment_growth.sel(step_size=0.5).to_series().round(4))

# %%
# It is xarray from here on: select, plot, save.

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (name, curve), style in zip(ds.second_moment_growth.groupby("graph"), ("-", "--", ":"), strict=True):
    ax.plot(ds.step_size, curve.squeeze(), style, color="black", label=name)
ax.axhline(1, color="0.8", linewidth=0.8, zorder=0)
ax.set(xlabel="step size η", ylabel="h(2) a step", title="Growth of the second moment on three graphs")
ax.legend()

# %%
# **More values on an axis?** Ask again; only the new cells are computed.

grid["step_size"].append(0.65)
ds = dsf.sweep(dsf.theory.second_moment_growth, grid, fixed=fixed, store=store)
print(f"{ds.attrs['cells_done']} cells done")

# %%
# **The function** may be :func:`desgd_fast.measure_tail` (simulate, then measure),
# :func:`desgd_fast.theory.tail_index`, or any of yours; every field of what it returns becomes a variable.
# A cell that raises is kept with its traceback while the others go on.
#
# **All cores of a laptop**: ``workers=8`` starts processes, which import your function, so it stands in a
# module; any ``concurrent.futures.Executor`` will do as well.
#
# **A cluster.** Start Dask's scheduler on one machine and workers on each, with one thread a worker:
#
# .. code-block:: console
#
#    $ dask scheduler
#    $ dask worker tcp://that-machine:8786 --nworkers 16 --nthreads 1
#
# .. code-block:: python
#
#    from distributed import Client
#
#    ds = dsf.sweep(
#        dsf.theory.tail_index, grid, fixed=fixed, store="s3://bucket/alpha.zarr", workers=Client("tcp://that-machine:8786")
#    )
#
# The store may be any URL that fsspec knows. Cells are seeded by their labels, so a cluster gives the bits
# of a laptop.
#
# **From the command line** a sweep is a TOML file:
#
# .. code-block:: console
#
#    $ desgd-fast sweep examples/sweep.toml --dry-run     # what it would cost
#    $ desgd-fast sweep examples/sweep.toml --workers 2
#    $ desgd-fast sweep examples/sweep.toml --resume      # after whatever stopped it
#    $ desgd-fast show desgd-fast-sweep.zarr --plot alpha.png
