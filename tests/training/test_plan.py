"""Planning composes runs that choose the same options once, to the same configurations."""

from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra

from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.training import app, config
from lossatlas.training.sweeper import ResumableSweeper, ResumableSweeperConf


@pytest.fixture
def sweeper():
    """A sweeper as Hydra sets it up."""
    config.register_configs()
    GlobalHydra.instance().clear()
    fields = {k: v for k, v in vars(ResumableSweeperConf()).items() if k != "_target_"}
    made = ResumableSweeper(**fields)
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        master = compose("config", [], return_hydra_config=True)
        master.hydra.job.config_name = "config"
        context = SimpleNamespace(config_loader=GlobalHydra.instance().config_loader())
        made.setup(hydra_context=context, task_function=lambda _: None, config=master)
        yield made


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss=focal", "loss.gamma=1.5", "recipe=long", "recipe.epochs=2", "model.widths=[8,8,8]"),
        ("scenario=symmetric_noise", "scenario.probability=0.25", "loss=gce", "++loss.q=0.5"),
        ("data=cifar10", "loss=nt_xent", "loss.temperature=0.25", "scenario=long_tail"),
        ("loss=sum", 'loss.terms="mae + focal"', "recipe.lr=${recipe.momentum}", "holdout=10"),
    ],
)
def test_values_written_into_a_copy_are_those_of_a_composition(sweeper, overrides):
    whole, _ = sweeper._load(overrides)
    assert config.resolve(sweeper._compose(overrides)) == config.resolve(whole)
    setting, seed = sweeper._setting_of((*overrides, "seed=7"))
    own = setting.config | ({} if seed is None else {"seed": seed})
    assert own == config.resolve(sweeper._load((*overrides, "seed=7"))[0])


def test_runs_with_the_same_options_are_composed_once(sweeper, monkeypatch):
    composed = []
    load = sweeper.loader.load_sweep_config
    monkeypatch.setattr(
        sweeper.loader, "load_sweep_config", lambda *a: composed.append(a) or load(*a)
    )
    gammas = [f"loss=focal loss.gamma={gamma} seed=0,1,2" for gamma in (1, 2, 3)]
    sweeper.grids = [*gammas, "loss=mae,nt_xent seed=0"]
    runs = sweeper.plan(["data=synthetic"]).runs
    assert len({run.run_id for run in runs}) == 11
    assert len(composed) == 1


@pytest.mark.parametrize(("more", "times"), [([], 1), (["-m", "--plan"], 2)])
def test_a_command_line_is_composed_once_and_each_sort_of_run_once(
    more, times, command, monkeypatch
):
    composed = []
    load = ConfigLoaderImpl._load_configuration_impl

    def counted(*given, **named):
        composed.append(named)
        return load(*given, **named)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    monkeypatch.setattr(app, "task", lambda cfg: None)
    assert command("train", "data=synthetic", "recipe=smoke", *more)[0] == 0
    assert len(composed) == times


@pytest.mark.parametrize("seed", ["9007199254740999", "x", "-1"])
def test_a_seed_is_checked_though_it_is_set_apart(sweeper, seed):
    with pytest.raises(UserError, match="seed"):
        sweeper.plan([f"seed={seed}"])


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        ("null", "'knowledge_distillation_kl' learns from another network: name a finished run"),
        ("none_such", "teacher 'none_such': there is no such run in "),
    ],
)
def test_a_student_without_a_teacher_is_left_out_and_the_others_go_on(
    sweeper, teacher, says, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path))
    sweeper.grids = ["loss=mae", f"loss=knowledge_distillation_kl teacher={teacher} seed=0,1"]
    planned = sweeper.plan(["data=synthetic"])
    assert [run.config["loss"]["name"] for run in planned.runs] == ["mae"]
    (left,) = planned.left_out
    assert (left.loss, left.runs) == ("knowledge_distillation_kl", 2)
    assert says in left.reason
