"""Identities among registered losses are found, and only those; what cards say is known."""

import pytest

from lossatlas.pages import render
from lossatlas.report import identities as page
from lossatlas.theory import identities as subject
from lossatlas.theory.identities import candidates, identities

FEW = [
    "cross_entropy",
    "soft_target_kl",
    "focal",
    "mae",
    "rce",
    "gce",
    "brier",
    "clpl",
    "ovr_hinge",
]


@pytest.fixture(scope="module")
def found():
    return identities(candidates(FEW))


def test_known_ones_are_found_and_no_others(found):
    said = {f"{one.loss} = {one.formula}": one.told for one in found}
    assert said == {
        "cross_entropy = soft_target_kl": True,
        "cross_entropy = focal(gamma=0)": True,
        "mae = 0.5 * rce": False,  # a factor, which no limit can say
        "mae = 2 * gce(q=1)": False,
        "ovr_hinge = clpl(psi=1)": False,
    }


def test_each_holds_at_points_that_no_search_has_seen(found):
    assert all(one.fresh <= subject.FRESH for one in found)
    assert subject._apart("mae", "rce", {}) <= subject.FRESH
    for other, setting in (("focal", {"gamma": 1e-3}), ("gce", {}), ("brier", {})):
        assert subject._apart("cross_entropy", other, setting) > 1e-4


def test_what_holds_for_ten_classes_alone_says_so(found):
    assert all(one.fewer for one in found)
    compared = candidates(["cross_entropy", "tf_kd_reg", "weston_watkins_hinge", "topk_hinge_beta"])
    said = {f"{one.loss} = {one.formula}": one.fewer for one in identities(compared)}
    assert said == {
        "cross_entropy = tf_kd_reg(temperature=0.02)": False,  # its weight is 10 / K
        "weston_watkins_hinge = 9 * topk_hinge_beta(top_k=9)": False,
    }


def test_cards_tell_in_several_steps():
    told = subject._told()
    kl, focal = subject._point("soft_target_kl", {}), subject._point("focal", {"gamma": 0})
    assert told(kl, focal)
    assert not told(kl, subject._point("focal", {}))


def test_the_page_holds_them_all(found, monkeypatch):
    monkeypatch.setattr(page, "identities", lambda compared: found)
    written = "".join(render.markdown(page.content(FEW), "card", "identities"))
    assert written.count("\n| ") == len(found) + 1
    assert "| mae | `2 * gce(q=1)` | yes | **no** |" in written
