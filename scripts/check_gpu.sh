#!/usr/bin/env bash
# Measure this project on a machine with a GPU and no network, in six minutes, into reports/gpu.md.
# usage: scripts/check_gpu.sh DIR [options of check_gpu.py]    DIR as scripts/pack_gpu.sh makes it
set -euo pipefail
begun=$SECONDS
total=355
if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DIR [options of check_gpu.py]; DIR holds what scripts/pack_gpu.sh made" >&2
    exit 2
fi
dir=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Parts are put together again; what came whole is taken as it is.
mkdir "$work/brought"
for file in "$dir"/*; do
    case $file in
        *.part-00) base=${file%.part-00}; cat "$base".part-?? >"$work/brought/${base##*/}" ;;
        *.part-??) ;;
        *) ln -s "$file" "$work/brought/" ;;
    esac
done
(cd "$work/brought" && sha256sum --check --quiet SHA256SUMS)

export PYTHONPATH=$PWD/src
python=${PYTHON:-python3}
[ ! -x .venv/bin/python ] || python=$PWD/.venv/bin/python
if ! "$python" -c 'import torch, lossatlas.training.run' 2>/dev/null; then
    "$python" -m venv --system-site-packages "$work/venv"
    python=$work/venv/bin/python
    "$python" -m pip install -q --disable-pip-version-check --no-index \
        --find-links "$work/brought" lossatlas
fi

# The project's own cache is built from the official batches, whose digests it checks.
export LOSSATLAS_DATA=$work/brought
"$python" scripts/check_gpu.py --seconds "$((total - SECONDS + begun))" "$@"
