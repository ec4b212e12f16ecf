"""The list of losses, narrowed down; the bibliography."""

import re

import pytest

from lossatlas import catalogue, get_card, list_losses
from lossatlas.errors import UserError
from lossatlas.losses import registry


def ids(**filters):
    return {row["id"] for row in catalogue.rows(**filters)}


def test_without_filters_every_loss_is_there_with_a_purpose():
    rows = catalogue.rows()
    assert [row["id"] for row in rows] == list_losses()
    assert all(row["purpose"].endswith((".", "$")) for row in rows), rows
    assert [row["id"] for row in rows if ". " in row["purpose"]] == []  # one sentence each


def test_scores_that_mean_no_probabilities_have_no_link():
    cards = [get_card(name) for name in list_losses()]
    ranked = {card.id: card.link for card in cards if "not probabilities" in card.prose["(x, y)"]}
    assert {"crammer_singer_hinge", "weston_watkins_hinge"} <= set(ranked)
    assert set(ranked.values()) == {"none"}


def test_filters_narrow_down_and_join():
    assert {"ldam", "balanced_softmax"} <= ids(need="class_counts")
    assert "gce" not in ids(need="class_counts")
    assert ids(family="long_tail", need="class_counts", years="2020-2021") >= {"balanced_softmax"}
    assert "ldam" not in ids(need="class_counts", years="2020-2021")
    assert {"mae", "rce"} <= ids(claim="bounded")
    assert {"focal", "mae"} & ids(claim="bounded=false") == {"focal"}
    assert ids(words=["NOISY", "zhang"]) >= {"gce"}
    assert ids(years="-1960") == {"brier", "soft_target_kl"}
    assert ids(years="2018-") & ids(years="-2017") == set()
    assert ids(words=["no such word"]) == set()


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"family": "x"}, "family 'x' is unknown"),
        ({"target": "x"}, "target 'x' is unknown"),
        ({"need": "class_count"}, "did you mean class_counts?"),
        ({"claim": "convx"}, "property 'convx' is unknown"),
        ({"claim": "bounded=perhaps"}, "true or false, not 'perhaps'"),
        ({"claim": "integrable"}, "no card of these losses says anything of 'integrable'; 'lossa"),
        ({"years": "18"}, "must be 2018, 2018-2021"),
        ({"years": ""}, "must be 2018, 2018-2021"),
        ({"years": "20182021"}, "must be 2018, 2018-2021"),
        ({"years": "2018-2017"}, "ends before it begins"),
    ],
)
def test_a_filter_that_names_what_there_is_not(filters, says):
    with pytest.raises(UserError, match=re.escape(says)):
        catalogue.rows(**filters)


def test_the_bibliography_has_each_paper_once():
    text = catalogue.bibtex(list_losses())
    keys = re.findall(r"^@misc\{(\w+),$", text, re.M)
    assert len(keys) == len(set(keys)) > 30
    noted = re.findall(r"note = \{lossatlas: (.*)\}", text)
    names = [name.replace("\\_", "_") for note in noted for name in note.split(", ")]
    assert sorted(names) == sorted(list_losses())
    assert text.count("{") == text.count("}")
    assert registry.get_card("ldam").paper.title in text
    with pytest.raises(UserError, match="did you mean focal"):
        catalogue.bibtex(["fokal"])


@pytest.mark.parametrize("text", ["a } b", "a { b", "}{", "a\\} b"])
def test_a_brace_without_a_partner_does_not_end_an_entry(text):
    paper = registry.get_card("focal").paper.model_copy(
        update={"title": f"{text} {{CNN}}", "venue": text, "authors": [text]}
    )
    depths, depth = [], 0
    for character in (entry := catalogue.entry(paper, "key")):
        depth += (character == "{") - (character == "}")
        depths.append(depth)
    assert depth == 0
    assert 0 not in depths[entry.index("{") : -1]
    kept = registry.get_card("focal").paper.model_copy(update={"title": "An {SVM}"})
    assert "title = {{An {SVM}}}," in catalogue.entry(kept, "key")
