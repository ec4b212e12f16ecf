"""Seeds by named axis: what shares randomness is said, not implied."""

import hashlib


def derive(seed: int, *axes: str | int) -> int:
    """A 63-bit seed for the given axes, e.g. `derive(seed, "order", epoch)`."""
    text = "/".join(str(part) for part in (seed, *axes))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
