"""Runs of a sum of losses: `loss=sum loss.terms='nce + 0.1 * rce'`."""

import pytest

from lossatlas import results
from lossatlas.errors import UserError
from lossatlas.results import store
from lossatlas.training import identity, rates, run
from lossatlas.training.config import resolve
from training.commands import SMOKE, TINY


@pytest.fixture
def sum_cfg(make_cfg):
    return lambda terms, *overrides: make_cfg("loss=sum", f"loss.terms='{terms}'", *overrides)


def id_of(cfg):
    return identity.place(resolve(cfg))[1]


def test_a_sum_trains_and_its_row_says_what_it_is(sum_cfg):
    row = run.execute(sum_cfg("focal(gamma=3.0)+.5*crammer_singer_hinge", *SMOKE))
    assert row["state"] == "done", row["reason"]
    assert row["test_accuracy"] > 0.15
    assert (row["loss"], row["loss.terms"]) == (
        "sum",
        "focal(gamma=3) + 0.5 * crammer_singer_hinge",
    )
    assert (row["family"], row["target"]) == ("likelihood + margin", "class_index")
    assert row["run_id"].startswith("sum-clean-smoke-s0-")
    assert results.load().loc[0, "loss.terms"] == row["loss.terms"]
    saved = (store.runs_dir() / row["run_id"] / "config.yaml").read_text()
    assert "terms: focal(gamma=3) + 0.5 * crammer_singer_hinge" in saved


def test_one_term_trains_as_the_loss_itself(sum_cfg, make_cfg):
    alone, summed = run.execute(make_cfg("loss=focal")), run.execute(sum_cfg("1 * focal"))
    assert summed["weights_sha256"] == alone["weights_sha256"]
    assert summed["run_id"] != alone["run_id"]
    doubled = run.execute(sum_cfg("2 * focal"))
    assert doubled["weights_sha256"] != alone["weights_sha256"]


def test_a_sum_of_another_target_gets_its_targets(sum_cfg):
    row = run.execute(sum_cfg("soft_target_kl + soft_target_kl", "scenario=ambiguous_pets"))
    assert row["state"] == "done", row["reason"]
    assert (row["target"], row["family"]) == ("distribution", "likelihood")


def test_the_id_is_of_the_sum_not_of_its_spelling(sum_cfg):
    one = id_of(sum_cfg("focal + 0.5 * cross_entropy"))
    for same in ("focal+.5*cross_entropy", "1*focal + cross_entropy * 0.50"):
        assert id_of(sum_cfg(same)) == one
    others = ["focal", "focal + cross_entropy", "focal(gamma=1) + 0.5 * cross_entropy"]
    assert len({one, *(id_of(sum_cfg(text)) for text in others)}) == 4


def test_an_edited_part_is_another_experiment(sum_cfg, own_loss):
    def ids():
        texts = ("mine + cross_entropy", "cross_entropy + 2 * mine", "focal + cross_entropy")
        return [id_of(sum_cfg(text)) for text in texts]

    own_loss("mine", "return torch.logsumexp(logits, 1)")
    before = ids()
    own_loss("mine", "return torch.logsumexp(logits, 1) * 2")
    after = ids()
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert before[2] == after[2]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ("", "a sum of losses must not be empty"),
        ("focall + cross_entropy", "there is no loss 'focall'; did you mean focal"),
        ("-1 * focal", r"the weight -1 is not in \[0, inf\)"),
        ("focal + soft_target_kl", "these are of class_index, distribution"),
        ("nt_xent + nt_xent", "losses can be added when all are of logits"),
        ("sum", "there is no loss 'sum'"),
    ],
)
def test_wrong_terms_are_one_sentence_and_leave_no_row(terms, says, sum_cfg):
    with pytest.raises(UserError, match=says):
        run.execute(sum_cfg(terms))
    assert results.load().empty


def test_terms_are_asked_for(make_cfg):
    with pytest.raises(UserError, match=r"loss\.terms needs a value"):
        run.execute(make_cfg("loss=sum"))


def test_a_sum_has_no_rate_of_its_own():
    assert not rates.can_be_found("sum")
    assert rates.can_be_found("focal")


def test_sums_can_be_swept_from_the_command_line(command, tmp_path):
    terms = "loss.terms=cross_entropy + 0.5 * focal,'focal(gamma=1) + cross_entropy'"
    code, _, err = command("train", "-m", *TINY, "loss=sum", terms)
    assert code == 0, err
    assert "2 of 2 runs" in err
    table = results.load(tmp_path / "runs")
    assert sorted(table["loss.terms"]) == [
        "cross_entropy + 0.5 * focal", "focal(gamma=1) + cross_entropy",
    ]  # fmt: skip
    assert set(table["loss"]) == {"sum"}
    code, _, err = command("train", *TINY, "loss=sum", "loss.terms=cross_entropy + fokal")
    assert code == 2
    assert err.startswith("lossatlas: there is no loss 'fokal'; did you mean focal")
    assert err.endswith("? ('lossatlas list' shows all)\n")
    assert err.count("\n") == 1


def test_parentheses_without_quotes_of_their_own_are_explained(command):
    code, _, err = command("train", "loss=sum", "loss.terms=focal(gamma=1) + mae")
    assert code == 2
    assert err == (
        "lossatlas: 'loss.terms=focal(gamma=1) + mae' cannot be read; a value with parentheses has "
        "quotes of its own inside those of the shell: \"loss.terms='gce(q=0.5) + 2 * mae'\"\n"
    )
    for word in ("loss=flooding(gce, b=0.1)", "loss='flooding(gce, b=0.1)'"):
        code, _, err = command("train", word)
        assert (code, "loss=sum \"loss.terms='flooding(gce, b=0.1)'\"" in err) == (2, True), err


def test_a_pattern_over_losses_leaves_sums_out(command, tmp_path):
    pattern = "loss=glob([sum*,soft_t*])"
    code, _, err = command("train", "-m", *TINY, pattern)
    assert code == 0, err
    assert set(results.load(tmp_path / "runs")["loss"]) == {"soft_target_kl"}
