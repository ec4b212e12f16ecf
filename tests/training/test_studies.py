"""The named sweeps: every run can be composed, is counted, and has something to compare with."""

import itertools
import shlex

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from lossatlas import list_losses, resources
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.training import query

FOLDER = resources.folder("conf") / "sweep"
NAMES = ("lecture", "noise_grid", "long_tail", "calibration", "ssl_quick", "survey")
PER_ARM = ("loss", "loss.", "recipe.lr", "seed")  # what runs that are compared may differ in
EMBEDDERS = {name for name in list_losses() if KINDS[registry.get_card(name).target].on_embeddings}


def grids(name):
    """The products of a sweep, each as a list of runs, each of these a mapping of overrides."""
    found = []
    for grid in yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["grids"]:
        words = shlex.split(grid)
        if (value := query.value_of(words)) is not None:
            asked = query.read(value)
            words = [*query.without(words), f"loss={','.join(asked.named + asked.found)}"]
        overrides = OverridesParser.create().parse_overrides(words)
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
    assert "no rate for" not in out
    if one:
        runs = {frozenset(item for item in run if item[0] != "loss") for run in runs}
    lines = out.splitlines()[:-1]
    if lines[0].startswith("rates to be found first: "):  # not where all rates are known
        lines = lines[1:]
    ids = [line.split()[1] for line in lines]
    assert len(set(ids)) == len(ids) == len(runs)


@pytest.mark.parametrize("name", NAMES)
def test_the_comment_counts_the_runs_and_none_is_made_twice(name):
    assert {run["loss"] for grid in grids(name) for run in grid} <= set(list_losses())
    runs = [tuple(sorted(run.items())) for grid in grids(name) for run in grid]
    assert len(set(runs)) == len(runs)
    text = (FOLDER / f"{name}.yaml").read_text()
    comment = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    if "(" not in text.partition("grids:")[2]:  # what a query finds may grow
        assert f" {len(runs)} runs" in comment


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_has_its_baseline_at_the_same_seeds(name):
    runs = [run for grid in grids(name) for run in grid]
    seeds = {condition(run): (set(), set()) for run in runs if run["loss"] not in EMBEDDERS}
    for run in runs:
        if run["loss"] not in EMBEDDERS:
            baseline, others = seeds[condition(run)]
            (baseline if run["loss"] == "cross_entropy" else others).add(run["seed"])
    assert all({"0", "1", "2"} <= baseline >= others for baseline, others in seeds.values()), seeds
    if any(run["loss"] in EMBEDDERS for run in runs):
        assert "untrained" in (FOLDER / f"{name}.yaml").read_text()
