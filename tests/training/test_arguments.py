"""What a command line says is understood before Hydra reads it, or refused in one sentence."""

from pathlib import Path

import pytest

from lossatlas.errors import UserError
from lossatlas.training import arguments
from lossatlas.training.app import command_line


def test_options_come_first_once_and_paths_are_quoted():
    words = ["loss=focal", "-m", "runs=~/a b", "--multirun", "seed=0,1"]
    expected = ["--multirun", "loss=focal", 'runs="~/a b"', "seed=0,1"]
    assert command_line(words) == expected
    assert command_line(command_line(words)) == expected
    assert command_line(["--cfg", "job", "--resolve"]) == ["--cfg=job", "--resolve"]


@pytest.mark.parametrize(
    "path", ["/tmp/数据", "a,b", "a(b", "#x", "~/x", "a=b", "a'b", 'a"b', "[x]"]
)
def test_a_path_reaches_the_configuration_as_it_stands(path, compose):
    assert compose(arguments.override(f"runs={path}")).runs == path


@pytest.mark.parametrize("value", ["null", "'a b'", "${oc.env:HOME}/x"])
def test_a_path_that_hydra_understands_is_left_alone(value):
    assert arguments.override(f"runs={value}") == f"runs={value}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--resolve"], "give --cfg job as well"),
        (["--cfg"], "--cfg takes job or hydra or all, not ''"),
        (["--cfg", "job", "-m"], "leave out -m"),
        (["--junk=1"], "there is no option '--junk'"),
        (["-k"], "there is no option '-k'"),
        (["--config-dir", "/no/such"], "'/no/such' is not a folder"),
        (["--config-dir", "~no_such_user/x"], "'~no_such_user/x' is not a folder"),
        (["--config-dir"], "takes a value"),
        ([""], "neither an option nor KEY=VALUE"),
        (["="], "neither an option nor KEY=VALUE"),
        (["#"], "neither an option nor KEY=VALUE"),
        (["seed=1\nseed=2"], "neither an option nor KEY=VALUE"),
        (["~seed"], "a run needs them all"),
        (["hydra.run.dir=/tmp"], "changes Hydra itself"),
        (["+hydra/launcher=x"], "changes Hydra itself"),
        (["seed=" + "9" * 400], "a number of too many digits"),
        (["model.widths=" + "[" * 2000 + "]" * 2000], "is nested deeper than 32 levels"),
        (["-m", "seed=" + "sort(" * 33 + "1" + ")" * 33], "is nested deeper than 32 levels"),
        (["loss=null"], "loss is chosen by a name, not by 'null'"),
        (["loss=NaN"], "loss is chosen by a name"),
        (["loss=[]"], "loss is chosen by a name"),
        (["recipe={}"], "recipe is chosen by a name"),
        (["-m", "loss=focal,null"], "loss is chosen by a name"),
        (["sweep=noise_grid"], "sweep=noise_grid is for sweeps; give -m as well"),
        (["sweep=x.yaml"], "sweep=x.yaml is for sweeps; give -m as well"),
        (["launcher=slurm"], "launcher=slurm is for sweeps; give -m as well"),
        (["-m", "sweep=lecture,tune"], "one sweep at a time"),
        (["-m", "sweep=lecture", "sweep=tune"], "one sweep at a time"),
        (["-m", "sweep=../x"], "the name of a sweep must be letters"),
        (["-m", "sweep=/a/on.yaml"], "the name of a sweep must not be a number or a word like"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_word_that_is_wrong_is_one_sentence(words, says):
    with pytest.raises(UserError) as caught:
        command_line(words)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_a_sweep_is_a_file_or_a_name():
    assert arguments.sweep(["--multirun"], ["sweep=a/b c.yaml", "seed=1"]) == (
        Path("a/b c.yaml"), ["seed=1"],
    )  # fmt: skip
    assert arguments.sweep(["--multirun"], ["sweep=lecture"]) == (None, ["sweep=lecture"])
    assert arguments.sweep([], ["sweep=none"]) == (None, ["sweep=none"])
