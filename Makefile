# Everything here brings what it needs: a fresh Debian or Ubuntu with Python 3.11+, git and make.
.DEFAULT_GOAL := help
.PHONY: help demo play test quick nightly java real-index chaos chaos-cluster deploy-check manifests test-debian13 image-test bench lint docs pictures lock clean

BIN := .venv/bin
PROPERTIES := tests/unit/test_*any_order.py tests/unit/test_new_numbers.py tests/unit/test_moves_and_numbers.py tests/unit/test_judged_in_batches.py tests/unit/test_docbook_purpose.py
# Most tests wait for servers and clocks: three processes share two cores well.
PARALLEL := -n 3 --dist worksteal
COMPILE := uv pip compile --generate-hashes --universal --python-version 3.11 --no-header -q pyproject.toml

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: venv ## The whole relay tells its story, in under a minute
	$(BIN)/budkavle demo

play: venv ## The demo, which then goes on running: console, patient's inbox and sandbox in the browser
	$(BIN)/budkavle demo --keep

test: venv ## All tests; they bring their own RabbitMQ and PostgreSQL. Some: make test T=tests/unit
	$(BIN)/python -m pytest $(PARALLEL) $(T)

quick: venv ## The pure unit tests, in under 30 s: no servers, few random examples
	$(BIN)/python -m pytest tests/unit -m "not slow" --hypothesis-profile=quick -q $(T)

nightly: venv ## The properties of what is announced, 10,000 examples each (an hour)
	BUDKAVLE_PROPERTY_EXAMPLES=10000 $(BIN)/python -m pytest --timeout=0 $(PROPERTIES)

java: venv ## A client that Apache CXF makes of our WSDL calls ingest; needs Maven and a JDK
	BUDKAVLE_JAVA_CLIENT=1 $(BIN)/python -m pytest tests/contract/test_java_client.py

real-index: venv ## Demo and a load with kills, by the real index: EI_JAR=/path/to/its.jar; needs Java 17
	@test -f "$(EI_JAR)" || { echo "EI_JAR: no such file: '$(EI_JAR)'" >&2; exit 1; }
	BUDKAVLE_EI_JAR=$(abspath $(EI_JAR)) $(BIN)/python -m pytest tests/e2e/test_real_index.py

chaos-cluster: venv ## Three RabbitMQ nodes and a standby, killed, frozen, cut off (20 min; root). Shorter: make chaos-cluster T=--short
	$(BIN)/python -m tests.cluster $(T)

test-debian13: ## All tests on Debian 13, in a chroot (root): RabbitMQ 4, PostgreSQL 17, Python 3.13. Some: T=tests/unit
	tests/debian13/run make test T="$(T)"

image-test: venv ## Builds deploy/Dockerfile without Docker, looks at the image and runs the demo in it (root)
	$(BIN)/python -m tests.image

deploy-check: venv ## Helm chart, compose.yaml, alerts and systemd units, by their readers' own code; needs Go 1.26
	$(BIN)/python -m tests.deploy
	$(BIN)/python -m pytest tests/unit/test_deploy.py tests/deploy/test_systemd.py -q

manifests: venv ## Writes deploy/kubernetes/budkavle.yaml, what the chart gives by itself; needs Go 1.26
	$(BIN)/python -m tests.deploy --write

chaos: venv ## Nothing lost, twice or false, whatever dies (20 min). Shorter: T="--count 500"; to docs: T=--publish
	$(BIN)/python -m tests.chaos $(T)

bench: ## Measures the relay, in twenty minutes. Some: B="hop relay". Pages from it: B=publish. Beside a commit: COMPARE=abc1234
	@.ci/venv requirements-bench.lock
	$(BIN)/python -m tests.benchmark$(if $(COMPARE),.compare $(COMPARE)) $(B)

lint: venv ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: venv ## Writes docs/settings.md and the list of settings' names anew
	$(BIN)/python -m tests.settings_page
	$(BIN)/python -m tests.setting_names

pictures: venv ## Takes the pictures of docs/images/ anew, from a demo that runs; needs Chromium
	$(BIN)/python -m tests.pictures

lock: ## Resolves the dependencies anew (needs uv); the Dockerfile installs those in deploy/
	$(COMPILE) --upgrade --extra sandbox --extra web --extra otel --extra dev -o requirements.lock
	$(COMPILE) --extra sandbox --extra web --extra otel --extra dev --extra bench -c requirements.lock -o requirements-bench.lock
	$(COMPILE) --extra web --extra otel -c requirements.lock -o deploy/requirements.lock
	$(COMPILE) --extra sandbox --extra web --extra otel -c requirements.lock -o deploy/requirements-sandbox.lock

clean: ## Removes .venv and what tools left behind
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: venv
venv:
	@.ci/venv
