# The README's commands. Everything lives in .venv, made from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test guide turn site links bench sweep corpus score limits recommend clean

help:
	@echo "make demo   compare initializations on real data and write a page"
	@echo "make test   every check: lint, types, layers, tests, examples"
	@echo "make guide  run every claim whole and keep its results (about ten minutes)"
	@echo "make turn   turn the ground truth of every claim around and see the verdict turn"
	@echo "make site   build the documentation in out/site"
	@echo "make links  look at the links of the documentation to other sites (network)"
	@echo "make bench  the benchmarks (about eight minutes)"
	@echo "make sweep  observe every model of the zoo and write docs/coverage.md"
	@echo "make corpus label by training the networks of the corpus that have no label"
	@echo "make score  what fanin.check says of the corpus (half a minute)"
	@echo "make recommend  train 111 networks from fanin.recommend and its rivals (half an hour)"
	@echo "make limits judge the limits of fanin.check by their trainings (seconds)"

$(STAMP): pyproject.toml constraints.txt scripts/install
	@PYTHON="$(PYTHON)" scripts/install

demo: $(STAMP)
	@$(BIN)/python scripts/demo.py

test: $(STAMP)
	@scripts/test

guide: $(STAMP)
	@$(BIN)/python scripts/record_guide.py

turn: $(STAMP)
	@$(BIN)/python -m pytest -n auto -m "long or not long" tests/guide/test_every_claim.py

site: $(STAMP)
	@scripts/site

links: $(STAMP)
	@scripts/site --links

bench: $(STAMP)
	@$(BIN)/python benchmarks/init.py
	@$(BIN)/python benchmarks/ensemble.py
	@$(BIN)/python benchmarks/theory.py
	@$(BIN)/python benchmarks/observe.py

sweep: $(STAMP)
	@$(BIN)/python scripts/sweep.py

corpus: $(STAMP)
	@$(BIN)/python -m benchmarks.corpus

score: $(STAMP)
	@$(BIN)/python -m benchmarks.corpus.score

limits: $(STAMP)
	@$(BIN)/python -m benchmarks.limits

recommend: $(STAMP)
	@$(BIN)/python -m benchmarks.recommend.steps --recipes default,auto,lsuv,he_normal --rates 1e-3,3e-3,1e-2,3e-4

clean:
	rm -rf .venv out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
