"""Verdicts that a test finds are kept in a cache of its own, not in the user's."""

from pathlib import Path

import pytest

from lossatlas import memo
from lossatlas.theory import records


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of verdicts in that cache."""
    monkeypatch.setenv(memo.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "lossatlas" / records.FOLDER
