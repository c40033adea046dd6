"""Graphs in files: edge lists, adjacency lists, GraphML, GML and GEXF; every other line is refused."""

import csv
import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desgd_fast.common.files import contents
from desgd_fast.common.files.dialects import NUMBER, place

if TYPE_CHECKING:
    import networkx as nx

WEIGHT = "weight"

# What edge lists are called; other suffixes are other formats.
_EDGE_LISTS = ("", ".edges", ".edgelist", ".csv", ".tsv", ".txt", ".dat", ".el", ".ncol")

# First lines that say what the columns are, whatever the nodes are called.
_HEADERS = ({"source", "target"}, {"from", "to"}, {"node1", "node2"})

Line = tuple[int, list[str]]


@dataclass(frozen=True, eq=False)
class GraphFile:
    r"""A graph as a file has it.

    Attributes
    ----------
    graph : networkx.Graph
        Nodes in the order of the file; edges with the attribute ``"weight"`` where they have one.
    weight : str or None
        ``"weight"`` if edges have weights other than 1, as :func:`desgd_fast.mixing_matrix` takes it.
    description : str
        What was read, in a line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from desgd_fast import mixing
    >>> path = Path(tempfile.mkdtemp()) / "ring.edges"
    >>> _ = path.write_text("a b 2.5\nb c 1\nc a 1\n")
    >>> ring = mixing.read_graph(path)
    >>> ring.graph.number_of_edges(), ring.weight
    (3, 'weight')
    """

    graph: "nx.Graph[Any]"
    weight: str | None
    description: str


def read_graph(path: Any, *, argument: str = "path") -> GraphFile:
    r"""The graph in a file, by its suffix.

    ``.graphml``, ``.gml``, ``.gexf`` and ``.adjlist`` (a node and its neighbours on every line), in any case
    and gzipped or not; ``.edges``, ``.edgelist``, ``.csv``, ``.tsv``, ``.txt`` and the like hold an edge
    list: two nodes a line, or two nodes and a weight, between commas, semicolons, tabs or blanks. Lines that
    begin with # or % are comments.

    Parameters
    ----------
    path : str or path
        The file.
    argument : str
        What to call it in messages.

    Returns
    -------
    GraphFile

    Raises
    ------
    ValueError, TypeError
        If the file is absent or damaged, a line is no edge, the first line may be a header or an edge, the
        graph is directed, or some edges have weights and others none; the message names file and line.

    Examples
    --------
    >>> from pathlib import Path; from tempfile import mkdtemp
    >>> import desgd_fast as dsf
    >>> path = Path(mkdtemp(), "ring.edges")
    >>> _ = path.write_text("source, target\n0, 1\n1, 2\n2, 0\n")
    >>> dsf.mixing.read_graph(path).graph.number_of_nodes()
    3
    """
    data = contents.content(argument, path)
    label = str(path)
    suffix = Path(label.lower().removesuffix(".gz")).suffix
    parsers: dict[str, Callable[[bytes], nx.Graph[Any]]] = {
        ".graphml": _graphml,
        ".gexf": _gexf,
        ".gml": _gml,
    }
    header = ""
    if suffix in parsers:
        graph = _parsed(argument, label, data, parsers[suffix])
    elif suffix not in (*_EDGE_LISTS, ".adjlist"):
        known = ", ".join((*parsers, ".adjlist", *_EDGE_LISTS[1:]))
        raise ValueError(f"{argument} must end in one of {known}, got {label!r}")
    else:
        lines = _Lines(argument, label, contents.text(argument, label, data), suffix)
        graph, header = lines.adjacency() if suffix == ".adjlist" else lines.edges()
    where = place(argument, label, 0)
    if graph.is_directed():
        raise ValueError(f"{where} holds a directed graph; save it undirected")
    if not graph:
        raise ValueError(f"{where} holds a graph without nodes")
    weight = _weight(where, graph)
    loops = sum(1 for start, end in graph.edges() if start == end)
    count = graph.number_of_edges() - loops
    parts = [
        f"{label}: {len(graph)} node{'s' * (len(graph) != 1)}",
        f"{count} edge{'s' * (count != 1)}",
        "weighted" if weight else "unweighted",
        *([f"{loops} from a node to itself ignored"] if loops else []),
        *([header] if header else []),
    ]
    return GraphFile(graph, weight, ", ".join(parts))


def _graphml(data: bytes) -> "nx.Graph[Any]":
    import networkx as nx

    return nx.read_graphml(io.BytesIO(data))


def _gexf(data: bytes) -> "nx.Graph[Any]":
    import networkx as nx

    return nx.read_gexf(io.BytesIO(data))


def _gml(data: bytes) -> "nx.Graph[Any]":
    import networkx as nx

    # Labels need not be there, nor differ; ids must.
    return nx.parse_gml(contents.text("GML", "", data), label="id")


def _parsed(
    argument: str, label: str, data: bytes, parser: Callable[[bytes], "nx.Graph[Any]"]
) -> "nx.Graph[Any]":
    try:
        with warnings.catch_warnings():
            # What networkx cannot read it warns of, and leaves out.
            warnings.simplefilter("error", UserWarning)
            return parser(data)
    except Exception as error:
        # networkx passes on whatever its parsers raise.
        why = str(error) or type(error).__name__
        raise ValueError(f"{place(argument, label, 0)}: no graph can be read: {why}") from None


def _weight(where: str, graph: "nx.Graph[Any]") -> str | None:
    """The attribute of weights; None where no edge has it, or all are 1."""
    edges = [*graph.edges(data=WEIGHT)]
    bare = [edge for edge in edges if edge[2] is None]
    if len(bare) == len(edges):
        return None
    if bare:
        raise ValueError(f"{where} has weights on some edges, but none on {bare[0][0]!r} – {bare[0][1]!r}")
    for start, end, value in edges:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(
                f"{where}: the weight of {start!r} – {end!r} must be a positive number, got {value!r}"
            )
    return None if all(value == 1 for _, _, value in edges) else WEIGHT


class _Lines:
    """Lines of names between separators."""

    def __init__(self, argument: str, label: str, text: str, suffix: str) -> None:
        self.argument, self.label, self.suffix = argument, label, suffix
        self.lines = [
            (number, line.strip())
            for number, line in enumerate(io.StringIO(text, newline=None), 1)
            if line.strip() and line.lstrip()[0] not in "#%"
        ]
        if not self.lines:
            raise self._refusal(0, "holds no edges")

    def _refusal(self, line: int, why: str) -> ValueError:
        return ValueError(f"{place(self.argument, self.label, line)}{':' * (line > 0)} {why}")

    def edges(self) -> tuple["nx.Graph[Any]", str]:
        """Two nodes a line, or two nodes and a weight; and what is said of a header."""
        import networkx as nx

        dictionaries = all(line.endswith("}") and "{" in line for _, line in self.lines)
        if dictionaries:
            return self._edges_of_networkx(), ""
        found = self._cells(self._edge)
        width = len(found[0][1])
        for number, cells in found:
            if len(cells) != width:
                odd, even = ("no", "one") if width == 3 else ("a", "none")
                raise self._refusal(number, f"{odd} weight, where line {found[0][0]} has {even}")
        header = self._header(found, [cells[:2] for _, cells in found])
        found = found[1:] if header else found
        self._no_counts(found)
        self._no_neighbours(found)
        graph = nx.Graph()
        for number, (start, end, *weight) in found:
            value = float(weight[0]) if weight else None
            if value is not None and not 0 < value < math.inf:
                raise self._refusal(number, f"a weight must be a positive number, got {weight[0]}")
            known = graph.get_edge_data(start, end)
            if known is not None and known.get(WEIGHT) != value:
                raise self._refusal(
                    number, f"{start} – {end} has weight {known[WEIGHT]:g} above, {value:g} here"
                )
            graph.add_edge(start, end, **({} if value is None else {WEIGHT: value}))
        return graph, header

    def _edges_of_networkx(self) -> "nx.Graph[Any]":
        """Edges with a dictionary of attributes, as networkx writes them."""
        import networkx as nx

        graph = nx.Graph()
        for number, line in self.lines:
            try:
                one = nx.parse_edgelist([line], comments=None)
            except TypeError as error:
                raise self._refusal(number, str(error)) from None
            if one.number_of_edges() != 1:
                raise self._refusal(number, "an edge is two nodes and {attributes}")
            graph.add_nodes_from(one)
            graph.add_edges_from(one.edges(data=True))
        return graph

    def adjacency(self) -> tuple["nx.Graph[Any]", str]:
        """A node and its neighbours on every line; and what is said of a header."""
        import networkx as nx

        found = self._cells(lambda cells: bool(cells) and all(cells))
        header = self._header(found, [cells for _, cells in found])
        graph = nx.Graph()
        for _, (node, *neighbours) in found[1:] if header else found:
            graph.add_node(node)
            graph.add_edges_from((node, neighbour) for neighbour in neighbours)
        return graph, header

    @staticmethod
    def _edge(cells: Sequence[str]) -> bool:
        return len(cells) in (2, 3) and all(cells)

    def _cells(self, fits: Callable[[Sequence[str]], bool]) -> list[Line]:
        """Every line cut at the one separator that makes sense."""
        whole = "\n".join(line for _, line in self.lines)
        marks = [mark for mark in ",;\t " if mark in whole] or [" "]
        # These names say which, and leave blanks to the names of nodes.
        kind = {".csv": ",;", ".tsv": "\t"}.get(self.suffix, "")
        marks = [mark for mark in marks if mark in kind] or marks
        readings: list[list[Line]] = []
        refusals: list[ValueError] = []
        for mark in marks:
            try:
                reading = self._cut(mark, fits)
            except ValueError as error:
                refusals.append(error)
            else:
                if reading not in readings:
                    readings.append(reading)
        if not readings:
            raise refusals[0]
        if len(readings) > 1:
            line = next(a[0] for a, b in zip(*readings[:2], strict=True) if a != b)
            raise self._refusal(
                line,
                "can be cut at more than one separator; put names of nodes in quotes, or use .csv or .tsv",
            )
        return readings[0]

    def _cut(self, mark: str, fits: Callable[[Sequence[str]], bool]) -> list[Line]:
        found: list[Line] = []
        for number, line in self.lines:
            text = line.replace("\t", " ") if mark == " " else line
            try:
                (row,) = csv.reader([text], delimiter=mark, skipinitialspace=True, strict=True)
            except csv.Error:
                raise self._refusal(number, "a quote that does not close, or text behind one") from None
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            # A quote or a tab inside a name, a comma at its end: cut at the wrong places.
            torn = any('"' in cell or "\t" in cell for cell in cells)
            torn = torn or (mark == " " and any({cell[:1], cell[-1:]} & {",", ";"} for cell in cells))
            if torn or not fits(cells):
                raise self._refusal(
                    number, f"{line[:60]!r} is no edge, which is two nodes, or two nodes and a weight"
                )
            if fits == self._edge and len(cells) == 3 and found and not self._number(cells[2]):
                raise self._refusal(number, f"a weight must be a positive number, got {cells[2]!r}")
            found.append((number, cells))
        return found

    @staticmethod
    def _number(cell: str) -> bool:
        return NUMBER["."].fullmatch(cell) is not None

    def _header(self, found: Sequence[Line], names: Sequence[Sequence[str]]) -> str:
        """What to say of a first line that is a header; empty where it is none."""
        number, first = found[0]
        here, elsewhere = set(names[0]), {name for row in names[1:] for name in row}
        worded = len(first) == 3 and names[0] != first and not self._number(first[2])
        words = {name.lower() for name in here} in _HEADERS
        alone = not here & elsewhere
        unlike = bool(elsewhere) and all(map(self._number, elsewhere)) and not any(map(self._number, here))
        titles = unlike and len(here) == len(first)
        if alone and elsewhere and (worded or words or titles):
            return f"header in line {number}"
        if worded:
            raise self._refusal(number, f"a weight must be a positive number, got {first[2]!r}")
        if words and not elsewhere:
            raise self._refusal(number, "a header, but no edges below it")
        if alone and elsewhere and len(here) > 1 and not all(map(self._number, here)):
            raise self._refusal(
                number,
                f"{' and '.join(sorted(here)[:2])} stand on no other line: put # before a header, "
                "and an edge further down",
            )
        return ""

    def _no_counts(self, found: Sequence[Line]) -> None:
        """Numbers of nodes and edges above them are no edge."""
        number, first = found[0]
        nodes = {name for _, cells in found[1:] for name in cells[:2]}
        n_nodes, n_lines = str(len(nodes)), str(len(found) - 1)
        if len(found) > 2 and first in ([n_nodes, n_lines], [n_nodes, n_nodes, n_lines]):
            raise self._refusal(
                number,
                "may be numbers of nodes and edges: put # before them, and an edge further down",
            )

    def _no_neighbours(self, found: Sequence[Line]) -> None:
        """A node and two neighbours a line are no weighted edges."""
        if len(found[0][1]) != 3:
            return
        starts = [cells[0] for _, cells in found]
        nodes = {name for _, cells in found for name in cells[:2]}
        if len(nodes) == len(starts) == len(set(starts)) and all(
            len(set(cells)) == 3 and cells[2] in nodes for _, cells in found
        ):
            raise self._refusal(
                found[0][0],
                "may be a node and two neighbours: call such a file .adjlist, or write weights with decimals",
            )
