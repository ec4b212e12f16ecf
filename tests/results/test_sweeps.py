"""Sweeps on disk: what stands beside the plan and is not what was written."""

import pytest

from lossatlas.errors import UserError
from lossatlas.results import sweeps


@pytest.mark.parametrize("written", ["", "abc\n", "\u0663\n", "9" * 5000, "-1", None])
def test_a_damaged_count_of_failures_stops_a_sweep_in_a_sentence(tmp_path, written):
    path = tmp_path / sweeps.FAILURES
    path.mkdir() if written is None else path.write_text(written)
    sweeps.note_failure(tmp_path, "a")
    assert str(path) in sweeps.stopped(tmp_path)
    if written is None:
        with pytest.raises(UserError, match="is no plain file"):
            sweeps.limit_failures(tmp_path, 2)
    else:
        sweeps.limit_failures(tmp_path, 2)
        assert sweeps.stopped(tmp_path) is None
