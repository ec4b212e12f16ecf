"""The built wheel, installed elsewhere, carries its cards, configuration and templates."""

import os
import subprocess
import sys
import zipfile

from lossatlas import resources
from lossatlas.losses import registry
from training.commands import TINY


def test_a_wheel_works_in_another_folder(tmp_path):
    def run(*command, **environment):
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    build = ["-m", "build", "--wheel", "--no-isolation", "-o", "dist", str(resources.CHECKOUT)]
    run(sys.executable, *build)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # a pure wheel: unpacking is installing
        archive.extractall(installed)
    path = {"PYTHONPATH": str(installed), "LOSSATLAS_PATH": "", "OMP_NUM_THREADS": "1"}
    where = run(sys.executable, "-c", "import lossatlas; print(lossatlas.__file__)", **path)
    assert where.startswith(str(installed))
    cli = [sys.executable, "-m", "lossatlas"]
    listed = run(*cli, "list", **path)
    packaged = [e for e in registry.index().values() if e.module.startswith("lossatlas.losses.")]
    assert len(packaged) >= 7
    assert [line.split()[:2] for line in listed.splitlines() if line[0] == " "] == [
        [entry.id, registry.status(entry)] for entry in packaged
    ]
    run(*cli, "train", "-m", *TINY, "loss=cross_entropy,nt_xent", **path)
    assert run(*cli, "runs", **path).endswith("2 done\n")
    run(*cli, "report", "-o", "page", **path)
    assert "nt_xent" in (tmp_path / "page" / "REPORT.md").read_text()
    new = run(*cli, "new", "mine", "--family", "margin", "--path", "own", **path)
    assert "export LOSSATLAS_PATH=" in new
    assert "own/reference/mine.py" in new
    tested = run(*cli, "test", "mae", **path)
    assert tested.startswith("mae: every law holds in ")
    assert "there is no reference" in tested
