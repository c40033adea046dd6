"""Local rules: what a node makes of its minibatch gradient.

A local rule is a function of (direction, iterate, memory, normals, uniforms, parameters) that changes
``direction`` in place: the gradient, or what the rule before it made. ``iterate`` and ``direction`` are
vectors of one node, ``memory[v]`` the vectors it keeps (of at least as many places), which start at zero.
"""
