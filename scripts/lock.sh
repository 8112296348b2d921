#!/usr/bin/env bash
# Writes requirements.lock (to run the platform and to install it from its source) and
# requirements-dev.lock (that, and all that tests and tools need), and requirements-docs.lock (what
# makes the documentation's site), with hashes, for every machine.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links pyproject.toml "$@"
}

compile --upgrade --group build -o requirements.lock
# Bounded by the first, so that one .venv serves both.
compile --upgrade --group dev -c requirements.lock -o requirements-dev.lock
compile --upgrade --group docs -c requirements-dev.lock -o requirements-docs.lock
