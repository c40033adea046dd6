PYTHON ?= python

.PHONY: install check lint types contracts test test-fast docs

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

docs:
	desgd-fast run --data examples/diabetes.csv --target target --out docs/diabetes
	rm docs/diabetes/runs.nc
	desgd-fast alpha --plot docs/cycle.png --published
	desgd-fast paper figure7-left --out docs/figure7
	mv docs/figure7/figure7-left.png docs/figure7.png
	rm -r docs/figure7
