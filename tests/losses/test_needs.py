"""The vocabulary of needs: what a run provides of it, what documents say, and how mistakes read."""

import re

import pytest

from lossatlas import resources, scaffold
from lossatlas.contract import laws
from lossatlas.losses import needs, registry
from lossatlas.losses.base import EmbeddingLoss, LogitLoss
from lossatlas.models.parts import PARTS
from lossatlas.report import usage
from lossatlas.training import provide

LOSSES = (resources.CHECKOUT / "docs" / "losses.md").read_text(encoding="utf-8")


def test_a_run_provides_each_need():
    moments = {**provide.MOMENTS, **provide.EPOCHS}
    for sort, table in {"fact": provide.FACTS, "moment": moments, "part": PARTS}.items():
        assert set(table) == {word for word, need in needs.NEEDS.items() if need.sort == sort}
    assert "A run provides all of these." in LOSSES


def logit(**attributes):
    return type("Own", (LogitLoss,), {"target": "class_index", **attributes})


def embedding(**attributes):
    return type("Own", (EmbeddingLoss,), {"target": "two_view", **attributes})


@pytest.mark.parametrize(
    ("cls", "says"),
    [
        (logit(parts="predictor"), "parts must be a tuple of names, not 'predictor'"),
        (logit(parts=("predicter",)), "names 'predicter', which nothing .*did you mean predictor"),
        (logit(parts=("keys",)), "'keys', which is a moment and belongs to per_sample"),
        (logit(setup=lambda self, *, epoch: None), "setup names 'epoch', which is a moment"),
        (
            logit(per_sample=lambda self, s, y, *, indexes: s[:, 0]),
            "per_sample names 'indexes', which nothing provides; did you mean indices",
        ),
        (logit(strengths=("weak",)), r"'weak' or 'strong' of each of 0 views, not \('weak',\)"),
        (embedding(strengths=("weak",)), "of each of 2 views"),
        (embedding(strengths=("weak", "mild")), r"must say .*, not \('weak', 'mild'\)"),
        (logit(samples_per_class=0), "samples_per_class must be a whole number >= 1, not 0"),
        (logit(samples_per_class=2.0), "must be a whole number >= 1, not 2.0"),
        (embedding(samples_per_class=4), "of type two_view does not say which class"),
        (logit(target="label_set", samples_per_class=4), "of type label_set does not say"),
        (logit(target="complementary", samples_per_class=4), "of type complementary does not"),
    ],
)
def test_a_need_that_is_not_declared_right_is_one_sentence(cls, says):
    problem = needs.misfit(cls)
    assert problem is not None
    assert problem.startswith("Own.")
    assert re.search(says, problem)


def test_right_declarations_have_no_misfit():
    assert needs.misfit(embedding(strengths=("strong", "weak"))) is None
    assert needs.misfit(logit(samples_per_class=4)) is None
    assert needs.misfit(embedding(target="two_view_labelled", samples_per_class=2)) is None


def test_a_need_more_is_a_line_in_each_of_two_tables(monkeypatch, tmp_path):
    """References, examples and a card's page ask no third; a user's loss names two new needs."""
    root = tmp_path / "mine"
    code, page, reference = (
        root / "losses" / "likelihood" / "with_hardness.py",
        root / "papers" / "likelihood" / "with_hardness.md",
        root / "reference" / "with_hardness.py",
    )
    scaffold.write_loss("with_hardness", "likelihood", None, root)
    per_sample = "logits: Tensor, target: Tensor"
    text = code.read_text().replace(per_sample, f"{per_sample}, *, hardness: Tensor")
    text = text.replace(
        "-self.scale * log_p", "-self.scale * log_p * hardness / self.facts['side']"
    )
    code.write_text(f"{text}\n    def setup(self, *, side):\n        pass\n")
    page.write_text(
        page.read_text()
        .replace("properties: {}", "requires: [side, hardness]\nproperties: {}")
        .replace("limits: [{equals: cross_entropy, when: {scale: 1.0}}]", "limits: []")
        .replace("    target: 0\n", "    target: 0\n    given: {side: 2, hardness: [2.0]}\n")
    )
    reference.write_text(
        reference.read_text()
        .replace("scale: mpf)", "scale: mpf, side, hardness)")
        .replace("-scale * log(p)", "-scale * log(p) * hardness / side")
    )
    monkeypatch.setenv(registry.PATH_VARIABLE, str(root))
    registry.forget()
    side = needs.Need("fact", "pixels of an image's side", lambda _: 2)
    hardness = needs.Need(
        "moment", "a number a sample, (N,)", lambda inputs, _: inputs.new_full(inputs.shape[:1], 2)
    )
    monkeypatch.setitem(needs.NEEDS, "side", side)
    monkeypatch.setitem(needs.NEEDS, "hardness", hardness)
    monkeypatch.setitem(provide.FACTS, "side", lambda plan, _: plan.data.train.pixels.shape[1])
    monkeypatch.setitem(provide.MOMENTS, "hardness", lambda step: step.features[:, 0].detach())
    try:
        card = registry.get_card("with_hardness")
        laws.card_agrees_with_code(card)
        laws.examples_hold(card)
        laws.values_equal_the_reference(card, {"scale": 3.0})
        exec(usage.python(card), said := {})
        assert said["inputs"].grad.isfinite().all()
        assert not provide.lacking(said["loss"])
    finally:
        registry._classes.pop("with_hardness", None)
