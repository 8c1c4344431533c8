#!/usr/bin/env bash
# Make constraints.txt anew: the newest version of everything that pyproject.toml asks for, with hashes,
# for every Python from 3.11 on and every machine. Run it to update dependencies, then `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv

# setuptools and wheel build the project itself without fetching anything.
printf 'setuptools>=68\nwheel\n' > "$work/requirements.in"
"$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --extra dev --output-file "$work/constraints.txt" pyproject.toml "$work/requirements.in"
mv "$work/constraints.txt" constraints.txt
echo "constraints.txt: $(grep -c '==' constraints.txt) packages"
