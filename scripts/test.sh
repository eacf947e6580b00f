#!/usr/bin/env bash
# Everything that is checked: style, types, the direction of dependencies, tests with rollouts on the real LIBERO and
# RoboTwin (MM-ACT's with its small checkpoints), and on CALVIN where its simulator can be installed.
# Installs what is missing first. Arguments go to pytest: scripts/test.sh tests/unit -k suite (-n 0 for one process)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
setup_project libero,robotwin,calvin,remote,mmact,ray,view,dev
for version in 3.2.3 3.3.7 3.17.0; do
    setup_mujoco "$version" || say "MuJoCo $version cannot be installed here: tests on it will be skipped"
done
setup_robotwin || say "RoboTwin cannot be set up here, see above: its tests will be skipped"

failed=()
check() {
    say "$1"
    "${@:2}" || failed+=("$1")
}
check "ruff check" "$python" -m ruff check .
check "ruff format" "$python" -m ruff format --check .
check "mypy" scripts/typecheck.sh "$python"
# The direction of dependencies is tests/unit/test_architecture.py.
# A file's tests share what they have built, so files are what is shared out. A process with LIBERO takes up to 2 GiB.
check "pytest" "$python" -m pytest -n 2 --dist loadfile "$@"

if ((${#failed[@]})); then
    printf -v list ', %s' "${failed[@]}"
    die "failed: ${list:2}"
fi
say "all checks passed"
