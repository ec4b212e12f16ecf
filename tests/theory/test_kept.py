"""Fingerprints kept from one process to the next are the measured ones, or they are not used."""

import numpy as np
import pytest

from lossatlas import memo
from lossatlas.losses import registry
from lossatlas.theory import fit, kept
from lossatlas.theory.fit import Candidate, both_of

OWN = """from lossatlas.losses.likelihood.brier import Brier
from lossatlas.losses.registry import register


@register
class OwnBrier(Brier):
    pass
"""


@pytest.fixture
def measured(monkeypatch):
    """The settings that are measured from now on."""
    settings = []
    plain = fit.known

    def known(name, setting):
        settings.append(setting)
        return plain(name, setting)

    monkeypatch.setattr(fit, "known", known)
    monkeypatch.setattr(Candidate.__init__, "__defaults__", (known,))
    return settings


def test_a_second_look_measures_nothing_and_sees_the_same(measured):
    first = Candidate("taylor_ce")
    assert len(measured) > 10
    first.keep()
    measured.clear()
    again = Candidate("taylor_ce")
    assert measured == []
    assert again.ladders == first.ladders
    for (setting, one), (other, two) in zip(first.seen(), again.seen(), strict=True):
        assert setting == other
        for mine, theirs in zip(one, two, strict=True):
            assert mine.dtype == theirs.dtype
            assert np.array_equal(mine, theirs)


def test_grids_and_ways_to_limits_are_kept_and_what_one_search_alone_asked_for_is_not(measured):
    asked = both_of(fit.known("taylor_ce", {"t": 3}))
    first = Candidate("agce")
    found = fit.fit(first, asked)
    first.keep()
    kept_settings = set(kept.read(registry.find("agce")))
    assert first._lasting == kept_settings < set(first._seen)
    assert any(len(setting) == 2 for setting in kept_settings)
    measured.clear()
    assert fit.fit(Candidate("agce"), asked) == found
    assert len(measured) == len(set(first._seen) - kept_settings)


def test_a_setting_that_a_loss_refuses_is_kept_as_one_without_a_fingerprint():
    gce, entry = Candidate("gce"), registry.find("gce")
    assert gce.at({"q": 2.0}) is None
    kept.write(entry, gce._seen)
    assert kept.read(entry)[(("q", 2.0),)] is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda file, monkeypatch: file.write_bytes(file.read_bytes()[:-100]),
        lambda file, monkeypatch: file.write_bytes(b"no archive"),
        lambda file, monkeypatch: file.write_bytes(b""),
        lambda file, monkeypatch: np.savez(file, digest=kept._digest(registry.find("brier"))),
        lambda file, monkeypatch: monkeypatch.setattr(registry, "digest", lambda entry: "edited"),
        lambda file, monkeypatch: monkeypatch.setattr(kept, "_measures", lambda: "another torch"),
    ],
    ids=["cut", "text", "empty", "keys", "loss", "measure"],
)
def test_what_is_damaged_or_of_other_code_is_measured_again(harm, measured, monkeypatch):
    Candidate("brier").keep()
    [file] = (memo.folder() / kept.FOLDER).iterdir()
    assert file.name == "brier.npz"
    harm(file, monkeypatch)
    measured.clear()
    Candidate("brier")
    assert {} in measured


def test_a_loss_of_the_user_s_own_is_measured_each_time(measured, tmp_path, monkeypatch):
    folder = tmp_path / "losses" / "likelihood"
    folder.mkdir(parents=True)
    (folder / "own_brier.py").write_text(OWN)
    monkeypatch.setenv("LOSSATLAS_PATH", str(tmp_path))
    for _ in range(2):
        Candidate("own_brier").keep()
    assert measured == [{}, {}]
    assert not (memo.folder() / kept.FOLDER).exists()


def test_without_a_place_to_keep_it_all_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(memo.CACHE_VARIABLE, str(tmp_path / "file"))
    Candidate("brier").keep()
    monkeypatch.setattr(memo, "folder", lambda: None)
    Candidate("brier").keep()
