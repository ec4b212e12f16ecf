"""Sweeps on a real Slurm: a controller and a node of its own on this machine, started here.

Needs Debian's packages slurmctld, slurmd, slurm-client and munge, and root; without them the tests
are skipped, except in continuous integration, where they must run.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from lossatlas import results
from lossatlas.results import progress, store, sweeps
from lossatlas.training import run, slurm, stop
from lossatlas.training.config import LauncherConf
from training.commands import SHORT, TINY, lives, lossatlas, start, wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
WHERE = f"{os.environ['PATH']}:/usr/sbin"
ABSENT = [name for name in PROGRAMS if not shutil.which(name, path=WHERE)]
pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("CI") and bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}"
    ),
    pytest.mark.skipif(not os.environ.get("CI") and os.geteuid() != 0, reason="needs root"),
    pytest.mark.xdist_group("slurm"),
]

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobRequeue=1
ReturnToService=2
KillWait=10
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Munge, a controller and a node with two cores; the environment that leads to them."""
    home = tmp_path_factory.mktemp("slurm")
    host = socket.gethostname().partition(".")[0]
    key = home / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    for name in ("state", "spool"):
        (home / name).mkdir()
    (home / "slurm.conf").write_text(CONF.format(host=host, home=home, ports=free_ports(2)))
    env = {"SLURM_CONF": str(home / "slurm.conf"), "PATH": WHERE}
    munge = [
        f"--{name}={home}/munge.{tail}"
        for name, tail in (
            ("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"), ("log-file", "log"),
            ("seed-file", "seed"),
        )
    ]  # fmt: skip
    team = []
    try:
        for command in (["munged", "-F", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            log = (home / f"{command[0]}.out").open("w")
            team.append(subprocess.Popen(command, env=os.environ | env, stdout=log, stderr=log))
            time.sleep(1)
        deadline = time.monotonic() + 60
        while "idle" not in ask(env, "sinfo", "-h", "-o", "%T"):
            assert time.monotonic() < deadline, ask(env, "sinfo") + logs(home)
            time.sleep(0.5)
        yield env
    finally:
        ask(env, "scancel", "--user", "root")
        for process in reversed(team):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def ask(env, *command):
    """What a command of Slurm prints."""
    return subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, check=False
    ).stdout


def logs(home):
    return "".join(f"\n{path}\n{path.read_text()[-2000:]}" for path in home.glob("*.out"))


def sweep(*seeds):
    return [
        "train", "-m", *TINY, *SHORT, "recipe.epochs=6", f"seed={','.join(map(str, seeds))}",
        "launcher=slurm", "launcher.workers=2", "launcher.timeout_min=10",
    ]  # fmt: skip


@pytest.fixture
def gate(tmp_path, gated):
    """A file without which the loss `gated` stays in a run's fourth epoch."""
    gated(f"os.path.exists('{tmp_path / 'gate'}')", free_steps=6)
    return tmp_path / "gate"


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def in_work(runs):
    """Task ids of the array by the run that each is making, once that has two epochs."""
    return [
        folder
        for folder in runs.glob(".running/*")
        if len(store.read_epochs(folder)) >= 2 and list(folder.glob("lease.*"))
    ]


def both_at_work(cluster, runs):
    return len(in_work(runs)) == 2 and len(tasks(cluster)) == 2


def tasks(cluster):
    return sorted(ask(cluster, "squeue", "-h", "-r", "-t", "R", "-o", "%i").split())


def states(runs):
    """The states of the sweep's runs; of a failed one, why."""
    (folder,) = sweeps.folders(runs)
    members = progress.members(sweeps.read(folder), results.load(runs))
    return [f"failed: {m.row['reason']}" if m.state == "failed" else m.state for m in members]


def test_a_cancelled_task_leaves_its_run_to_the_others(cluster, runs, gate):
    process = start(*sweep(0, 1, 2, 3), "loss=gated", runs=runs, **cluster)
    wait_for(lambda: both_at_work(cluster, runs), process)
    one, _ = tasks(cluster)
    ask(cluster, "scancel", one)
    wait_for(lambda: not ask(cluster, "squeue", "-h", "-j", one).strip(), process)
    gate.touch()
    assert process.wait(300) == 0, process.told()
    told = process.told()
    assert "2 at once" in told
    assert "4 of 4 runs" in told
    assert states(runs) == ["done"] * 4
    made = [len(path.read_text().splitlines()) for path in runs.glob("*/epochs.jsonl")]
    assert len(made) == 4
    assert sum(made) <= 4 * 6 + 1, "the cancelled task's run began anew"


def test_preempted_tasks_queue_again_and_go_on_without_their_launcher(cluster, runs, gate):
    process = start(*sweep(0, 1), "loss=gated", runs=runs, **cluster)
    wait_for(lambda: both_at_work(cluster, runs), process)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    before = {f.name: len(store.read_epochs(f)) for f in runs.glob(".running/*")}
    at_work = [json.loads(lease.read_text())["pid"] for lease in runs.glob(".running/*/lease.*")]
    assert len(at_work) == 2
    one, other = tasks(cluster)
    ask(cluster, "scontrol", "requeue", one)
    ask(cluster, "scancel", "--signal=USR2", other)
    wait_for(lambda: not any(map(lives, at_work)))
    gate.touch()
    wait_for(lambda: len(list(runs.glob("*/row.json"))) == 2)
    assert states(runs) == ["done"] * 2
    for name, epochs in before.items():
        lines = (runs / name / "epochs.jsonl").read_text().splitlines()
        assert 6 <= len(lines) <= 7, f"{name} began anew after {epochs} epochs"
    wait_for(lambda: not ask(cluster, "squeue", "-h").strip())


def test_a_preemption_before_slurm_s_own_signal_is_no_failure(
    make_cfg, own_loss, tmp_path, monkeypatch
):
    """What submitit's handler does, the rest of which is the exit that it raises."""
    monkeypatch.setattr(stop, "_told", 0)
    own_loss("preempted", "import signal; signal.raise_signal(signal.SIGUSR2)")
    worker = slurm.Worker()

    def handler(*_):
        assert worker.checkpoint(tmp_path).args == (tmp_path,)
        sys.exit(-1)

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        with pytest.raises(stop.Interrupted):
            run.execute(make_cfg("loss=preempted"))
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert list(results.load(tmp_path / "runs")["state"]) == ["interrupted"]


def test_what_slurm_refuses_is_one_sentence(cluster, tmp_path):
    outcome = lossatlas(*sweep(0), "launcher.partition=nowhere", runs=tmp_path, **cluster)
    assert outcome.returncode == 2
    last = outcome.stderr.strip().splitlines()[-1]
    assert last.startswith("lossatlas: launcher=slurm: ")
    assert "invalid partition" in last
    assert "Traceback" not in outcome.stderr


def test_without_slurm_it_is_one_sentence(tmp_path):
    python = os.path.dirname(sys.executable)
    outcome = lossatlas(*sweep(0), runs=tmp_path, PATH=python)
    assert outcome.returncode == 2
    assert 'lossatlas: launcher=slurm: Could not detect "srun"' in outcome.stderr


def test_empty_fields_are_left_to_slurm():
    conf = LauncherConf("slurm", mem_gb=4, partition="p", additional_parameters={"account": "a"})
    assert slurm.options(conf, 2) == {
        "partition": "p", "time": 60, "cpus_per_task": 2, "mem": "4GB", "signal_delay_s": 90,
        "additional_parameters": {"account": "a"}, "setup": ["export OMP_NUM_THREADS=2"],
        "stderr_to_stdout": True,
    }  # fmt: skip
