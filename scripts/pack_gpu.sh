#!/usr/bin/env bash
# Gather what scripts/check_gpu.sh needs, on a machine with network: wheels and CIFAR-10, in parts.
# usage: scripts/pack_gpu.sh DIR [options of pip download, such as --index-url URL]
# Wheels are those of the Python that runs this (PYTHON, default .venv/bin/python).
set -euo pipefail
if [ $# -lt 1 ]; then
    echo "usage: $0 DIR [options of pip download]" >&2
    exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
if [ -n "$(ls -A "$dir")" ]; then
    echo "$0: $dir is not empty" >&2
    exit 2
fi
python=${PYTHON:-.venv/bin/python}
[ -n "${NO_WHEELS:-}" ] || "$python" -m pip download -q --disable-pip-version-check \
    -c constraints.txt -d "$dir" "$@" .
"$python" - "$dir" <<'END'
import sys
from pathlib import Path

import numpy as np

from lossatlas.data import cifar10

for names, (images, labels) in zip(cifar10.SPLITS.values(), cifar10.load(), strict=True):
    records = np.column_stack([labels.astype(np.uint8), images.reshape(len(images), -1)])
    for name, batch in zip(names, np.split(records, len(names)), strict=True):
        Path(sys.argv[1], name).write_bytes(batch.tobytes())
END
cd "$dir"
sha256sum -- * >"$dir.sums"
mv -- "$dir.sums" SHA256SUMS
for file in *; do
    if [ "$(stat -c %s -- "$file")" -gt 58000000 ]; then
        split -b 58000000 -d -a 2 -- "$file" "$file.part-"
        rm -- "$file"
    fi
done
