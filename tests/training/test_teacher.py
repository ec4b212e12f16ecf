"""A finished run as the teacher of another one: key, row, logits, and the sentence a mistake."""

from types import SimpleNamespace

import pytest
import torch

from lossatlas.errors import UserError
from lossatlas.evaluation import bundle
from lossatlas.losses.registry import get_loss
from lossatlas.results import store
from lossatlas.training import provide, run, teacher
from lossatlas.training.config import resolve
from lossatlas.training.data import ImageData
from lossatlas.training.identity import place

STUDENT = "loss=knowledge_distillation_kl"
TINY = ("recipe.train_limit=96", "data.n_train=200")


@pytest.fixture
def taught(make_cfg):
    """A finished run of cross-entropy, and what makes a student's configuration."""
    row = run.execute(make_cfg(*TINY, "keep_train=80"))
    return row["run_id"], lambda *more: make_cfg(STUDENT, *TINY, *more)


def test_a_student_learns_from_the_logits_of_the_bundle(taught, make_cfg, monkeypatch):
    name, student = taught
    with pytest.raises(UserError, match=r"kept the logits of 80 .* 16 of the 96 .* keep_train"):
        run.execute(student(f"teacher={name}"))
    root = store.runs_dir()
    assert not (root / store.RUNNING).exists() or not list((root / store.RUNNING).iterdir())
    few = student(f"teacher={name}")
    data = ImageData(few, "class_index", (), torch.device("cpu"))
    kept = bundle.load(root / name / "bundle.safetensors", "train")
    order = torch.randperm(80)
    said = teacher.logits(name, root, kept.indices[order])
    assert torch.equal(said, kept.logits[order])
    assert torch.equal(data.train.indices[:80], kept.indices)
    whole = run.execute(make_cfg(*TINY, "keep_train=96"))["run_id"]
    row = run.execute(student(f"teacher={whole}"))
    assert (row["state"], row["teacher"]) == ("done", whole)
    assert place(resolve(student(f"teacher={whole}")))[1] != place(resolve(few))[1]


def test_a_batch_gets_the_rows_of_its_images(make_cfg):
    data = ImageData(make_cfg(*TINY), "class_index", (), torch.device("cpu"))
    rows = torch.nn.functional.one_hot(data.train.labels, 10).float()
    batch = next(iter(data.train_dataloader()))
    step = provide.Step(SimpleNamespace(teacher_logits=rows), batch, None, None)
    given = provide.moments(get_loss("knowledge_distillation_kl"), step)["teacher_logits"]
    assert torch.equal(given.argmax(1), batch.target)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "learns from another network: name a finished run with teacher=RUN_ID"),
        (["teacher=none_such"], "teacher 'none_such': there is no such run in "),
        (["teacher=T", "data.n_train=600"], "was trained on data .*500.*, not .*600"),
        (["teacher=T", "loss=mae"], "but loss 'mae' learns from no other network"),
        (["teacher=a/b"], "teacher must be the id of a finished run or null, not 'a/b'"),
        (["loss=nt_xent", "keep_train=20"], "keep_train is 20, but loss 'nt_xent' trains no class"),
        (["teacher=T", "keep_train=0"], r"keep_train must be .*\[1, 1000000\], not 0"),
    ],
)
def test_a_wrong_teacher_is_one_sentence(overrides, says, taught):
    name, student = taught
    with pytest.raises(UserError, match=says):
        run.execute(student(*(text.replace("=T", f"={name}") for text in overrides)))


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_only_a_run_that_is_done_teaches(state, taught):
    name, student = taught
    folder = store.runs_dir() / name
    row = store.read_row(folder) | {"state": state}
    store.write_json(folder / "row.json", row)
    with pytest.raises(UserError, match=f"is {state}, not done"):
        run.execute(student(f"teacher={name}"))


def test_a_teacher_without_bundle(taught):
    name, student = taught
    (store.runs_dir() / name / "bundle.safetensors").unlink()
    with pytest.raises(UserError, match="has no bundle that can be read"):
        run.execute(student(f"teacher={name}"))
