"""How much Lightning costs over a bare loop on the same net, data, optimiser and loss.

    python scripts/bench_training.py [--steps 60] [--rounds 5]

Both loops are run in turn (A B A B ...) on one thread; printed are the CPU times per step, their
medians over the rounds, and the median of the ratios round by round.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from lossatlas import resources
from lossatlas.training.config import register_configs
from lossatlas.training.data import ImageData
from lossatlas.training.identity import build_loss
from lossatlas.training.journal import Journal
from lossatlas.training.modules import Classifier
from lossatlas.training.optim import build_optimiser, triangle
from lossatlas.training.run import build_module, build_trainer


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    register_configs()
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        cfg = compose(
            "config",
            [
                "recipe=quick", "recipe.epochs=1", "progress=false",
                f"recipe.train_limit={arguments.steps * 256}",
            ],
        )  # fmt: skip
    torch.set_num_threads(1)
    data = ImageData(cfg, "class_index", 0, torch.device("cpu"))
    times: dict[str, list[float]] = {"bare": [], "lightning": []}
    for number in range(arguments.rounds + 1):
        for name, loop in (("bare", bare), ("lightning", lightning)):
            module = build_module(cfg, build_loss({"name": "cross_entropy"}), data)
            seconds = loop(cfg, module, data) / arguments.steps
            if number:  # the first round warms up
                times[name].append(1000 * seconds)
    ratios = [b / a for a, b in zip(times["bare"], times["lightning"], strict=True)]
    for name, values in times.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"{name:<10} {statistics.median(values):7.1f} CPU ms/step ({spread})")
    print(
        f"lightning / bare: median {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), {arguments.rounds} rounds, "
        f"{arguments.steps} steps of {cfg.recipe.batch_size} images, one thread"
    )


def bare(cfg, module: Classifier, data: ImageData) -> float:
    """The loop without Lightning: CPU seconds of one epoch."""
    batches = data.train_dataloader()
    optimiser = build_optimiser(module.network, module.loss, cfg.recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: triangle(step, len(batches), cfg.recipe)
    )
    module.train()
    begun = time.process_time()
    for images, target, _ in batches:
        optimiser.zero_grad()
        module.loss(module.network.head(module.network.backbone(images)), target).backward()
        optimiser.step()
        schedule.step()
    return time.process_time() - begun


def lightning(cfg, module: Classifier, data: ImageData) -> float:
    """The trainer of a real run, with its journal: CPU seconds of one epoch's training."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        trainer = build_trainer(
            cfg, torch.device("cpu"), logger=False, enable_progress_bar=False, callbacks=[journal]
        )
        trainer.fit(module, data)
        assert journal.spent is not None
        return journal.spent[1]


if __name__ == "__main__":
    main()
