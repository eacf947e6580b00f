#!/usr/bin/env bash
# From nothing to a model that was trained here, and a report of what it solves: demonstrations by the scripted expert,
# image and text tokenizer, training, episodes from init states that were held out. docs/training.md explains the steps.
#     scripts/nano.sh small [OUT]       two tasks of LIBERO-Object, `vanilla`, in data/nano-small
#     scripts/nano.sh full  [OUT]       all ten tasks, with the settings of mmact-nano-vanilla
#     scripts/nano.sh spatial [OUT]     all ten tasks of LIBERO-Spatial, with the settings of mmact-nano-spatial
#     scripts/nano.sh calvin  [OUT]     CALVIN's chains in scene D; `mmact-eval setup calvin` brings the scene if it is not here
# The same command goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

size=${1:-small}
suite=libero-object what=() every=8 demonstrations=30 expert=() fields=() held_out=6 simulator=libero
first=0-19 rest=20-49 start=24
case $size in
small) what=(--tasks 0,1) every=4 fields=(quantizer.steps=400 stages.act.steps=800) held_out=10 ;;
full) ;;
spatial) # Its bowls can be held in many ways, its scenes are fuller and its demonstrations longer.
    suite=libero-spatial expert=(--policy-args steady=true --set protocol.max_steps=320)
    fields=(name=mmact-nano-spatial quantizer.side=128 quantizer.batch=12 stages.act.steps=2000) ;;
calvin) # An episode is a chain of five tasks, a thousand there are.
    suite=calvin-d-d simulator=calvin demonstrations=300 first=200-499 rest=0-99 held_out=100 start=12
    fields=(name=mmact-nano-calvin state_mode=as_released quantizer.side=128 quantizer.batch=12 stages.act.steps=3000) ;;
*) die "'$size' is not a size; say small, full, spatial or calvin" ;;
esac
out=${2:-data/nano-$size}
if [[ $simulator == calvin ]]; then need_pybullet; fi
setup_project "$simulator,mmact,train"

# A core with AMX multiplies bfloat16; others only lose by it.
if grep -qs amx_bf16 /proc/cpuinfo; then fields+=(precision=bfloat16); fi

step() {
    say "$1"
    "$python" -m mmact_eval "${@:2}"
    say "$1: done after $((SECONDS / 60)) min $((SECONDS % 60)) s"
}
workers=$(nproc)
if [[ $simulator == calvin ]]; then step "scene" setup calvin; fi
step "demonstrations" record --suite "$suite" "${what[@]}" --policy expert "${expert[@]}" --init-states "$first" \
    --episodes "$demonstrations" --noise 0.06 --random-start "$start" --every "$every" --workers "$workers" --out "$out/demonstrations"
step "training" train nano --set "data=[$out/demonstrations]" \
    "${fields[@]/#/--set=}" --out "$out/model"
step "evaluation" run --suite "$suite" "${what[@]}" --init-states "$rest" --episodes "$held_out" --policy mmact \
    --policy-args "checkpoint=$out/model" --policy-args variant=vanilla --workers "$workers" --out "$out/run"
step "report" report "$out/run" --format html
