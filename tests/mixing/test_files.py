"""Graphs in files: the graph that was written whatever the format, or a refusal that names file and line."""

import gzip
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf

RING = {frozenset(edge) for edge in ("01", "12", "23", "30")}


def read(folder: Path, name: str, content: str | bytes) -> "dsf.mixing.GraphFile":
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return dsf.mixing.read_graph(path)


def edges(graph: nx.Graph) -> set[frozenset]:
    return {frozenset(map(str, edge)) for edge in graph.edges()}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ring.edges", "0 1\n1 2\n2 3\n3 0\n", "4 nodes, 4 edges, unweighted"),
        ("ring.txt", "0, 1\n1, 2\n2, 3\n3, 0\n", "unweighted"),
        ("ring.txt", "\ufeff0\t1\n1\t2\n2 3\n3\t0", "unweighted"),
        ("ring.csv", "0;1\r\n1;2\r\n2;3\r\n3;0\r\n", "unweighted"),
        ("ring.csv", "source,target\n0,1\n1,2\n2,3\n3,0\n", "header in line 1"),
        ("ring.csv", "person friend\n0 1\n1 2\n2 3\n3 0\n", "header in line 1"),
        ("ring.edges", "# who knows whom\n% sym\n0 1\n\n1 2\n2 3\n3 0\n0 3\n", "4 edges"),
        ("ring.edges", "0 1 {}\n1 2 {}\n2 3 {'colour': 3}\n3 0 {}\n", "unweighted"),
        ("ring.edges", "0 1 1\n1 2 1\n2 3 1\n3 0 1.0\n", "unweighted"),
        ("ring.EDGES", "0 1\n1 2\n2 3\n3 0\n3 3\n", "1 from a node to itself ignored"),
        ("ring.adjlist", "0 1 3\n1 0 2\n2 1 3\n3 0 2\n", "unweighted"),
        ("ring.ADJLIST", "#\n0 1 3\n1 2\n2 3\n3\n", "4 nodes, 4 edges"),
    ],
)
def test_a_ring_of_four_is_one(tmp_path: Path, name: str, text: str, words: str) -> None:
    for content, suffix in ((text.encode(), ""), (gzip.compress(text.encode()), ".gz")):
        found = read(tmp_path, name + suffix, content)
        assert edges(found.graph) - {frozenset("3")} == RING
        assert found.weight is None
        assert words in found.description


@pytest.mark.parametrize("suffix", ["graphml", "GraphML", "gml", "GML", "gexf", "adjlist"])
def test_formats_go_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    getattr(nx, f"write_{suffix.lower()}")(nx.cycle_graph(4), tmp_path / "ring")
    found = read(tmp_path, f"ring.{suffix}", (tmp_path / "ring").read_bytes())
    assert edges(found.graph) == RING
    assert "4 nodes, 4 edges, unweighted" in found.description


@pytest.mark.parametrize("suffix", ["graphml", "gml", "gexf", "edges", "csv"])
def test_weights_are_used(tmp_path: Path, suffix: str) -> None:
    graph = nx.Graph()
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "c", 0.5), ("c", "a", 3.25)])
    if suffix == "csv":
        (tmp_path / "g").write_text("source,target,weight\na,b,2\nb,c,.5\nc,a,3.25\n")
    else:
        getattr(nx, f"write_{suffix.replace('edges', 'edgelist')}")(graph, tmp_path / "g")
    found = read(tmp_path, f"g.{suffix}", (tmp_path / "g").read_bytes())
    assert "3 nodes, 3 edges, weighted" in found.description
    np.testing.assert_array_equal(
        dsf.mixing_matrix(found.graph, weight=found.weight).toarray(),
        dsf.mixing_matrix(graph, weight="weight").toarray(),
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.edges", "", "holds no edges"),
        ("g.edges", "# nothing\n", "holds no edges"),
        ("g.edges", "0 1\n1\n", "line 2: '1' is no edge"),
        ("g.edges", "# c\n0 1 2 3\n", "line 2: '0 1 2 3' is no edge"),
        ("g.edges", "0 1 2.5\n1 2\n", "line 2: no weight, where line 1 has one"),
        ("g.edges", "0 1\n1 2 2.5\n", "line 2: a weight, where line 1 has none"),
        ("g.edges", "0 1 2.5\n1 2 heavy\n", "line 2: a weight must be a positive number, got 'heavy'"),
        ("g.edges", "0 1 2.5\n1 2 -1\n", "line 2: a weight must be a positive number, got -1"),
        ("g.edges", "0 1 2.5\n1 0 3.5\n", "line 2: 1 – 0 has weight 2.5 above, 3.5 here"),
        ("g.edges", "0 1 3\n1 0 2\n2 1 3\n3 2 0\n", "line 1: may be a node and two neighbours"),
        ("g.edges", "0 1 2\n1 0 2\n2 0 1\n", "line 1: may be a node and two neighbours"),
        ("g.edges", "4 4 4\n0 1 2.5\n1 2 2.5\n2 3 2.5\n3 0 2.5\n", "line 1: may be numbers of nodes and"),
        ("g.edges", "4 4\n0 1\n1 2\n2 3\n3 0\n", "line 1: may be numbers of nodes and edges"),
        ("g.edges", "person friend\na b\nb c\n", "line 1: friend and person stand on no other line"),
        ("g.edges", "source target\n", "line 1: a header, but no edges below it"),
        ("g.edges", "a b c\nb c 1\n", "line 1: a weight must be a positive number, got 'c'"),
        ("g.txt", "0,0 0,1\n0,1 1,1\n", "line 1: can be cut at more than one separator"),
        ("g.edges", '"a b\n', "line 1: a quote that does not close"),
        ("g.edges", "0 1 {'weight': }\n", "line 1: "),
        ("g.edges", "0 1 {'weight': 'x'}\n", "must be a positive number"),
        ("g.mtx", "%%MatrixMarket matrix\n4 4 8\n1 2 1\n", "must end in one of .graphml"),
        ("g.graphml", "<graphml>", r"line 1"),
        ("g.gml", "graph [ node [ id 0", "no graph can be read"),
        ("g.gexf", "not at all", "line 1"),
        ("g.edges", b"\xe4 b\n", "line 1: no text in UTF-8"),
    ],
)
def test_everything_else_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read(tmp_path, name, text)
    assert name in str(refused.value)


def test_directed_and_partly_weighted_graphs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.graphml"
    nx.write_graphml(nx.DiGraph([(0, 1)]), path)
    with pytest.raises(ValueError, match=r"g\.graphml.* holds a directed graph"):
        dsf.mixing.read_graph(path)
    graph = nx.path_graph(3)
    graph[0][1]["weight"] = 2.0
    nx.write_graphml(graph, path)
    with pytest.raises(ValueError, match="has weights on some edges, but none on '1' – '2'"):
        dsf.mixing.read_graph(path)


NUMBERED = st.sampled_from(["0", "1", "2", "3", "4", "10"])
NAMED = st.sampled_from(["ann", "bob", "New York", "c,d"])


@given(
    links=st.one_of(st.lists(st.tuples(kind, kind), min_size=1, max_size=8) for kind in (NUMBERED, NAMED)),
    mark=st.sampled_from([",", ";", "\t", " ", ", "]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark_first=st.booleans(),
    weights=st.none() | st.lists(st.sampled_from(["1", "2", "0.5", "2e3"]), min_size=8, max_size=8),
    header=st.sampled_from([None, "source target weight", "person friend strength"]),
    suffix=st.sampled_from(["edges", "csv", "tsv", "txt"]),
)
def test_written_edges_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    links: list[tuple[str, str]],
    mark: str,
    end: str,
    mark_first: bool,
    weights: list[str] | None,
    header: str | None,
    suffix: str,
) -> None:
    rows = [list(link) if weights is None else [*link, weights[k]] for k, link in enumerate(links)]
    if header is not None:
        rows.insert(0, header.split()[: len(rows[0])])
    quoted = [[f'"{cell}"' if set(cell) & set(" ,") else cell for cell in row] for row in rows]
    text = "\ufeff" * mark_first + end.join(mark.join(row) for row in quoted)
    folder = tmp_path_factory.getbasetemp()
    try:
        found = read(folder, f"fuzz.{suffix}", text)
    except ValueError as error:
        if f"fuzz.{suffix}" not in str(error):
            raise
        return
    assert edges(found.graph) == {frozenset(link) for link in links}
    assert set(found.graph) == {node for link in links for node in link}
    if weights is not None:
        for k, (start, end_) in enumerate(links):
            assert found.graph[start][end_]["weight"] == float(weights[k])


@given(
    content=st.text(alphabet="01ab ,;\t\n\r#%{}'\"<>[]/graphml=", max_size=60) | st.binary(max_size=40),
    suffix=st.sampled_from(["edges", "csv", "adjlist", "gml", "graphml", "gexf"]),
)
def test_anything_is_a_graph_or_refused_by_its_name(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes, suffix: str
) -> None:
    try:
        found = read(tmp_path_factory.getbasetemp(), f"any.{suffix}", content)
    except ValueError as error:
        if f"any.{suffix}" not in str(error):
            raise
    else:
        assert len(found.graph)
