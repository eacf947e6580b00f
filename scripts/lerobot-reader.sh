#!/usr/bin/env bash
# Reads our data sets with the lerobot library: installs it into build/lerobot (it wants other versions of torch and
# numpy than a simulator does) and runs tests/integration/recording/test_lerobot_reader.py with the Python given or `python3`.
# Decoding videos needs FFmpeg's shared libraries: apt-get install ffmpeg
# Usage: scripts/lerobot-reader.sh [PYTHON]
#   LEROBOT=0.4.4      which version; 0.5 and later need Python 3.12
#   TORCH=…            install this torch (a wheel for the CPU, say) with a torchvision and a torchcodec for it, named in
#                      TORCHVISION=… and TORCHCODEC=…, whatever versions lerobot asks for
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${1:-python3}
lerobot="lerobot==${LEROBOT:-0.4.4}"

venv=build/lerobot
if [[ ! -x $venv/bin/python ]]; then
    "$python" -m venv "$venv"
fi
pip=("$venv/bin/python" -m pip install --quiet)
if [[ -n ${TORCH:-} ]]; then
    "${pip[@]}" "$TORCH" accelerate av datasets deepdiff draccus==0.10.0 einops jsonlines pillow pyarrow
    "${pip[@]}" --no-deps "$lerobot" "${TORCHVISION:?}" "${TORCHCODEC:?}"
else
    "${pip[@]}" "$lerobot"
fi
MMACT_EVAL_LEROBOT_PYTHON=$PWD/$venv/bin/python "$python" -m pytest -m slow tests/integration/recording/test_lerobot_reader.py
