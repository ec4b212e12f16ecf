"""check, nearest and test from Python: of an id, an expression, a loss, a class of a notebook."""

import subprocess
import sys
import types

import pandas as pd
import pytest
import torch

import lossatlas
from lossatlas import api
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.training.modules import Classifier

NOTEBOOK = """
import torch
from lossatlas.losses.base import LogitLoss, Wrapper


class MySquare(LogitLoss):
    target = "class_index"

    def __init__(self, power=2.0):
        super().__init__()
        self.power = power

    def per_sample(self, logits, target):
        return (1 - torch.softmax(logits, 1).gather(1, target[:, None])[:, 0]) ** self.power


class Doubling(LogitLoss):
    target = "class_index"

    def __init__(self, rate=1.0):
        super().__init__()
        self.rate = 2 * rate

    def per_sample(self, logits, target):
        return self.rate * torch.logsumexp(logits, 1)


class Broken(MySquare):
    def per_sample(self, logits, target):
        return super().per_sample(logits, target).mean() / 0
"""


@pytest.fixture
def notebook(monkeypatch):
    """Classes that live in no file, as those of a notebook."""
    module = types.ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", module)
    exec(NOTEBOOK, vars(module))
    return module


def test_a_check_says_what_the_shell_says():
    table = lossatlas.check("mae", ["symmetric", "bounded"])
    assert tuple(table.columns) == api.CHECKED
    assert dict(zip(table.property, table.verdict, strict=True)) == {
        "symmetric_sum_constant": "proved", "bounded": "not_refuted",
    }  # fmt: skip
    assert table.agrees.all()


def test_a_class_of_a_notebook_is_checked_and_found_again(notebook, monkeypatch):
    for loss in (notebook.MySquare, notebook.MySquare()):
        table = lossatlas.check(loss, ["bounded", "convex"], fresh=True).set_index("property")
        assert (table.loss == "my_square").all()
        assert table.verdict["bounded"] == "not_refuted"
        assert table.verdict["convex_in_logits"] == "refuted"
        assert table.witness["convex_in_logits"]["terms"]
        assert table.declared.isna().all()
    known = {name: registry.find(name) for name in ("mae", "focal", "brier", "cross_entropy")}
    monkeypatch.setattr(registry, "index", lambda: known)
    near = lossatlas.nearest(notebook.MySquare(power=1.0), k=2)
    assert tuple(near.columns) == api.COMPARED
    assert (near.loss[0], near.relation[0]) == ("mae", "equal")
    assert near.scale[0] == pytest.approx(0.5)
    assert "my_square" in near.attrs["verdict"]
    assert "my_square" not in registry._classes


def test_a_loss_is_named_by_its_hyperparameters(notebook):
    gce = lossatlas.get_loss("gce", q=0.5)
    wrapped = lossatlas.get_loss("flooding(gce(q=0.5), b=0.1)")
    direct = registry.get_class("focal")(gamma=3.0)
    for loss, name in {
        "nce + rce": "nce + rce",
        lossatlas.get_loss("nce"): "nce",
        gce: "gce(q=0.5)",
        direct: "focal(gamma=3)",
        2 * gce - notebook.MySquare(3.0): "2 * gce(q=0.5) - my_square(power=3)",
        wrapped: "flooding(gce(q=0.5), b=0.1)",
    }.items():
        with api._named(loss) as found:
            assert found == name
    with pytest.raises(UserError, match="its hyperparameter 'rate' cannot be read; keep it as"):
        lossatlas.check(notebook.Doubling(3.0))
    with pytest.raises(UserError, match=r"a loss is an id, .* not 3"):
        lossatlas.nearest(3)
    with pytest.raises(UserError, match="did you mean focal"):
        lossatlas.test("focall")


@pytest.mark.parametrize("what", ["MySquare", "sum"])
def test_the_laws_hold_of_what_has_no_file(what, notebook):
    rce = lossatlas.get_loss("rce")
    loss = notebook.MySquare if what == "MySquare" else 0.5 * notebook.MySquare() + rce
    table = lossatlas.test(loss)
    assert tuple(table.columns) == api.TESTED
    assert table.cases.sum() > 30
    assert not table.broken.any(), table[table.broken > 0].to_string()


def test_a_broken_law_is_told_by_its_row(notebook):
    table = lossatlas.test(notebook.Broken).set_index("law")
    assert table.broken["reductions agree"] > 0
    assert "shape ()" in table.says["reductions agree"]
    assert table.broken["wrong argument is refused"] == 0


def test_a_law_a_row_of_a_registered_loss():
    table = lossatlas.test("mae")
    assert table.broken.sum() == 0
    assert isinstance(table, pd.DataFrame)
    assert "card agrees with code" in set(table.law)


def test_the_package_starts_without_torch_and_pandas():
    code = "import sys, lossatlas; print({'torch', 'pandas', 'lossatlas.api'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


LINKED = """
import torch
from lossatlas.losses.base import LogitLoss


class Cold(LogitLoss):
    target = "class_index"

    def log_p(self, logits):
        return torch.log_softmax(2 * logits, 1)

    def per_sample(self, logits, target):
        return -self.log_p(logits).gather(1, target[:, None])[:, 0]


class Linked(Cold):
    def log_probabilities(self, logits):
        return self.log_p(logits)


class WronglyLinked(Cold):
    def log_probabilities(self, logits):
        return torch.log_softmax(3 * logits, 1)


class Distances(Cold):
    parts = ("distance_head",)

    def log_probabilities(self, logits):
        return self.log_p(-torch.log(logits.square()) / 2)

    def per_sample(self, logits, target):
        return -self.log_probabilities(logits).gather(1, target[:, None])[:, 0]
"""


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("Cold", "refuted"), ("Linked", "not_refuted"), ("WronglyLinked", "evidence_against")],
)
def test_properness_is_judged_by_the_link_that_the_loss_declares(name, verdict, notebook):
    exec(LINKED, vars(notebook))
    loss = getattr(notebook, name)()
    for each in (loss, 3 * loss):
        table = lossatlas.check(each, "strictly_proper")
        assert table.verdict.tolist() == [verdict], table.evidence[0]


def test_a_link_that_is_none_breaks_a_law(notebook):
    exec(LINKED, vars(notebook))
    table = lossatlas.test(notebook.Linked).set_index("law")
    assert not table.broken.any(), table[table.broken > 0].to_string()
    assert table.cases["own link gives probabilities"] == 1
    notebook.Linked.log_probabilities = lambda self, logits: -self.log_p(logits)
    table = lossatlas.test(notebook.Linked).set_index("law")
    assert table.index[table.broken > 0].tolist() == ["own link gives probabilities"]


def test_a_loss_of_distances_is_given_distances(notebook):
    exec(LINKED, vars(notebook))
    table = lossatlas.test(notebook.Distances)
    wrong = table[table.broken > 0]
    # A sample that lies on a prototype: this formula has no guard there.
    assert wrong.law.tolist() == ["degenerate logits give finite values"], wrong.to_string()
    # Beyond 0, where no head leads, the label's score should not grow.
    falling = lossatlas.check(notebook.Distances, "decreasing_in_score")
    assert falling.verdict[0] == "inconclusive"
    assert "above 0, which no distance_head gives" in falling.evidence[0]
    # What a shift upwards shows, the same scores show from further down.
    shifted = lossatlas.check(notebook.Distances, "shift_invariant")
    assert shifted.verdict[0] == "refuted", shifted.evidence[0]
    assert max(max(scores) for _, scores, *_ in shifted.witness[0]["terms"]) <= 0


def test_a_network_is_judged_through_the_link(notebook):
    exec(LINKED, vars(notebook))
    scores = torch.tensor([[1.0, 0.0, 9.0]])  # the third is no class
    module = types.SimpleNamespace(loss=notebook.Linked(), num_classes=2)
    read = Classifier.judged(module, scores)
    assert torch.allclose(read.softmax(1), (2 * scores[:, :2]).softmax(1))
    module.loss = notebook.Cold()
    assert torch.equal(Classifier.judged(module, scores), scores[:, :2])
