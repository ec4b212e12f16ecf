#!/bin/sh
# Make a virtual environment and install the project into it, at the tested versions.
# usage: scripts/setup.sh FOLDER
set -eu
venv=$1

# Hydra 1.3 cannot start on Python 3.14.
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$python" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
    then
        found=$python
        break
    fi
done
if [ -z "${found:-}" ]; then
    version=$("${PYTHON:-python3}" --version 2>/dev/null || echo not there)
    echo "setup: Python 3.11, 3.12 or 3.13 with venv is needed (${PYTHON:-python3} is ${version#Python }); set PYTHON=/path/to/python3.13" >&2
    exit 2
fi

echo "setup: $("$found" --version) in $venv"
rm -f "$venv/.ready"
"$found" -m venv "$venv"

# uv resolves and installs several times faster than pip. It does not read pip's configuration, so
# the folders that pip would look in (say, for a CPU build of torch) are passed on.
if "$venv/bin/pip" install -q --disable-pip-version-check uv 2>/dev/null; then
    links=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$("$venv/bin/pip" config get global.find-links 2>/dev/null || true)}}
    UV_FIND_LINKS=$(echo "$links" | tr -s ' \n' ',') \
        "$venv/bin/uv" pip install -q --python "$venv/bin/python" -c constraints.txt -e '.[dev]'
else
    "$venv/bin/pip" install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
fi
touch "$venv/.ready"
