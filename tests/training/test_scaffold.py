"""What `lossatlas new` writes runs as it is: it trains, keeps every law, and can be checked."""

import pytest

from lossatlas import cards, get_card, scaffold
from lossatlas.contract import suite
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.theory import records
from lossatlas.training import run

# A family for each target that has a scaffold, and for the wrapper's.
SORTS = {
    "noise_robust": None, "likelihood": "distribution", "partial_label": None, "clustering": None,
    "supervised_contrastive": None, "pair_metric": None, "wrapper": None,
}  # fmt: skip


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a scaffold, and make it known."""
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path / "mine"))
    names = []

    def write(family, target=None):
        names.append(f"fresh_{family}")
        scaffold.write_loss(names[-1], family, target, tmp_path / "mine")
        return names[-1]

    yield write
    for name in names:
        registry._classes.pop(name, None)
    registry.forget()


@pytest.mark.parametrize("family", SORTS)
def test_a_scaffold_runs_as_it_is(family, written, make_cfg):
    name = written(family, SORTS[family])
    outcome = suite.test(name)
    assert not outcome.broken
    assert outcome.has_reference
    (record,) = records.check(name, ["nonnegative"])
    assert record["verdict"] in ("proved", "not_refuted")
    row = run.execute(make_cfg(f"loss={name}", "loss.scale=0.5"))
    assert (row["state"], row["target"]) == ("done", get_card(name).target)


def test_every_family_has_a_scaffold_that_can_be_built(written):
    for family in cards.FAMILIES:
        name = written(family)
        assert registry.get_loss(name, scale=2.0).scale == 2.0
        assert "formula says TODO" in get_card(name).todo
        assert registry.status(registry.find(name)) == "draft"
    targets = {get_card(f"fresh_{family}").target for family in cards.FAMILIES}
    assert targets | {SORTS["likelihood"], "complementary"} == set(cards.TARGETS)


def test_a_scaffold_for_complementary_labels_trains_in_their_scenario(written, make_cfg):
    name = written("partial_label", "complementary")
    assert not suite.test(name).broken
    row = run.execute(make_cfg(f"loss={name}", "scenario=complementary"))
    assert (row["state"], row["target"]) == ("done", "complementary")
    assert row["effective_noise"] == 0


def test_what_cannot_run_is_not_written(tmp_path):
    with pytest.raises(UserError, match="a wrapper's target is that of cross-entropy"):
        scaffold.write_loss("mine", "wrapper", "label_set", tmp_path)
    assert not list(tmp_path.iterdir())
