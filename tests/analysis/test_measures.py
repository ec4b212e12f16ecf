"""The table of measures: each is a field of rows, and says what it is and where it is."""

import re

import pytest
import torch

from lossatlas.analysis import measures
from lossatlas.analysis.judges import JUDGES
from lossatlas.errors import UserError
from lossatlas.evaluation import metrics
from lossatlas.report.build import build
from lossatlas.results import files, store
from report.fakes import add_run

TAIL = torch.tensor([50, 20, 10, 1])
SCALED = ("nll", "brier", "ece", "ece_debiased", "ece_equal_mass", "ece_classwise", "aurc")


def row(**more):
    """A row with all that a run of a long tail computes."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(60, 4, generator=generator), torch.arange(60) % 4
    found = metrics.summary(logits, labels) | metrics.scaled(logits, labels, 2.0)
    found |= metrics.by_class_size(logits, labels, TAIL)
    return found | {"best_test_accuracy": 0.5, "temperature": 2.0, "temperature_images": 900} | more


def test_every_measure_is_a_field_with_a_range_that_some_run_has():
    computed = row() | {"knn_accuracy": 0.5}
    assert set(measures.MEASURES) <= set(files.Row.model_fields)
    assert set(measures.MEASURES) <= set(computed)
    beside = {"test_ece_floor", "test_ece_floor_sd", "temperature", "temperature_images"}
    beside |= {"test_ece_floor_ts", "test_ece_floor_sd_ts"}
    assert set(computed) - set(measures.MEASURES) == beside
    assert set(computed) <= set(files.Row.model_fields)
    start = dict.fromkeys(("run_id", "loss", "target", "scenario", "recipe", "model"), "x")
    start |= {"data": "x", "seed": 0, "epochs": 1, "lr": 0.1, "holdout": 0, "state": "done"}
    files.fitting(start | computed, files.Row, "row")
    for name, value in computed.items():
        with pytest.raises(files.Damaged, match=f"field '{name}' is"):
            files.fitting(start | {name: -1.5 * value - 1}, files.Row, "row")


def test_each_is_of_one_judge_and_scaling_changes_no_accuracy():
    counted = [m for judge in JUDGES.values() for m in judge.measures]
    assert sorted(m.field for m in counted) == sorted(measures.MEASURES)
    assert len({m.name for m in counted}) == len(counted)
    for name in SCALED:
        before, after = measures.find(name), measures.find(f"{name}_ts")
        assert (after.unit, after.higher_is_better) == (before.unit, before.higher_is_better)
        assert "train_limit" in after.there
    for m in counted:
        assert m.higher_is_better == m.field.endswith("accuracy")
        assert (m.margin is not None) == m.field.endswith("accuracy")
        assert m.there


def test_what_measures_are_is_said_of_those_that_rows_have():
    [told] = measures.words([{"test_nll": 1.0}])
    assert told == "NLL is the mean of −log p of the true class."
    told, scaled = measures.words([row(), row(temperature=0.5, temperature_images=1000)])
    assert told.count(" is ") == sum(bool(m.says) for m in measures.MEASURES.values())
    assert "900 to 1,000 training images" in scaled
    assert "T was 0.5 to 2." in scaled


def test_what_is_not_there_after_scaling_has_a_reason():
    full, older = {"test_accuracy": 0.7, "temperature_images": 0}, {"test_accuracy": 0.7}
    knn = {"knn_accuracy": 0.4}
    [told] = measures.words([full, knn])
    assert told.startswith("1 of 1 rows have nothing after temperature scaling: they left ")
    assert "written before" not in told
    [told] = measures.words([older, older, knn])
    assert told.endswith("the rows of 2 were written before there was this measure.")
    assert "they left" not in told
    [told] = measures.words([full, older])
    assert ": they left" in told
    assert ", or the rows of 1 were" in told
    assert measures.words([knn]) == []


@pytest.fixture
def scaled(tmp_path):
    """Three seeds of two losses with numbers after scaling."""
    for loss, temperature in (("cross_entropy", 2.0), ("focal", 0.5)):
        for seed in range(3):
            folder = add_run(tmp_path / "runs", loss, "clean", seed)
            path = folder / "row.json"
            told = store.read_row(folder) | {"temperature": temperature, "temperature_images": 400}
            scaled = {f"test_{m}_ts": told[f"test_{m}"] * (1 + temperature) for m in SCALED}
            store.write_json(path, told | scaled)
    return tmp_path / "runs"


def test_losses_are_compared_after_scaling(scaled, tmp_path):
    page = build(scaled, tmp_path / "out", metric="ece_ts").page.parent
    text = (page / "REPORT.md").read_text()
    assert "% ECE after scaling in the last epoch: the baseline" in text
    assert "on 400 training images that it did not train on" in text
    assert "T was 0.5 to 2" in text
    assert "test_ece_ts" in (page / "results.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("metric", "there"),
    [("ece_ts", "for losses on logits whose recipe.train_limit"), ("few_accuracy", "where the")],
)
def test_a_metric_that_no_run_has_is_refused_with_those_there_are(metric, there, tmp_path):
    add_run(tmp_path / "runs", "focal", "clean", 0)
    told = f"--metric '{metric}': no run of .*runs has it; they have: test_accuracy, .*test_aurc; "
    with pytest.raises(UserError, match=re.compile(f"^{told}it is there {there}")):
        build(tmp_path / "runs", tmp_path / "out", metric=metric)
    assert not (tmp_path / "out").exists()


def test_rows_without_the_new_fields_are_reported_with_the_reason(tmp_path):
    add_run(tmp_path / "runs", "focal", "clean", 0)
    page = build(tmp_path / "runs", tmp_path / "out").page.parent
    assert (
        "the rows of 1 were written before there was this measure"
        in (page / "REPORT.md").read_text()
    )
    assert "_ts" not in (page / "results.csv").read_text()
