"""TensorBoard as a mirror of a run: `tensorboard --logdir runs` shows every run by its id."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import TensorBoardLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TensorBoard(TensorBoardLogger):
    """Event files in the run's folder `tensorboard/`.

    Epochs are scalars by their own names; the numbers of the row are scalars `row/<field>` and the
    metrics of the HPARAMS page, all its other fields are hyperparameters there.
    """

    resumed = False  # event files are always written anew

    def __init__(self, folder: Path, start: dict[str, Any]):
        super().__init__(folder, name="tensorboard", version="", default_hp_metric=False)
        self.log_hyperparams(start)

    def summarise(self, start: dict[str, Any], rest: dict[str, Any]) -> None:
        """Add what the row says beyond its start."""
        numbers = {k: v for k, v in rest.items() if isinstance(v, (int, float))}
        words = {k: v for k, v in rest.items() if k not in numbers}
        self.log_hyperparams(start | words, {f"row/{k}": v for k, v in numbers.items()})

    def show(self, figures: dict[str, "Figure"]) -> None:
        """Log figures by name."""
        for name, figure in figures.items():
            self.experiment.add_figure(name, figure)

    def close(self, failed: bool) -> None:
        """Write what is left; `failed` is a field of the row, there is nothing else to mark."""
        self.finalize("success")
