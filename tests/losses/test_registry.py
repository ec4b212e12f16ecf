"""Finding losses: the package's own, and a user's."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lossatlas
from lossatlas import cards
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.training.config import register_configs

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
def add_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddLoss]:
    """Write a loss file into a root of the user's own and put that root on the path."""

    def add(name: str, family: str = "margin", code: str = LOSS, root: str = "root") -> Path:
        file = tmp_path / root / "losses" / family / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        roots = os.environ.get(registry.PATH_VARIABLE, "").split(os.pathsep)
        if str(tmp_path / root) not in roots:
            roots.append(str(tmp_path / root))
        monkeypatch.setenv(registry.PATH_VARIABLE, os.pathsep.join(roots))
        registry.forget()
        return file

    yield add
    for name, cls in [*registry._classes.items()]:
        if not cls.__module__.startswith("lossatlas.losses."):
            del registry._classes[name]


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
    entry.ledger.write_text(json.dumps({"score_verified": registry.digest(entry)}))
    assert registry.status(entry) == "verified"
    for edited, more in ((file, "edited = 1\n"), (card, "\n")):
        text = edited.read_text()
        edited.write_text(text + more)
        assert registry.status(entry) == "draft"
        edited.write_text(text)
    file.write_text(f"# a comment\n{file.read_text()}")
    assert registry.status(entry) == "verified"


def test_same_id_in_two_places_names_both(add_loss: AddLoss) -> None:
    file = add_loss("focal", family="likelihood")
    with pytest.raises(UserError, match=r"loss 'focal' is defined twice: .* and ") as caught:
        registry.find("focal")
    assert str(file) in str(caught.value)
    assert "focal" not in lossatlas.list_losses()
    assert "gce" in lossatlas.list_losses()


def test_folder_that_is_no_family_is_refused(add_loss: AddLoss) -> None:
    add_loss("score_misplaced", family="hinges")
    with pytest.raises(UserError, match="'hinges' is not a family; legal: likelihood, margin"):
        registry.find("score_misplaced")
    assert "focal" in lossatlas.list_losses()


def test_path_without_losses_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    assert registry.faults() == []  # it is empty: `lossatlas new` is about to write there
    (tmp_path / "notes.txt").touch()
    registry.forget()
    with pytest.raises(
        UserError, match=r"no loss 'mine'.*LOSSATLAS_PATH=.* has no folder 'losses'"
    ):
        registry.find("mine")
    assert "focal" in lossatlas.list_losses()


@pytest.mark.parametrize(
    "text", ["/no/such/folder", "~nobody_of_this_name/x", "\x1b[31m", "a" * 5000]
)
def test_path_that_is_no_folder_stops_nobody(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.PATH_VARIABLE, text)
    assert "focal" in lossatlas.list_losses()
    (fault,) = registry.faults()
    assert fault.startswith(f"LOSSATLAS_PATH={text}: there is no folder ")


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
    assert "score_broken" in registry.index()
    for _ in range(2):
        with pytest.raises(UserError, match=says):
            lossatlas.get_loss("score_broken")
    assert lossatlas.get_loss("focal") is not None


BODY = "    def per_sample(self, logits, target):\n        return logits[:, 0]\n"


def with_default(text: str) -> str:
    return LOSS + f"\n    def __init__(self, q={text}):\n        super().__init__()\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys\nsys.exit(3)", ":2: cannot be imported: SystemExit: 3"),
        (
            "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
            ":3: cannot be imported: E: no message",
        ),
        ("raise KeyboardInterrupt", ":1: cannot be imported: KeyboardInterrupt"),
        ("raise GeneratorExit", ":1: cannot be imported: GeneratorExit"),
        ("import os\nos.chdir('/no/such/folder')", ":2: cannot be imported: FileNotFoundError"),
        (LOSS.replace("target =", "aim ="), r"Mine.target is missing; legal: class_index, dist"),
        (LOSS.replace("class_index", "two_view"), r"Mine.target is 'two_view'; legal: class_index"),
        (
            LOSS.replace('"class_index"', "['class_index']"),
            r"Mine.target is \['class_index'\]; leg",
        ),
        (LOSS.replace("(LogitLoss)", "(dict)"), "Mine is registered, but derives neither from"),
        (LOSS.replace("class Mine(LogitLoss):", "def mine():"), "mine is registered, but derives"),
        (LOSS + "\n@register\nclass Other(Mine): ...", "a file holds one loss, but Mine and Other"),
        (LOSS + "    requires = 'class_counts'\n", "Mine.requires is not typed"),
        (with_default("[1]"), r"the default of 'q' must be a finite number, .*, not \[1\]"),
        (with_default("__import__('torch').ones(2)"), "the default of 'q' must be .* not tensor"),
        (with_default("float('nan')"), "the default of 'q' must be a finite number, .* not nan"),
        (with_default("object()"), "the default of 'q' must be .*, not <object object"),
        (with_default("1, name='x'"), "hyperparameter 'name' has a name that runs use themselves"),
        (with_default("1, **more"), r"Mine: '\*\*more' is no hyperparameter"),
        (with_default("1").replace("super().__init__()", "pass"), r"must call super\(\).__init__"),
        *(
            (with_default("1").replace("super().__init__()", f"raise {e}"), f"cannot be built: {e}")
            for e in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException")
        ),
        (
            with_default("1").replace("super().__init__()", "[][1]"),
            "cannot be built: IndexError: l",
        ),
    ],
)
def test_who_names_a_loss_meets_its_fault(add_loss: AddLoss, code: str, says: str) -> None:
    file = add_loss("score_faulty", code=code)
    add_loss("score_sound")
    before, folder = set(lossatlas.list_losses()), Path.cwd()
    for _ in range(2):
        with pytest.raises(UserError, match=says) as caught:
            lossatlas.get_loss("score_faulty")
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "score_sound" in before
    assert set(lossatlas.list_losses()) == before
    assert lossatlas.get_loss("score_sound").target == "class_index"
    assert Path.cwd() == folder


def test_what_a_broken_file_imports_can_be_used_afterwards(
    add_loss: AddLoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = lossatlas.get_loss("ovr_hinge").__module__
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(registry._classes, "ovr_hinge")
    add_loss("score_broken", code=f"import {module}\n1 / 0\n")
    with pytest.raises(UserError, match="cannot be imported: ZeroDivisionError"):
        lossatlas.get_loss("score_broken")
    assert lossatlas.get_loss("ovr_hinge").target == "class_index"


@pytest.mark.parametrize("name", ["My-Loss", "Upper", "on", "null", "class", "sum", "b" * 65, "é"])
def test_file_name_that_is_no_id_is_named_and_stops_nobody(add_loss: AddLoss, name: str) -> None:
    file = add_loss(name)
    with pytest.raises(UserError, match=f"the name '{name}' ") as caught:
        registry.find(name)
    assert str(file) in str(caught.value)
    assert name not in lossatlas.list_losses()


@pytest.mark.parametrize("content", [b"\xff\xfe register", b"register\0", b"(" * 500])
def test_file_that_is_no_text_is_broken(add_loss: AddLoss, content: bytes) -> None:
    add_loss("score_binary").write_bytes(content)
    assert "score_binary" not in lossatlas.list_losses()
    with pytest.raises(UserError, match=r"score_binary\.py.*: cannot be imported: "):
        lossatlas.get_loss("score_binary")


def test_broken_card_stops_neither_its_loss_nor_others(add_loss: AddLoss) -> None:
    file = add_loss("score_carded")
    add_card(file).write_text("---\nid: score_carded\n---\n")
    assert "score_carded" in lossatlas.list_losses()
    assert not registry.has_card("score_carded")
    with pytest.raises(UserError, match=r"score_carded\.md: field 'name'"):
        lossatlas.get_card("score_carded")
    card = registry.find("score_carded").card
    card.unlink()
    card.symlink_to("/proc/self/mem")  # a plain file that cannot be read
    assert "score_carded" in lossatlas.list_losses()
    assert not registry.has_card("score_carded")
    assert "cannot be read" in (registry.fault(registry.find("score_carded")) or "")


def test_whatever_stands_in_a_ledger_a_loss_is_a_draft(add_loss: AddLoss) -> None:
    file = add_loss("score_led")
    ledger = add_card(file).parents[1] / registry.LEDGER
    for text in ("[]", "null", "{}", '{"score_led": 5}', "[" * 100_000, '"x', "\0"):
        ledger.write_text(text)
        assert registry.status(registry.find("score_led")) == "draft"
        told = [f"{ledger}: is no ledger of verified losses"] * (text[0] != "{")
        assert [fault.split(" (")[0] for fault in registry.faults()] == told
    ledger.unlink()
    assert registry.faults() == []
    os.mkfifo(ledger)
    assert registry.status(registry.find("score_led")) == "draft"
    assert "is no ledger" in registry.faults()[0]


def test_plugins_are_not_imported_and_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "raising_package" / "inner"
    (package / "losses" / "margin").mkdir(parents=True)
    (package / "losses" / "margin" / "score_inside.py").write_text(LOSS)
    (package.parent / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    values = ("raising_package.inner", "no_such_package_here", "", "a b:c")
    points = [EntryPoint("p", value, registry.ENTRY_POINTS) for value in values]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.forget()
    try:
        assert lossatlas.get_loss("score_inside").target == "class_index"
        assert len(registry.faults()) == 3
        assert "there is no package 'no_such_package_here'" in registry.faults()[0]
    finally:
        registry._classes.pop("score_inside", None)
        registry.forget()


def test_three_hundred_losses_are_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "losses" / "margin"
    folder.mkdir(parents=True)
    names = [f"score_{i}" for i in range(300)]
    for name in names:
        (folder / f"{name}.py").write_text("raise SystemExit('imported')  # register")
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    looked: list[Path] = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, *a: looked.append(self) or glob(self, *a))
    registry.forget()
    register_configs()
    assert set(names) <= set(lossatlas.list_losses())
    for name in names:
        assert registry.find(name).family == "margin"
        assert not registry.has_card(name)
    assert looked.count(tmp_path / "losses") == 1
    (folder / "score_younger.py").write_text("x = 1")
    assert registry.find("score_younger").family == "margin"


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), np.float64(3), np.array(3)])
def test_numbers_of_any_kind_are_hyperparameters(value: Any) -> None:
    assert repr(lossatlas.get_loss("focal", gamma=value)) == "Focal(gamma=3.0)"
    assert repr(lossatlas.get_loss("taylor_ce", t=value)) == "TaylorCE(t=3.0)"


@pytest.mark.parametrize("value", [True, np.bool_(True), "3", None, torch.tensor(3.0), 10**400])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match=r"focal: gamma must be a number in \[0, inf\), not "):
        lossatlas.get_loss("focal", gamma=value)


def test_text_and_switches_are_hyperparameters_too(add_loss: AddLoss) -> None:
    keywords = "*, how: str = 'a', on: 'bool' = True, n: int | None = None, q: 'float' = 1"
    constructor = f"\n    def __init__(self, {keywords}):\n        super().__init__()\n"
    add_loss("score_typed", code=LOSS + constructor)
    loss = lossatlas.get_loss("2 * score_typed(how='b', on=False) / 4")
    assert repr(loss) == "0.5 * Mine(how='b', on=False)"
    assert registry.hyperparameters("score_typed") == {
        "how": (str, "a"), "on": (bool, True), "n": (int | None, None), "q": (float, 1),
    }  # fmt: skip


def test_types_may_have_names_of_their_own(add_loss: AddLoss) -> None:
    constructor = "\n    def __init__(self, q: Rate = 1):\n        super().__init__()\n"
    future = "from __future__ import annotations\n"
    add_loss("score_alias", code=f"{future}{LOSS}{constructor}\nRate = float\n")
    assert registry.hyperparameters("score_alias") == {"q": (float, 1)}


def test_modules_of_the_package_are_there_after_import_alone() -> None:
    code = (
        "import sys, lossatlas; lossatlas.results.load\n"
        "try: lossatlas.nonsense\n"
        "except AttributeError: sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


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
    registry.forget()
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


def test_a_verified_loss_of_ones_own_is_imported_from_its_file(
    add_loss: AddLoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_loss("kept")
    monkeypatch.setattr(registry, "status", lambda entry: "verified")
    assert registry.get_class("kept").__name__ == "Mine"
