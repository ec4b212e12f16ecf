"""What the digest of a loss covers, and what it leaves out."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lossatlas.errors import UserError
from lossatlas.losses import registry, source
from lossatlas.losses.registry import get_class, get_loss

LOSS = '''"""A loss."""

import torch
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.quantities import margin
from lossatlas.losses.registry import register


@register
class Mine(LogitLoss):
    """The margin."""

    target = "class_index"
    """Of a class."""

    def per_sample(self, logits, target):
        """Values (N,)."""
        return 2 * margin(logits, target)  # twice
'''
Own = Callable[..., Path]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """Write a loss of a user's own and make it known."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))

    def write(name: str = "mine", code: str = LOSS) -> Path:
        file = tmp_path / "losses" / "margin" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        registry.forget()
        return file

    return write


def names(loss: object) -> list[str]:
    return [file.name for file in source.files(loss)]


def test_a_loss_is_its_file_and_what_it_imports_without_the_frame() -> None:
    assert names("cross_entropy") == ["cross_entropy.py"]
    assert names("crammer_singer_hinge") == ["crammer_singer_hinge.py", "quantities.py"]
    shared = {"nce.py", "rce.py", "quantities.py"}
    assert set(names("apl_nce_rce")) == {"apl_nce_rce.py"} | shared


def test_a_wrapper_is_what_it_wraps_too_and_its_default() -> None:
    default = {"flooding.py", "cross_entropy.py"}
    assert set(names("flooding")) == set(names(get_loss("flooding"))) == default
    other = names(get_loss("flooding(mae - 0.1 * focal)"))
    assert set(other) == default | {"mae.py", "focal.py", "quantities.py"}


@pytest.mark.parametrize("name", registry.list_losses())
def test_name_class_and_object_are_one_digest(name: str) -> None:
    assert source.digest(name) == source.digest(get_class(name)) == source.digest(get_loss(name))
    assert source.digest(name) == source.digest(registry.find(name).code)


def test_a_sum_is_all_its_parts() -> None:
    assert names(get_loss("focal + 2 * mae + focal(gamma=1)")) == [
        "focal.py",
        "mae.py",
        "quantities.py",
    ]
    assert source.digest(get_loss("focal + mae")) == source.digest(get_loss("mae + 2 * focal"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  # twice", ""),
        ('"""A loss."""\n', "# Another one.\n"),
        ('        """Values (N,)."""\n', ""),
        ('    """Of a class."""\n', ""),
        ("2 * margin(logits, target)", "(\n            2 *\n margin(logits,target))"),
    ],
    ids=["comment", "module docstring", "docstring", "text below a field", "layout"],
)
def test_words_and_layout_do_not_count(before: str, after: str, own: Own) -> None:
    own()
    digest = source.digest("mine")
    assert before in LOSS
    own(code=LOSS.replace(before, after))
    assert source.digest("mine") == digest


@pytest.mark.parametrize(
    ("before", "after"),
    [("2 *", "2.0 *"), ("2 *", "3 *"), ("logits, target):", "logits, target, x=None):")],
)
def test_code_counts(before: str, after: str, own: Own) -> None:
    own()
    digest = source.digest("mine")
    own(code=LOSS.replace(before, after))
    assert source.digest("mine") != digest


@pytest.mark.parametrize(
    "line", ["import _beside", "import importlib\n_beside = importlib.import_module('_beside')"]
)
def test_an_edited_helper_is_another_loss_wherever_it_lies(
    line: str, own: Own, tmp_path: Path
) -> None:
    beside = own().with_name("_beside.py")
    above = tmp_path / "above.py"
    beside.write_text("from above import two\n")
    above.write_text("two = 2\n")
    own(code=f"{line}\n{LOSS}")
    assert set(names("mine")) == {"mine.py", "quantities.py", "_beside.py", "above.py"}
    found = {source.digest("mine")}
    for file in (beside, above):
        file.write_text(file.read_text() + "more = 1\n")
        found.add(source.digest("mine"))
    assert len(found) == 3
    above.write_text("two = = 2")  # no Python any more, but another text still
    found.add(source.digest("mine"))
    assert len(found) == 4


def test_a_helper_of_another_loss_with_the_same_name_is_not_taken(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for folder, name in (("one", "first"), ("two", "second"), ("two", "third")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "score_helper.py").write_text(f"factor = {folder!r}\n")
        path = f"import sys\nsys.path.insert(0, {str(tmp_path / folder)!r})\n"
        own(name, f"{path}from score_helper import factor\n{LOSS}")
    get_loss("first")
    with pytest.raises(UserError, match=r"second.py: imports 'score_helper', which is .*two/score"):
        get_loss("second")
    del sys.modules["score_helper"]
    get_loss("second")
    get_loss("third")  # of one helper there may be many losses
    del sys.modules["score_helper"]


def test_losses_that_a_class_derives_from_or_holds_count(own: Own) -> None:
    own(
        "made",
        "from lossatlas.losses.base import Sum\n"
        "from lossatlas.losses.registry import get_class, register\n\n\n"
        "class Half(get_class('focal')): ...\n\n\n"
        "@register\nclass Made(Sum):\n    target = 'class_index'\n\n"
        "    def __init__(self):\n"
        "        super().__init__(get_class('cross_entropy')(), 0.5 * Half())\n",
    )
    assert set(names(get_loss("made"))) == {
        "made.py",
        "cross_entropy.py",
        "focal.py",
        "quantities.py",
    }


def test_a_class_without_a_file_is_a_sentence() -> None:
    cls = type("Typed", (get_class("focal"),), {"__module__": "typed_in"})
    with pytest.raises(UserError, match="Typed: is defined in no file"):
        source.digest(cls)
    with pytest.raises(UserError, match="did you mean focal"):
        source.digest("focall")
