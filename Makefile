# `make demo` and `make test` do all the set-up themselves; `make` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Workers of pytest. Tests bind free ports only, so they may run side by side; more than the cores
# that there are, since most of them wait for time to pass. Each worker begins with a share of the
# folders in a row, so that what a folder or a module shares is made once, and who is done takes
# over from who is not.
JOBS ?= 4
# Phones, browsers and databases are real ones, and a machine is too busy for one of them now and
# then. What fails is run once more, but for no more than two tests of a run, and the end tells of
# which: a test that needed it wants mending.
RERUNS ?= --reruns 1 --max-suite-reruns 2 -r fER
# Arguments for pytest: make test TESTS=tests/domain
TESTS ?= tests
# The settings file of `make run`; without one the defaults hold.
CONFIG ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make .venv with all that the platform and its tests need
	@scripts/setup.sh dev

.PHONY: setup-run
setup-run:
	@scripts/setup.sh run

.PHONY: setup-test
setup-test: setup
	@scripts/require-debian.sh sip-tester:sipp kamailio:/usr/sbin/kamailio \
		'kamailio-tls-modules:/usr/lib/*/kamailio/modules/tls.so' \
		rtpengine-daemon:rtpengine baresip-core:baresip \
		libnet-smpp-perl:/usr/share/perl5/Net/SMPP.pm chromium:chromium \
		curl:curl jq:jq openssl:openssl nginx-light:/usr/sbin/nginx \
		'postgresql:/usr/lib/postgresql/*/bin/initdb'

.PHONY: setup-site
setup-site: setup
	@scripts/setup.sh docs

.PHONY: demo
demo: setup-run ## one whole call on this machine: two phones, notifications, a recording
	@$(BIN)/clicktodial demo

.PHONY: run
run: setup-run ## run the server (CONFIG=clicktodial.toml for your settings)
	@exec $(BIN)/clicktodial serve $(if $(CONFIG),--config $(CONFIG))

.PHONY: lint
lint: setup ## check style, types and the direction of imports
	@echo "==> ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> import-linter"
	@$(BIN)/lint-imports

# The checks take one core for as long as they last: they run beside the tests, behind them, and
# tell at the end. Either may fail; both are told.
.PHONY: test
test: setup-test ## all checks and all tests
	@echo "==> pytest, and the checks beside it"
	@told=$$(mktemp); trap 'rm -f "$$told"' EXIT; \
	nice -n 10 $(MAKE) --no-print-directory lint >"$$told" 2>&1 & checks=$$!; \
	$(BIN)/pytest -q --tb=short -n $(JOBS) --dist worksteal $(RERUNS) $(TESTS); tests=$$?; \
	wait $$checks; checked=$$?; cat "$$told"; \
	exit $$(( tests != 0 ? tests : checked ))

.PHONY: format
format: setup ## write the code as ruff would
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: bench
bench: setup-test ## offer calls at rising rates, and print what each and its relay cost
	@$(BIN)/python -m clicktodial.bench
	@$(BIN)/python -m clicktodial.bench relay

.PHONY: docs
docs: setup-test ## check that all is documented, and run every code block
	@$(BIN)/pytest -q tests/test_documentation.py tests/documentation

.PHONY: site
site: setup-site ## make the documentation's site in build/site; a broken link fails
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	@echo "build/site/index.html"

.PHONY: reference
reference: setup ## make the pages of docs/reference of the code
	@$(BIN)/python -m tests.documentation.reference

.PHONY: words
words: setup ## take the console's new messages into its catalogues
	@$(BIN)/python scripts/words.py

.PHONY: vendor
vendor: ## bring the console's front-end files as scripts/vendor.json locks them (needs npm)
	@python3 scripts/vendor.py

.PHONY: screenshots
screenshots: setup-test ## make the pictures of the console in docs/images
	@scripts/require-debian.sh 'fonts-wqy-microhei:/usr/share/fonts/truetype/wqy/*'
	@$(BIN)/python -m tests.portal.screenshots

.PHONY: lock
lock: setup ## lock the newest versions that pyproject.toml allows
	@scripts/lock.sh

.PHONY: clean
clean: ## remove all that these targets made; the platform's data stays
	rm -rf .venv .setup.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache build dist demo-output
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
