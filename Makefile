# rgun's commands; `make` alone lists them. Everything that is not Rust or Python is installed by the targets themselves.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

# Any CPython from 3.9 on: make PYTHON=python3.12 test
PYTHON ?= python3
# What `make run` installs. `testing` builds in half the time.
PROFILE ?= release
# Autobahn's fuzzing client runs in it.
PYTHON2 ?= $(or $(lastword $(wildcard $(HOME)/.pyenv/versions/2.7.*/bin/python2.7)),python2.7)
H2SPEC ?= h2spec
# Options for pytest or the benchmark: make e2e ARGS="-k reload -x"
ARGS ?=
# Of `make fuzz`, for each target.
SECONDS_EACH ?= 60
# End-to-end stories that run side by side.
JOBS ?= 2
# CI decides about a change: there each property is tested with the same cases. `make explore` and a developer's run try others.
CASES_OF_PROPERTIES := $(if $(CI),PROPTEST_RNG_SEED=1)
# A story that hangs fails. In CI one that fails is told again, and named in the report: that machine may give a process no
# CPU for seconds. Elsewhere a story that fails now and then is a bug until shown otherwise.
PYTEST_ARGS := --timeout 180 $(if $(CI),--reruns 2 -r R)

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MATURIN := VIRTUAL_ENV=$(VENV) $(BIN)/maturin
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TOOLS := $(CURDIR)/target/tools
DENY_VERSION := 0.20.2
SITE := examples/django_site

# Runs a command and shows what it wrote only when it failed.
quietly = out=$$($(1) 2>&1) || { printf '%s\n' "$$out"; exit 1; }

# The binary and the Rust tests link the Python of the virtual environment.
export PYO3_PYTHON := $(BIN)/python

.PHONY: help
help: ## This list
	@echo "rgun: the usual way round is   make run   then   make test"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Options: PYTHON=python3.12 (which Python), PROFILE=testing (quicker build for run), ARGS='-k reload -x' (for pytest)."

.PHONY: run
run: develop-$(PROFILE) ## Build, install into .venv, migrate, serve the Django example on 127.0.0.1:8000
	@cd $(SITE) && $(BIN)/python manage.py migrate --verbosity 0 && $(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@echo "==> http://127.0.0.1:8000  (Ctrl-C ends it; an admin account: $(BIN)/python $(SITE)/manage.py createsuperuser)"
	cd $(SITE) && exec $(BIN)/rgun config.asgi:application -b 127.0.0.1:8000 -w 4

.PHONY: test
test: ## Everything that CI runs: check, Rust tests, end-to-end stories, parity, wheels
	@$(MAKE) check
	@$(MAKE) test-rust
	@$(MAKE) test-e2e
	@$(MAKE) parity
	@$(MAKE) test-wheels
	@echo "==> all green"

.PHONY: check
check: $(VENV)/.requirements ## Formatting, lints, layering, licences, docs
	@.ci/libpython $(BIN)/python
	@echo "==> cargo fmt"; cargo fmt --all -- --check
	@echo "==> cargo clippy"; cargo clippy --quiet --locked --all-targets -- -D warnings
	@echo "==> layering"; if [ -f tests/layering.rs ]; then $(call quietly,cargo test --quiet --locked --test layering); fi
	@$(MAKE) docs
	@$(MAKE) deny
	@echo "==> fuzz targets"; $(call quietly,.ci/fuzz check)
	@echo "==> cargo doc"; RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps

.PHONY: docs
docs: $(VENV)/.requirements ## The documentation as a site in target/site; a link that leads nowhere fails
	@echo "==> mkdocs build"; $(call quietly,$(BIN)/python -m mkdocs build --strict)

.PHONY: deny
deny: ## Licences, banned crates and sources of all dependencies
	@PATH="$(TOOLS)/bin:$$PATH"; \
	if ! cargo deny --version >/dev/null 2>&1; then \
	    echo "==> cargo install cargo-deny $(DENY_VERSION) (once: some minutes)"; \
	    CARGO_TARGET_DIR=$(TOOLS)/build cargo install --quiet --locked --version $(DENY_VERSION) --root $(TOOLS) cargo-deny && rm -rf $(TOOLS)/build; \
	fi; \
	echo "==> cargo deny"; cargo deny --log-level error check bans licenses sources

.PHONY: test-rust
test-rust: $(VENV)/.requirements ## Unit, property and simulation tests
	@.ci/libpython $(BIN)/python
	@if cargo nextest --version >/dev/null 2>&1; then \
	    echo "==> cargo nextest"; $(CASES_OF_PROPERTIES) cargo nextest run --locked --no-fail-fast --status-level fail --final-status-level slow; \
	else \
	    echo "==> cargo test"; $(CASES_OF_PROPERTIES) cargo test --quiet --locked; \
	fi

.PHONY: explore
explore: $(VENV)/.requirements ## The property tests and random histories with many more cases (CASES=4000, HISTORIES=20000): half an hour
	@.ci/libpython $(BIN)/python
	RGUN_HISTORIES=$(or $(HISTORIES),20000) PROPTEST_CASES=$(or $(CASES),4000) cargo test --quiet --locked -- --skip every_fault_is_caught

.PHONY: test-e2e
test-e2e: develop-testing ## The operators' stories: the installed wheel, on asyncio and on uvloop, then the binary
	@.ci/nginx
	@.ci/promtool
	@echo "==> binary"; cargo build --quiet --locked --bin rgun
	@echo "==> end to end: wheel"; $(BIN)/python -m pytest tests/e2e -q $(PYTEST_ARGS) -n $(JOBS) $(ARGS)
	@echo "==> end to end: wheel on uvloop"; $(BIN)/python -m pytest tests/e2e -q $(PYTEST_ARGS) -n $(JOBS) --loop uvloop -m both_loops $(ARGS)
	@echo "==> end to end: wheel, the same stories with WSGI workers"; $(BIN)/python -m pytest tests/e2e -q $(PYTEST_ARGS) -n $(JOBS) --interface wsgi $(ARGS)
	@echo "==> end to end: binary"; BINARY_UNDER_TEST=$(TARGET)/debug/rgun $(BIN)/python -m pytest tests/e2e -q $(PYTEST_ARGS) -n $(JOBS) --binary embedded -m both_artifacts $(ARGS)

.PHONY: parity
parity: develop-testing ## The same stories with gunicorn and with rgun (RGUN_UNDER_TEST=gunicorn|rgun: one of them, its facts shown)
	@echo "==> parity with gunicorn"; $(BIN)/python -m pytest tests/parity -q $(PYTEST_ARGS) $(if $(RGUN_UNDER_TEST),-s,-n $(JOBS)) $(ARGS)

.PHONY: test-wheels
test-wheels: $(VENV)/.requirements ## pip install . with the oldest and the newest Python of this machine, and a smoke test of each with its Django
	@for python in $$(.ci/pythons $(BIN)/python); do \
	    name=$$($$python -c 'import sys; print("cp%d%d" % sys.version_info[:2])'); directory=$(TOOLS)/$$name; \
	    echo "==> pip install . ($$($$python --version))"; \
	    rm -rf $$directory && .ci/venv $$python $$directory && \
	    env -u PYO3_PYTHON MATURIN_PEP517_ARGS="--profile testing" $$directory/bin/python -m pip --disable-pip-version-check --quiet install . -r requirements/examples.txt && \
	    RGUN=$$directory/bin/rgun $(BIN)/python -m pytest tests/e2e -q $(PYTEST_ARGS) -m wheel || exit 1; \
	done

.PHONY: wheels
wheels: ## Release wheels for every Python of this machine, an sdist and checksums, in target/dist
	@.ci/wheels $(PYTHON) $(CURDIR)/target/dist

.PHONY: e2e
e2e: develop-testing ## One part of the end-to-end stories: make e2e ARGS="-k reload -x"
	@.ci/nginx
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: autobahn
autobahn: develop-testing ## Autobahn's fuzzing client against examples/ws_echo.py (needs a Python 2.7: PYTHON2=..., CASES="1.* 7.*")
	@[ -x $(TOOLS)/autobahn/bin/wstest ] || { \
	    command -v $(PYTHON2) >/dev/null || { echo "no $(PYTHON2): make PYTHON2=/path/to/python2.7 autobahn" >&2; exit 1; }; \
	    echo "==> pip install autobahntestsuite (a Python 2.7 program)" && \
	    .ci/venv $(BIN)/python $(TOOLS)/virtualenv && $(TOOLS)/virtualenv/bin/python -m pip install --quiet 'virtualenv<20.22' && \
	    $(TOOLS)/virtualenv/bin/python -m virtualenv --quiet -p $$(command -v $(PYTHON2)) $(TOOLS)/autobahn && \
	    $(TOOLS)/autobahn/bin/pip install --quiet autobahntestsuite==25.10.1; }
	@set -f; $(BIN)/python tests/autobahn/run.py $(BIN)/rgun $(TOOLS)/autobahn/bin/wstest $(CASES)

.PHONY: h2spec
h2spec: develop-testing ## h2spec's 146 cases of HTTP/2 over TLS (its Go program is not installed: H2SPEC=/path/to/h2spec)
	@command -v $(H2SPEC) >/dev/null || { echo "no h2spec: go build ./cmd/h2spec in its source, then make h2spec H2SPEC=/path/to/h2spec" >&2; exit 1; }
	@.ci/h2spec $(BIN)/rgun $$(command -v $(H2SPEC))

.PHONY: fuzz
fuzz: ## libFuzzer on everything that reads bytes of others, a minute each (SECONDS_EACH=600 for longer, ARGS=http for one)
	@.ci/fuzz $(SECONDS_EACH) $(ARGS)

.PHONY: hostile
hostile: develop-testing ## slowhttptest in its four modes: ordinary requests are served all the while
	@.ci/hostile $(BIN)/rgun

.PHONY: chaos
chaos: develop-testing ## Five bad minutes: workers killed, reloads good and bad, scaling, rotation (RGUN_CHAOS_SEED=n, RGUN_CHAOS_SECONDS=n)
	@RGUN_CHAOS_SECONDS=$${RGUN_CHAOS_SECONDS:-300} $(BIN)/python -m pytest tests/e2e/test_chaos.py -q -s $(ARGS)

.PHONY: deploys
deploys: develop-testing ## A thousand deploys in a row under traffic of every kind, half of them bad: nothing may be lost (RGUN_DEPLOYS=50: two minutes, RGUN_DEPLOYS_SEED=n)
	@RGUN_DEPLOYS=$${RGUN_DEPLOYS:-1000} RGUN_DEPLOYS_UPLOAD=$${RGUN_DEPLOYS_UPLOAD:-8388608} $(BIN)/python -m pytest tests/e2e/test_deploys.py -q -s $(ARGS)

.PHONY: deployments
deployments: develop-testing ## What `rgun init` writes, with real nginx, PostgreSQL, Redis, Celery and podman: five minutes, as root (images: `make base-image` first)
	@.ci/nginx
	@.ci/services
	@echo "==> pip install -r requirements/deployments.txt"; $(PIP) install -r requirements/deployments.txt
	@tests/deployments/inside $(BIN)/python -m pytest tests/deployments/test_stack.py tests/deployments/test_blue_green.py -q -s --timeout 300 $(ARGS)
	@$(BIN)/python -m pytest tests/deployments/test_images.py -q --timeout 1200 $(ARGS)

.PHONY: base-image
base-image: develop-testing ## The image that Dockerfiles of `rgun init` begin with, from Debian's packages and this tree (as root)
	@.ci/python-image $(BIN)/python

.PHONY: soak
soak: develop-testing ## Clients of every kind for minutes: nothing may grow (ARGS="--minutes 30")
	@$(BIN)/python tests/soak/run.py $(BIN)/rgun $(ARGS)

.PHONY: bench
bench: ## Compare with granian, uvicorn, gunicorn and uWSGI: requests/s and CPU per request (ARGS=--quick: a minute)
	@$(PYTHON) -m benches.compare $(ARGS)

.PHONY: develop-release develop-testing
develop-release develop-testing: develop-%: $(VENV)/.requirements
	@echo "==> maturin develop --profile $*"
	@$(call quietly,$(MATURIN) develop --locked --profile $*)

$(VENV)/.requirements: $(wildcard requirements/*.txt)
	@.ci/venv $(PYTHON) $(VENV)
	@echo "==> pip install -r requirements/test.txt"
	@$(PIP) install -r requirements/test.txt
	@touch $@

.PHONY: clean
clean: ## Remove what the targets made
	rm -rf $(VENV) $(CURDIR)/target python/rgun/*.so $(SITE)/db.sqlite3 $(SITE)/staticfiles $(SITE)/media
