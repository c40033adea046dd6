"""The two forms that results take: a dataset with named axes, and a table in print."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from desgd_fast.common import check

if TYPE_CHECKING:
    import xarray


def dataset(
    variables: Mapping[str, tuple[str | Sequence[str], Any]],
    coordinates: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> "xarray.Dataset":
    """Variables, each its axes and its values; those whose values are None were not kept."""
    check.installed("to_xarray() needs", "sweeps", "xarray")
    import xarray

    kept = {name: (axes, values) for name, (axes, values) in variables.items() if values is not None}
    return xarray.Dataset(kept, coordinates, attributes)


def scalars(result: Any) -> dict[str, tuple[tuple[()], Any]]:
    """Every field as a variable without axes."""
    return {field.name: ((), getattr(result, field.name)) for field in fields(result)}


def table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A line of titles, then one for each row; a column is written title:format, as in an f-string."""
    formats = [column.rpartition(":")[::2] for column in columns]
    yield "".join(f"{title:{form.partition('.')[0]}}" for title, form in formats)
    for row in rows:
        yield "".join(f"{cell:{form}}" for cell, (_, form) in zip(row, formats, strict=True))
