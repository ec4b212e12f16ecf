"""The tidy tables: the documented columns are there, whatever is read, and no other is."""

import pandas as pd
import pytest

from lossatlas.errors import UserError
from lossatlas.results import files, frames, load, load_epochs, store, travel
from rows import whole

ID = "focal-clean-quick-s0-00000000000a"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "runs" / ID
    folder.mkdir(parents=True)
    store.write_json(folder / "row.json", whole(ID, hardware="A", **{"loss.gamma": 2.0}, extra=1))
    store.append_line(folder / "epochs.jsonl", {"epoch": 1, "seconds": 1.0, "extra": 2.0})
    return tmp_path / "runs"


def test_every_field_of_a_row_is_a_documented_column_and_no_other():
    assert set(frames.COLUMNS) == {*files.Row.model_fields, "machine"}
    assert set(store.COLUMNS) <= set(frames.COLUMNS)
    assert {*files.Epoch.model_fields, *frames.WHOSE, "machine"} <= set(frames.EPOCHS)
    assert all({**frames.COLUMNS, **frames.EPOCHS}.values())


def test_the_columns_are_there_whatever_is_read(root, tmp_path):
    travel.write(tmp_path / "a.parquet", travel.Rows([travel.run(whole(ID), [], {})]))
    for place in (root, str(root), tmp_path / "a.parquet", tmp_path / "none"):
        assert list(load(place))[: len(frames.COLUMNS)] == list(frames.COLUMNS)
        assert list(load_epochs(place))[: len(frames.EPOCHS)] == list(frames.EPOCHS)
    assert list(load(root))[len(frames.COLUMNS) :] == ["extra", "loss.gamma"]
    assert load(root).loc[0, ["machine", "loss.gamma"]].tolist() == ["A", 2.0]
    assert load_epochs(root)[["run_id", "machine", "epoch", "extra"]].values.tolist() == [
        [ID, "A", 1, 2.0]
    ]
    assert len(load(tmp_path / "none")) == len(load_epochs(tmp_path / "a.parquet")) == 0


def test_epochs_name_their_rows_and_damaged_ones_are_left_out(root):
    other = travel.run(whole(ID, hardware="B", started=5), [{"epoch": 1, "seconds": 3.0}], {})
    travel.write(root / "a.parquet", travel.Rows([other]))
    travel.bring(root, root / "a.parquet")
    key = ["run_id", "machine", "started"]
    both = load(root).merge(load_epochs(root), on=key, suffixes=("", "_of_epoch"))
    assert both["seconds"].tolist() == [1.0, 3.0]
    (root / ID / "epochs.jsonl").write_text('{"epoch": 1}\n')
    with pytest.warns(UserWarning, match="left out: .*epochs.jsonl: line 1: field 'seconds'"):
        assert load_epochs(root)["machine"].tolist() == ["B"]


def test_what_is_no_file_of_rows_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    for read in (load, load_epochs):
        with pytest.raises(UserError, match=r"a\.parquet: is no file of rows"):
            read(tmp_path / "a.parquet")
        with pytest.raises(UserError, match=r"b\.parquet: there is no such file"):
            read(tmp_path / "b.parquet")
