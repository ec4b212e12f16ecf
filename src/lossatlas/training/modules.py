"""The two LightningModules: a classifier of single images, an embedder of several views."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lossatlas.data.batches import Batch
from lossatlas.evaluation.metrics import hits
from lossatlas.evaluation.probes import knn_accuracy
from lossatlas.losses.base import Loss
from lossatlas.models.parts import Network
from lossatlas.training import provide
from lossatlas.training.config import RecipeConf
from lossatlas.training.optim import build_optimiser, triangle

CHECK_EVERY = 50  # steps between looks at the running loss; each look makes a GPU wait


class Diverged(ArithmeticError):
    """The training loss is no longer finite."""


class LossModule(pl.LightningModule):
    """What both kinds share: the optimiser, the running training loss, and its check.

    `results` holds the numbers of the last validation and epoch, `teacher_logits` those
    of the training images, (N, K), where there is a teacher.
    """

    teacher_logits: Tensor

    def __init__(
        self, network: Network, loss: Loss, recipe: RecipeConf, seed: int, num_classes: int
    ):
        super().__init__()
        self.network: Network = network
        self.loss, self.recipe = loss, recipe
        self.seed, self.num_classes = seed, num_classes
        self.results: dict[str, float] = {}

    def progress(self) -> float:
        """The share of the run's steps that are done, in [0, 1)."""
        return self.trainer.global_step / self._steps

    def configure_optimizers(self) -> Any:
        """See `optim`: the same optimiser and schedule for every loss."""
        optimiser = build_optimiser(self.network, self.loss, self.recipe)
        self._steps = steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: triangle(step, steps, self.recipe)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        self._total = torch.zeros((), device=self.device)
        self._hits = torch.zeros((), device=self.device)
        self._seen = 0

    def count(self, value: Tensor, n: int, right: Tensor | None = None) -> None:
        """Add one step to the epoch's means; raises Diverged when the loss is not finite."""
        self._total += value.detach() * n
        self._seen += n
        if right is not None:
            self._hits += right.sum()
        if self.trainer.global_step % CHECK_EVERY == 0:
            self._check()

    def on_train_batch_end(self, *_: Any) -> None:
        self.network.follow(self.loss.twin_keeps(self.progress()))

    def finish_epoch(self) -> dict[str, float]:
        """The numbers of the epoch that just ended; raises Diverged.

        What the loss moves between epochs moves here.
        """
        self._check()
        self.loss.end_epoch(**provide.between_epochs(self))
        self.results["train_loss"] = (self._total / self._seen).item()
        return self.results

    def _check(self) -> None:
        if not torch.isfinite(self._total):
            raise Diverged(
                f"the training loss is not finite in epoch {self.current_epoch + 1}, "
                f"by step {self.trainer.global_step + 1}"
            )

    def predict_step(self, batch: Any, *_: Any) -> tuple[Tensor, ...]:
        """Features (N, D) for one plain batch, and logits (N, K) where the network gives them."""
        return (self.network.backbone(batch[0]),)

    def untrained(self, trainer: pl.Trainer, data: pl.LightningDataModule) -> dict[str, float]:
        """What the row says of the network before training."""
        return {}


class Classifier(LossModule):
    """Trains backbone and linear head with a loss on logits."""

    def training_step(self, batch: Batch) -> Tensor:
        features = self.network.backbone(batch.inputs)
        logits = self.network.head(features)
        moments = provide.moments(self.loss, provide.Step(self, batch, features, logits))
        value: Tensor = self.loss(logits, batch.target, **moments)
        right = hits(self.judged(logits.detach()), batch.target, self.loss.kind.names == "wrong")
        self.count(value, len(batch.target), right)
        return value

    def finish_epoch(self) -> dict[str, float]:
        return super().finish_epoch() | {"train_accuracy": (self._hits / self._seen).item()}

    def on_validation_epoch_start(self) -> None:
        self._outputs: list[tuple[Tensor, Tensor, Tensor]] = []

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        images, target, labels = batch
        logits = self.judged(self.network.head(self.network.backbone(images)))
        self._outputs.append((logits.float(), target, labels))

    def on_validation_epoch_end(self) -> None:
        logits, target, labels = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        self.results["eval_accuracy"] = (logits.argmax(1) == labels).double().mean().item()
        self.results["eval_nll"] = nn.functional.cross_entropy(logits, labels).item()
        self.results["eval_score"] = hits(logits, target).double().mean().item()

    def predict_step(self, batch: Any, *_: Any) -> tuple[Tensor, ...]:
        features = self.network.backbone(batch[0])
        return features, self.judged(self.network.head(features))

    def judged(self, outputs: Tensor) -> Tensor:
        """What of the head's outputs (N, D) is judged.

        Scores whose softmax is what the loss means: its log p, where it says how that is read off.
        """
        chosen = outputs[:, : self.num_classes]
        read = self.loss.log_probabilities
        return chosen if read is None else read(chosen.float())


class Embedder(LossModule):
    """Trains backbone and projector with a loss on views; watched by a kNN on the features."""

    def training_step(self, batch: Batch) -> Tensor:
        features = self.network.backbone(batch.inputs)
        projections = self.network.head(features)
        moments = provide.moments(self.loss, provide.Step(self, batch, features, projections))
        predictor = self.network.predictor
        embeddings = projections if predictor is None else predictor(projections)
        n = len(batch.target)
        value: Tensor = self.loss(embeddings.unflatten(0, (-1, n)), batch.target, **moments)
        self.count(value, n)
        return value

    def on_validation_epoch_start(self) -> None:
        self._features: dict[int, list[tuple[Tensor, Tensor]]] = {0: [], 1: []}

    def validation_step(
        self, batch: tuple[Tensor, Tensor, Tensor], _: int, dataloader_idx: int = 0
    ) -> None:
        images, _target, labels = batch
        self._features[dataloader_idx].append((self.network.backbone(images), labels))

    def on_validation_epoch_end(self) -> None:
        (train, train_labels), (test, test_labels) = (
            (torch.cat([f for f, _ in parts]), torch.cat([y for _, y in parts]))
            for parts in self._features.values()
        )
        self._features.clear()
        accuracy = knn_accuracy(train, train_labels, test, test_labels)
        self.results["knn_accuracy"] = accuracy

    def untrained(self, trainer: pl.Trainer, data: pl.LightningDataModule) -> dict[str, float]:
        trainer.validate(self, data, verbose=False)  # the zero line of the table
        return {"knn_accuracy_untrained": self.results["knn_accuracy"]}


MODULES: dict[str, type[LossModule]] = {"logits": Classifier, "embeddings": Embedder}
