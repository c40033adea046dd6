"""How a node, or a server, combines what it receives: robust aggregations, and what is put around them.

An aggregation is a function of (out, received, weights, own, parameters): row i of ``received`` came from a
neighbour whose weight in W is ``weights[i]``, row ``own`` is the node's (−1 if W gives it no weight). The
sizes of the weights do not matter to those of this room: W says who is a neighbour.
"""
