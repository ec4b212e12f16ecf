"""What this project does on a GPU, measured part by part in a limited time, as one table.

    python scripts/check_gpu.py [-o reports/gpu.md] [--seconds 330] [--cpu] [--tiny]

`scripts/check_gpu.sh DIR` starts it on a machine without network. Each part is a process of its own
that says what it has measured as it goes on, and is ended when its share of the time is over; none
is begun when all the time is. What was not measured by then is "not reached" in the table, which is
written anew after each part.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "src")]
NOT_REACHED = "not reached"
MACHINE = "machine"
SHARES = {"contract": 20, "smoke": 25, "loop": 10, "workers": 30, "standard": 15}  # of the time
WORKERS = (1, 2, 4, 8)
GRACE = 10.0  # seconds for a part to end after its SIGTERM
SHORTEST = 1.0  # seconds in which a part is worth beginning
Row = dict[str, str]


class Options(argparse.Namespace):
    """What the command line says, beside the part and its folder for runs."""

    cpu: bool
    tiny: bool

    @property
    def device(self) -> str:
        """As torch names it."""
        return "cpu" if self.cpu else "cuda"

    @property
    def overrides(self) -> list[str]:
        """Of every run."""
        tiny = ["data=synthetic", "model.widths=[8,8,8]", "recipe.batch_size=64"]
        where = f"accelerator={'cpu' if self.cpu else 'gpu'}"
        return [where, "progress=false", *(tiny if self.tiny else [])]

    @property
    def losses(self) -> list[str]:
        """Every verified loss; with --tiny two."""
        from lossatlas.training import query

        return ["cross_entropy", "nt_xent"] if self.tiny else query.read("verified()").found


def row(what: str, value: str, protocol: str, n: str) -> Row:
    """A line of the table."""
    return {"what": what, "value": value, "protocol": protocol, "n": n}


def spread(values: list[float], unit: str) -> str:
    """Median, smallest and largest value."""
    ends = f"{min(values):.3g} to {max(values):.3g}"
    return f"{statistics.median(values):.3g}{unit} ({ends})"


def machine(options: Options) -> Row:
    """Where a part measures: said by its process, since torch takes long to import."""
    import pytorch_lightning
    import torch

    device = platform.processor() or platform.machine()
    if not options.cpu:
        card = torch.cuda.get_device_properties(0)
        device = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    versions = f"torch {torch.__version__} (CUDA {torch.version.cuda}), Lightning "
    return row(MACHINE, device, versions + pytorch_lightning.__version__, "")


def contract(options: Options, folder: Path) -> Iterator[Row]:
    """The contract suite on the device."""
    from lossatlas.contract import suite

    cases, broken, names = 0, [], options.losses
    for number, name in enumerate(names, 1):
        outcome = suite.test(name, options.device)
        cases, broken = cases + outcome.cases, broken + outcome.broken
        value = f"{len(broken)} laws broken in {cases} cases"
        of = f"{number} of {len(names)} losses"
        yield row("contract suite", value, f"lossatlas test --device {options.device}", of)
        for sentence in outcome.broken:
            yield row(f"broken: {sentence.partition(': ')[2][:60]}", sentence, "", name)


def smoke(options: Options, folder: Path) -> Iterator[Row]:
    """One smoke run of every loss."""
    import hydra

    from lossatlas import resources
    from lossatlas.training import config, run

    config.register_configs()
    states, seconds, names = [], [], options.losses
    for number, name in enumerate(names, 1):
        words = ["recipe=smoke", f"loss={name}", f"runs={folder}", *options.overrides]
        with hydra.initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
            cfg = hydra.compose("config", words)
        made = run.execute(cfg)
        states.append(made["state"])
        seconds.append(made.get("wall_s", 0.0))
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        of = f"{number} of {len(names)} losses"
        yield row("a smoke run of every loss", counts, "recipe=smoke scenario=clean seed=0", of)
        yield row("seconds of a smoke run", spread(seconds, " s"), "median (range) over losses", of)


def loop(options: Options, folder: Path) -> Iterator[Row]:
    """Lightning over a bare loop."""
    import torch

    import bench_training

    steps, n = (2, 2) if options.tiny else (100, 9)
    cfg = bench_training.configuration(steps, *options.overrides)
    pairs = []
    for pair in bench_training.rounds(cfg, n, torch.device(options.device)):
        pairs.append(pair)
        ratios = [p["lightning"] / p["bare"] for p in pairs]
        how = f"in turn, {steps} steps of {cfg.recipe.batch_size} images a round, median (range)"
        of = f"{len(pairs)} of {n} rounds"
        yield row("Lightning over a bare loop", spread(ratios, ""), how, of)
        bare = [1000 * p["bare"] for p in pairs]
        yield row("a step of the bare loop", spread(bare, " ms"), how, of)


def workers(options: Options, folder: Path) -> Iterator[Row]:
    """Smoke runs a minute with several workers on the one device."""
    each = 1 if options.tiny else 3
    for size in WORKERS[:2] if options.tiny else WORKERS:
        store, runs = folder / str(size), size * (each + 1)
        seeds = f"seed={','.join(map(str, range(runs)))}"
        words = ["recipe=smoke", "loss=cross_entropy", seeds, f"launcher.workers={size}"]
        train(["-m", *words, *options.overrides], store)
        ends = sorted(path.stat().st_mtime for path in store.glob("*/row.json"))
        if len(ends) < runs:
            yield row(title(size), f"{len(ends)} of {runs} runs have a row", "", "")
            continue
        pace = 60 * (runs - size) / max(ends[-1] - ends[size - 1], 1e-3)
        how = "recipe=smoke, between the end of the first run of each worker and that of the last"
        yield row(title(size), f"{pace:.3g} runs a minute", how, f"{runs - size} runs, once")


def title(size: int) -> str:
    """Of a line on so many workers."""
    return f"{size} workers on one device" if size > 1 else "1 worker on one device"


def standard(options: Options, folder: Path) -> Iterator[Row]:
    """A run of the recipe `standard`, as far as the time goes."""
    epochs = ["recipe.epochs=1"] if options.tiny else []
    words = ["recipe=standard", "loss=cross_entropy", *epochs, *options.overrides]
    process = train(words, folder, wait=False)
    seen = 0
    try:
        while True:
            ended = process.poll() is not None
            logs = [*folder.glob(".running/*/epochs.jsonl"), *folder.glob("*/epochs.jsonl")]
            lines = logs[-1].read_text().splitlines(True) if logs else []
            made = [json.loads(line) for line in lines if line.endswith("\n")]
            if len(made) > seen:
                seen = len(made)
                seconds = [one["seconds"] for one in made]
                how, of = "recipe=standard, cross_entropy, clean, seed 0", f"{seen} epochs"
                yield row("an epoch of standard", spread(seconds, " s"), how, of)
                accuracy = f"{100 * made[-1]['test_accuracy']:.2f} % after epoch {seen}"
                yield row("test accuracy of standard, so far", accuracy, how, "1 seed")
            if ended:
                break
            time.sleep(0.5)
        done = list(folder.glob("*/row.json"))
        if process.returncode == 0 and done:
            found = json.loads(done[0].read_text())
            value = f"{100 * found['test_accuracy']:.2f} % in {found['wall_s']:.0f} s"
            yield row("a whole standard run", value, f"{found['epochs']} epochs", "1 seed")
    finally:
        process.terminate()
        process.wait()


def train(words: list[str], store: Path, wait: bool = True) -> subprocess.Popen[str]:
    """Start `lossatlas train`; with `wait` until it has ended."""
    command = [sys.executable, "-m", "lossatlas", "train", *words]
    env = os.environ | {"LOSSATLAS_RUNS": str(store), "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, env=env, text=True, stdout=sys.stderr)
    if wait:
        process.wait()
    return process


PARTS: dict[str, Callable[[Options, Path], Iterator[Row]]] = {
    "contract": contract, "smoke": smoke, "loop": loop, "workers": workers, "standard": standard,
}  # fmt: skip
# What each part has to say: these lines stand in the table whether or not they were reached.
EXPECTED = {
    "contract": ["contract suite"],
    "smoke": ["a smoke run of every loss", "seconds of a smoke run"],
    "loop": ["Lightning over a bare loop", "a step of the bare loop"],
    "workers": [title(size) for size in WORKERS],
    "standard": [
        "an epoch of standard", "test accuracy of standard, so far", "a whole standard run",
    ],
}  # fmt: skip


def measure(name: str, seconds: float, words: list[str], folder: Path) -> list[Row]:
    """What a part says in a process of its own within its seconds."""
    command = [sys.executable, __file__, *words, "--part", name, "--runs", str(folder / name)]
    with (folder / f"{name}.jsonl").open("w+") as said:
        process = subprocess.Popen(command, stdout=said, start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"check_gpu: {name}: its time is over", file=sys.stderr, flush=True)
        for number in (signal.SIGTERM, signal.SIGKILL):  # the part and all that it started
            try:
                os.killpg(process.pid, number)
                process.wait(GRACE)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()
        said.seek(0)
        lines = said.read().splitlines(True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    if process.returncode > 0:
        found.append(row(f"{name}: failed", f"exit code {process.returncode}", "", ""))
    return found


def table(said: dict[str, list[Row]], options: Options, begun: float) -> str:
    """The page: of each line the last that was said."""
    import lossatlas

    none = row(MACHINE, NOT_REACHED, f"torch and Lightning {NOT_REACHED}", "")
    where = next((one for rows in said.values() for one in rows if one["what"] == MACHINE), none)
    lines = [
        "# On a GPU",
        "",
        f"Written by `scripts/check_gpu.sh` on {time.strftime('%Y-%m-%d', time.gmtime())} in "
        f"{time.monotonic() - begun:.0f} s, all parts together. A part whose time was over says "
        f"so: {NOT_REACHED}.",
        "",
        f"- device: {where['value']}; {os.cpu_count()} processors",
        f"- {where['protocol']}, lossatlas {lossatlas.__version__}, "
        f"Python {platform.python_version()}",
        "- data: synthetic, tiny: no figure means anything" if options.tiny else "- data: CIFAR-10",
        "",
        "| what | measured | n | protocol |",
        "|---|---|---|---|",
    ]
    for name, expected in EXPECTED.items():
        last = {one["what"]: one for one in said.get(name, []) if one["what"] != MACHINE}
        for what in [*expected, *(key for key in last if key not in expected)]:
            one = last.get(what, row(what, NOT_REACHED, "", ""))
            cells = (one[key].replace("|", "\\|") for key in ("what", "value", "n", "protocol"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    """Measure one part, or all of them and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "reports" / "gpu.md")
    parser.add_argument("--seconds", type=float, default=330.0, help="for all parts together")
    parser.add_argument("--cpu", action="store_true", help="try the script without a GPU")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, synthetic images")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(words, namespace=Options())
    if (options.cpu or options.tiny) and options.out == ROOT / "reports" / "gpu.md":
        parser.error("reports/gpu.md is for figures of a GPU; with --cpu or --tiny give -o FILE")
    if options.part:
        print(json.dumps(machine(options)), flush=True)
        for one in PARTS[options.part](options, options.runs):
            print(json.dumps(one), flush=True)
        return
    begun, said, left = time.monotonic(), {}, dict(SHARES)
    same = [flag for flag in ("--cpu", "--tiny") if flag in words]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in PARTS:  # what a part leaves of its time is for those after it
            rest = options.seconds - (time.monotonic() - begun) - GRACE
            share = rest * left[name] / sum(left.values())
            del left[name]
            if share < SHORTEST:
                print(f"check_gpu: {name}: no time is left", file=sys.stderr, flush=True)
            else:
                print(f"check_gpu: {name}: {share:.0f} s at most", file=sys.stderr, flush=True)
                said[name] = measure(name, share, [*same, "-o", os.devnull], Path(folder))
            text = table(said, options, begun)
            options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
