"""The named studies: every run can be composed, is counted, and has something to compare with."""

import itertools
import shlex

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from lossatlas import list_losses, resources
from lossatlas.cards import EMBEDDING_TARGETS
from lossatlas.losses import registry

FOLDER = resources.folder("conf") / "sweep"
NAMES = ("lecture", "noise_grid", "long_tail", "calibration", "ssl_quick", "full_survey")
PER_ARM = ("loss", "loss.", "recipe.lr", "seed")  # what runs that are compared may differ in
EMBEDDERS = {name for name in list_losses() if registry.get_card(name).target in EMBEDDING_TARGETS}


def grids(name):
    """The products of a study, each as a list of runs, each of these a mapping of overrides."""
    found = []
    for grid in yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["grids"]:
        overrides = OverridesParser.create().parse_overrides(shlex.split(grid))
        choices = [
            [(o.key_or_group, text) for text in o.sweep_string_iterator()]
            if o.is_sweep_override()
            else [(o.key_or_group, o.get_value_element_as_str())]
            for o in overrides
        ]
        found.append([dict(run) for run in itertools.product(*choices)])
    return found


def condition(run):
    """What the runs that are compared share."""
    return frozenset(
        item for item in run.items() if item[0] not in PER_ARM and not item[0].startswith("loss.")
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_run_can_be_planned(name, command):
    """At one seed; with one loss in the place of all where none has values of its own."""
    runs = [frozenset(run.items()) for grid in grids(name) for run in grid if run["seed"] == "0"]
    own = any(key.startswith("loss.") for run in runs for key, _ in run)
    one = [] if own else ["loss=cross_entropy"]
    code, out, err = command("train", "-m", f"sweep={name}", "seed=0", *one, "--plan")
    assert (code, err) == (0, "")
    if one:
        runs = {frozenset(item for item in run if item[0] != "loss") for run in runs}
    ids = [line.split()[1] for line in out.splitlines()[:-1]]
    assert len(set(ids)) == len(ids) == len(runs)


@pytest.mark.parametrize("name", NAMES)
def test_the_comment_counts_the_runs_and_none_is_made_twice(name):
    assert {run["loss"] for grid in grids(name) for run in grid} <= set(list_losses())
    runs = [tuple(sorted(run.items())) for grid in grids(name) for run in grid]
    assert len(set(runs)) == len(runs)
    comment = [line for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if "#" in line]
    assert f" {len(runs)} runs" in " ".join(line.strip("# ") for line in comment)


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_has_its_baseline_at_the_same_seeds(name):
    runs = [run for grid in grids(name) for run in grid]
    seeds = {condition(run): set() for run in runs if run["loss"] not in EMBEDDERS}
    for run in runs:
        if run["loss"] == "cross_entropy":
            seeds[condition(run)].add(run["seed"])
    assert all(found == {"0", "1", "2"} for found in seeds.values()), seeds
    if any(run["loss"] in EMBEDDERS for run in runs):
        assert "untrained" in (FOLDER / f"{name}.yaml").read_text()


def test_the_full_survey_leaves_no_verified_loss_out():
    verified = {n for n in list_losses() if registry.status(registry.find(n)) == "verified"}
    assert verified <= {run["loss"] for grid in grids("full_survey") for run in grid}
