#!/usr/bin/env bash
# From a fresh machine to a first result: installs what is missing, then runs the scripted expert on LIBERO-Object; with
# `mmact` as the first argument a small trained model, with `robotwin` RoboTwin's own expert on a task of boxes.
# Further arguments go to `mmact-eval run`, after its defaults: scripts/first-run.sh robotwin --episodes 5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

if [[ ${1:-} == robotwin ]]; then
    shift
    setup_project robotwin
    setup_robotwin || die "RoboTwin cannot be set up here, see above"
    exec "$python" -m mmact_eval run --suite robotwin-smoke --tasks stack_blocks_two --episodes 1 \
        --policy robotwin-oracle --video all "$@"
fi
if [[ ${1:-} == mmact ]]; then
    shift
    setup_project libero,mmact
    exec "$python" -m mmact_eval run --suite libero-object --tasks 0-3 --init-states 20-49 --episodes 1 \
        --policy mmact --video all "$@"
fi
setup_project libero
exec "$python" -m mmact_eval run --suite libero-object --tasks 0,1 --episodes 2 --policy expert --video all "$@"
