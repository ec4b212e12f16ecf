"""The command line in processes of their own, as a user starts it."""

import os
import subprocess
import sys
import time

TINY = [
    "data=synthetic", "recipe=smoke", "recipe.batch_size=64", "recipe.epochs=1",
    "model.widths=[8,8,8]",
]  # fmt: skip
# The files of a finished run.
FINISHED = {
    "row.json", "start.json", "config.yaml", "epochs.jsonl", "bundle.safetensors", "loss.py",
}  # fmt: skip
COMMAND = [sys.executable, "-m", "lossatlas.cli"]


def lossatlas(*arguments, runs, **environment):
    """Run it to its end."""
    env = _environment(runs, environment)
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False
    )


def start(*arguments, runs, **environment):
    """Start it, in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments], env=_environment(runs, environment), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def wait_for(condition, process=None, seconds=300):
    """What the condition gives as soon as it is true; the process must not end before."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def living(folder):
    """Process ids of the workers whose logs lie in the folder of a sweep."""
    pids = [int(path.stem.rpartition("-")[2]) for path in folder.glob("worker-*.log")]
    return [pid for pid in pids if _lives(pid)]


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _environment(runs, more):
    return os.environ | {"LOSSATLAS_RUNS": str(runs), "OMP_NUM_THREADS": "1"} | more
