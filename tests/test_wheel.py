"""The built wheel, installed elsewhere, carries its cards, configuration and templates."""

import json
import os
import subprocess
import sys
import zipfile

from lossatlas import resources
from lossatlas.losses import registry
from training.commands import TINY

# Several commands by one process, in which torch is imported once; what each prints.
COMMANDS = """
import contextlib, io, json, sys
from lossatlas import cli
said = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["lossatlas", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            cli.main()
        except SystemExit as stop:
            assert not stop.code, (arguments, stop.code)
    said.append(out.getvalue())
print(json.dumps(said))
"""


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
    given = [
        ["train", "-m", *TINY, "loss=cross_entropy,nt_xent"],
        ["runs"],
        ["report", "-o", "page"],
        ["new", "mine", "--family", "margin", "--path", "own"],
        ["test", "mae"],
    ]
    said = json.loads(run(sys.executable, "-c", COMMANDS, json.dumps(given), **path))
    _, runs, _, new, tested = said
    assert runs.endswith("2 done\n")
    assert "nt_xent" in (tmp_path / "page" / "REPORT.md").read_text()
    assert "export LOSSATLAS_PATH=" in new
    assert "own/reference/mine.py" in new
    assert tested.startswith("mae: every law holds in ")
    assert "there is no reference" in tested
