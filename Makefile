# `make demo` and `make test` need Python 3.11 to 3.13, make and a package registry; everything else they install.
PYTHON ?= python3
VENV := .venv
VLLM_VENV := .vllm-venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# An editable install copies tasks/ into lm-eval's folder, so a changed task means installing again.
PACKAGED := pyproject.toml constraints.txt $(shell find tasks judges configs -type f)

.PHONY: demo test test-vllm check clean

demo: $(STAMP)
	$(BIN)/diversity-eval demo

test: $(STAMP) check
	scripts/install_browser.sh || test -z "$$CI"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not vllm"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# vLLM gets an environment of its own: a CPU build on a machine without a GPU.
test-vllm: $(STAMP)
	PYTHON=$(PYTHON) scripts/install_vllm_cpu.sh $(VLLM_VENV)
	DIVERSITY_EVAL_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python $(BIN)/python -m pytest -m vllm

$(STAMP): $(PACKAGED)
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "Python 3.11 to 3.13 is needed; say which with: make PYTHON=python3.12 demo"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[hf,judge,train,semantic,report,dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) $(VLLM_VENV) .pytest_cache .mypy_cache .ruff_cache
