"""How a file comes into its place: whole, or not at all."""

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file beside `path`, then rename it: no reader sees half of it. Raises OSError.

    A process that is killed in here leaves a file `*.part`.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content if isinstance(content, bytes) else content.encode())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
