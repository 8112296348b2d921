#!/usr/bin/env bash
# Makes .venv: setup.sh run (what the platform needs), setup.sh dev (tests and tools as well), or
# setup.sh docs (beside those of dev, what makes the site of the documentation).
# A second run with the same lock does nothing. pip's own configuration decides where packages
# come from; nothing here names an index.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

kind=${1:?usage: setup.sh run|dev|docs}
case "$kind" in
    run) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    docs) lock=requirements-docs.lock ;;
    *) echo "usage: setup.sh run|dev|docs" >&2; exit 2 ;;
esac

venv=$PWD/.venv
venv_python=$venv/bin/python
stamp=$venv/.ready-$kind

# What this set-up was made from; another lock, entry point or place makes it stale.
fingerprint() {
    { echo "$venv"; cat "$1" pyproject.toml scripts/setup.sh; } | sha256sum | cut -d' ' -f1
}

is_ready() {
    [ -x "$venv_python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$lock")" ]
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1 || true)" >&2
    return 1
}

# A venv that was moved runs another place's interpreter by the paths written into its scripts.
is_usable() {
    "$venv_python" -c '' 2>/dev/null && grep -qF "$venv" "$venv/bin/activate" 2>/dev/null
}

create_venv() {
    local python
    python=$(find_python)
    echo "==> Making .venv with $("$python" --version)"
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        # Debian keeps ensurepip in a package of its own.
        install_packages python3-venv || true
    fi
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear --without-pip "$venv"
    else
        echo "Python's venv cannot install pip here: the package python3-venv is missing." >&2
        echo "As root: apt-get update && apt-get install -y python3-venv" >&2
        return 1
    fi
}

# The venv's own pip, or the system's working on the venv where it has none.
run_pip() {
    if "$venv_python" -m pip --version >/dev/null 2>&1; then
        "$venv_python" -m pip --disable-pip-version-check "$@"
    else
        "$(find_python)" -m pip --python "$venv_python" --disable-pip-version-check "$@"
    fi
}

if is_ready; then
    exit 0
fi
# Two makes at once would install over each other; the second waits, then finds all done.
exec 9>.setup.lock
if command -v flock >/dev/null 2>&1; then
    flock 9
fi
if is_ready; then
    exit 0
fi
is_usable || create_venv
# What makes the site is bounded by the development lock: it replaces nothing.
[ "$kind" = docs ] || rm -f "$venv"/.ready-*
echo "==> Installing the locked packages of $lock (the first time takes a minute or two)"
run_pip install -qq --no-input --require-hashes -r "$lock"
echo "==> Installing clicktodial itself"
run_pip install -qq --no-input --no-deps --no-build-isolation -e .
fingerprint "$lock" >"$stamp"
if [ "$kind" = dev ]; then
    # The development lock is made within the bounds of the other, and holds all of it.
    fingerprint requirements.lock >"$venv/.ready-run"
fi
echo "==> Ready: .venv/bin/clicktodial"
