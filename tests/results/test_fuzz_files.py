"""Whatever is done to one file of a store, every command ends in a sentence, and names it.

The store has two finished runs of one sweep; the seeded mutations are those of a disk, a careless
hand and a hostile one. `python -m pytest tests/results/test_fuzz_files.py` runs a few of each kind
of file.
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
from lossatlas.results import store, sweeps, table
from lossatlas.training import launch, pool
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


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs of one sweep, with all their files, and the cache of their rows."""
    root = tmp_path_factory.mktemp("pristine") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "launch", lambda *_: None)
        patch.setattr(pool, "prepare", lambda _: None)
        call(patch, root, "train", "-m", *SWEEP)
    (sweep,) = sweeps.folders(root)
    for seed, run in enumerate(sweeps.read(sweep)):
        make(root / run.run_id, run, sweep.name, seed)
    table._keep(root, pd_table(root))
    return root


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


def mutations(root: Path, rng: random.Random) -> Iterator[tuple[str, Callable[[], None]]]:
    """Endlessly: the path of a file, and what is done to it."""
    (sweep,) = sweeps.folders(root)
    run = sorted(p.name for p in root.iterdir() if p.name.startswith("cross"))[0]
    kinds = [
        f"{run}/row.json", f"{run}/epochs.jsonl", f"{run}/config.yaml", f"{run}/bundle.safetensors",
        f".running/{run}/start.json", f".running/{run}/epochs.jsonl", f".running/{run}/lease.0",
        f".running/{run}/00001-0123456789abcdef.ckpt", f".running/{run}",
        f".sweeps/{sweep.name}/plan.jsonl", f".sweeps/{sweep.name}/sweep.yaml", ".rows.parquet",
        run, ".running", ".sweeps",
    ]  # fmt: skip
    while True:
        for name in kinds:
            yield name, lambda name=name: mutate(root, root / name, rng)


def mutate(root: Path, path: Path, rng: random.Random) -> None:
    """One mutation of the file at `path`, which need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and path.parent.parent.name == ".running":
        seed = root / path.parent.name / path.name  # what was made so far, else nothing
        if seed.is_file() and rng.random() < 0.7:
            shutil.copy(seed, path)
            if rng.random() < 0.5:
                shutil.rmtree(root / path.parent.name)  # and not finished either
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
        old.assign(**{key: odd[key]}).to_parquet(path)
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
        path.write_text(lines[0].replace("loss", json.dumps(rng.choice(VALUES))))
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
    patch: pytest.MonkeyPatch, capsys: Any, root: Path, name: str, do: Callable[[], None],
    commands: list[list[str]],
) -> list[str]:  # fmt: skip
    """Mutate, run the commands, and say what is wrong with how they end."""
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
        if (
            command == ["runs"]
            and name != ".sweeps"
            and " ".join(line.split()) not in " ".join(out.split())
        ):
            problems.append(f"{name}: the other run is not shown: {out[:300]}")
        if command == ["runs"] and not set(out) <= {*map(chr, range(32, 127)), "\n", "…", "é"}:
            problems.append(f"{name}: prints {set(out) - set(map(chr, range(32, 127)))}")
    signal.alarm(0)
    return problems


def said(patch: pytest.MonkeyPatch, capsys: Any, root: Path, *command: str) -> tuple[int, str, str]:
    code = call(patch, root, *command)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def root_runs(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.name.startswith("cross"))


@pytest.fixture
def commands(pristine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that read a store, but for what trains."""
    monkeypatch.setattr(launch, "launch", lambda *_: None)
    monkeypatch.setattr(pool, "prepare", lambda _: None)
    monkeypatch.chdir(tmp_path)
    name = sweeps.folders(pristine)[0].name
    return [
        ["runs"], ["runs", "--sweep", name], ["runs", "--json"], ["work", name],
        ["train", "-m", *SWEEP], ["report", "-o", str(tmp_path / "report")],
    ]  # fmt: skip


def test_no_mutation_of_a_file_ends_in_a_traceback(
    pristine, commands, tmp_path, monkeypatch, capsys
):
    rng = random.Random(11)
    problems = []
    for i in range(45):
        root = tmp_path / f"runs-{i}"
        shutil.copytree(pristine, root, symlinks=True)
        name, do = next(m for j, m in enumerate(mutations(root, rng)) if j == i % 15)
        asked = [c for j, c in enumerate(commands) if j < 4 or i % 6 == j]
        problems += trial(monkeypatch, capsys, root, name, do, asked)
        shutil.rmtree(root)
    assert problems == []
