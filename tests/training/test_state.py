"""What a loss owns is in the checkpoint: a run cut off and gone on with ends as if it was not."""

import pytest

from lossatlas.results import store
from lossatlas.training import run
from lossatlas.training.journal import Journal

SMALL = ("recipe.epochs=2", "recipe.train_limit=256", "recipe.test_limit=64", "recipe.lr=0.05")
LOSSES: dict[str, tuple[str, ...]] = {
    "elr": (), "forward_correction": (), "online_label_smoothing": (), "mmce": (),
    "deep_gamblers": ("loss.pretrain=1",), "ldam": ("scenario=long_tail", "scenario.imbalance=3"),
    "arcface": (), "supcon_out": (), "barlow_twins": (), "byol": (),
    "moco_infonce": ("loss.queue_size=100",), "proxy_anchor": (),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_cut_off_and_gone_on_with_is_bit_identical(loss, make_cfg, monkeypatch, tmp_path):
    cfg = make_cfg(f"loss={loss}", *SMALL, *LOSSES[loss])
    whole = run.execute(cfg)
    assert whole["state"] == "done", whole["reason"]
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "cut"))
    cut = make_cfg(f"loss={loss}", *SMALL, *LOSSES[loss])
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
    (folder,) = (path.parent for path in (tmp_path / "cut").glob("*/row.json"))
    assert len(store.read_epochs(folder)) == 2
