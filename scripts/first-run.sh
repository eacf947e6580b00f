#!/usr/bin/env bash
# From a fresh machine to a first result: installs what is missing, then runs the scripted expert on LIBERO-Object.
# Arguments go to `mmact-eval run`, after its defaults: scripts/first-run.sh --episodes 5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
setup_project libero

exec "$python" -m mmact_eval run --suite libero-object --tasks 0,1 --episodes 2 --policy expert --video all "$@"
