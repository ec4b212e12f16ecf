#!/bin/sh
# Install the project for each supported Python that is found here, and run the quick tests with it.
# usage: scripts/test_pythons.sh [FOLDER]    environments are made in FOLDER (default: .pythons)
# PYTHONS names interpreters; without it python3.11, python3.12 and python3.13 are looked for.
set -eu
cd "$(dirname "$0")/.."
where=${1:-.pythons}
failed=
missing=
for python in ${PYTHONS:-python3.11 python3.12 python3.13}; do
    if ! "$python" -c '' 2>/dev/null; then
        missing="$missing $python"
        continue
    fi
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    PYTHON=$python sh scripts/setup.sh "$where/$version"
    # A sweep's processes, Hydra's parser, Lightning's loop, the cards, and exact arithmetic.
    "$where/$version/bin/python" -m pytest -q -n 2 \
        tests/test_cards.py tests/test_cli.py tests/losses/test_registry.py \
        tests/training/test_pool.py tests/training/test_run.py tests/training/test_worker.py \
        tests/theory/test_exact.py --deselect \
        tests/training/test_run.py::test_real_cifar10_for_two_hundred_steps \
        || failed="$failed $version"
done
[ -z "$missing" ] || echo "not here, so not tested:$missing" >&2
[ -z "$failed" ] || { echo "failed on Python$failed" >&2; exit 1; }
