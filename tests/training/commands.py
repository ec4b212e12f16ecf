"""The command line in processes of their own, as a user starts it."""

import os
import signal
import subprocess
import sys
import tempfile
import time

from lossatlas.__main__ import main
from lossatlas.training import pool

TINY = [
    "data=synthetic", "data.n_train=128", "data.n_test=50", "recipe=smoke",
    "recipe.batch_size=64", "recipe.epochs=1", "model.widths=[8,8,8]", "model.stem_kernel=2",
]  # fmt: skip
# As many images and epochs as `recipe=smoke` has, from which something is learned.
SMOKE = ["data.n_train=2000", "data.n_test=500", "recipe.epochs=2", "model.stem_kernel=3"]
# Epochs of two steps, for what is killed in their midst.
SHORT = ["data.n_train=64", "recipe.batch_size=32", "data.n_test=50"]
# The files of a finished run.
FINISHED = {
    "row.json", "start.json", "config.yaml", "epochs.jsonl", "bundle.safetensors", "loss.py",
}  # fmt: skip


class Started:
    """The command line in a process of its own, and what it prints.

    It is forked from the server of our sweeps, which has imported what takes seconds.
    """

    def __init__(self, arguments, runs, environment, apart):
        self.out = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.err = tempfile.TemporaryFile("w+") if apart else self.out  # noqa: SIM115
        streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (self.out, self.err)]
        given = {"LOSSATLAS_RUNS": str(runs), "OMP_NUM_THREADS": "1"} | environment
        self.process = pool.prepare(1).Process(
            target=_main, args=(arguments, os.getcwd(), os.environ | given, streams)
        )
        self.process.start()
        self.pid = self.process.pid

    def poll(self):
        return self.process.exitcode

    returncode = property(poll)

    def wait(self, timeout):
        self.process.join(timeout)
        assert self.returncode is not None, f"still at work after {timeout} s:\n{self.told()}"
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def told(self, file=None):
        """What it has printed so far to stdout, and to stderr unless that is apart."""
        file = file or self.out
        file.seek(0)
        return file.read()


def _main(arguments, folder, environment, streams):
    os.setsid()
    os.chdir(folder)
    for stream, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as TMPDIR says
    sys.argv = ["lossatlas", *arguments]
    main()


def start(*arguments, runs, **environment):
    """Start it, in a process group of its own."""
    return Started(arguments, runs, environment, apart=False)


def lossatlas(*arguments, runs, **environment):
    """Run it to its end."""
    process = Started(arguments, runs, environment, apart=True)
    code = process.wait(300)
    return subprocess.CompletedProcess(arguments, code, process.told(), process.told(process.err))


def wait_for(condition, process=None, seconds=300):
    """What the condition gives as soon as it is true; the process must not end before."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, process.told()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def living(folder):
    """Process ids of the workers whose logs lie in the folder of a sweep."""
    pids = [int(path.stem.rpartition("-")[2]) for path in folder.glob("worker-*.log")]
    return [pid for pid in pids if lives(pid)]


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
