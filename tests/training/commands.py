"""The command line in a process of its own, as a user starts it."""

import os
import subprocess
import sys

TINY = ["data=synthetic", "recipe=smoke", "recipe.batch_size=64", "recipe.epochs=1"]


def lossatlas(*arguments, runs, **environment):
    env = os.environ | {"LOSSATLAS_RUNS": str(runs), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(
        [sys.executable, "-m", "lossatlas.cli", *arguments],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
