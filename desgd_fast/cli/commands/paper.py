"""``desgd-fast paper``: the published figures done again."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from desgd_fast.cli.options import given

Figure = Literal[
    "figure1", "figure2", "figure3i", "figure3ii", "figure4a", "figure6", "figure7-left", "figure7-right"
]
Preset = Literal["paper", "corrected"]


def paper(
    context: typer.Context,
    name: Annotated[Figure, typer.Argument(help="Which figure of arXiv 2205.06689.")],
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Few points and short runs, in a minute: a look, not a comparison."),
    ] = False,
    preset: Annotated[
        Preset, typer.Option(help="Follow the published code where it departs from its text, or the text.")
    ] = "paper",
    out: Annotated[
        Path, typer.Option(help="Folder for Zarr, CSV and PNG; made if missing.", file_okay=False)
    ] = Path("desgd-fast-paper"),
    workers: Annotated[int, typer.Option(help="Processes; 1 computes here with all threads.")] = 1,
    rng: Annotated[int, typer.Option(help="Seed: the same one gives the same numbers.")] = 0,
    mnist: Annotated[
        Path | None,
        typer.Option(help="Folder with the files of MNIST: figure4a at its published size.", file_okay=False),
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show a progress bar.")] = False,
) -> dict[str, Any]:
    """Compute a published figure again: alpha by theory, measured on simulated runs, and as printed.

    Ends with a table of published values, ours, and the difference in standard errors. Stopped halfway, the
    same command goes on where it was.
    """
    from desgd_fast import paper as figures
    from desgd_fast.paper.figures import Map
    from desgd_fast.paper.training import Layers

    experiment = figures.EXPERIMENTS[name]
    if isinstance(experiment, Map):
        given.refuse(context, ("workers", "progress"), f"changes nothing with {name}, which takes seconds")
    if not isinstance(experiment, Layers):
        given.refuse(context, ["mnist"], f"changes nothing with {name}, which has no images")
    typer.echo(experiment.title)
    for quirk in experiment.quirks if preset == "paper" else ():
        typer.echo(f"  as published: {quirk}")
    out.mkdir(parents=True, exist_ok=True)
    again = figures.run(
        name,
        quick=quick,
        preset=preset,
        store=out / f"{name}-{preset}{'-quick' if quick else ''}{'-mnist' if mnist else ''}-points.zarr",
        workers=workers,
        rng=rng,
        progress=progress,
        mnist=mnist,
    )
    typer.echo(str(again.table))
    files = [out / written for written in again.write(out)]
    for file in files:
        typer.echo(f"  {file}")
    return {
        "figure": name,
        "title": experiment.title,
        "quirks": list(experiment.quirks) if preset == "paper" else [],
        "table": again.table,
        "files": files,
    }
