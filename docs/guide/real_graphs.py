"""
Real graphs
===========

Any undirected graph will do: from networkx, from a matrix, or from a file. Here are three that people
measured.
"""

import matplotlib.pyplot as plt
import networkx as nx

import desgd_fast as dsf

graphs = {
    "karate club": nx.karate_club_graph(),
    "Florentine families": nx.florentine_families_graph(),
    "Les Misérables": nx.les_miserables_graph(),
}
problem = dsf.GaussianRegression(dim=2)
frontiers = {}
for name, graph in graphs.items():
    W = dsf.mixing_matrix(graph)
    report = dsf.mixing_report(W)
    variance = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance"))
    print(f"{name:<20} {report.n_nodes:>3} nodes, spectral gap {report.spectral_gap:.4f}", end="")
    print(f", infinite variance from step size {variance:.4f}")
    frontiers[name] = variance

# %%
# **Weights.** ``rule`` says how edges are weighted: Metropolis by default, which needs only the neighbours'
# degrees. The report prints as a table, and says where a matrix of yours is not doubly stochastic:

karate = graphs["karate club"]
for rule in ("metropolis", "max-degree", "best-constant"):
    report = dsf.mixing_report(dsf.mixing_matrix(karate, rule))
    print(f"{rule:<14} gap {report.spectral_gap:.4f}, smallest eigenvalue {report.smallest_eigenvalue:.3f}")

# %%
# **Who is hit hardest?** Members with few neighbours stray farthest: the tail index of every node, on the
# graph.

W = dsf.mixing_matrix(karate)
runs = dsf.simulate(
    problem,
    W,
    step_size=0.95 * frontiers["karate club"],
    batch_size=1,
    n_steps=400,
    n_runs=4000,
    keep="norms",
    rng=0,
)
tail = dsf.tails.hill(runs.norms(), 0.02, axis=0)
place = nx.spring_layout(karate, seed=3)
fig, ax = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
drawn = nx.draw_networkx_nodes(
    karate, place, node_color=tail.alpha, cmap="Greys_r", edgecolors="black", ax=ax
)
nx.draw_networkx_edges(karate, place, edge_color="0.6", ax=ax)
fig.colorbar(drawn, label="tail index α")
ax.set_title("Tail index of every member of the karate club")
ax.set_axis_off()

# %%
# **From a file.** :func:`desgd_fast.mixing.read_graph` takes GraphML, GML, GEXF, adjacency lists and edge
# lists, with or without weights; on the command line it is ``--graph FILE``:
#
# .. code-block:: console
#
#    $ desgd-fast frontier --graph network.graphml --dim 10 --batch-size 5
#
# **Networks that change.** W may be a process, which draws another matrix at every step:

W = dsf.mixing.link_failures(karate, 0.3)
runs = dsf.simulate(problem, W, step_size=0.3, batch_size=1, n_steps=400, n_runs=2000, keep="norms", rng=0)
print(f"with a third of the links failing: mean distance {runs.norms().mean():.3f}")
