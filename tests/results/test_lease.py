"""The lease of a run: one holder at a time, and a dead holder's run is taken over."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from lossatlas.results import lease

HOLD = (
    "import sys, time, pathlib; from lossatlas.results import lease\n"
    "held = lease.acquire(pathlib.Path(sys.argv[1]), epochs=0)\n"
    "print('held' if held else 'not', flush=True); time.sleep(60)"
)


def holder_process(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def try_all(folders, barrier, wins):
    won = []
    for number, folder in enumerate(folders):
        barrier.wait()
        held = lease.acquire(folder, 0)
        if held is not None:
            won.append((number, held))
        barrier.wait()
    wins.put([number for number, _ in won])


def test_of_many_processes_at_once_one_gets_each_run(tmp_path):
    context = multiprocessing.get_context("fork")
    folders, count = [tmp_path / str(i) for i in range(60)], 6
    barrier, wins = context.Barrier(count), context.Queue()
    team = [context.Process(target=try_all, args=(folders, barrier, wins)) for _ in range(count)]
    for process in team:
        process.start()
    won = [number for _ in team for number in wins.get(timeout=60)]
    for process in team:
        process.join(60)
    assert sorted(won) == list(range(60))


def test_it_is_held_until_released(tmp_path):
    folder = tmp_path / "run"
    held = lease.acquire(folder, 0)
    assert lease.acquire(folder, 0) is None
    assert lease.holder(folder)["pid"] == os.getpid()
    held.check()
    held.release()
    assert lease.holder(folder) is None
    assert list(folder.iterdir()) == []
    again = lease.acquire(folder, 0)
    assert (again.number, again.deaths) == (0, 0)
    again.release()


def test_a_killed_holders_run_is_taken_over_at_once(tmp_path):
    folder = tmp_path / "run"
    process = holder_process(folder)
    assert lease.acquire(folder, 0) is None
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    held = lease.acquire(folder, 0)
    assert (held.number, held.deaths) == (1, 1)
    assert [path.name for path in folder.iterdir()] == ["lease.1"]
    held.release()


def test_a_stopped_process_of_this_machine_keeps_its_run(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "PATIENCE", 0.0)
    process = holder_process(tmp_path / "run")
    process.send_signal(signal.SIGSTOP)
    os.utime(tmp_path / "run" / "lease.0", (0, 0))
    assert lease.acquire(tmp_path / "run", 0) is None
    assert lease.holder(tmp_path / "run") is not None
    process.kill()
    process.wait(10)


def elsewhere(folder, **about):
    """A lease as a process on another machine leaves it."""
    folder.mkdir(parents=True)
    record = {"machine": "far away", "host": "node7", "pid": 1, "epochs": 0, "deaths": 0} | about
    (folder / "lease.0").write_text(json.dumps(record))
    return folder / "lease.0"


def test_on_another_machine_the_heartbeat_counts_by_the_observers_clock(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    path = elsewhere(folder)
    clock = [1000.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: clock[0])
    os.utime(path, (5, 5))  # the other machine's clock is decades behind
    assert lease.acquire(folder, 0) is None
    for beat in (6, 7, 8):
        clock[0] += lease.PATIENCE * 0.9
        os.utime(path, (beat, beat))
        assert lease.acquire(folder, 0) is None, "it gave a sign of life"
    clock[0] += lease.PATIENCE * 0.9
    assert lease.acquire(folder, 0) is None
    clock[0] += lease.PATIENCE * 0.2
    held = lease.acquire(folder, 0)
    assert (held.number, held.deaths) == (1, 1)
    held.release()


def test_what_is_shown_of_another_machine_goes_by_the_age_of_its_heartbeat(tmp_path):
    path = elsewhere(tmp_path / "run")
    assert lease.holder(tmp_path / "run")["host"] == "node7"
    then = time.time() - 2 * lease.PATIENCE
    os.utime(path, (then, then))
    assert lease.holder(tmp_path / "run") is None


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    held = lease.acquire(tmp_path / "run", 0)
    path = tmp_path / "run" / "lease.0"
    os.utime(path, (0, 0))
    deadline = time.monotonic() + 10
    while path.stat().st_mtime < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert abs(path.stat().st_mtime - time.time()) < 60
    held.release()


def test_a_holder_that_was_given_up_for_dead_loses_the_run(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    slow = lease.acquire(folder, 0)
    monkeypatch.setattr(lease, "_look", lambda _: (False, 0))
    quick = lease.acquire(folder, 0)
    monkeypatch.undo()
    with pytest.raises(lease.Lost, match="taken over"):
        slow.check()
    quick.check()
    slow.release()
    quick.check()
    assert lease.acquire(folder, 0) is None
    quick.release()


@pytest.mark.parametrize(("epochs_then", "epochs_now", "deaths"), [(2, 2, 5), (2, 3, 0), (0, 0, 5)])
def test_deaths_without_progress_are_counted(tmp_path, epochs_then, epochs_now, deaths):
    elsewhere(tmp_path / "run", machine=lease.machine(), epochs=epochs_then, deaths=4)
    held = lease.acquire(tmp_path / "run", epochs_now)
    assert held.deaths == deaths
    held.release()


def test_a_lease_without_content_is_one_that_is_being_taken(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "lease.0").touch()
    assert lease.acquire(folder, 0) is None


def test_files_of_other_names_are_no_leases(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lease.txt").touch()
    held = lease.acquire(tmp_path / "run", 0)
    assert held.number == 0
    held.release()
