"""The images that a run leaves out, as a loss is told of them between epochs."""

from copy import deepcopy

import pytest
import torch

from lossatlas.errors import UserError
from lossatlas.training import provide, run
from lossatlas.training.modules import LossModule

LEFT = ("data.n_train=600", "recipe.train_limit=320", "recipe.epochs=2")
WATCHING = """return torch.logsumexp(logits, 1)

    def setup(self, *, num_classes):
        self.register_buffer("seen", torch.zeros(3))

    def end_epoch(self, *, epoch, held_out):
        logits, labels = held_out
        print("told of", epoch, *logits.shape, *labels.shape, logits.requires_grad)
        self.seen += logits.sum()"""


def test_a_loss_is_told_of_images_that_the_run_neither_trains_on_nor_is_scored_on(
    make_cfg, own_loss, monkeypatch, capsys
):
    own_loss("watching", WATCHING)
    data, whole = [], LossModule.finish_epoch

    def finish(self):
        images, before = self.trainer.datamodule, deepcopy(self.state_dict())
        _, target = provide._held_out(self)
        assert self.training and self.network.backbone.training  # noqa: PT018
        assert torch.equal(target, images.unused.target)
        now = self.state_dict()
        assert all(torch.equal(value, now[name]) for name, value in before.items())
        data.append(images)
        return whole(self)

    monkeypatch.setattr(LossModule, "finish_epoch", finish)
    noisy = ("scenario=symmetric_noise", "holdout=100")
    row = run.execute(make_cfg("loss=watching", *LEFT, *noisy))
    assert row["state"] == "done", row["reason"]
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"told of {epoch} 180 10 180 False" for epoch in (0, 1)
    ]
    found = data[0]
    parts = [images.indices for images in (found.unused, found.train, found.scored)]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(600))
    assert 0.2 < (found.unused.target != found.unused.labels).double().mean() < 0.6


@pytest.mark.parametrize("limit", ["null", "600"])
def test_where_none_are_left_one_sentence_says_what_to_set(limit, make_cfg):
    cfg = make_cfg("loss=cals", "data.n_train=600", f"recipe.train_limit={limit}")
    with pytest.raises(UserError, match=r"loss 'cals' learns .* none; set recipe.train_limit to"):
        run.execute(cfg)


def test_a_query_leaves_such_a_loss_out(command):
    code, out, err = command("train", "-m", "loss=cals,mae", "recipe=quick", "--plan")
    assert code == 0, err
    assert "cals: loss 'cals' learns from images that the run does not train on" in out
