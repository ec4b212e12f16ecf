"""wandb mirrors a run offline, asks nothing, and keeps runs apart."""

import netrc

import pytest

from lossatlas.results import store
from lossatlas.training import run, wandb_mirror


@pytest.fixture(autouse=True)
def logged_out(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def nobody(*_):
        raise FileNotFoundError

    monkeypatch.setattr(netrc, "netrc", nobody)


def test_two_runs_in_one_process_have_two_offline_mirrors(make_cfg):
    for seed in (0, 1):
        row = run.execute(make_cfg("logger=wandb", f"seed={seed}"))
        assert row["state"] == "done", row["reason"]
        mirrors = list((store.runs_dir() / row["run_id"]).glob("wandb/offline-run-*/*.wandb"))
        assert len(mirrors) == 1
        assert row["run_id"] in mirrors[0].name
        assert row["run_id"].encode() in mirrors[0].read_bytes()


def test_online_only_with_a_key(monkeypatch):
    assert not wandb_mirror._has_key()
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert wandb_mirror._has_key()
