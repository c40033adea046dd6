"""
Neural networks
===============

:func:`desgd_fast.train` puts a fully connected network on every node, compiled as
:func:`desgd_fast.simulate` is; ``desgd_fast.torch.train`` (extra ``torch``) takes any ``torch.nn.Module``
with the same W, minibatches and records, on a GPU where there is one. In double precision the two agree step
for step, under every algorithm.
"""

import networkx as nx

import desgd_fast as dsf

images = dsf.images.digits()  # needs scikit-learn; dsf.images.mnist(folder) reads the files of MNIST
network = dsf.NeuralNetwork(images.features, images.labels, hidden=(64, 64))
W = dsf.mixing_matrix(nx.cycle_graph(8))
training = dsf.train(
    network, W, step_size=0.2, batch_size=5, n_steps=500, average_last=100, test=images.test, rng=0
)
training

# %%
# Recorded are every node's loss and accuracy, the accuracy of all nodes together, and how far apart they are.
# The tail index of each layer's weights, read as any other sample, with its interval:

for name, tail in zip(("first", "second", "last"), dsf.layer_tails(training, "tail_index"), strict=True):
    print(f"{name:<7} layer: alpha {tail.alpha[0]:.2f} [{tail.ci_low[0]:.2f}, {tail.ci_high[0]:.2f}]", end="")
    print("" if not tail.warnings else f"; {tail.warnings[0]}")

# %%
# Most weights of a trained layer have no power tail, and a warning says so: a number that ignores it is not a
# tail index. ``desgd-fast paper figure4a`` draws what the published estimator reads instead
# (:doc:`/published`).
#
# A network that is not trained has moments, too: how much a product of random layers stretches.

print(dsf.initialisation.log_norm([64] * 11, scale=1.4142, activation="relu"))
