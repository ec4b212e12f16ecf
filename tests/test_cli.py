"""The command line: what it prints, its exit codes, and one sentence for each mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints
from unittest.mock import Mock

import pytest
import typer

import lossatlas
from lossatlas import cli, interrupt, list_losses, results
from lossatlas.losses import registry
from lossatlas.results import store
from rows import whole
from training.commands import TINY


def test_list_shows_every_loss_with_its_status(command):
    code, out, err = command("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line[0] == " "] == list_losses()
    rooms = [line for line in out.splitlines() if line[0] != " "]
    assert len(rooms) == len(set(rooms)) > 5
    assert f"{out.count(' verified ')} verified losses" in err
    code, out, _ = command("list", "--family", "margin", "--json")
    assert {row["family"] for row in json.loads(out)} == {"margin"}
    assert command("list", "--target", "label_set")[1].split()[:2] == ["margin", "set_margin_hinge"]


def test_show_prints_the_card(command):
    code, out, _ = command("show", "focal")
    assert code == 0
    for part in (
        "Focal loss (focal), verified", "1708.02002", "gamma = 2 in [0, inf)", r"\gamma",
        "convex_in_logits: false", "Why it is different",
    ):  # fmt: skip
        assert part in out


def test_list_counts_one_as_one(command, monkeypatch):
    only = ("list", "--family", "redundancy_reduction")
    assert command(*only)[2] == "1 verified loss, 0 drafts\n"
    monkeypatch.setattr(registry, "status", lambda entry: "draft")
    assert command(*only)[2] == "0 verified losses, 1 draft\n"
    assert command("list", "nothing at all")[2] == "0 verified losses, 0 drafts\n"


@pytest.mark.parametrize("group", [[], ["data"], ["runs"]])
def test_help_says_whole_sentences_of_commands(group, command):
    code, out, _ = command(*group, "--help")
    assert code == 0
    listed = out.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed
    if not group:
        flat = " ".join(listed.split())
        assert "nearest Is it new? Fit every known loss to this one's gradients and show" in flat
        assert "exit code 1 if its card says what is not so. test Hold losses" in flat


MISTAKES = [
    (["show", "focall"], "there is no loss 'focall'; did you mean focal"),
    (["list", "--family", "x"], "family 'x' is unknown; legal: likelihood, margin"),
    (["new", "My-Loss", "--family", "margin"], "the name 'My-Loss' must be at most 64"),
    (["new", "focal", "--family", "margin"], "loss 'focal' exists already"),
    (["new", "x", "--family", "y"], "family 'y' is unknown"),
    (["report", "--runs", "nowhere"], "nowhere: there is no such folder of runs"),
    (["train", "loss=focall"], "there is no loss 'focall'; did you mean focal"),
    (["train", "scenario=x"], "there is no scenario 'x'; legal: ambiguous_pets, asymmetric_noise, "
     "clean, complementary, long_tail, symmetric_noise"),
    (["train", "recipe=quik"], "there is no recipe 'quik'; did you mean quick?"),
    (["train", "loss=focal", "loss.gama=3"], "loss focal has no key 'gama'; legal: alpha_y, gamma"),
    (["train", "loss=focal", "+loss.gama=3"], "focal has no hyperparameter 'gama'; legal: gamma, "),
    (["train", "loss=focal", "loss.gamma=-3"], "focal: gamma must be a number in [0, inf), not -3"),
    (["train", "loss=focal", "loss.gamma=x"], "loss.gamma: Value 'x' of type 'str' could not"),
    (["train", "epocs=3"], "the configuration has no key 'epocs'; legal: accelerator, data"),
    (["train", "recipe.epochs=0"], "recipe.epochs must be a whole number in [1, 10000], not 0"),
    (["train", "seed=one"], "seed: Value 'one' of type 'str' could not be converted to Integer"),
    (["train", "focal"], "'focal' is neither an option nor KEY=VALUE on one line"),
    (["train", "accelerator=tpu"], "accelerator must be one of auto, cpu, gpu, not 'tpu'"),
    (["train", "-m", "loss=focal", "loss.gamma=1,-1"], "focal: gamma must be a number in"),
    (["train", "-m", "sweep=nothing"], "there is no sweep 'nothing'"),
    (["train", "loss=focal + gce"], "no loss 'focal + gce'; losses that are added up, wrapped or "
     "given values in one text are loss=sum \"loss.terms='"),
    (["train", "model.pools=[1,2,3]"], "model.pools must be a list of true and false, one"),
    (["train", "progress=7"], "progress must be true or false, not 7"),
    (["train", "-m", "loss=glob([!a]*)"], "'loss=glob([!a]*)' cannot be read; legal: glob("),
    (["train", "-m", "loss=glob(*,no=1)"], "'loss=glob(*,no=1)' cannot be read; legal: glob("),
    (["train", "-m", "loss=glob(zz*)"], "loss=glob(zz*): no loss fits"),
    (["train", "loss=sum"], "configuration: loss.terms needs a value"),
    (["train", "-m", "loss=family(margin),"], "loss='family(margin),': a name is missing"),
    (["report", "--rows", f"{'x' * 300}.parquet"], "x.parquet: File name too long"),
    (["runs", "--runs", "x" * 300], "x: File name too long"),
    (["nearest", "x" * 300], "x: File name too long"),
    (["new", "x1", "--family", "margin", "--path", "/dev/null"], "/dev/null is not a folder"),
    (["frobnicate"], "lossatlas has no command 'frobnicate'; legal: list, bib, show"),
    (["lst"], "lossatlas has no command 'lst'; did you mean list?"),
    (["data", "ftch"], "lossatlas data has no command 'ftch'; did you mean fetch?"),
    (["runs", "expot"], "lossatlas runs has no command 'expot'; did you mean export?"),
    (["--foo", "list"], "lossatlas has no option '--foo'; legal: --version, --help"),
    (["list", "--famly"], "list has no option '--famly'; did you mean --family? legal: --family, "),
    (["runs", "export", "--foo"], "runs export has no option '--foo'; legal: --runs, --sweep"),
    (["show"], "lossatlas show: missing argument"),
    (["new", "x"], "lossatlas new: missing option '--family': One of likelihood, margin"),
    (["list", "--year"], "option '--year' requires an argument"),
    (["list", "--json=3"], "option '--json' does not take a value"),
    (["check", "focal", "--jobs", "0"], "lossatlas check: invalid value for '--jobs': "),
    (["train", "--max-failures", "x"], "lossatlas train: invalid value for '--max-failures': "),
    (["report", "-o", ""], "invalid value for '-o' / '--out': a path must not be empty"),
    (["data", "fetch", "x"], "(x); legal: lossatlas data fetch [OPTIONS]"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=lambda v: " ".join(v)[:40])
def test_a_mistake_is_one_sentence_and_code_2(arguments, said, command, tmp_path):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: ")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("group", [[], ["data"]])
def test_a_group_alone_says_what_is_in_it(group, command):
    code, out, err = command(*group)
    assert code in (0, 2)  # by the version of click
    assert "Commands:\n" in out + err


def test_the_command_tells_its_version_and_what_it_is(command):
    assert command("--version")[:2] == (0, f"lossatlas {lossatlas.__version__}\n")
    assert "Loss Atlas: a survey of loss functions that runs." in command("--help")[1]


def test_train_runs_report_end_to_end(command, tmp_path):
    code, out, _ = command(
        "train", *TINY, "progress=false", "loss=label_smoothing", "loss.epsilon=0.2"
    )
    assert code == 0
    assert "label_smoothing-clean-smoke-s0-" in out
    assert "test accuracy (last epoch)" in out
    code, out, _ = command("runs")
    assert out.startswith("done ")
    assert out.endswith("1 done\n")
    row = json.loads(command("runs", "--json")[1])[0]
    assert row["loss.epsilon"] == 0.2
    code, out, err = command("report", "-o", "page")
    assert (code, err) == (0, "")
    assert out.strip().endswith("index.html")
    assert "label_smoothing" in (tmp_path / "page" / "REPORT.md").read_text()


def test_an_interrupt_is_a_sentence_wherever_it_comes(monkeypatch, command):
    said = "lossatlas: interrupted; start it again to go on\n"
    for stop in (KeyboardInterrupt, SystemExit(130)):
        with monkeypatch.context() as patch:
            patch.setattr(cli, "app", Mock(side_effect=stop))
            assert command("list") == (130, "", said)
    monkeypatch.delattr(lossatlas, "cli")
    monkeypatch.delitem(sys.modules, "lossatlas.cli")
    monkeypatch.setattr(typer, "Typer", Mock(side_effect=KeyboardInterrupt))  # as it is imported
    assert command("list") == (130, "", said)


def test_an_interrupt_ends_an_import_at_once(monkeypatch, capsys):
    monkeypatch.setattr(os, "_exit", Mock(side_effect=SystemExit))
    answering = "interrupt.answer(2, sys._getframe())"
    for file, ends in (("<frozen importlib._bootstrap>", SystemExit), ("x", KeyboardInterrupt)):
        with pytest.raises(ends):
            exec(compile(answering, file, "exec"), {"interrupt": interrupt, "sys": sys})
    os._exit.assert_called_once_with(130)
    assert capsys.readouterr().err == "lossatlas: interrupted; start it again to go on\n"


def test_an_empty_path_is_refused_by_each_command_that_takes_one(command):
    def callbacks(app, *words):
        if app.registered_callback is not None:
            yield words, app.registered_callback.callback
        for each in app.registered_commands:
            yield (*words, each.name or each.callback.__name__), each.callback
        for group in app.registered_groups:
            yield from callbacks(group.typer_instance, *words, group.name)

    found = []
    for words, callback in callbacks(cli.app):
        for name, hint in get_type_hints(callback, include_extras=True).items():
            held, *said = get_args(hint) or (hint,)
            if Path in (held, *get_args(held)):
                is_option = isinstance(said[0], typer.models.OptionInfo)
                # What Annotated holds has its first name in the place of the default.
                names = [f"--{name}", said[0].default, *(said[0].param_decls or ())]
                option = [text for text in names if isinstance(text, str)][-1:] * is_option
                found.append([*words, *option])
    assert len(found) >= 16
    for words in found:
        for empty in ("", " "):
            code, out, err = command(*words, empty)
            assert (code, out) == (2, ""), words
            assert "a path must not be empty" in err, words


@pytest.mark.parametrize("place", ["loop", "~nobody_here/runs"])
def test_a_path_that_leads_nowhere_is_a_sentence(place, command, monkeypatch, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.py").symlink_to("loop.py")
    for words in (["runs", "--runs"], ["work", "x", "--runs"], ["runs", "adopt", "--runs"]):
        assert command(*words, place)[:2] == (2, ""), words
    assert command("test", f"{place}.py")[:2] == (2, "")
    monkeypatch.setenv("LOSSATLAS_RUNS", place)
    for words in (["runs", "--sweep", "x"], ["report"], ["runs", "export", "x.parquet"]):
        assert command(*words)[:2] == (2, ""), words


def test_the_door_imports_nothing_that_takes_long() -> None:
    code = "import sys, lossatlas.__main__; print({'pydantic', 'typer', 'yaml'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_closed_output_stops_nothing(monkeypatch, command):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert command("list", "--family", "margin")[0] == 0
    assert command("show", "focall")[0] == 2


def test_a_failed_or_diverged_run_is_code_1(command):
    code, out, _ = command("train", *TINY, "progress=false", "recipe.lr=1e30")
    assert code == 1
    assert "diverged" in out


def test_runs_of_an_empty_folder_and_a_broken_row(command, tmp_path):
    code, out, _ = command("runs")
    assert (code, out.startswith("no such runs")) == (0, True)
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "row.json").write_text("{")
    code, out, err = command("runs")
    assert (code, err) == (0, "")
    assert out.startswith("damaged  x  x/row.json: is not JSON (")
    assert out.splitlines()[-1] == "1 damaged"
    assert store.read_epochs(folder) == []


def test_a_store_of_the_earlier_version_is_named_and_left_alone(command, tmp_path):
    old = "cross_entropy-clean-smoke-s0-0123456789"
    root = tmp_path / "runs"
    for folder in (root / old, root / ".running" / old.replace("s0", "s1")):
        folder.mkdir(parents=True)
        store.write_json(folder / "row.json", whole(folder.name))
    plan = root / ".sweeps" / "old-0a1b2c" / "plan.jsonl"
    plan.parent.mkdir(parents=True)
    plan.write_text(f'{{"run_id":"{old}","config":{{}},"target":"x","lr_source":"given"}}\n')
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    said = f"lossatlas: {root}: 2 runs of an earlier version are left alone, as "
    code, out, err = command("runs")
    assert (code, out) == (0, "no such runs; 'lossatlas train' makes runs\n")
    assert err.startswith(said)
    assert len(err.splitlines()) == 1
    with pytest.warns(UserWarning, match="2 runs of an earlier version"):
        assert results.load(root).empty
    tiny = [*TINY, "progress=false"]
    assert command("train", "-m", "--plan", *tiny)[2].startswith(said)
    code, out, err = command("train", *tiny)
    assert code == 0
    assert err.startswith(said)
    assert command("runs", "--sweep", "old")[0] == 2
    code, _, err = command("report", "-o", "page")
    assert code == 0
    assert err.startswith(said)
    assert {path: path.read_bytes() for path in before} == before
    assert old not in (tmp_path / "page" / "REPORT.md").read_text()


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_tune_tells_of_itself(option, command):
    code, out, err = command("tune", option)
    assert (code, err) == (0, "")
    assert "lossatlas tune" in out
    assert "--plan" in out
    assert "--out" in out
    assert "lossatlas train" not in out


def test_train_help_shows_groups_and_losses(command):
    code, out, _ = command("train", "--help")
    assert code == 0
    for name in ("crammer_singer_hinge", "ambiguous_pets", "airnet_s", "quick_survey"):
        assert name in out


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["show", "focal"]])
def test_the_light_commands_do_not_import_torch(arguments):
    code = (
        "import sys; from lossatlas.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'hydra', 'pandas', 'pytorch_lightning'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr


def test_a_broken_loss_is_listed_and_stops_nobody(command, tmp_path, monkeypatch):
    from lossatlas.losses import registry

    folder = tmp_path / "own" / "losses" / "margin"
    folder.mkdir(parents=True)
    (folder / "torn.py").write_text("def (\n")
    (folder / "raising.py").write_text(
        "from lossatlas.losses.base import LogitLoss\n"
        "from lossatlas.losses.registry import register\n\n\n"
        "@register\nclass Raising(LogitLoss):\n    target = 'class_index'\n\n"
        "    def per_sample(self, logits, target):\n        raise KeyError('two\\nlines')\n"
    )
    monkeypatch.setenv(registry.PATH_VARIABLE, f"{tmp_path / 'own'}{os.pathsep}/no/such/place")
    code, out, err = command("list", "--family", "margin")
    assert code == 0
    status = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:]}
    assert (status["torn"], status["raising"]) == ("broken", "draft")
    assert f"lossatlas: {folder / 'torn.py'}:1: cannot be imported: SyntaxError: " in err
    assert "lossatlas: LOSSATLAS_PATH=/no/such/place: there is no folder /no/such/place" in err
    rows = json.loads(command("list", "--json")[1])
    assert {row["id"] for row in rows} > {"torn", "raising", "focal"}
    code, _, err = command("train", "loss=torn")
    assert code == 2
    assert f"{folder / 'torn.py'}:1: cannot be imported" in err
    code, out, _ = command("train", "-m", "--plan", "loss=glob([foca*,tor*])", "data=synthetic")
    assert code == 0
    assert "focal" in out
    assert "torn" not in out
    code, out, err = command("check", "raising", "gce", "--property", "bounded")
    assert code == 1
    assert out.startswith("gce ")
    where = f"KeyError: 'two\\nlines' ({folder / 'raising.py'}:10)"
    assert where in err.splitlines()[-1]
    code, _, err = command("check", "raising", "--traceback", "--property", "bounded")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert where in err.splitlines()[-1]
    monkeypatch.delenv("LOSSATLAS_TRACEBACK")
    registry._classes.pop("raising", None)


def test_a_draft_is_shown_with_what_is_wrong_on_its_card(command, tmp_path, monkeypatch):
    from lossatlas.losses import registry

    focal, own = registry.find("focal"), tmp_path / "own"
    code, card = own / "losses/likelihood/my_focal.py", own / "papers/likelihood/my_focal.md"
    for file in (code, card):
        file.parent.mkdir(parents=True)
    code.write_text(focal.code.read_text())
    text = focal.card.read_text().replace("id: focal\n", "id: my_focal\n")
    text = text.replace(f"family: {focal.family}", "family: likelihood")
    card.write_text(text)
    monkeypatch.setenv(registry.PATH_VARIABLE, str(own))
    assert command("show", "my_focal")[0::2] == (0, "")
    assert "default: 2.0" in text
    card.write_text(text.replace("default: 2.0", "default: 3.0", 1))
    code, out, err = command("show", "my_focal")
    assert code == 1
    assert "gamma = 3 in" in out
    wrong = "my_focal: default of gamma: card 3.0, code 2.0"
    assert err == f"lossatlas: {wrong}\n"
    assert command("show", "my_focal + mae")[0] == 1
    few = ("data=synthetic", "data.n_train=64", "data.n_test=20", "recipe.batch_size=32")
    run = (*few, "recipe=smoke", f"runs={tmp_path / 'runs'}", "loss=sum", "loss.terms='my_focal'")
    code, out, err = command("train", *run)
    assert code == 0  # a card is no reason to train nothing
    assert ": done in " in out
    assert err.count(f"lossatlas: {wrong}\n") == 1
    code, out, _ = command("train", "-m", "--plan", *run, "seed=1,2")
    assert (code, out.splitlines()[-1:]) == (0, [wrong])
    registry._classes.pop("my_focal", None)
