#!/usr/bin/env bash
# Makes sure that programs from Debian are there: require-debian.sh PACKAGE:PROGRAM ...
# Installs what is missing when it may, and otherwise says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

missing_packages() {
    local pair
    for pair in "$@"; do
        command -v "${pair#*:}" >/dev/null 2>&1 || echo "${pair%%:*}"
    done
}

mapfile -t missing < <(missing_packages "$@")
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
install_packages "${missing[@]}" || true
mapfile -t missing < <(missing_packages "$@")
if [ "${#missing[@]}" -gt 0 ]; then
    echo "Missing, and not installable from here: ${missing[*]}" >&2
    echo "As root: apt-get update && apt-get install -y ${missing[*]}" >&2
    exit 1
fi
