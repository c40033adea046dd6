"""The tables of figures, from ``results.json``: ``python -m bench.readme`` writes the README's."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
README = _HERE.parent / "README.md"
RESULTS = _HERE / "results.json"
# What the README shows: the same work elsewhere, how cost grows, and goals that were missed.
TELLING = (
    "published-loop-cores",
    "numpy-same-algorithm",
    "jax-minibatch",
    "jax-same-algorithm",
    "gram-dimension",
    "logistic-jax",
    "networks: stacked PyTorch, 2 cores",
    "tails: hill, 1e+05 samples of 1000, k = 50, loop over powerlaw.Fit(xmin=)",
    "user-loss-gradient",
    "cold-start",
)
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def number(value: float) -> str:
    """Three digits, or all of a larger integer."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(results: dict[str, Any], names: Iterable[str] | None = None) -> str:
    """Return a Markdown table: each figure's median ratio, its quartiles and the goal set for it.

    Of those named, or of all.
    """
    machine = results["machine"]
    versions = ", ".join(
        f"{key} {machine[key]}" for key in ("numba", "numpy", "jax", "torch") if key in machine
    )
    rows = [
        "| time of … | over that of … | ratio | quartiles | goal |",
        "|---|---|--:|:-:|---|",
    ]
    figures = results["figures"]
    for figure in (figures[name] for name in (figures if names is None else names)):
        verdict = {None: "", True: figure["goal"], False: f"{figure['goal']}, missed"}[figure["met"]]
        seconds = f" ({number(figure['numerator_seconds'])} s)" if figure["goal"].endswith(" s") else ""
        where = f", on an {figure['processor']}" if "processor" in figure else ""
        rows.append(
            f"| {figure['numerator']}{seconds}{where} | {figure['denominator']} | {number(figure['ratio'])} "
            f"| {number(figure['ratio_low'])} – {number(figure['ratio_high'])} | {verdict} |"
        )
    usual = f"{machine['cores']} cores of an {machine['processor']}, where no other is named"
    rows += ["", f"Measured on {usual}; {versions}."]
    return "\n".join(rows)


def between_markers(text: str) -> str:
    """Return what stands between the README's markers."""
    return text.split(BEGIN, 1)[1].split(END, 1)[0].strip()


def main() -> None:
    """Rewrite the README's table."""
    text = README.read_text(encoding="utf-8")
    new = table(json.loads(RESULTS.read_text(encoding="utf-8")), TELLING)
    before, rest = text.split(BEGIN, 1)
    README.write_text(f"{before}{BEGIN}\n{new}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
