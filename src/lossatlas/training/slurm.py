"""Workers as a job array of Slurm, sent off and carried through pre-emption by submitit.

Each task of the array is a worker; it makes one run after the other until none is left. A task that
is pre-empted, or whose time is over, queues again and goes on from the run's last epoch. Nothing
but the folder of runs is shared, and nothing depends on the process that sent the array off.
"""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import submitit
from omegaconf import OmegaConf
from submitit.core.utils import FailedSubmissionError

from lossatlas.errors import UserError
from lossatlas.training.config import LauncherConf

EVERY = 2.0  # seconds between questions to Slurm
OWN = ("name", "workers", "max_num_timeout")  # fields of the launcher that are not sbatch's


class Worker(submitit.helpers.Checkpointable):
    """One task of the array; submitit sends it again, as it is, when it is cut off."""

    def __call__(self, folder: Path) -> int:
        """Be a worker of the sweep in `folder`."""
        from lossatlas.training import stop, worker

        signal.signal(signal.SIGTERM, stop.answer)  # so that leases are given back at once
        return worker.work(folder)

    def checkpoint(self, folder: Path) -> submitit.helpers.DelayedSubmission:
        """Called inside submitit's handler of a pre-emption, which then leaves by an exception."""
        from lossatlas.training import stop

        stop.hear(signal.SIGTERM)  # Slurm's own may come too late to tell it from a failure
        return super().checkpoint(folder)


def work(folder: Path, size: int, launcher: LauncherConf, threads: int) -> None:
    """Let `size` tasks make what is missing of the sweep in `folder`; waits for them.

    Raises:
        UserError: there is no Slurm here, or it refuses the job.
    """
    job = submit(folder, size, launcher, threads)
    try:
        while is_queued(job):
            time.sleep(EVERY)
    except KeyboardInterrupt:
        subprocess.run(["scancel", job], check=False)
        raise


def submit(folder: Path, size: int, launcher: LauncherConf, threads: int) -> str:
    """Send the array off; the id of its job."""
    try:
        executor = submitit.SlurmExecutor(
            folder=folder / "slurm", max_num_timeout=launcher.max_num_timeout
        )
        executor.update_parameters(job_name=folder.name, **options(launcher, threads))
        jobs = executor.map_array(Worker(), [folder] * size)
    except (RuntimeError, FailedSubmissionError) as error:
        raise UserError(f"launcher=slurm: {error}") from error
    return str(jobs[0].job_id).partition("_")[0]


def options(launcher: LauncherConf, threads: int) -> dict[str, Any]:
    """What submitit is told: the fields of the launcher that have a value."""
    given = OmegaConf.to_container(OmegaConf.structured(launcher), resolve=True)
    assert isinstance(given, dict)
    given |= {
        "cpus_per_task": launcher.cpus_per_task or threads,
        "time": launcher.timeout_min,
        "mem": f"{launcher.mem_gb:g}GB" if launcher.mem_gb else None,
        "setup": [*launcher.setup, f"export OMP_NUM_THREADS={threads}"],
        "stderr_to_stdout": True,
    }
    apart = (*OWN, "timeout_min", "mem_gb")
    return {str(k): v for k, v in given.items() if v not in (None, [], {}) and k not in apart}


def is_queued(job: str) -> bool:
    """Whether any task of a job waits or runs; asked of squeue, which every cluster has."""
    asked = subprocess.run(
        ["squeue", "--noheader", "--format=%T", f"--jobs={job}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode:  # a job that ended long ago, or a controller that is busy
        return "Invalid job id" not in asked.stderr
    return bool(asked.stdout.strip())
