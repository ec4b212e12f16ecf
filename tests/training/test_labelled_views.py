"""A loss of labelled views is trained with the labels of the scenario, wrong ones included."""

import torch

from lossatlas.losses.registry import get_class
from lossatlas.training import run
from lossatlas.training.modules import Embedder


def test_a_training_step_hands_over_the_noisy_labels(make_cfg, monkeypatch):
    cls = get_class("supcon_out")
    step, value = Embedder.training_step, cls.per_sample
    shown, due, true, inside = [], [], [], []

    def spied_step(self, batch):
        train = self.trainer.datamodule.train
        due.append(train.target[batch.indices])
        true.append(train.labels[batch.indices])
        inside.append(True)
        try:
            return step(self, batch)
        finally:
            inside.clear()

    def spied_value(self, embeddings, labels):
        if inside:  # what no step asks for is asked for with examples
            shown.append(labels)
        return value(self, embeddings, labels)

    monkeypatch.setattr(Embedder, "training_step", spied_step)
    monkeypatch.setattr(cls, "per_sample", spied_value)
    cfg = make_cfg("loss=supcon_out", "scenario=symmetric_noise", "recipe.epochs=1")
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    assert len(shown) == len(due) > 0
    assert torch.equal(torch.cat(shown), torch.cat(due))
    wrong = (torch.cat(shown) != torch.cat(true)).double().mean().item()
    assert 0.2 < wrong < 0.6
    assert 0.2 < row["effective_noise"] < 0.6
