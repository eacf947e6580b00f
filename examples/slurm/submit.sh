#!/bin/bash
# Submits a run in parts and, once they have ended, their merge. Arguments go to mmact-eval run:
#   SUITE=libero-object POLICY=mmact RUN=/scratch/$USER/mmact examples/slurm/submit.sh --episodes 50
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
parts=$(sbatch --parsable "$here/array.sbatch" "$@")
merge=$(sbatch --parsable --dependency="afterany:${parts%%;*}" "$here/merge.sbatch")
echo "parts: job ${parts%%;*}; merge: job ${merge%%;*}"
