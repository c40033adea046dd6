r"""
Start in five minutes
=====================

From an empty environment to a tail index of your own numbers.

**Install.** In the folder of the source code, with Python 3.11 or newer:

.. code-block:: console

   $ python3 -m venv .venv
   $ .venv/bin/pip install ".[cli]"
   $ source .venv/bin/activate          # on Windows: .venv\Scripts\activate

**A column of numbers.** Have a CSV with a header line, whatever separates its cells? Name the file and
the column:

.. code-block:: console

   $ desgd-fast tail examples/diabetes.csv --column target
   $ desgd-fast tail yours.csv --column losses

The first line of the answer says what was read, whatever separates cells and decimals. Then come the
estimates with their intervals, of which "tail index" is the one to quote, unless a note says that no power
tail is seen; ``tail.png`` is the picture. The first call compiles for some twenty seconds; the next ones
start at once.

**Decentralized SGD on your table.** Every column but the target is a feature; the rows are dealt out to
eight nodes on a ring. There are ten thousand independent runs of stochastic gradient descent, of a thousand
steps each:

.. code-block:: console

   $ desgd-fast run --data examples/diabetes.csv --target target
   $ desgd-fast run --data yours.csv --target price --graph star --n-nodes 16

Reading the answer, which takes a minute or two at first, most of it compiling:

- *computed tail index* is α by theory, of these data; *made by* names the record that makes the tail, if one
  does. Theory alone, without runs: ``desgd-fast alpha --data yours.csv --target price``.
- *distances at half time and end*: whether the runs have settled into a stationary law.
- The table below has α as measured on the runs, for every node and for all of them together (*stacked*). On
  real data one record often makes the tail, and ten thousand runs may be too few to see it: then the computed
  index is the answer, and a note says how many runs would show it.

Results lie in ``desgd-fast-run/``; ``--out`` names another folder. ``desgd-fast run --help`` lists the rest,
and :doc:`/command_line` shows it here.

**In Python** the same two things are two calls. First the numbers of a column:
"""

import numpy as np

import desgd_fast as dsf

folder = "../../examples"  # from the folder of this page
column = np.genfromtxt(f"{folder}/diabetes.csv", delimiter=",", names=True)["target"]
print(dsf.tails.tail_index(column))

# %%
# This column has no power tail, and a warning says so: then the number is not to be quoted. A sample that
# has one:

rng = np.random.default_rng(0)
print(dsf.tails.tail_index(rng.standard_t(3, size=10_000)))

# %%
# Now the descent. A problem, a graph, a step size; :func:`desgd_fast.theory.critical_step_size` tells where
# the variance becomes infinite, so that the step size need not be guessed:

import networkx as nx

problem = dsf.GaussianRegression(dim=2)  # yours: dsf.DatasetRegression.from_csv("yours.csv", "price")
W = dsf.mixing_matrix(nx.cycle_graph(8))
frontier = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance"))
runs = dsf.simulate(problem, W, step_size=0.9 * frontier, batch_size=1, n_steps=500, n_runs=20_000, rng=0)
tail = dsf.tails.tail_index(runs.norms(stacked=True))
tail

# %%
# Theory needs no runs to say what it should be:

print(dsf.theory.tail_index(problem, W, step_size=0.9 * frontier, batch_size=1, rtol=0.02, rng=0).alpha)

# %%
# **Read on.** :doc:`three_instruments` puts simulation, theory and estimate on one line;
# :doc:`any_heavy_tail` needs no SGD at all; :doc:`own_data`, :doc:`own_loss` and :doc:`own_algorithm` are
# about yours. ``desgd-fast doctor`` prints what a bug report should hold.
