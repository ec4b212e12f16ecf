"""From a configuration to a row: Hydra, Lightning, and what they need to know about losses.

A run is one process, whatever started it: inside a job of several, Lightning would take it for one
of their ranks, and only rank 0 writes mirrors. So the variables that say so go before it is
imported.
"""

import os

for _name in (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "SLURM_PROCID", "SLURM_LOCALID", "JSM_NAMESPACE_RANK",
):  # fmt: skip
    os.environ.pop(_name, None)
