"""``desgd-fast atlas``: every published system at common settings."""

from pathlib import Path
from typing import Annotated, Any

import typer


def atlas(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="A system of the atlas; may be repeated. All by default."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Few and short runs, in some minutes: a look, not a comparison."),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for Zarr, CSV and PNG; made if missing.", file_okay=False)
    ] = Path("desgd-fast-atlas"),
    workers: Annotated[int, typer.Option(help="Processes; 1 computes here with all threads.")] = 1,
    rng: Annotated[int, typer.Option(help="Seed: the same one gives the same numbers.")] = 0,
    progress: Annotated[bool, typer.Option("--progress", help="Show a progress bar.")] = False,
) -> dict[str, Any]:
    """Compare published systems: class, where alpha = 2 and rho = 0, and alpha at two common step sizes.

    Stopped halfway, the same command goes on where it was.
    """
    from desgd_fast.paper.atlas import atlas as computed

    out.mkdir(parents=True, exist_ok=True)
    found = computed.run(
        quick=quick,
        only=tuple(only) if only else None,
        store=out / f"points{'-quick' if quick else ''}.zarr",
        workers=workers,
        rng=rng,
        progress=progress,
    )
    typer.echo(str(found))
    files = [out / written for written in found.write(out)]
    for file in files:
        typer.echo(f"  {file}")
    return {"table": str(found).splitlines(), "files": files}
