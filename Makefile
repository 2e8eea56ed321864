# The README's commands. Everything lives in .venv, made from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test bench sweep clean

help:
	@echo "make demo   compare initializations on real data and write a page"
	@echo "make test   every check: lint, types, layers, tests, examples"
	@echo "make bench  the benchmarks (about eight minutes)"
	@echo "make sweep  observe every model of the zoo and write docs/coverage.md"

$(STAMP): pyproject.toml constraints.txt scripts/install
	@PYTHON="$(PYTHON)" scripts/install

demo: $(STAMP)
	@$(BIN)/python scripts/demo.py

test: $(STAMP)
	@scripts/test

bench: $(STAMP)
	@$(BIN)/python benchmarks/init.py
	@$(BIN)/python benchmarks/ensemble.py
	@$(BIN)/python benchmarks/theory.py
	@$(BIN)/python benchmarks/observe.py

sweep: $(STAMP)
	@$(BIN)/python scripts/sweep.py

clean:
	rm -rf .venv out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
