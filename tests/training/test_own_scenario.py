"""A scenario is one file: the two of docs/scenarios.md, through configuration, run and report."""

import re
import sys
from pathlib import Path

import pytest
import torch

from lossatlas import results
from lossatlas.analysis import arms
from lossatlas.data import described, scenarios
from lossatlas.errors import UserError
from lossatlas.report import sentences
from lossatlas.results import progress
from lossatlas.training import fit, run
from lossatlas.training.config import resolve
from lossatlas.training.data import ImageData
from lossatlas.training.wording import our_words
from training.test_own_data import make

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"


@pytest.fixture
def own_scenario(tmp_path, monkeypatch):
    """Write a scenario's file into a folder that holds scenarios as well."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    monkeypatch.setattr(scenarios, "__path__", [*scenarios.__path__, str(folder)])
    monkeypatch.setattr(described, "FOLDERS", [*described.FOLDERS, folder])

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"{scenarios.__name__}.{name}", raising=False)

    return write


@pytest.fixture
def documented(own_scenario):
    """The files that docs/scenarios.md shows."""
    blocks = [b for b in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S) if "def " in b]
    own_scenario("few_labels", next(b for b in blocks if "def rows" in b))
    own_scenario("partial_labels", next(b for b in blocks if "def targets" in b))


def test_a_file_is_all_that_a_scenario_takes(documented, make_cfg):
    limit = ("data.n_train=320", "recipe.train_limit=null")
    cfg = make_cfg("scenario=few_labels", "scenario.per_class=40", *limit)
    config = resolve(cfg)
    assert config["scenario"] == {"name": "few_labels", "per_class": 40}
    assert progress.images(config) == 320
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    assert (row["scenario"], row["scenario.per_class"], row["train_size"]) == (
        "few_labels",
        40,
        320,
    )
    assert results.load().loc[0, "scenario.per_class"] == 40
    [condition] = arms.conditions(arms.rows(results.load()), [])
    assert condition.setting == "few_labels, per_class 40"
    told = sentences.scenarios([(condition, [])])
    assert told[0].startswith("`few_labels, per_class 40`: ")
    assert "only so many training images of each class are there; 320 training images" in told[0]


def test_its_parameters_are_checked(documented, make_cfg):
    with pytest.raises(UserError, match=r"scenario.per_class must be a whole number in \[1, 1e6\]"):
        resolve(make_cfg("scenario=few_labels", "scenario.per_class=0"))
    other = resolve(make_cfg("scenario=few_labels", "scenario.per_class=10"))
    assert other["scenario"]["per_class"] == 10
    with pytest.raises(UserError, match="few_labels has no key 'probability'"), our_words():
        make_cfg("scenario=few_labels", "scenario.probability=0.1")


def test_it_may_give_targets_of_some_kinds_and_refuse_others(documented, make_cfg):
    cfg = make_cfg("scenario=partial_labels", "recipe.train_limit=null")
    found = ImageData(cfg, "label_set", (), torch.device("cpu")).train
    assert found.target.gather(1, found.labels[:, None]).all()
    assert 1.7 < found.target.sum(1).double().mean() < 2.1  # 1.9, sd 0.02
    with pytest.raises(UserError, match="partial_labels: it gives sets of labels, and the loss"):
        ImageData(cfg, "class_index", (), torch.device("cpu"))


def test_it_may_ask_for_classes_that_these_data_alone_have(own_scenario, make_cfg, tmp_path):
    own_scenario(
        "mistaken",
        '''"""What is class 97 is taken for class 3, and is shown half as often."""

import torch

from lossatlas.data.scenarios import lift

NEEDS = ("class 3", "class 97")


def rows(labels, classes, generator):
    wrong = (labels == classes.index("class 97")).nonzero().flatten()
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[wrong[::2]] = False
    return kept.nonzero().flatten()


def targets(labels, kind, classes, generator):
    wrong = labels == classes.index("class 97")
    return lift(torch.where(wrong, classes.index("class 3"), labels), kind, len(classes))
''',
    )
    file = make(tmp_path / "x.npz", 100, each=2, name="class {}")
    cfg = make_cfg("data=arrays", file, "scenario=mistaken", "recipe.train_limit=null")
    config = resolve(cfg)
    assert fit.cannot(config, "class_index") is fit.needless(config, "class_index") is None
    assert "those are what mistaken changes" in fit.needless(config, "two_view")
    assert "no complementary labels" in fit.cannot(config, "complementary")
    assert progress.images(config) == 200  # the names of the classes are not known to a plan
    row = run.execute(cfg)
    assert (row["state"], row["train_size"]) == ("done", 199), row["reason"]
    assert row["effective_noise"] == 1 / 199
