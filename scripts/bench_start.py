"""What start-up costs with 31 losses and with hundreds: CPU seconds of whole commands.

    python scripts/bench_start.py [--losses 300] [--repeats 5]

The losses are copies of the package's own, with cards and a ledger, in a folder of LOSSATLAS_PATH.
Of each command the two variants take turns, so that a busy machine slows both; printed are medians
of user and system time, that of all children included. `list, first time` has no cache yet; a run
is timed to its first step and no further.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lossatlas import memo
from lossatlas.losses import registry

COMMAND = [sys.executable, "-m", "lossatlas"]
TO_FIRST_STEP = """
import os, sys
from lossatlas.training.modules import LossModule
LossModule.training_step = lambda *_: os._exit(0)
from lossatlas.__main__ import main
main()
"""
RUN = ["train", "data=synthetic", "recipe=smoke", "loss=focal", "progress=false"]
TIMED = {
    "list, first time": [*COMMAND, "list"],
    "list": [*COMMAND, "list"],
    "show focal": [*COMMAND, "show", "focal"],
    "train --help": [*COMMAND, "train", "--help"],
    "train --cfg job --resolve": [*COMMAND, *RUN, "--cfg", "job", "--resolve"],
    "train, to the first step": [sys.executable, "-c", TO_FIRST_STEP, *RUN],
}


def make_up(root: Path, count: int) -> None:
    """Write that many losses, each a copy of one of the package's under a name of its own."""
    own = list(registry.index().values())
    for i in range(count):
        entry = own[i % len(own)]
        name = f"{entry.id}_{i}"
        code = root / "losses" / entry.family / f"{name}.py"
        card = root / "papers" / entry.family / f"{name}.md"
        for file, text in (
            (code, f"{entry.code.read_text()}\nNUMBER = {i}\n"),
            (card, re.sub(r"(?m)^id: .*$", f"id: {name}", entry.card.read_text(), count=1)),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    os.environ[registry.PATH_VARIABLE] = str(root)
    registry.forget()
    made = [entry for entry in registry.index().values() if entry.code.is_relative_to(root)]
    assert len(made) == count
    made[0].ledger.write_text(json.dumps({entry.id: registry.digest(entry) for entry in made}))


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[-4:])}: exit code {done.returncode}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    few = len(registry.index())
    print(f"{'CPU s, medians':<28}{few:>12} losses{few + given.losses:>12} losses  difference")
    with tempfile.TemporaryDirectory() as folder:
        make_up(Path(folder) / "own", given.losses)
        common = {**os.environ, "LOSSATLAS_RUNS": f"{folder}/runs", "OMP_NUM_THREADS": "1"}
        del common[registry.PATH_VARIABLE]
        common.pop("PYTHONDONTWRITEBYTECODE", None)
        more = {registry.PATH_VARIABLE: f"{folder}/own"}
        for what, command in TIMED.items():
            found: tuple[list[float], list[float]] = ([], [])
            for turn in range(given.repeats):
                for times, extra in zip(found, ({}, more), strict=True):
                    cache = f"{folder}/cache{turn if 'first' in what else ''}{len(extra)}"
                    times.append(seconds(command, common | extra | {memo.CACHE_VARIABLE: cache}))
            usual, many = map(statistics.median, found)
            print(f"{what:<28}{usual:>19.2f}{many:>19.2f}{many - usual:>+12.2f}", flush=True)


if __name__ == "__main__":
    main()
