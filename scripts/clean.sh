#!/usr/bin/env bash
# Undo set-up, demo and tests: what runs, what lies in an engine, packages, and the files of this folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
build=${SPRINGTIDE_BUILD:-$root/build}
venv=${SPRINGTIDE_VENV:-$root/.venv}

python=$venv/bin/python
"$python" -c '' 2> /dev/null || python=$(command -v python3 || true)
if [ -d "$build" ] && [ -n "$python" ]; then
    code=0
    kept=$("$python" -B scripts/clean.py) || code=$?
    if [ "$code" = 3 ]; then
        echo "Nothing else was removed. Stop those containers, then run make clean again." >&2
        exit 1
    elif [ "$code" != 0 ]; then
        exit "$code"
    fi
    if [ "$(id -u)" = 0 ] && [ -s "$build/setup/packages" ]; then
        scripts/packages.sh purge $(sed -n 's/^keep //p' <<< "$kept")
    elif [ -s "$build/setup/packages" ]; then
        echo "These packages were installed by set-up as root, and only root can remove them:" $(cat "$build/setup/packages")
    fi
fi
rm -rf "$build" "$venv" .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
find src tests scripts examples -name __pycache__ -type d -prune -exec rm -rf {} +
