# Sourced by the other scripts: installing from Debian where that is allowed.

# Prints the prefix that makes a command root's: nothing for root, sudo where it asks no password.
# Fails where neither is so.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        return 0
    fi
    if command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
        echo "sudo -n"
        return 0
    fi
    return 1
}

# Lets no package start its daemon while the command runs: the tests start what they need on ports
# of their own, and a SIP server on 5060 is not what someone who runs tests has asked for.
POLICY=/usr/sbin/policy-rc.d
without_daemons() {
    local prefix=$1 status=0
    shift
    if [ -e "$POLICY" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | $prefix tee "$POLICY" >/dev/null
    $prefix chmod 755 "$POLICY"
    "$@" || status=$?
    $prefix rm -f "$POLICY"
    return "$status"
}

# Installs the packages given. Quiet when it works; shows apt's own words when it does not.
# Fails without a word where this is no Debian or the user may not install.
install_packages() {
    local prefix log
    command -v apt-get >/dev/null 2>&1 || return 1
    prefix=$(root_prefix) || return 1
    echo "==> Installing from Debian: $*"
    log=$(mktemp)
    # A stale list is no reason to stop: what is needed may be there in the version it names.
    $prefix apt-get update -qq >"$log" 2>&1 || true
    if ! without_daemons "$prefix" $prefix env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
