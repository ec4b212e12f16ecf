"""Mathematics of losses, decided by machine: verdicts with witnesses, curves, fingerprints."""
