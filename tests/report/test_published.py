"""The reports that are committed are what their rows give with the code beside them."""

from pathlib import Path

import pytest

from lossatlas.report.build import build

REPORTS = Path(__file__).parents[2] / "reports"


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "others"),
    [("quick", ["rows-avx2.parquet", "rows-default.parquet"]), ("survey", ["rows-xeon.parquet"])],
)
def test_a_published_report_is_what_its_rows_give(name, others, tmp_path, monkeypatch):
    for beside in REPORTS.iterdir():
        if beside.name != name:
            (tmp_path / beside.name).symlink_to(beside)
    monkeypatch.chdir(REPORTS.parent)
    rows, *check = (Path("reports", name, file) for file in ("rows.parquet", *others))
    build(rows, tmp_path / name, Path("conf/tuned"), check=check)
    made = sorted(path.relative_to(tmp_path) for path in (tmp_path / name).rglob("*.csv"))
    assert len(made) > 1
    for file in (Path(name, "REPORT.md"), *made):
        assert (tmp_path / file).read_text() == (REPORTS / file).read_text(), file
