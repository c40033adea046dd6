"""The README's figures are the measured ones."""

import json

from bench import readme


def test_readme_shows_the_committed_measurements() -> None:
    measured = json.loads(readme.RESULTS.read_text(encoding="utf-8"))
    shown = readme.between_markers(readme.README.read_text(encoding="utf-8"))
    assert shown == readme.table(measured, readme.TELLING)
    assert set(shown.splitlines()) <= set(readme.table(measured).splitlines())
    assert len(readme.table(measured).splitlines()) == len(measured["figures"]) + 4
