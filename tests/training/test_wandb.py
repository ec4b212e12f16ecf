"""wandb mirrors a run: offline, asking nothing, one mirror a run, saying what the row says."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict

import pytest
import wandb

from lossatlas.results import store
from lossatlas.training import identity, run, wandb_mirror
from lossatlas.training.config import resolve
from training.commands import TINY


@pytest.fixture(autouse=True)
def logged_out(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def read(folder):
    """The one offline run in the folder of a run, by wandb's own reader, as records by type."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")  # what `wandb leet` starts
    reader = [wandb.util.get_core_path(), "leet", "inspect", "--no-observability", "--json"]
    command = [*reader, "--run-file", str(file), str(file.parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    records = defaultdict(list)
    for line in done.stdout.splitlines():
        record = json.loads(line)
        records[record["type"]].append(record[record["type"]])
    return records


def told(fields):
    """Without what wandb adds."""
    return {key: value for key, value in fields.items() if not key.startswith("_")}


def compare(row, group, figures):
    """A published run's mirror with its row and its epochs."""
    folder = store.runs_dir() / row["run_id"]
    records = read(folder)
    (about,) = records["run"]
    assert about["run_id"] == about["display_name"] == row["run_id"]
    assert (about["run_group"], about["job_type"]) == (group, row["loss"])
    assert about["project"] == "lossatlas"
    config = told(about["config"]["update"])
    assert config == json.loads((folder / "start.json").read_text())
    summary = {}
    for record in records["summary"]:
        summary |= told(record["update"])
    assert config | summary == row  # every field, by its name, with its value
    assert not config.keys() & summary.keys()
    assert {"state", "reason", "wall_s", "train_s", "cpu_s"} <= summary.keys()
    history = [told(record["item"]) for record in records["history"]]
    if figures:
        shown = history.pop()
        assert {key.split(".")[0] for key in shown} == {*figures, "epoch"}
        for name in figures:
            (mirror,) = folder.glob("wandb/offline-run-*")
            assert (mirror / "files" / shown[f"{name}.path"]).stat().st_size > 10_000
    assert history == store.read_epochs(folder)
    (end,) = records["exit"]
    assert end.get("exit_code", 0) == (row["state"] == "failed")


def test_two_runs_of_one_process_have_a_mirror_each_that_says_what_the_row_says(make_cfg):
    first = run.execute(make_cfg("logger=wandb"), sweep="study")
    second = run.execute(make_cfg("logger=wandb", "loss=nt_xent"))
    assert first["state"] == second["state"] == "done"
    assert (first["sweep"], second["sweep"]) == ("study", None)
    assert {"test_accuracy", "test_ece", "weights_sha256"} <= first.keys()
    compare(first, "study", ["confusion", "reliability"])
    assert {"knn_accuracy", "knn_accuracy_untrained"} <= second.keys()
    assert second["loss.temperature"] == 0.5
    compare(second, "nt_xent", ["features"])
    assert "WANDB_MODE" not in os.environ  # Lightning would set it for all that follows


def test_a_diverged_and_a_failed_run_are_mirrored_as_such(make_cfg, own_loss):
    row = run.execute(make_cfg("logger=wandb", "recipe.lr=1e30"))
    assert row["state"] == "diverged"
    compare(row, "cross_entropy", [])
    own_loss("broken", "raise RuntimeError('no')")
    row = run.execute(make_cfg("logger=wandb", "loss=broken"))
    assert row["state"] == "failed"
    compare(row, "broken", [])


def test_a_run_that_went_on_has_one_whole_mirror(make_cfg, monkeypatch):
    cfg = make_cfg("logger=wandb", "recipe.epochs=2")
    with monkeypatch.context() as patch:
        patch.setattr(run, "evaluate", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(run.Interrupted):
            run.execute(cfg)
    (cut,) = store.runs_dir().glob(f".running/{identity.place(resolve(cfg))[1]}")
    records = read(cut)
    assert len(records["history"]) == 2
    assert [record["exit_code"] for record in records["exit"]] == [1]
    compare(run.execute(cfg), "cross_entropy", ["confusion", "reliability"])


@pytest.mark.parametrize("steps", [["__init__"], ["log_metrics", "summarise", "show"], ["close"]])
def test_trouble_with_the_mirror_costs_no_run(steps, make_cfg, monkeypatch, capsys):
    def trouble(*_, **__):
        raise ConnectionError("the wire\nis cut")

    for step in steps:
        monkeypatch.setattr(wandb_mirror.Wandb, step, trouble)
    row = run.execute(make_cfg("logger=wandb", "recipe.epochs=1"))
    assert row["state"] == "done", row["reason"]
    assert (store.runs_dir() / row["run_id"] / "bundle.safetensors").is_file()
    said = [line for line in capsys.readouterr().err.splitlines() if "mirror" in line]
    assert set(said) == {"the mirror of this run is not complete: ConnectionError: the wire is cut"}
    assert len(said) >= len(steps)
    if "show" in steps:  # closed all the same
        assert len(read(store.runs_dir() / row["run_id"])["exit"]) == 1
    wandb.teardown()


def test_a_server_that_is_not_reached_leaves_an_offline_mirror(make_cfg, monkeypatch, capsys):
    start = wandb_mirror._init

    def init(mode, *rest):
        if mode == "online":
            raise wandb.errors.CommError("nobody\nthere")
        return start(mode, *rest)

    monkeypatch.setattr(wandb_mirror, "_init", init)
    monkeypatch.setenv("WANDB_MODE", "online")
    row = run.execute(make_cfg("logger=wandb", "recipe.epochs=1"))
    assert "not reached (nobody there)" in capsys.readouterr().err
    compare(row, "cross_entropy", ["confusion", "reliability"])


def test_without_network_key_home_or_name_and_as_a_rank_of_others_it_asks_nothing(tmp_path):
    nowhere = "http://127.0.0.1:9"
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\n\ndef nobody(uid):\n    raise KeyError(uid)\n\npwd.getpwuid = nobody\n"
    )
    named = ("WANDB_", "HOME", "USER", "LOGNAME", "LNAME", "NETRC")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(named)} | {
        "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path), "RANK": "1", "LOCAL_RANK": "x",
        "WORLD_SIZE": "4", "SLURM_PROCID": "3", "SLURM_NTASKS": "4",
        "LOSSATLAS_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1",
        "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere,
        "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip
    done = subprocess.run(
        [
            sys.executable, "-m", "lossatlas", "train", "logger=wandb", *TINY, "progress=false",
        ],
        env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cross_entropy-")
    assert len(done.stdout.splitlines()) == 1
    assert "wandb:" not in done.stderr
    (folder,) = (tmp_path / "runs").glob("cross_entropy-*")
    assert len(read(folder)["history"]) == 2  # an epoch, and the figures


def test_a_mirror_does_not_change_the_experiment(make_cfg):
    ids = {
        identity.place(resolve(make_cfg(f"logger={kind}")))[1]
        for kind in ("none", "wandb", "tensorboard")
    }
    assert len(ids) == 1


def test_online_where_wandb_has_a_login_for_its_server(monkeypatch, tmp_path):
    def mode(**environment):
        wandb.teardown()  # it keeps what it has read
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return wandb_mirror._mode()

    ours, key = "https://wandb.example.org", "k" * 40
    (tmp_path / "netrc").write_text(f"machine wandb.example.org login user password {key}\n")
    assert mode(WANDB_BASE_URL=ours) == ("online", f"wandb is logged in to {ours}")
    said, why = mode(WANDB_BASE_URL="https://other.example.org")
    assert (said, why[:50]) == ("offline", "wandb has no login for https://other.example.org (")
    assert mode()[0] == "offline"
    assert mode(WANDB_API_KEY=key)[0] == "online"
    assert mode(WANDB_API_KEY="short")[0] == "offline"
    assert mode(WANDB_API_KEY=key, WANDB_MODE="offline") == ("offline", "WANDB_MODE says so")
    wandb.teardown()
