PYTHON ?= python

.PHONY: install check lint types contracts test test-fast docs site atlas explore links release

install:
	$(PYTHON) -m pip install --editable ".[test]"

check: lint types contracts test

lint:
	ruff check .
	ruff format --check .

types:
	mypy

contracts:
	lint-imports

test:
	$(PYTHON) -m pytest

test-fast:
	$(PYTHON) -m pytest -m "not slow"

# The site, in docs/_build; TUTORIALS=0 builds it without running them.
site:
	$(PYTHON) -m sphinx --builder html --jobs auto --fail-on-warning --keep-going docs docs/_build

# Every link and anchor of the built site leads somewhere, and every picture says what it shows.
links:
	$(PYTHON) docs/extensions/links.py docs/_build

# The table and the picture of the atlas, in minutes, and only when systems or theory change.
atlas:
	desgd-fast atlas --quick --workers 2 --out docs/atlas

# The numbers of the page that explores them: an hour, and only when the theory changes.
explore:
	$(PYTHON) docs/explore/compute.py

# sdist and wheel in dist/, tried in fresh environments (needs the extra "release").
release:
	PYTHON=$(PYTHON) release/check.sh

docs:
	desgd-fast run --data examples/diabetes.csv --target target --out docs/diabetes
	rm docs/diabetes/runs.nc
	desgd-fast alpha --plot docs/cycle.png --published
	desgd-fast paper figure7-left --out docs/figure7
	mv docs/figure7/figure7-left.png docs/figure7.png
	rm -r docs/figure7
