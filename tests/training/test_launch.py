"""What a launcher reads of its workers."""

import os

from lossatlas.training import launch


def test_logs_of_workers_that_cannot_be_read_are_left_out(tmp_path):
    (tmp_path / "worker-a.log").write_bytes(b"\xff\nrun: not made: it is late\n")
    (tmp_path / "worker-b.log").symlink_to("nowhere")
    (tmp_path / "worker-c.log").mkdir()
    os.mkfifo(tmp_path / "worker-d.log")
    assert launch._not_made(tmp_path) == {"run": "it is late"}
