"""The package's rooms, drawn from the contract that the linter checks."""

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
WIDTH, FLOOR, ROOM = 640, 36, 28


def floors() -> list[list[str]]:
    """The rooms of each floor, from the roof down."""
    (contract,) = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def drawing() -> str:
    """The house as SVG in the colour of the text around it, so that it is readable in the dark."""
    storeys = floors()
    roof = 46
    height = roof + FLOOR * len(storeys) + 12
    told = "; ".join(" beside ".join(storey) for storey in storeys)
    parts = [
        f'<svg class="house" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The rooms of the package from the roof down, importing only from below: {told}.">',
        f'<path d="M8 {roof} L{WIDTH / 2} 6 L{WIDTH - 8} {roof} Z" class="roof"/>',
    ]
    for level, storey in enumerate(storeys):
        width = (WIDTH - 40) / len(storey)
        top = roof + FLOOR * level + 4
        for place, room in enumerate(storey):
            left = 20 + width * place
            parts.append(
                f'<rect x="{left + 2:g}" y="{top}" width="{width - 4:g}" height="{ROOM}" rx="3"/>'
                f'<text x="{left + width / 2:g}" y="{top + 19}" text-anchor="middle">{room}</text>'
            )
    return "".join([*parts, "</svg>"])
