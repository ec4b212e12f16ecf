"""What a loss owns is in the checkpoint: a run cut off and gone on with ends as if it was not."""

import pytest

from lossatlas.results import store
from lossatlas.training import run
from lossatlas.training.journal import Journal

SMALL = ("recipe.epochs=2", "recipe.train_limit=96", "recipe.batch_size=32", "recipe.lr=0.05")
LOSSES: dict[str, tuple[str, ...]] = {
    "elr": (), "forward_correction": (), "online_label_smoothing": (), "mmce": (), "cals": (),
    "adafocal": (),
    "deep_gamblers": ("loss.pretrain=1",), "ldam": ("scenario=long_tail", "scenario.imbalance=3"),
    "arcface": (), "supcon_out": (), "barlow_twins": (), "byol": (),
    "moco_infonce": ("loss.queue_size=100",), "proxy_anchor": (), "flooding": (),
    "knowledge_distillation_kl": (), "grouped": (),
}  # fmt: skip


def configured(loss, make_cfg):
    more = LOSSES[loss]
    if loss == "knowledge_distillation_kl":
        teacher = run.execute(make_cfg("loss=cross_entropy", "keep_train=96", *SMALL))
        more = (f"teacher={teacher['run_id']}",)
    return make_cfg(f"loss={loss}", *SMALL, *more)


@pytest.mark.parametrize("loss", LOSSES)
def test_cut_off_and_gone_on_with_is_bit_identical(loss, make_cfg, own_loss, monkeypatch, tmp_path):
    if loss == "grouped":  # of one strong and one weak view, four of a class at a time
        own_loss(
            loss, "return (logits[0] - logits[1] - 1).square().sum(1)", base="EmbeddingLoss",
            head="target = 'two_view_labelled'; strengths = ('strong', 'weak'); "
            "samples_per_class = 4",
        )  # fmt: skip
    whole = run.execute(configured(loss, make_cfg))
    assert whole["state"] == "done", whole["reason"]
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "cut"))
    cut = configured(loss, make_cfg)
    ends = Journal.on_train_epoch_end

    def end_and_stop(self, trainer, module):
        ends(self, trainer, module)
        raise run.Interrupted(143)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "on_train_epoch_end", end_and_stop)
        with pytest.raises(run.Interrupted):
            run.execute(cut)
    again = run.execute(cut)
    assert again["state"] == "done", again["reason"]
    assert again["weights_sha256"] == whole["weights_sha256"]
    folder = tmp_path / "cut" / again["run_id"]
    assert len(store.read_epochs(folder)) == 2
