"""Looks at the run store while a sweep goes on, and says how far it is."""

import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lossatlas.results import progress, store
from lossatlas.results.files import Damaged
from lossatlas.results.progress import OPEN, Costs, Member, duration
from lossatlas.results.sweeps import Planned


class Watch:
    """On a terminal one line is kept up to date; elsewhere a line is printed as runs end."""

    def __init__(self, root: Path, todo: list[Planned], size: int, costs: Costs, console: Console):
        self.root, self.size, self.costs, self.console = root, size, costs, console
        self.total, self.pending = len(todo), {run.run_id: run for run in todo}
        self._begin, self._look_s = time.monotonic(), 0.0
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def made(self) -> tuple[int, int]:
        """How many runs are not made yet, and how many epochs were made of those in work."""
        going = self._look()
        return len(self.pending), sum(member.row["epochs_made"] for member in going)

    def _look(self) -> list[Member]:
        """Take note of the runs that have ended; the runs in work."""
        with self._lock:
            for name in self.pending.keys() & set(store.names(self.root)):
                try:
                    row = store.read_row(self.root / name)
                except Damaged:
                    row = {}
                if row is not None:
                    self.costs.add(row)
                    del self.pending[name]
            going = []
            for name in self.pending.keys() & set(store.names(self.root / store.RUNNING)):
                row = store.unfinished(self.root / store.RUNNING / name)
                if row is not None and row["state"] in OPEN:
                    going.append(Member(self.pending[name], row, row["state"]))
            return going

    def line(self) -> str:
        """How many runs have ended, how long the rest will take, and what is going on."""
        going = self._look()
        names = {member.planned.run_id for member in going}
        rest = [Member(run, {}, "planned") for key, run in self.pending.items() if key not in names]
        seconds, unknown = progress.left([*going, *rest], self.costs, time.time())
        workers = sum(member.state == "running" for member in going) or self.size
        left = "time left unknown yet" if unknown else f"about {duration(seconds / workers)} left"
        now = [
            f"{m.planned.run_id.rpartition('-')[0]} {m.row['epochs_made']}/{m.planned.epochs}"
            for m in sorted(going)[:4]
            if m.state == "running"
        ]
        doing = f" | now: {', '.join(now)}" if now else ""
        elapsed = duration(time.monotonic() - self._begin)
        return f"{self.total - len(self.pending)} of {self.total} runs, {elapsed}, {left}{doing}"

    def _watch(self) -> None:
        if self.console.is_terminal:
            with self.console.status("starting") as status:
                while not self._stop.wait(max(1, 20 * self._look_s)):
                    status.update(Text(self._timed_line()))  # a text alone would be markup
            self.console.print(self.line())
            return
        shown, since = self.total, 0.0
        while not self._stop.wait(max(5, 20 * self._look_s)):
            line = self._timed_line()
            if len(self.pending) != shown or time.monotonic() - since > 30:
                self.console.print(line)
                shown, since = len(self.pending), time.monotonic()
        self.console.print(self.line())

    def _timed_line(self) -> str:
        begun = time.monotonic()
        line = self.line()
        self._look_s = time.monotonic() - begun  # a look at a large sweep takes its time
        return line
