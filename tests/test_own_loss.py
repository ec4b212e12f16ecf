"""A user's own loss: two files, no other edit, and it is everywhere."""

import pytest

from lossatlas import resources, scaffold
from lossatlas.errors import UserError
from training import commands

PAGES = resources.CHECKOUT / "README.md", resources.CHECKOUT / "docs" / "add-a-loss.md"


def fenced(language, starts):
    """The block of the two pages in that language whose text starts so."""
    blocks = [b for page in PAGES for b in page.read_text().split(f"```{language}\n")[1:]]
    found = [block.split("```")[0] for block in blocks if block.startswith(starts)]
    assert len(found) == 1, f"{len(found)} blocks start with {starts!r}"
    return found[0]


def test_the_walk_through_of_the_documents(tmp_path, monkeypatch):
    """`new`, fill in as the documents do, then list, show, train, report and the contract suite."""
    monkeypatch.chdir(tmp_path)
    runs, path = tmp_path / "runs", str(tmp_path / "mine")

    def said(*arguments):
        done = commands.lossatlas(*arguments, runs=runs, LOSSATLAS_PATH=path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    files = scaffold.write_loss("my_gce", "noise_robust", "class_index", tmp_path / "mine")
    card, code, reference = files
    assert "TODO" in card.read_text()
    assert reference == tmp_path / "mine/reference/my_gce.py"
    fresh = said("show", "my_gce")
    assert "to do: name says TODO" in fresh
    code.write_text(fenced("python", '"""Generalised cross-entropy'))
    card.write_text(fenced("markdown", "---\nid: my_gce"))
    listed = said("list", "--family", "noise_robust")
    assert [line.split()[:2] for line in listed.splitlines() if "my_gce" in line] == [
        ["my_gce", "draft"]
    ]
    shown = said("show", "my_gce")
    assert "1805.07836" in shown
    assert "to do" not in shown
    trained = said("train", *commands.TINY, "loss=my_gce", "loss.q=0.5")
    assert "done" in trained
    said("report", "-o", "page")
    assert "my_gce" in (tmp_path / "page" / "REPORT.md").read_text()
    reference.unlink()
    tested = said("test", "my_gce")
    assert tested.startswith("my_gce: every law holds in ")
    assert f"there is no reference {reference}, so it is a draft" in tested
    reference.write_text(fenced("python", '"""Reference'))
    kept = said("test", str(code), "--record")
    assert "no reference" not in kept
    listed = said("list", "--family", "noise_robust")
    assert [line.split()[1] for line in listed.splitlines() if "my_gce" in line] == ["verified"]


def test_new_writes_nothing_if_a_file_is_in_the_way(tmp_path):
    code = tmp_path / "losses" / "margin" / "mine.py"
    code.parent.mkdir(parents=True)
    code.write_text("mine")
    with pytest.raises(UserError, match="exists already; nothing was written"):
        scaffold.write_loss("mine", "margin", "class_index", tmp_path)
    assert code.read_text() == "mine"
    assert not (tmp_path / "papers").exists()


def test_new_outside_a_checkout_asks_for_a_path(monkeypatch):
    monkeypatch.setattr(resources, "is_checkout", lambda: False)
    with pytest.raises(UserError, match="--path FOLDER"):
        scaffold.write_loss("mine", "margin", "class_index", None)
