"""Finding losses: the package's own, and a user's."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

import lossatlas
from lossatlas import cards
from lossatlas.errors import UserError
from lossatlas.losses import registry

LOSS = '''
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

@register
class Mine(LogitLoss):
    """The score of the label."""

    target = "class_index"

    def per_sample(self, logits, target):
        return logits.gather(1, target[:, None]).squeeze(1)
'''
CARD = """---
id: NAME
name: The score
family: margin
target: class_index
paper: {title: A Paper, authors: [Ada Lovelace], venue: Somewhere, year: 2024}
formula: s_y
evidence: {level: C, checked: derived}
---
"""
AddLoss = Callable[..., Path]


@pytest.fixture
def add_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddLoss:
    """Write a loss file into a root of the user's own and put that root on the path."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))

    def add(name: str, family: str = "margin", code: str = LOSS, root: str = "root") -> Path:
        file = tmp_path / root / "losses" / family / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        roots = os.environ.get(registry.PATH_VARIABLE, "").split(os.pathsep)
        if str(tmp_path / root) not in roots:
            roots.append(str(tmp_path / root))
        monkeypatch.setenv(registry.PATH_VARIABLE, os.pathsep.join(roots))
        return file

    return add


def add_card(code: Path, family: str = "margin") -> Path:
    card = code.parents[2] / "papers" / family / f"{code.stem}.md"
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(CARD.replace("NAME", code.stem))
    return card


def test_list_is_sorted_by_family_then_id() -> None:
    places = [(cards.FAMILIES.index(registry.find(n).family), n) for n in lossatlas.list_losses()]
    assert places == sorted(places)
    assert {"cross_entropy", "nt_xent"} <= set(lossatlas.list_losses())


def test_list_can_be_filtered() -> None:
    assert "focal" in lossatlas.list_losses(family="likelihood")
    assert "nt_xent" not in lossatlas.list_losses(family="likelihood")
    assert "soft_target_kl" in lossatlas.list_losses(target="distribution")
    assert "cross_entropy" not in lossatlas.list_losses(target="distribution")
    assert lossatlas.list_losses(family="margin", target="two_view") == []


@pytest.mark.parametrize("word", ["family", "target"])
def test_unknown_filter_lists_the_vocabulary(word: str) -> None:
    with pytest.raises(UserError, match=rf"{word} 'x' is unknown; legal: \w+, \w+"):
        lossatlas.list_losses(**{word: "x"})


@pytest.mark.parametrize("ask", [lossatlas.get_loss, lossatlas.get_card, registry.get_class])
def test_misspelt_loss_lists_near_names(ask: Callable[[str], object]) -> None:
    with pytest.raises(UserError, match=r"there is no loss 'focall'; did you mean focal"):
        ask("focall")
    with pytest.raises(UserError, match=r"there is no loss 'zzz' \('lossatlas list' shows all\)"):
        ask("zzz")


def test_unknown_hyperparameter_lists_the_legal_ones() -> None:
    with pytest.raises(UserError, match="focal has no hyperparameter 'gama'; legal: gamma, alpha"):
        lossatlas.get_loss("focal", gama=1.0)
    with pytest.raises(UserError, match=r"cross_entropy has no hyperparameter .*; legal: none$"):
        lossatlas.get_loss("cross_entropy", gamma=1.0)


def test_value_outside_its_range_names_loss_and_hyperparameter() -> None:
    with pytest.raises(UserError, match=r"focal: gamma must be a number in \[0, inf\), not -1"):
        lossatlas.get_loss("focal", gamma=-1)


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(UserError, match="reduction must be mean, sum or none, not 'average'"):
        lossatlas.get_loss("focal", reduction="average")


def test_loss_on_the_users_path_is_found_and_built(add_loss: AddLoss) -> None:
    file = add_loss("score_on_path")
    add_card(file)
    assert "score_on_path" in lossatlas.list_losses(family="margin", target="class_index")
    assert lossatlas.get_card("score_on_path").name == "The score"
    value = lossatlas.get_loss("score_on_path")(torch.tensor([[1.0, 3.0]]), torch.tensor([1]))
    assert value == 3


def test_loss_on_the_users_path_can_be_pickled(add_loss: AddLoss) -> None:
    add_loss("score_pickled")
    loss = pickle.loads(pickle.dumps(lossatlas.get_loss("score_pickled", "sum")))
    assert loss(torch.tensor([[1.0, 3.0]]), torch.tensor([0])) == 1


def test_each_folder_of_the_path_is_searched(add_loss: AddLoss) -> None:
    add_loss("score_first", root="one")
    add_loss("score_second", root="two")
    assert {"score_first", "score_second"} <= set(lossatlas.list_losses())


def test_loss_without_a_card_is_a_draft_that_can_be_built(add_loss: AddLoss) -> None:
    file = add_loss("score_without_card")
    assert registry.status(registry.find("score_without_card")) == "draft"
    assert "score_without_card" in lossatlas.list_losses(target="class_index")
    with pytest.raises(UserError, match=r"has no card; expected at .*score_without_card\.md"):
        lossatlas.get_card(file.stem)


def test_status_follows_the_ledger_and_the_files(add_loss: AddLoss) -> None:
    file = add_loss("score_verified")
    card = add_card(file)
    entry = registry.find("score_verified")
    assert registry.status(entry) == "draft"
    entry.ledger.write_text(json.dumps({"score_verified": registry.digest(file, card)}))
    assert registry.status(entry) == "verified"
    for edited in (file, card):
        text = edited.read_text()
        edited.write_text(text + "\n")
        assert registry.status(entry) == "draft"
        edited.write_text(text)
    assert registry.status(entry) == "verified"


def test_same_id_in_two_places_names_both(add_loss: AddLoss) -> None:
    file = add_loss("focal", family="likelihood")
    with pytest.raises(UserError, match=r"loss 'focal' is defined twice: .* and ") as caught:
        lossatlas.list_losses()
    assert str(file) in str(caught.value)


def test_folder_that_is_no_family_is_refused(add_loss: AddLoss) -> None:
    add_loss("score_misplaced", family="hinges")
    with pytest.raises(UserError, match="'hinges' is not a family; legal: likelihood, margin"):
        lossatlas.list_losses()


def test_path_without_losses_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"LOSSATLAS_PATH=.* has no folder 'losses'"):
        lossatlas.list_losses()


def test_empty_path_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.PATH_VARIABLE, os.pathsep)
    assert "focal" in lossatlas.list_losses()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (LOSS + "\ndef broken(:\n", r"score_broken\.py:1\d: cannot be imported: SyntaxError"),
        ("import no_such_module_here\n", "cannot be imported: ModuleNotFoundError"),
        (LOSS + "\n1 / 0\n", "cannot be imported: ZeroDivisionError"),
        ("x = 1\n", "defines no class with the decorator @register"),
    ],
)
def test_broken_file_is_named_and_never_used(add_loss: AddLoss, code: str, says: str) -> None:
    add_loss("score_broken", code=code)
    assert "score_broken" in lossatlas.list_losses()
    for _ in range(2):
        with pytest.raises(UserError, match=says):
            lossatlas.get_loss("score_broken")
    assert lossatlas.get_loss("focal") is not None


def test_repaired_file_can_be_used_at_once(add_loss: AddLoss) -> None:
    add_loss("score_repaired", code=LOSS + "\n1 / 0\n")
    with pytest.raises(UserError, match="cannot be imported"):
        lossatlas.get_loss("score_repaired")
    add_loss("score_repaired", code=LOSS)
    assert lossatlas.get_loss("score_repaired").target == "class_index"


def test_loss_of_an_installed_package_is_found(
    add_loss: AddLoss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = add_loss("score_installed", root="score_package")
    monkeypatch.delenv(registry.PATH_VARIABLE)
    (tmp_path / "score_package" / "__init__.py").touch()
    add_card(file)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("scores", "score_package", registry.ENTRY_POINTS)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINTS else []
    )
    assert "score_installed" in lossatlas.list_losses(target="class_index")
    assert lossatlas.get_loss("score_installed").target == "class_index"


def test_second_class_of_the_same_id_is_refused(add_loss: AddLoss) -> None:
    file = add_loss("cross_entropy", family="likelihood")
    registry.get_class("cross_entropy")
    entry = registry.Entry("cross_entropy", "likelihood", file, file, file, "elsewhere")
    with pytest.raises(UserError, match="loss 'cross_entropy' is registered twice"):
        registry.load_file("elsewhere", entry.code)


def test_class_without_a_file_is_refused() -> None:
    namespace: dict[str, object] = {"__name__": "nowhere"}
    exec("class Typed: ...", namespace)
    cls = namespace["Typed"]
    assert isinstance(cls, type)
    with pytest.raises(ValueError, match="Typed: a loss lives in a file of its own"):
        registry.register(cls)


def test_import_and_list_do_not_import_torch() -> None:
    code = (
        "import sys, lossatlas; lossatlas.list_losses(target='class_index');"
        "lossatlas.get_card('focal'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
