"""Losses asked for by what they are, and what a sweep leaves out of its plan."""

import json

import pytest

from lossatlas import list_losses
from lossatlas.losses import registry
from lossatlas.results import sweeps
from lossatlas.training import config, query, sweeper
from training.commands import TINY

LEARNS = """target = 'class_index'

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))"""


def losses(**wanted):
    return [
        name
        for name in registry.list_losses(**wanted)
        if registry.status(registry.find(name)) == "verified"
    ]


def test_a_query_finds_the_losses_that_are_what_it_says():
    noisy = losses(family="noise_robust")
    assert "gce" in noisy
    assert query.read("family(noise_robust)").found == noisy
    assert query.read("all(family=noise_robust, target=class_index)").found == noisy
    assert query.read("verified()").found == query.read("all()").found == losses()
    several = query.read("all(target=distribution,target=label_set)").found
    assert set(several) == {*losses(target="distribution"), *losses(target="label_set")}
    assert query.read("gce,family(noise_robust)")[:2] == (["gce"], [n for n in noisy if n != "gce"])
    assert query.read("focal,glob([foca?,mae])").named == ["focal", "mae"]


def test_a_draft_is_found_by_who_asks_for_drafts(own_loss):
    own_loss("fresh", "return logits.sum(1)")
    assert "fresh" not in query.read("family(noise_robust)").found
    assert "fresh" not in query.read("verified()").found
    assert "fresh" in query.read("all(status=draft)").found
    assert "fresh" in query.read("family(noise_robust,status=draft,status=verified)").found


@pytest.mark.parametrize("value", ["focal", "focal,mae", "choice(focal,mae)", "'a,family(b)'", ""])
def test_what_is_no_query_is_left_to_hydra(value):
    assert query.value_of([f"loss={value}"]) is None
    assert query.value_of(["loss=verified()", f"loss={value}"]) is None
    assert (
        query.value_of([f"loss={value}", "loss.q=all()", "loss=all()", "scenario=all()"]) == "all()"
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("family(noise_robus)", "there is no family 'noise_robus'; did you mean noise_robust?"),
        ("all(target=class_idx)", "there is no target 'class_idx'; did you mean class_index?"),
        ("all(target=x)", "there is no target 'x'; legal: class_index, distribution"),
        ("all(status=broken)", "there is no status 'broken'; legal: verified, draft"),
        ("all(families=margin)", "'families=margin' is none of family=..., target=..., status=..."),
        ("all(margin)", "'margin' is none of family=..., target=..., status=..."),
        ("verified(status=draft)", "'status=draft' is none of"),
        ("family()", "family() names no family; legal: likelihood, margin"),
        ("all(family=margin,target=two_view)", "no verified loss fits; families with losses: like"),
        ("all(family=margin,status=draft)", "no draft loss fits"),
        ("glob(zz*)", "loss=glob(zz*): no loss fits"),
        ("glob(", "cannot be read"),
    ],
)
def test_a_wrong_query_is_one_sentence(value, says, command):
    code, out, err = command("train", "-m", *TINY, f"loss={value}")
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_query_is_for_sweeps(command):
    code, out, err = command("train", *TINY, "loss=family(margin)")
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: loss=family(margin) asks for several losses; give -m to make")


def test_what_does_not_fit_is_left_out_with_its_reason(command, own_loss, tmp_path):
    file = own_loss("early", "return logits.sum(1)")
    file.write_text("raise OSError('no such luck')\n" + file.read_text())
    own_loss("needy", "return logits.sum(1)", head=LEARNS)
    own_loss("other", "return logits.sum(1)", head="target = 'complementary'")
    config.register_configs()
    asked = "loss=early,needy,other,mae,all(target=label_set,target=two_view)"
    arguments = [*TINY, asked, "scenario=clean,symmetric_noise", "seed=0,1"]
    code, out, err = command("train", "-m", *arguments, "--plan")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    made = sorted(line.split()[1].rpartition("-")[0] for line in lines if "planned  " in line)
    pairs, sets = list_losses(target="two_view"), list_losses(target="label_set")
    fit = [("mae", "clean"), ("mae", "symmetric_noise"), *((name, "clean") for name in pairs)]
    assert made == sorted(f"{name}-{scenario}-smoke-s{i}" for name, scenario in fit for i in (0, 1))
    left = 12 + 4 * len(sets) + 2 * len(pairs)
    told = lines[lines.index(f"left out: {left} runs") + 1 :]
    for says in (
        f"early: {file}:1: cannot be imported: OSError: no such luck (4 runs)",
        "'needy' learns weights of its own (w)",
        "other: scenario clean: it gives no complementary labels, and the loss takes no others (2",
        "set_margin_hinge: it is for sets of classes, and clean gives every image one class (2",
        "nt_xent: it sees no labels, and those are what symmetric_noise changes (2 runs)",
    ):
        assert any(says in line for line in told), (says, told)


def test_who_names_a_needless_pair_gets_it_and_one_that_cannot_be_made_ends_alone(
    command, own_loss
):
    code, out, _ = command("train", "-m", *TINY, "loss=set_margin_hinge,mae", "--plan")
    assert (code, "left out" in out) == (0, False)
    assert "2 planned" in out
    own_loss("other", "return logits.sum(1)", head="target = 'complementary'")
    config.register_configs()
    code, out, err = command("train", "-m", *TINY, "loss=other", "--plan")
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: the sweep is empty: other: scenario clean: it gives no compl")


def test_a_query_that_no_loss_fits_is_left_out_and_stops_no_other(command):
    none = "all(family=margin,status=draft)"
    code, out, err = command("train", "-m", *TINY, f"loss={none},mae", "--plan")
    assert (code, err) == (0, "")
    assert "1 planned" in out
    assert f"left out: 0 runs\n  {none}: no draft loss fits; " in out
    code, out, err = command("train", "-m", *TINY, f"loss={none}", "--plan")
    assert (code, out) == (2, "")
    assert err.startswith(f"lossatlas: the sweep is empty: {none}: no draft loss fits; ")
    assert len(err.splitlines()) == 1


def test_a_plan_s_file_keeps_what_was_left_out(tmp_path):
    plan = [sweeps.Planned("a-b-c-s0-1", {}, "class_index", "")]
    left = [sweeps.LeftOut("nt_xent", "it sees no labels", 3)]
    folder = sweeps.write(tmp_path, None, ["loss=verified()"], plan, left)
    last = (folder / "plan.jsonl").read_text().splitlines()[-1]
    assert json.loads(last) == {"left_out": left[0]._asdict()}
    assert sweeps.ids(folder) == ["a-b-c-s0-1"]
    assert "loss=verified()" in (folder / "sweep.yaml").read_text()


def test_one_run_is_left_out_as_one():
    said = sweeper._told([sweeps.LeftOut("early", "it falls", 1)])
    assert said == ["left out: 1 run", "  early: it falls (1 run)"]
