#!/usr/bin/env bash
# Makes sure that programs from Debian are there: require-debian.sh PACKAGE:PROGRAM ...
# PROGRAM is a name on the PATH, or the path of a file that the package brings (a pattern too).
# Installs what is missing when it may, and otherwise says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

is_there() {
    case "$1" in
        /*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing_packages() {
    local pair
    for pair in "$@"; do
        is_there "${pair#*:}" || echo "${pair%%:*}"
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
