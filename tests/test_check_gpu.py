"""`scripts/check_gpu.py` on a CPU with tiny sizes, in this process; it never writes reports/gpu.md.

What starts processes (two workers, a standard run) is replaced by one that writes what they would.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def check(monkeypatch):
    spec = importlib.util.spec_from_file_location("check_gpu", ROOT / "scripts" / "check_gpu.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def here(check, monkeypatch):
    """Each part in this process, of a run the files alone."""

    def train(words, store, wait=True):
        seeds = next((w for w in words if w.startswith("seed=")), "seed=0").count(",") + 1
        for seed in range(seeds):
            run = store / f"run-{seed}"
            run.mkdir(parents=True)
            line = {"epoch": 1, "seconds": 2.0, "test_accuracy": 0.5}
            (run / "epochs.jsonl").write_text(json.dumps(line) + "\n")
            row = {"test_accuracy": 0.5, "wall_s": 3.0, "epochs": 1}
            (run / "row.json").write_text(json.dumps(row))
        process = subprocess.Popen([sys.executable, "-S", "-c", ""])
        process.wait()
        return process

    def measure(name, seconds, words, folder):
        options = check.Options(cpu="--cpu" in words, tiny="--tiny" in words)
        return [] if name == "contract" else list(check.PARTS[name](options, folder / name))

    monkeypatch.setattr(check, "train", train)
    monkeypatch.setattr(check, "measure", measure)
    return check


def test_the_table_holds_every_line_and_says_what_was_not_reached(here, tmp_path, capsys):
    out = tmp_path / "gpu.md"
    here.main(["--cpu", "--tiny", "-o", str(out)])
    lines = {
        line.split("|")[1].strip(): line for line in out.read_text().splitlines() if "|" in line
    }
    for lines_of in here.EXPECTED.values():
        assert set(lines_of) <= set(lines)
    reached = {what for what, line in lines.items() if "not reached" not in line}
    assert reached - {"what", "---"} == {
        what for lines_of in here.EXPECTED.values() for what in lines_of
    } - {"contract suite", "4 workers on one device", "8 workers on one device"}
    assert "2 done" in lines["a smoke run of every loss"]
    assert "2 of 2 rounds" in lines["Lightning over a bare loop"]
    assert "50.00 % after epoch 1" in lines["test accuracy of standard, so far"]
    assert "synthetic, tiny: no figure means anything" in out.read_text()


def test_the_contract_runs_on_a_device(check, monkeypatch):
    from lossatlas.contract import suite

    few = ["card_agrees_with_code", "wrong_argument_is_refused", "copies_give_the_same_value"]
    monkeypatch.setattr(suite, "LAWS", {name: suite.LAWS[name] for name in few})
    said = list(check.contract(check.Options(cpu=True, tiny=True), Path()))
    assert said[-1]["value"].startswith("0 laws broken in ")
    assert said[-1]["n"] == "2 of 2 losses"


def test_a_part_is_ended_when_its_time_is_over(check, tmp_path, monkeypatch):
    script = tmp_path / "part.py"
    script.write_text(
        "import time\nprint('{\"what\": \"w\"}', flush=True)\nprint('{', end='', flush=True)\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(check, "__file__", str(script))
    assert check.measure("loop", 2.0, [], tmp_path) == [{"what": "w"}]
    script.write_text("raise SystemExit(3)")
    (failed,) = check.measure("loop", 60.0, [], tmp_path)
    assert (failed["what"], failed["value"]) == ("loop: failed", "exit code 3")


def test_a_part_is_not_begun_when_the_time_is_over_and_the_table_is_written(
    check, tmp_path, monkeypatch, capsys
):
    clock, begun = [0.0], []

    def measure(name, seconds, words, folder):
        begun.append(name)
        clock[0] += 100  # far more than its share
        return [check.row("contract suite", "0 laws broken", "", "1 of 2 losses")]

    monkeypatch.setattr(check, "measure", measure)
    monkeypatch.setattr(check.time, "monotonic", lambda: clock[0])
    out = tmp_path / "gpu.md"
    check.main(["--cpu", "--tiny", "-o", str(out), "--seconds", "150"])
    assert begun == ["contract", "smoke"]
    assert "| contract suite | 0 laws broken |" in out.read_text()
    assert "| 1 worker on one device | not reached |" in out.read_text()
    assert "in 200 s, all parts together" in out.read_text()


def test_no_figure_of_a_cpu_goes_into_the_report(check, capsys):
    with pytest.raises(SystemExit):
        check.main(["--cpu", "--tiny"])
    assert "reports/gpu.md is for figures of a GPU" in capsys.readouterr().err
