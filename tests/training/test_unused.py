"""What is fitted on the training images that a run left unused, and that it changes nothing."""

import pytest
import torch

from lossatlas.evaluation import bundle, metrics
from lossatlas.evaluation.temperature import fitted
from lossatlas.results import store
from lossatlas.training import data as images
from lossatlas.training import run
from lossatlas.training.config import resolve
from training.commands import FINISHED

LIMITED = ("data.n_train=2000", "recipe.train_limit=640")
CPU = torch.device("cpu")


def data(cfg, kind="class_index", views=()):
    resolve(cfg)
    return images.ImageData(cfg, kind, views, CPU)


def test_what_the_limit_leaves_is_apart_from_what_is_trained_on(make_cfg, monkeypatch):
    found = data(make_cfg(*LIMITED))
    unused = found.predicted["unused"]
    assert len(unused.labels) == 1360
    every = torch.cat([unused.indices, found.train.indices]).sort().values
    assert torch.equal(every, torch.arange(2000))
    again = data(make_cfg(*LIMITED, "seed=1", "loss=gce")).predicted["unused"]
    assert torch.equal(again.indices, unused.indices)
    monkeypatch.setattr(images, "UNUSED", 100)
    assert torch.equal(data(make_cfg(*LIMITED)).predicted["unused"].indices, unused.indices[:100])


def test_its_labels_are_as_wrong_as_those_of_training(make_cfg):
    noisy = data(make_cfg(*LIMITED, "scenario=symmetric_noise")).predicted["unused"]
    assert 0.3 < (noisy.target != noisy.labels).double().mean() < 0.5  # 0.4, sd 0.013
    unclear = ("scenario=ambiguous_pets", "scenario.probability=1")
    for kind, several in (("label_set", 2), ("distribution", 2), ("class_index", 1)):
        found = data(make_cfg(*LIMITED, *unclear), kind).predicted["unused"]
        target = found.target if kind != "class_index" else torch.eye(10)[found.target]
        assert (target > 0).sum(1)[(found.labels == 3) | (found.labels == 5)].unique() == several


def test_it_has_the_tail_of_training(make_cfg):
    tail = (*LIMITED, "scenario=long_tail", "scenario.imbalance=10")
    plain, thin = (data(make_cfg(*options)).predicted["unused"] for options in (LIMITED, tail))
    assert set(thin.indices.tolist()) < set(plain.indices.tolist())
    sizes = torch.bincount(thin.labels)
    assert sizes[0] > 9 * sizes[9] > 0
    # of so few images this tail cannot be had, though of those for training it can
    steep = ("data.n_train=2000", "recipe.train_limit=1900", "scenario.imbalance=100")
    assert "unused" not in data(make_cfg(*tail[2:3], *steep)).predicted


@pytest.mark.parametrize(
    ("options", "kind", "views"),
    [
        (("data.n_train=2000", "recipe.train_limit=null"), "class_index", ()),
        (("data.n_train=640", "recipe.train_limit=640"), "class_index", ()),
        ((*LIMITED, "holdout=100"), "class_index", ()),
        (LIMITED, "two_view", ("strong", "strong")),
    ],
)
def test_where_there_is_none(options, kind, views, make_cfg):
    assert list(data(make_cfg(*options), kind, views).predicted) == ["test", "train"]


def test_a_row_has_what_a_temperature_makes_of_the_test_images(make_cfg, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(run.evaluate.__globals__["temperature"], "fitted", _spy(seen))
    row = run.execute(make_cfg(*LIMITED, "scenario=symmetric_noise"))
    folder = tmp_path / "runs" / row["run_id"]
    assert {file.name for file in folder.iterdir()} >= FINISHED
    [(logits, target, temperature)] = seen
    unused = data(make_cfg(*LIMITED, "scenario=symmetric_noise")).predicted["unused"]
    assert torch.equal(target, unused.target)
    assert logits.shape == (1360, 10)
    assert (row["temperature"], row["temperature_images"]) == (temperature, 1360)
    test = bundle.load_logits(folder / "bundle.safetensors")
    scaled = metrics.scaled(test.logits, test.labels, temperature)
    assert len(scaled) == 9
    assert {name: row[name] for name in scaled} == scaled
    assert store.read_row(folder) == row

    # without them the same network is trained, under the same id
    monkeypatch.setattr(images, "UNUSED", 0)
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "others"))
    other = run.execute(make_cfg(*LIMITED, "scenario=symmetric_noise"))
    assert (other["run_id"], other["weights_sha256"]) == (row["run_id"], row["weights_sha256"])
    assert other["test_nll"] == row["test_nll"]
    assert other["temperature_images"] == 0
    assert not {name for name in other if name.endswith("_ts")} | ({"temperature"} & set(other))


def _spy(seen):
    def call(logits, target):
        found = fitted(logits, target)
        seen.append((logits, target, found))
        return found

    return call


def test_a_row_of_a_tail_has_the_accuracy_by_the_size_of_classes(make_cfg, tmp_path):
    every = ("data.n_train=2000", "recipe.train_limit=null", "scenario=long_tail")
    row = run.execute(make_cfg(*every, "scenario.imbalance=50"))
    test = bundle.load_logits(tmp_path / "runs" / row["run_id"] / "bundle.safetensors")
    recall = metrics.per_class_recall(test.logits, test.labels)
    for name, group in (("many", recall[:3]), ("medium", recall[3:7]), ("few", recall[7:])):
        assert row[f"test_{name}_accuracy"] == pytest.approx(group.mean().item())
    assert row["temperature_images"] == 0
    assert not {name for name in run.execute(make_cfg()) if "few" in name}
