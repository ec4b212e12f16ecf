"""`data=arrays`: any set of small images with any number of classes, through run and report."""

import numpy as np
import pytest
import torch

from lossatlas.errors import UserError
from lossatlas.evaluation import bundle
from lossatlas.report import content, source
from lossatlas.results import progress
from lossatlas.training import run
from lossatlas.training.config import resolve
from lossatlas.training.data import ImageData
from lossatlas.training.identity import place, run_id


def make(path, k, each, name=None, seed=0):
    """Noisy patterns of k classes, `each` of one for training and one for test."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 256, (k, 32, 32, 3))
    content = {}
    for split, n in (("train", each * k), ("test", k)):
        labels = np.arange(n) % k
        images = patterns[labels] + rng.normal(0, 20, (n, 32, 32, 3))
        content[f"{split}_images"] = images.clip(0, 255).astype(np.uint8)
        content[f"{split}_labels"] = labels
    if name:
        content["class_names"] = np.array([name.format(i) for i in range(k)])
    np.savez(path, **content)
    return f"data.path={path}"


@pytest.mark.parametrize(
    ("k", "loss", "more"),
    [
        (100, "cross_entropy", ("scenario=symmetric_noise",)),
        (2, "crammer_singer_hinge", ("scenario=long_tail", "scenario.imbalance=2")),
        (2, "balanced_softmax", ()),
        (100, "nt_xent", ()),
    ],
)
def test_runs_have_the_classes_of_their_data(k, loss, more, make_cfg, tmp_path):
    file = make(tmp_path / "x.npz", k, each=4 if k > 2 else 60, name="class {}")
    cfg = make_cfg("data=arrays", file, f"loss={loss}", "recipe.epochs=1", *more)
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    assert row["num_classes"] == k
    assert row["data"] == f"arrays-{resolve(cfg)['data']['digest'][:8]}"
    kept = tmp_path / "runs" / row["run_id"] / "bundle.safetensors"
    test, train = bundle.load(kept), bundle.load(kept, "train")
    assert test.classes == tuple(f"class {i}" for i in range(k))
    assert train.labels.max() == k - 1
    assert (test.logits is None) == (loss == "nt_xent")
    assert test.logits is None or test.logits.shape == (k, k)
    read = source.read(tmp_path / "runs")
    asked = content.Asked()
    page = content.assemble(read, content.compared(read.rows, asked), (), asked, {})
    [found] = page["conditions"]
    assert f"data {row['data']})" in found["condition"].title
    recall = [picture for picture in found["pictures"] if "recall" in picture.file]
    assert len(recall) == (loss != "nt_xent")
    assert all(all(name in one.svg for name in test.classes) == (k == 2) for one in recall)
    assert str(tmp_path) not in str(page)


def test_an_id_depends_on_the_content_and_not_on_the_path(make_cfg, tmp_path):
    def name(file):
        config = resolve(make_cfg("data=arrays", file))
        assert config["data"]["path"].startswith(str(tmp_path))
        return place(config)[1]

    (tmp_path / "other").mkdir()
    first = name(make(tmp_path / "x.npz", 2, 60))
    assert name(make(tmp_path / "other" / "y.npz", 2, 60)) == first
    assert name(make(tmp_path / "x.npz", 2, 60, seed=1)) != first


def test_images_are_normalised_by_their_own_statistics(make_cfg, tmp_path):
    cfg = make_cfg("data=arrays", make(tmp_path / "x.npz", 2, 60))
    data = ImageData(cfg, "class_index", (), torch.device("cpu"))
    images = data.stem_images()
    assert images.mean((0, 2, 3)).abs().max() < 1e-4
    assert (images.std((0, 2, 3)) - 1).abs().max() < 1e-3
    plain = torch.cat([batch[0] for batch in data.val_dataloader()[0]])
    mean, std = (torch.tensor(part) for part in data.train.statistics)
    expected = (data.scored.pixels / 255 - mean) / std
    assert torch.allclose(plain, expected.permute(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("scenario=ambiguous_pets",), "the classes cat, dog, but data arrays has no class 'cat'"),
        (("scenario=asymmetric_noise",), "data arrays has no class 'truck'; its classes are 0, 1"),
        (("holdout=120",), "holdout must be less than the 120 training images there are"),
        (("recipe.batch_size=121",), "but only 120 training images are left .data arrays"),
        (("data.n_train=7",), "data.n_train is 7, but of .*x.npz it is 120"),
    ],
)
def test_what_the_data_do_not_allow_is_a_sentence(overrides, says, make_cfg, tmp_path):
    with pytest.raises(UserError, match=says):
        resolve(make_cfg("data=arrays", make(tmp_path / "x.npz", 2, 60), *overrides))


def test_a_path_is_needed_and_is_told_when_it_leads_nowhere(make_cfg):
    with pytest.raises(UserError, match=r"configuration: data.path needs a value"):
        resolve(make_cfg("data=arrays"))
    with pytest.raises(UserError, match=r"data.path /none.npz: cannot be read"):
        resolve(make_cfg("data=arrays", "data.path=/none.npz"))


def test_costs_ids_and_commands_know_such_data(make_cfg, tmp_path):
    file = make(tmp_path / "x.npz", 2, 60)
    config = resolve(make_cfg("data=arrays", file, "recipe.train_limit=null"))
    assert progress.images(config) == 120
    tail = {"name": "long_tail", "imbalance": 2.0}
    assert progress.images(config | {"scenario": tail}) == 60 + 30
    moved = config | {"data": config["data"] | {"path": "/elsewhere"}}
    assert run_id(config, "") == run_id(moved, "")
    assert source._lasting(f"data=arrays {file} runs=/x") == ["data=arrays", "data.path=x.npz"]


def test_from_the_command_line(command, tmp_path):
    make(tmp_path / "my images.npz", 2, 60)
    tiny = ("recipe=smoke", "recipe.batch_size=64", "model.widths=[8,8,8]", "progress=false")
    code, out, err = command("train", "data=arrays", f"data.path={tmp_path}/my images.npz", *tiny)
    assert code == 0, err
    assert ": done in " in out
    code, _, err = command("train", "data=arrays", f"data.path={tmp_path}/no.npz", *tiny)
    assert code == 2
    assert err.startswith("lossatlas: data.path ")
    assert len(err.splitlines()) == 1
