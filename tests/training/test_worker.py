"""What a sweep survives: killed launchers and workers, a full disk, lost nodes, broken files."""

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from lossatlas import results
from lossatlas.results import lease, progress, store, sweeps
from lossatlas.training import identity, run, worker
from lossatlas.training.config import resolve
from lossatlas.training.journal import Journal
from training.commands import FINISHED, SHORT, TINY, living, lossatlas, start, wait_for


@pytest.fixture
def sweep(make_cfg, tmp_path):
    """Plan a sweep of cross-entropy runs with these seeds; returns its folder."""

    def write(*seeds, **more):
        plan = []
        for seed in seeds:
            cfg = make_cfg(f"seed={seed}", "recipe.epochs=3")
            config = resolve(cfg) | more
            plan.append(sweeps.Planned(identity.place(config)[1], config, "class_index", "given"))
        return sweeps.write(tmp_path / "runs", None, ["seed=0"], plan)

    return write


def states(folder):
    members = progress.members(sweeps.read(folder), results.load(folder.parents[1]))
    return [member.state for member in members]


def test_a_worker_makes_the_runs_of_a_plan_and_no_run_twice(sweep, monkeypatch):
    folder = sweep(0, 1)
    assert worker.work(folder) == 0
    assert states(folder) == ["done", "done"]
    assert set(results.load()["sweep"]) == {folder.name}
    monkeypatch.setattr(run, "_train", lambda *_: pytest.fail("trained again"))
    assert worker.work(folder) == 0


def test_a_run_of_another_source_than_planned_is_not_made(sweep, monkeypatch, capsys):
    folder = sweep(0, 1)
    first = sweeps.read(folder)[0].run_id
    place = worker.place
    monkeypatch.setattr(worker, "place", lambda c: (None, "x") if c["seed"] == 0 else place(c))
    assert worker.work(folder) == 0
    assert states(folder) == ["planned", "done"]
    assert f"{first}: not made: the source of its loss changed" in capsys.readouterr().out


def test_a_mistake_that_shows_late_is_a_failed_run_and_stops_no_other(sweep, make_cfg):
    folder = sweep(0, 1)
    plan = sweeps.read(folder)
    config = resolve(make_cfg("loss=ldam", "recipe.train_limit=8", "recipe.batch_size=4"))
    wrong = sweeps.Planned(identity.place(config)[1], config, "class_index", "given")
    folder = sweeps.write(folder.parents[1], None, [], [wrong, plan[1]])
    assert worker.work(folder) == 0
    assert states(folder) == ["failed", "done"]
    reason = results.load().set_index("run_id").loc[wrong.run_id, "reason"]
    assert reason.startswith("loss 'ldam': the loss needs training images of every class, but of ")


@pytest.fixture
def cut_off(cut):
    """A run cut off after its second epoch: its configuration and working folder."""
    return cut("recipe.epochs=4")


CALM = {}  # the row of the same run, not cut off


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(None, False, id="whole"),
        pytest.param(lambda p: p.write_bytes(b""), True, id="empty"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:-100]), True, id="cut"),
        pytest.param(lambda p: p.write_bytes(b"no checkpoint"), True, id="garbage"),
        pytest.param(flip_a_bit, True, id="bit"),
        pytest.param(lambda p: p.unlink(), False, id="missing"),
    ],
)
def test_a_corrupt_checkpoint_costs_time_but_no_run(
    damage, told, cut_off, make_cfg, tmp_path, capsys
):
    cfg, folder = cut_off
    if damage:
        damage(*folder.glob("*.ckpt"))
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    if not CALM:
        whole = make_cfg("recipe.epochs=4", f"runs={tmp_path / 'calm'}")
        CALM.update(run.execute(whole))
    assert row["weights_sha256"] == CALM["weights_sha256"]
    lines = (store.runs_dir() / row["run_id"] / "epochs.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert (".ckpt is damaged" in capsys.readouterr().out) == told


WRITTEN = [f".start.json.{os.getpid()}.part", "checkpoint.part", "bundle.safetensors"]


@pytest.fixture(params=[*WRITTEN, "epochs.jsonl"], ids=["start", "checkpoint", "bundle", "epochs"])
def full_disk(request, sweep, monkeypatch):
    """A sweep on a disk that is full when that file is written, and what makes room on it."""
    folder, name = sweep(0, 1), request.param
    working = folder.parents[1] / ".running" / sweeps.read(folder)[0].run_id
    working.mkdir(parents=True)
    if name in WRITTEN:
        (working / name).symlink_to("/dev/full")  # each write to it fails with ENOSPC
        return folder, lambda: (working / name).unlink(missing_ok=True)

    def fails(path, record):  # a link in the place of the epochs would be damage, and be mended
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    whole = store.append_line
    monkeypatch.setattr(store, "append_line", fails)
    return folder, lambda: monkeypatch.setattr(store, "append_line", whole)


def test_a_full_disk_loses_nothing_and_stops_the_worker(full_disk, capsys):
    folder, make_room = full_disk
    assert worker.work(folder) == worker.NO_SPACE
    assert "no space is left" in capsys.readouterr().out
    assert states(folder) == ["interrupted", "planned"]
    make_room()
    assert worker.work(folder) == 0
    assert states(folder) == ["done", "done"]


def test_a_run_whose_node_was_lost_is_taken_over(sweep, monkeypatch):
    folder = sweep(0)
    working = folder.parents[1] / ".running" / sweeps.read(folder)[0].run_id
    working.mkdir(parents=True)
    about = {"machine": "lost", "host": "node7", "pid": 1, "epochs": 0, "deaths": 0}
    (working / "lease.0").write_text(json.dumps(about))
    assert states(folder) == ["running"]
    monkeypatch.setattr(lease, "PATIENCE", 1.0)
    monkeypatch.setattr(worker, "POLL", 0.1)
    assert worker.work(folder) == 0
    assert states(folder) == ["done"]


def test_a_run_that_was_taken_over_is_left_to_the_other(sweep, monkeypatch):
    folder = sweep(0)
    root, name = folder.parents[1], sweeps.read(folder)[0].run_id
    working, whole, calls = root / ".running" / name, Journal.on_train_epoch_end, []

    def taken_over(self, trainer, module):
        if not calls:
            calls.append("once")
            (working / "lease.7").touch()
        whole(self, trainer, module)

    monkeypatch.setattr(Journal, "on_train_epoch_end", taken_over)
    monkeypatch.setattr(lease, "PATIENCE", 0.5)  # the other shows no sign of life
    monkeypatch.setattr(worker, "POLL", 0.1)
    assert worker.work(folder) == 0
    assert states(folder) == ["done"]
    assert len(store.read_epochs(root / name)) == 3
    assert len((root / name / "epochs.jsonl").read_text().splitlines()) == 3


def test_a_run_that_kills_its_process_each_time_fails_in_the_end(sweep):
    folder = sweep(0, 1)
    working = folder.parents[1] / ".running" / sweeps.read(folder)[0].run_id
    working.mkdir(parents=True)
    about = {
        "machine": lease.machine(), "host": "h", "pid": 1, "epochs": 0,
        "deaths": run.MAX_DEATHS - 1,
    }  # fmt: skip
    (working / "lease.0").write_text(json.dumps(about))
    assert worker.work(folder) == 0
    assert states(folder) == ["failed", "done"]
    assert "was killed 10 times in a row" in results.load().query("state == 'failed'").reason.item()


def planned(make_cfg, *names):
    """The runs of these losses, one tiny epoch each."""
    plan = []
    for name in names:
        config = resolve(make_cfg(f"loss={name}", "recipe.train_limit=128", "recipe.epochs=1"))
        plan.append(sweeps.Planned(identity.place(config)[1], config, "class_index", "given"))
    return plan


def test_no_run_is_begun_after_so_many_failures(make_cfg, own_loss, tmp_path):
    own_loss("broken", "raise RuntimeError('out of luck')")
    plan = planned(make_cfg, "broken", "focal")
    for seed in range(1, 4):
        config = plan[0].config | {"seed": seed}
        plan.append(plan[0]._replace(run_id=identity.place(config)[1], config=config))
    folder = sweeps.write(tmp_path / "runs", None, [], plan)
    sweeps.limit_failures(folder, 2)
    assert worker.work(folder) == 0
    assert states(folder) == ["failed", "done", "failed", "planned", "planned"]
    says = "2 runs failed, and --max-failures is 2: no other was begun"
    assert sweeps.stopped(folder) == says
    sweeps.limit_failures(folder, None)
    assert sweeps.stopped(folder) is None
    assert worker.work(folder) == 0
    assert states(folder) == ["failed", "done", "failed", "failed", "failed"]


RAISED = {
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generates": ("raise GeneratorExit", "GeneratorExit"),
    "bases": ("raise BaseException('mine')", "BaseException: mine"),
    "fills": ("raise OSError(28, 'full')", "OSError: [Errno 28] full"),
    "mumbles": ("raise type('Mute', (Exception,), {'__str__': None})", None),
}


def test_a_loss_that_raises_what_ends_processes_is_a_failed_run(make_cfg, own_loss, tmp_path):
    for name, (body, _) in RAISED.items():
        own_loss(name, body)
    plan = planned(make_cfg, *RAISED, "cross_entropy")
    assert worker.work(sweeps.write(tmp_path / "runs", None, [], plan)) == 0
    rows = results.load().set_index("loss")
    assert dict(rows["state"]) == dict.fromkeys(RAISED, "failed") | {"cross_entropy": "done"}
    for name, (_, reason) in RAISED.items():
        assert rows.loc[name, "reason"] == (reason or "Mute: its message cannot be read")
        assert (tmp_path / "runs" / rows.loc[name, "run_id"] / "error.txt").is_file()


def test_a_loss_that_tells_of_a_full_disk_between_epochs_is_a_failed_run(
    make_cfg, own_loss, tmp_path
):
    body = "return torch.nn.functional.cross_entropy(logits, target, reduction='none')"
    methods = {"ends": "end_epoch", "keeps": "get_extra_state"}
    for name, method in methods.items():
        head = f"target = 'class_index'\n\n    def {method}(self):\n        {RAISED['fills'][0]}"
        own_loss(name, body, head=head)
    plan = planned(make_cfg, *methods, "cross_entropy")
    assert worker.work(sweeps.write(tmp_path / "runs", None, [], plan)) == 0
    rows = results.load().set_index("loss")
    assert dict(rows["state"]) == dict.fromkeys(methods, "failed") | {"cross_entropy": "done"}
    assert set(rows.loc[[*methods], "reason"]) == {RAISED["fills"][1]}


ENDS = {
    "leaves": "import os; os._exit(0)",
    "kills": "import os; os.kill(os.getpid(), 9)",
    "terminates": "import os; os.kill(os.getpid(), 15)",
}


def test_one_worker_goes_on_past_losses_that_end_it_and_past_blocked_runs(
    make_cfg, own_loss, tmp_path
):
    for name, body in ENDS.items():
        file = own_loss(name, body)
    plan = planned(make_cfg, *ENDS, "focal", "mae", "gce", "cross_entropy")
    root = tmp_path / "runs"
    folder = sweeps.write(root, "bad", [], plan)
    for run_ in plan[:3]:  # as if it had died that often already
        working = root / ".running" / run_.run_id
        working.mkdir(parents=True)
        about = {
            "machine": lease.machine(), "host": "h", "pid": 1, "epochs": 0,
            "deaths": lease.MAX_DEATHS - 2,
        }  # fmt: skip
        (working / "lease.0").write_text(json.dumps(about))
    dangling, blocked, link = (run_.run_id for run_ in plan[3:6])
    (root / dangling).symlink_to(tmp_path / "nowhere")
    (root / ".running" / blocked).write_text("a file")
    (root / ".running" / link).symlink_to(tmp_path / "nowhere")
    temporary = tmp_path / ("long" * 30)
    temporary.mkdir()
    outcome = lossatlas(
        "work", "bad", "--workers", "1", runs=root,
        TMPDIR=str(temporary), LOSSATLAS_PATH=str(file.parents[2]),
    )  # fmt: skip
    assert outcome.returncode == 1, outcome.stderr
    rows = {run_.run_id: store.read_row(root / run_.run_id) for run_ in plan if run_ != plan[3]}
    assert [row["state"] for row in rows.values()] == ["failed"] * 5 + ["done"]
    for run_ in plan[:3]:
        assert "was killed 10 times in a row" in rows[run_.run_id]["reason"]
        assert len([log for log in logs(folder) if f"{run_.run_id}: begun" in log]) == 2
    for name in (blocked, link):
        assert "cannot be used as the run's folder" in rows[name]["reason"]
    assert f"{dangling}: damaged: " in outcome.stderr
    assert (root / dangling).is_symlink()


def logs(folder):
    return [log.read_text() for log in folder.glob("worker-*.log")]


def test_what_killed_writers_left_behind_is_not_published(sweep):
    folder = sweep(0)
    root, name = folder.parents[1], sweeps.read(folder)[0].run_id
    working = root / ".running" / name
    working.mkdir(parents=True)
    for leftover in (".row.json.9.part", "checkpoint.part", "2-00ff.ckpt"):
        (working / leftover).write_bytes(b"half of it")
    assert worker.work(folder) == 0
    assert {path.name for path in (root / name).iterdir()} == FINISHED


def test_a_run_that_was_all_but_published_is_not_made_again(sweep, monkeypatch):
    folder = sweep(0)
    root, name = folder.parents[1], sweeps.read(folder)[0].run_id
    rename = Path.rename

    def cut_off(self, target):
        if self.is_dir():
            os.kill(os.getpid(), signal.SIGINT)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", cut_off)
    with pytest.raises(run.Interrupted):
        worker.work(folder)
    monkeypatch.undo()
    assert store.read_row(root / ".running" / name)["state"] == "done"
    monkeypatch.setattr(run, "_train", lambda *_: pytest.fail("trained again"))
    assert worker.work(folder) == 0
    assert states(folder) == ["done"]


SWEEP = [
    "train", "-m", *TINY, *SHORT, "recipe.epochs=20", "seed=0,1,2,3", "launcher.workers=2",
]  # fmt: skip


def test_two_launchers_share_a_sweep_without_making_a_run_twice(tmp_path, gated):
    gated(f"len(glob.glob('{tmp_path}/.sweeps/*/worker-*.log')) >= 4")  # all workers are there
    arguments = [*SWEEP, "loss=gated", "recipe.epochs=4"]
    both = [start(*arguments, runs=tmp_path) for _ in range(2)]
    assert [one.wait(300) for one in both] == [0, 0], [one.told() for one in both]
    (folder,) = sweeps.folders(tmp_path)
    lines = [line for log in folder.glob("worker-*.log") for line in log.read_text().splitlines()]
    begun = [line.partition(":")[0] for line in lines if line.endswith(": begun")]
    assert sorted(begun) == sorted(sweeps.ids(folder))
    assert states(folder) == ["done"] * 4


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_launcher_takes_its_workers_along_and_is_resumed(how, code, command, tmp_path):
    process = start(*SWEEP, runs=tmp_path)
    wait_for(lambda: list(tmp_path.glob(".running/*/epochs.jsonl")), process)
    (folder,) = sweeps.folders(tmp_path)
    workers = living(folder)
    assert len(workers) == 2
    # as a terminal does: Ctrl-C reaches the whole group, a kill the launcher alone
    (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
    assert process.wait(60) == code
    assert "Traceback" not in process.told()
    wait_for(lambda: not living(folder), seconds=30)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/row.json")}
    assert len(made) < 4
    assert "running" not in set(results.load(tmp_path)["state"])
    if how == signal.SIGINT:
        again, _, err = command(*SWEEP, f"runs={tmp_path}")
        assert again == 0, err
    else:
        joined_and_hurt(tmp_path, folder)
    assert states(folder) == ["done"] * 4
    assert {path: path.stat().st_mtime_ns for path in made} == made


def joined_and_hurt(runs, folder):
    """Go on with a sweep by its name, and kill the server that workers are forked from."""
    process = start("work", folder.name, "--workers", "2", runs=runs)
    wait_for(lambda: len(living(folder)) == 2, process)
    (server,) = (pid for pid in children(process.pid) if "forkserver" in command_line(pid))
    # nobody who reads what the launcher prints waits for it
    assert {os.readlink(f"/proc/{server}/fd/{stream}") for stream in (0, 1, 2)} == {os.devnull}
    os.kill(int(server), signal.SIGKILL)
    assert process.wait(300) == 0, process.told()


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_a_sweep_without_runs_left_is_told(sweep, command):
    folder = sweep(0)
    assert worker.work(folder) == 0
    code, _, err = command("work", "sweep")
    assert (code, err) == (2, f"lossatlas: sweep {folder.name} has no run left to make\n")


def test_a_broken_worker_is_told_and_not_started_for_ever(tmp_path):
    sitecustomize = tmp_path / "site" / "sitecustomize.py"
    sitecustomize.parent.mkdir()
    sitecustomize.write_text(
        "import sys\nif 'multiprocessing.forkserver' in ' '.join(sys.argv + sys.orig_argv):\n"
        "    import lossatlas.training.worker as w\n    w.work = lambda folder: 1 / 0\n"
    )
    outcome = lossatlas(*SWEEP, runs=tmp_path / "runs", PYTHONPATH=str(sitecustomize.parent))
    assert outcome.returncode == 1
    assert "a worker broke down; see " in outcome.stderr
    assert "4 of 4 runs were not made" in outcome.stderr
    (log, *_) = (tmp_path / "runs").glob(".sweeps/*/worker-*.log")
    assert "ZeroDivisionError" in log.read_text()
