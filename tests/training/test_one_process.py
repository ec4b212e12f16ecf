"""A run is made by one process: what would share its batches between several is refused."""

import pytest
import torch

from lossatlas.errors import UserError
from lossatlas.training import machine, run
from lossatlas.training.build import build_trainer


def test_one_of_several_processes_is_refused(make_cfg, monkeypatch, tmp_path):
    cfg = make_cfg("loss=barlow_twins")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="WORLD_SIZE is 2, but a run is trained by one process"):
        run.execute(cfg)
    monkeypatch.setenv("WORLD_SIZE", "1")
    machine.one_process()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    with pytest.raises(UserError, match="WORLD_SIZE is 3"):
        run.execute(cfg)
    assert not list(tmp_path.rglob("row.json"))
    assert not list(tmp_path.rglob("start.json"))


def test_the_trainer_takes_one_device_whatever_the_environment_says(make_cfg, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    trainer = build_trainer(make_cfg(), torch.device("cpu"), logger=False)
    assert trainer.world_size == trainer.num_devices == 1
    assert trainer.is_global_zero
