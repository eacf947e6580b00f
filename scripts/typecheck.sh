#!/usr/bin/env bash
# mypy --strict over the tests and the whole import package as it is when installed: the plug-in folders lie beside
# mmact_eval/ in the checkout and become parts of it by setuptools' package-dir, which mypy cannot follow. So it gets a
# tree of links.
# Usage: scripts/typecheck.sh [PYTHON]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath -s "$(command -v "${1:-python3}")")

tree=build/typecheck
rm -rf "$tree"
mkdir -p "$tree/mmact_eval"
ln -s "$PWD"/mmact_eval/* "$PWD"/{envs,policies,reports,suites} "$tree/mmact_eval/"

# Paths as a person has them in the checkout.
cd "$tree"
"$python" -m mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache mmact_eval ../../tests ../../examples |
    sed -E 's#^mmact_eval/(envs|policies|reports|suites)/#\1/#; s#^(\.\./)+##'
