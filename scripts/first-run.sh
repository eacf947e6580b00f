#!/usr/bin/env bash
# From a fresh machine to a first result: installs what is missing, then runs the scripted expert on LIBERO-Object; with
# `mmact` as the first argument a small trained model, with `robotwin` RoboTwin's own expert on a task of boxes, with
# `calvin` two chains of CALVIN on a table of boxes.
# Further arguments go to `mmact-eval run`, after its defaults: scripts/first-run.sh robotwin --episodes 5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

# Runs, makes the page, and says what there is now. Exits as the run does.
first_run() {
    local told code=0 folder
    told=$(mktemp)
    "$python" -m mmact_eval run --video all "$@" | tee "$told" || code=$?
    folder=$(sed -n 's/^Wrote \(.*\)\/report\.csv,.*/\1/p' "$told")
    rm -f "$told"
    if [[ -n $folder ]]; then
        "$python" -m mmact_eval report "$folder" --format html >/dev/null
        say "The report, with its videos: $folder/report.html"
        say "Next: source .venv/bin/activate, and mmact-eval --help"
    fi
    exit "$code"
}

if [[ ${1:-} == robotwin ]]; then
    shift
    setup_project robotwin
    setup_robotwin || die "RoboTwin cannot be set up here, see above"
    first_run --suite robotwin-smoke --tasks stack_blocks_two --episodes 1 --policy robotwin-oracle "$@"
fi
if [[ ${1:-} == calvin ]]; then
    shift
    need_pybullet
    setup_project calvin
    first_run --suite calvin-smoke --episodes 2 --policy expert "$@"
fi
if [[ ${1:-} == mmact ]]; then
    shift
    setup_project libero,mmact
    first_run --suite libero-object --tasks 0-3 --init-states 20-49 --episodes 1 --policy mmact "$@"
fi
setup_project libero
first_run --suite libero-object --tasks 0,1 --episodes 2 --policy expert "$@"
