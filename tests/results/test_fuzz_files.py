"""Whatever is done to one file that is read back, every command ends in a sentence.

There is a store of two finished runs of one sweep, with what lies beside them; a folder of pages;
and a loss of a user's own with what is recorded of it. The seeded mutations are those of a disk, a
careless hand and a hostile one. `python -m pytest tests/results/test_fuzz_files.py` runs two of
each kind of file.
"""

import base64
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lossatlas import cli
from lossatlas.evaluation import bundle
from lossatlas.losses import registry
from lossatlas.pages.render import mark
from lossatlas.results import store, sweeps, table, travel
from lossatlas.theory import records
from lossatlas.training import pool, tuned, worker
from rows import whole

SWEEP = ["data=synthetic", "recipe=smoke", "loss=cross_entropy", "seed=0,1"]
VALUES: list[Any] = [
    None, True, 0, 1, -1, 7, 0.5, -1e30, 1e308, 10**30, 10**400, float("nan"), float("inf"), "",
    "abc", "..", "../../elsewhere", "/etc/passwd", "a\nb", "\x1b[31m", "[/red]", "\u202e", "a\0b",
    "\ud800", "x" * 5000, [], [1], ["a"], {}, {"a": 1}, [[]], "<script>alert(1)</script>", "=1+1",
]  # fmt: skip
CONTENTS: list[bytes] = [
    b"", b"\n", b"[]", b"null", b"5", b"5\n", b'"x"', b"{}", b"{}\n", b"true", b"[[1]]", b"NaN",
    b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b'{"seed": ' + b"9" * 5000 + b"}", b"\0" * 50,
    base64.b64decode("//57ACIAYQAiADoAMQB9AA=="), b"\xef\xbb\xbf{}", b"\xff\xfe", b"{", b"- " * 999,
    b'{"state": "done", "state": "failed"}', b"a: &a [*a, *a]\n", b"? ? ? x", b"key: [unclosed",
]  # fmt: skip


# A folder for each kind of file; what is in `runs` is the store.
OWN = "own/losses/margin/score_here.py"
CARD = "own/papers/margin/score_here.md"
LEDGER, VERDICTS = "own/papers/verified.json", "own/papers/verdicts/score_here.json"
PAGES = "pages/files.txt"
CODE = """from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

@register
class Here(LogitLoss):
    target = "class_index"

    def per_sample(self, logits, target):
        return logits.gather(1, target[:, None]).squeeze(1)
"""
WRITTEN = """---
id: score_here
name: The score
family: margin
target: class_index
paper: {title: A Paper, authors: [Ada Lovelace], venue: Somewhere, year: 2024}
formula: s_y
evidence: {level: C, checked: derived}
---
"""
PAGE = f"{mark('card')}\n# A\n\nIt is.\n"
CHECK = ["check", "score_here", "--property", "nonnegative"]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs of one sweep, with all that is read back, and what lies beside them."""
    base = tmp_path_factory.mktemp("pristine")
    root = base / "runs"
    with pytest.MonkeyPatch.context() as patch:
        without_workers(patch)
        call(patch, root, "train", "-m", *SWEEP)
        (sweep,) = sweeps.folders(root)
        for seed, run in enumerate(sweeps.read(sweep)):
            make(root / run.run_id, run, sweep.name, seed)
        table._keep(root, pd_table(root))
        sweeps.limit_failures(sweep, 2)
        sweeps.note_failure(sweep, "another")
        (sweep / "worker-vm-1.log").write_text(f"{run.run_id}{worker.NOT_MADE}it is late\n")
        cell = tuned.Cell("smoke", "clean", "airnet_s", "synthetic", "focal")
        trial = {"loss": "focal", "stage": "short", "lr": 0.1, "score": 0.5, "state": "done"}
        rate = {"trials": [trial | {"cpu_s": 1.0}], "chosen": 0.1, "said": "best"}
        tuned.write(root / store.TUNED, cell, "one", {"focal": rate})
        row = store.read_row(root / run.run_id) | {"run_id": "far-clean-smoke-s0-0123456789ab"}
        travel.write(base / "far.parquet", travel.Rows([travel.run(row, [], {})]))
        travel.bring(root, base / "far.parquet")
        for name, text in ((OWN, CODE), (CARD, WRITTEN), ("pages/a/README.md", PAGE)):
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            (base / name).write_text(text)
        (base / "pages/a/index.html").write_text(PAGE)
        call(patch, root, "pages", str(base / "pages"))
        patch.setenv(registry.PATH_VARIABLE, str(base / "own"))
        registry.forget()
        entry = registry.find("score_here")
        entry.ledger.write_text(json.dumps({"score_here": registry.digest(entry)}))
        records.check("score_here", ["nonnegative"], keep=True)
    forget()
    for name in (PAGES, LEDGER, VERDICTS):
        assert (base / name).is_file(), name
    return base


def without_workers(patch: pytest.MonkeyPatch) -> None:
    """The workers of a sweep read what they read, here, and make nothing."""
    patch.setattr(pool, "prepare", lambda _: None)
    patch.setattr(worker, "_is_held", lambda *_: False)
    patch.setattr(pool, "work", lambda folder, *_: [] if worker.work(folder) == 0 else ["full"])


def forget() -> None:
    """Know nothing of the loss that lies in the folder."""
    registry._classes.pop("score_here", None)
    registry._ledger.cache_clear()
    registry._card.cache_clear()
    registry.forget()


def pd_table(root: Path) -> Any:
    """What the cache of a store of two runs would hold, were it kept for so few."""
    stamps = table._stamps(root, [])
    return next(table._read(root, stamps, []))


def make(folder: Path, run: sweeps.Planned, sweep: str, seed: int) -> None:
    """A finished run as training leaves it."""
    folder.mkdir()
    labels = torch.arange(60) % 10
    logits = torch.nn.functional.one_hot(labels, 10) * 2.0 + torch.rand(60, 10)
    outputs = bundle.Outputs(logits, torch.zeros(60, 4), labels, torch.arange(60))
    bundle.save(folder / "bundle.safetensors", {"test": outputs})
    for epoch in (1, 2):
        line = {"epoch": epoch, "test_accuracy": 0.4 + epoch / 10, "train_accuracy": 0.4}
        store.append_line(folder / "epochs.jsonl", line | {"seconds": 2.0, "cpu_seconds": 2.0})
    start = whole(folder.name, recipe="smoke", data="synthetic", model="airnet_s", seed=seed)
    start |= {"started": 1_790_000_000, "sweep": sweep, "batch_size": 64, "threads": 1}
    store.write_json(folder / "start.json", start)
    numbers = {"test_accuracy": 0.5 + seed / 10, "wall_s": 9.0, "train_s": 4.0, "reason": None}
    store.write_json(folder / "row.json", start | numbers)
    (folder / "config.yaml").write_text(json.dumps(run.config))


def call(patch: pytest.MonkeyPatch, root: Path, *arguments: str) -> int:
    """Run a command here; its exit code."""
    patch.setenv("LOSSATLAS_RUNS", str(root))
    patch.setattr(sys, "argv", ["lossatlas", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def mutations(base: Path, rng: random.Random) -> Iterator[tuple[str, Callable[[], None]]]:
    """Endlessly: the path of a file, and what is done to it."""
    root = base / "runs"
    (sweep,) = sweeps.folders(root)
    run = root_runs(root)[0]
    (brought,) = (root / travel.IMPORTED).iterdir()
    kinds = [
        f"{run}/row.json", f"{run}/epochs.jsonl", f"{run}/config.yaml", f"{run}/bundle.safetensors",
        f".running/{run}/start.json", f".running/{run}/epochs.jsonl", f".running/{run}/lease.0",
        f".running/{run}/00001-0123456789abcdef.ckpt", f".running/{run}",
        f".sweeps/{sweep.name}/plan.jsonl", f".sweeps/{sweep.name}/sweep.yaml",
        f".sweeps/{sweep.name}/failures", f".sweeps/{sweep.name}/worker-vm-1.log",
        ".tuned/smoke/clean.yaml", f".imported/{brought.name}", ".rows.parquet",
        run, ".running", ".sweeps",
    ]  # fmt: skip
    while True:
        for name in (*(f"runs/{kind}" for kind in kinds), PAGES, LEDGER, VERDICTS, CARD):
            yield name, lambda name=name: mutate(root, base / name, rng)


def mutate(root: Path, path: Path, rng: random.Random) -> None:
    """One mutation of the file at `path`, which need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and path.parent.parent.name == ".running":
        seed = root / path.parent.name / path.name  # what was made so far, else nothing
        if seed.is_file() and rng.random() < 0.7:
            shutil.copy(seed, path)
            if rng.random() < 0.5:
                shutil.rmtree(root / path.parent.name)  # and not finished either
    if path.name in ("failures", "worker-vm-1.log"):  # which are read where runs are missing
        shutil.rmtree(root / root_runs(root)[0])
    how = rng.choice(("write", "instead", "bytes", "field", "field", "field"))
    if how == "instead" or path.is_dir():
        instead(path, rng)
    elif how == "write" or not path.is_file() or not path.stat().st_size:
        path.write_bytes(rng.choice(CONTENTS))
    elif how == "bytes":
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 1, 5))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        cut = rng.randrange(len(content)) if rng.random() < 0.4 else len(content)
        path.write_bytes(bytes(content[:cut]) * rng.choice((1, 1, 1, 2)))
    elif path.suffix == ".safetensors":
        save_file(tensors(rng), path)
    elif path.suffix == ".parquet":
        odd = {"run_id": [1, 2], "junk": [[1], [2]], '"state"': ["done", "x"], '"seed"': ["a", "b"]}
        key = rng.choice([*odd])
        old = pd.read_parquet(path)
        old.assign(**{key: odd[key][: len(old)]}).to_parquet(path)
    else:
        fields(path, rng)


def instead(path: Path, rng: random.Random) -> None:
    """Something else in the place of a file."""
    store.delete(path)
    what = rng.choice(("nothing", "folder", "loop", "dangling", "fifo", "device", "full folder"))
    if "folder" in what:
        path.mkdir()
        if what != "folder":
            (path / "x").write_text("x")
    elif what == "fifo":
        os.mkfifo(path)
    elif what != "nothing":
        path.symlink_to({"loop": path.name, "dangling": "nowhere", "device": "/dev/zero"}[what])


def tensors(rng: random.Random) -> dict[str, torch.Tensor]:
    """A bundle that does not fit, or does."""
    n, m, k = (rng.choice((0, 1, 60)) for _ in range(3))
    kinds = (torch.float32, torch.float16, torch.int64, torch.float64)
    logits = torch.zeros(n, k).to(rng.choice(kinds))
    if logits.is_floating_point() and rng.random() < 0.5:
        logits = logits + rng.choice((0.0, float("nan"), float("inf")))
    labels = torch.full((m,), rng.choice((0, 1, -1, 99))).to(rng.choice(kinds))
    names = [("test/logits", logits), ("test/labels", labels), ("test/x", torch.tensor(1.0))]
    return dict(rng.sample(names, rng.choice((1, 2, 3))))


def fields(path: Path, rng: random.Random) -> None:
    """Another value for a field of a file of JSON (or lines of it), or none."""
    lines = path.read_text().splitlines()
    lines = lines if path.suffix == ".jsonl" else ["\n".join(lines)]
    number = rng.randrange(len(lines))
    try:
        found = json.loads(lines[number])
    except ValueError:
        number = rng.randrange(len(lines))
        words = lines[number].split() or [""]
        word = rng.choice(words)
        other = json.dumps(rng.choice(VALUES), ensure_ascii=rng.random() < 0.5)
        lines[number] = lines[number].replace(word, other)
        path.write_text("\n".join(lines), errors="surrogatepass")
        return
    inner = found
    while isinstance(inner, dict) and inner:
        key = rng.choice([*inner])
        if isinstance(inner[key], dict) and rng.random() < 0.7:
            inner = inner[key]
            continue
        if rng.random() < 0.25:
            del inner[key]
        else:
            inner[key] = rng.choice(VALUES)
        break
    lines[number] = json.dumps(found)
    if rng.random() < 0.1:
        lines = [*lines, lines[number]]
    path.write_text("\n".join(lines) + "\n")


def trial(
    patch: pytest.MonkeyPatch, capsys: Any, base: Path, name: str, do: Callable[[], None],
    commands: list[list[str]],
) -> list[str]:  # fmt: skip
    """Mutate, run the commands, and say what is wrong with how they end."""
    root = base / "runs"
    before, other = said(patch, capsys, root, "runs")[1], root_runs(root)[1]
    (line,) = [line for line in before.splitlines() if other in line]
    do()
    signal.alarm(100)
    problems = []
    for command in commands:
        try:
            code, out, err = said(patch, capsys, root, *command)
        except Exception as error:
            problems.append(f"{name}: {command[:2]}: {type(error).__name__}: {error}"[:300])
            continue
        if code not in (0, 1, 2) or "Traceback" in err:
            problems.append(f"{name}: {command[:2]}: code {code}, {err[:200]}")
        shown = " ".join(line.split()) in " ".join(out.split())
        if command == ["runs"] and not name.endswith(".sweeps") and not shown:
            problems.append(f"{name}: the other run is not shown: {out[:300]}")
        if odd := set(out + err) - {*map(chr, range(32, 127)), "\n", *"…é–"}:
            problems.append(f"{name}: {command[:2]} prints {odd}")
    signal.alarm(0)
    return problems


def said(patch: pytest.MonkeyPatch, capsys: Any, root: Path, *command: str) -> tuple[int, str, str]:
    code = call(patch, root, *command)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def root_runs(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.name.startswith("cross"))


def reading(name: str, base: Path, i: int) -> list[list[str]]:
    """The commands that read a file, but for what trains; those that take long in turn."""
    if name == PAGES:
        return [["pages", str(base / "pages")]]
    if not name.startswith("runs/"):
        shown = [["list", "score_here"], ["show", "score_here"]]
        return [*shown, CHECK] if name == VERDICTS else shown
    sweep = sweeps.folders(base / "runs")[0].name
    plan, report = ["train", "-m", *SWEEP], ["report", "-o", str(base / "report")]
    if ".tuned" in name:
        return [plan, report]
    more = {3: ["runs", "export", str(base / "rows.parquet")], 4: plan, 5: report}.get(i % 6)
    asked = [["runs"], ["runs", "--sweep", sweep], ["runs", "--json"], ["work", sweep]]
    return [*asked, more] if more else asked


TRIALS = 46


def test_no_mutation_of_a_file_ends_in_a_traceback(pristine, tmp_path, monkeypatch, capsys):
    without_workers(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = random.Random(11)
    problems = []
    for i in range(TRIALS):
        base = tmp_path / f"trial-{i}"
        shutil.copytree(pristine, base, symlinks=True)
        monkeypatch.setenv(registry.PATH_VARIABLE, str(base / "own"))
        forget()
        name, do = next(m for j, m in enumerate(mutations(base, rng)) if j == i % 23)
        problems += trial(monkeypatch, capsys, base, name, do, reading(name, base, i))
        shutil.rmtree(base)
    forget()
    assert problems == []
