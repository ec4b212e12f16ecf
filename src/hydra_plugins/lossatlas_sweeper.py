"""Hydra takes plug-ins from this namespace only; the sweeper is lossatlas.training.sweeper."""

from hydra.core.config_store import ConfigStore

from lossatlas.training import sweeper


class ResumableSweeper(sweeper.ResumableSweeper):
    """See lossatlas.training.sweeper."""


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="resumable",
    node=sweeper.ResumableSweeperConf,
    provider="lossatlas",
)
