"""Colours of edges: edges of one colour share no node, so that they are a matching."""

from desgd_fast.kernels.jit.compile import Integers, exact, kernel


@exact
def free_colour(indptr: Integers, colours: Integers, node: int, from_colour: int) -> int:
    """The first colour from this one on that no edge of the node has."""
    colour = from_colour
    e = indptr[node]
    while e < indptr[node + 1]:
        if colours[e] == colour:
            colour, e = colour + 1, indptr[node] - 1
        e += 1
    return colour


@exact
def entry_of_colour(indptr: Integers, colours: Integers, node: int, colour: int) -> int:
    """Where the node's edge of this colour stands, or −1."""
    for e in range(indptr[node], indptr[node + 1]):
        if colours[e] == colour:
            return e
    return -1


@exact
def swap_path(
    indptr: Integers,
    indices: Integers,
    mirror: Integers,
    colours: Integers,
    node: int,
    first: int,
    second: int,
) -> int:
    """Swap two colours along the path that leaves the node by ``first``; the node at its other end."""
    wanted, e = first, entry_of_colour(indptr, colours, node, first)
    while e >= 0:
        there, other = indices[e], first + second - wanted
        following = entry_of_colour(indptr, colours, there, other)
        colours[e], colours[mirror[e]] = other, other
        node, wanted, e = there, other, following
    return node


@kernel()
def colour_edges(indptr: Integers, indices: Integers, mirror: Integers, colours: Integers) -> None:
    """Colours of a symmetric graph's entries, ``mirror`` the entry of the other way.

    An edge takes the first colour that both its ends have free; where the first that one of them has is
    not the other's, the path of these two colours from there is swapped, unless it joins the two. Bipartite
    graphs come out with as many colours as their largest degree (Kőnig 1916), others with fewer than twice.
    """
    colours[:] = -1
    for node in range(indptr.size - 1):
        for e in range(indptr[node], indptr[node + 1]):
            there = indices[e]
            if there < node:
                continue
            ours = free_colour(indptr, colours, node, 0)
            theirs = free_colour(indptr, colours, there, 0)
            if ours != theirs and entry_of_colour(indptr, colours, there, ours) >= 0:
                # After the swap both have ours free, unless the path ended here.
                end = swap_path(indptr, indices, mirror, colours, there, ours, theirs)
                if end == node:
                    swap_path(indptr, indices, mirror, colours, there, theirs, ours)
                    while ours != theirs:
                        ours = free_colour(indptr, colours, node, max(ours, theirs))
                        theirs = free_colour(indptr, colours, there, ours)
            colours[e], colours[mirror[e]] = ours, ours
