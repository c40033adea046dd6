"""Formulas as MathML, which browsers draw themselves: nothing is fetched, and screen readers read it."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(writer: Any, node: nodes.math_block) -> None:
    formula = convert(node.astext(), display="block")
    number = ""
    if node["number"]:
        link = f'<a class="headerlink" href="#{node["ids"][0]}" title="Link to this equation">#</a>'
        number = f'<span class="eqno">({get_node_equation_number(writer, node)}){link}</span>'
    anchor = f' id="{node["ids"][0]}"' if node["ids"] else ""
    writer.body.append(
        f'<div class="formula"{anchor} tabindex="0" role="group" aria-label="formula">'
        f"{formula}{number}</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer that ``html_math_renderer`` names."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
