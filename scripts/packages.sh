#!/usr/bin/env bash
# Packages of the distribution (Debian, Ubuntu): install what is missing and remember exactly what that
# added; later remove exactly that. Lists and archives that have to be fetched stay in the build folder.
#
#   scripts/packages.sh install NAME...   as root; what this adds is listed in build/setup/packages
#   scripts/packages.sh purge [KEEP...]   as root; KEEP and whatever something else depends on stays
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
state=${SPRINGTIDE_BUILD:-$root/build}/setup
recorded=$state/packages
# dpkg's log belongs to the machine; nothing but the packages themselves is written outside the build folder.
options=(-o "Dir::Cache=$state/cache" -o APT::Keep-Downloaded-Packages=false -o Acquire::Retries=3)
own_lists=(-o "Dir::State::lists=$state/lists")
policy=/usr/sbin/policy-rc.d

installed() { dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p' | sort; }

apt() { DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -qq -y --no-install-recommends "${options[@]}" "$@"; }

# Without systemd a package's own script would start its service with its own settings, and on removal stop
# whatever has the pid in its file, anybody's: set-up starts and stops its engine itself.
hold_services() {
    if [ ! -d /run/systemd/system ] && [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
}

install_packages() {
    command -v apt-get > /dev/null || { echo "This machine has no apt-get: install $* with its own tool." >&2; exit 1; }
    mkdir -p "$state/cache/archives/partial" "$state/lists/partial"
    getent group docker > /dev/null || touch "$state/no-docker-group"
    installed > "$state/before"
    hold_services
    local log=$state/apt.log
    if ! apt install "$@" > "$log" 2>&1; then
        options+=("${own_lists[@]}")
        { apt update && apt install "$@"; } >> "$log" 2>&1 || failed "$@"
    fi
    remember
}

failed() {
    remember
    echo "Installing $* failed. The last lines of $state/apt.log:" >&2
    tail -n 8 "$state/apt.log" >&2
    echo "Check that this machine reaches its package sources (apt-get update), then try again." >&2
    exit 1
}

remember() {
    installed | comm -13 "$state/before" - >> "$recorded"
    sort -u -o "$recorded" "$recorded"
    rm -rf "$state/before" "$state/cache" "$state/lists"
}

# dpkg itself says which of them something else depends on; those are left out until it has no objection.
purge_packages() {
    [ -s "$recorded" ] || return 0
    local wanted blocked keep
    hold_services
    keep=$(printf '%s\n' "$@" | sort -u)
    wanted=$(installed | comm -12 - "$recorded" | comm -23 - <(echo "$keep"))
    while [ -n "$wanted" ]; do
        blocked=$(LC_ALL=C dpkg --no-act --purge $wanted 2>&1 |
            sed -n 's/^dpkg: dependency problems prevent removal of \(.*\):$/\1/p' | sort -u)
        [ -n "$blocked" ] || break
        echo "kept, because other packages depend on it:" $blocked
        wanted=$(comm -23 <(echo "$wanted") <(echo "$blocked"))
    done
    if [ -n "$wanted" ]; then
        DEBIAN_FRONTEND=noninteractive LC_ALL=C dpkg --purge $wanted > "$state/purge.log" 2>&1 ||
            { tail -n 8 "$state/purge.log" >&2; exit 1; }
        echo "removed the packages that set-up had installed:" $wanted
    fi
    # The package adds this group and forgets it when it goes.
    if [ -e "$state/no-docker-group" ] && getent group docker > /dev/null && ! installed | grep -qx docker.io; then
        groupdel docker
    fi
    rm -f "$recorded"
}

action=${1:?install or purge}
shift
"${action}_packages" "$@"
