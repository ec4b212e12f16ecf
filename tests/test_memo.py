"""What is remembered of a file's content counts only as it was written."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from lossatlas import memo


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the memo, in an empty cache, in which one answer was saved."""
    monkeypatch.setenv(memo.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(memo, "_used", {})
    monkeypatch.setattr(memo, "_new", {"as if it were to be saved at the end"})
    _forget()
    assert memo.of("kind", b"content", lambda: ["answer"]) == ["answer"]
    memo._save()
    yield tmp_path / "lossatlas" / memo._place().name  # type: ignore[union-attr]
    _forget()


def _forget() -> None:
    memo._known.cache_clear()
    memo._place.cache_clear()


def asked(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether another process would have to find the answer."""
    monkeypatch.setattr(memo, "_used", {})
    _forget()
    find = Mock(return_value=["answer"])
    assert memo.of("kind", b"content", find) == ["answer"]
    return bool(find.called)


def test_an_answer_is_remembered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not asked(monkeypatch)


def test_what_was_changed_since_is_not_believed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = place.read_bytes()
    assert b"answer" in content
    for other in (content.replace(b"answer", b"false!"), content[65:], content[:-1], b"", b"\xff"):
        place.write_bytes(other)
        assert asked(monkeypatch)
    place.unlink()
    os.mkfifo(place)
    assert asked(monkeypatch)
