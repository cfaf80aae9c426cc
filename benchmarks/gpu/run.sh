#!/usr/bin/env bash
# Checks that need a GPU, in about six minutes: the tests that need no network, heads against classes, the
# maximal batches of Table 9, and Table 8 on drawn pictures. From the top of a checkout whose packages are installed:
#   bash benchmarks/gpu/run.sh FOLDER PART...
# Each part writes FOLDER/PART.txt; parts are tests, table8, resume, heads and table9.
set -uo pipefail
out=${1:?give a folder for what the parts print}
shift
mkdir -p "$out"
zsl() { python3 -m experiments.commands.main "$@"; }
export -f zsl
export COLUMNS=200 PYTHONUNBUFFERED=1

tests() {
    # prints names at once, so that failures are known even if the time is too short
    python3 -m pytest -o addopts= -v -n "${WORKERS:-8}" --dist loadfile -p no:cacheprovider -p no:benchmark --tb=short \
        --ignore=tests/experiments/grids/test_ray_cluster.py --ignore=tests/experiments/report/test_browser.py ${TESTS:-}
}
heads() { zsl bench heads --rounds 10 --batch-size 64; }
table9() { zsl ablate table9 --set batch_size=0 --set rounds=3 --set classes=100,5000 --out "$scratch/table9" && cat "$scratch/table9/report.md"; }
table8() { zsl ablate table8 --config demo --out "$scratch/table8" && cat "$scratch/table8/report.md"; }
# a run that is killed and continued must end with the weights of an undisturbed run
resume() {
    local set=(--set data.train=4000 --set data.test=1000 --set train.checkpoint_steps=5)
    zsl train demo --out "$scratch/whole" "${set[@]}" || return
    timeout -s KILL 25 python3 -m experiments.commands.main train demo --out "$scratch/cut" "${set[@]}"
    zsl train demo --out "$scratch/cut" "${set[@]}" --resume || return
    cmp "$scratch/whole/readout.safetensors" "$scratch/cut/readout.safetensors" && echo "the same weights"
}
export -f tests heads table9 table8 resume

scratch=$(mktemp -d)
export scratch
trap 'rm -rf "$scratch"' EXIT
python3 - <<'PY'
import platform, torch
print(platform.python_version(), "torch", torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
PY
one() {
    local start=$SECONDS status
    timeout -s INT -k 10 "$2" bash -c "$1" >"$out/$1.txt" 2>&1
    status=$?
    echo "== $1: status $status, $((SECONDS - start)) s"
    tail -n "${TAIL:-12}" "$out/$1.txt" | cut -c1-240
}
# timed parts run alone; tests and trainings are not timed, and run at the same time
for part in "$@"; do
    case $part in
    tests) one tests "${TESTS_SECONDS:-220}" & ;;
    table8 | resume) one "$part" 100 ;;
    esac
done
wait
for part in "$@"; do
    case $part in
    heads) one heads 60 ;;
    table9) one table9 150 ;;
    esac
done
