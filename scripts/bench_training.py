"""How much Lightning costs over a bare loop on the same net, data, optimiser and loss.

    python scripts/bench_training.py [--steps 60] [--rounds 5]

Both loops are run in turn (A B A B ...) on one thread; printed are the times per step (of the
CPU; on a GPU of the clock), their medians over the rounds, and the median of the ratios round by
round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from lossatlas import resources
from lossatlas.training.build import build_module, build_trainer
from lossatlas.training.config import register_configs
from lossatlas.training.data import ImageData
from lossatlas.training.identity import build_loss
from lossatlas.training.journal import Journal
from lossatlas.training.modules import Classifier
from lossatlas.training.optim import build_optimiser, triangle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (then times of the clock)")
    arguments = parser.parse_args()
    cfg = configuration(arguments.steps)
    times: dict[str, list[float]] = {"bare": [], "lightning": []}
    for pair in rounds(cfg, arguments.rounds, torch.device(arguments.device)):
        for name, seconds in pair.items():
            times[name].append(1000 * seconds)
    ratios = [b / a for a, b in zip(times["bare"], times["lightning"], strict=True)]
    for name, values in times.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"{name:<10} {statistics.median(values):7.1f} ms/step ({spread})")
    print(
        f"lightning / bare: median {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), {arguments.rounds} rounds, "
        f"{arguments.steps} steps of {cfg.recipe.batch_size} images, one thread"
    )


def configuration(steps: int, *overrides: str) -> DictConfig:
    """One epoch of so many steps of the recipe `quick`."""
    register_configs()
    limit = f"recipe.train_limit={steps * 256}"
    words = ["recipe=quick", "recipe.epochs=1", "progress=false", limit, *overrides]
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        return compose("config", words)


def rounds(cfg: DictConfig, n: int, device: torch.device) -> Iterator[dict[str, float]]:
    """Seconds a step of both loops, in turn, of `n` rounds after one that warms up.

    On a CPU those of its own time, on a GPU those of the clock.
    """
    torch.set_num_threads(1)
    data = ImageData(cfg, "class_index", (), device)
    steps = len(data.train_dataloader())
    for number in range(n + 1):
        pair = {}
        for name, loop in (("bare", bare), ("lightning", lightning)):
            module = build_module(cfg, build_loss({"name": "cross_entropy"}), data).to(device)
            pair[name] = loop(cfg, module, data, device) / steps
        if number:
            yield pair


def clock(device: torch.device) -> float:
    """Seconds of the processor, or of the clock once the GPU has done what it was given."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def bare(cfg, module: Classifier, data: ImageData, device: torch.device) -> float:
    """The loop without Lightning: seconds of one epoch."""
    batches = data.train_dataloader()
    optimiser = build_optimiser(module.network, module.loss, cfg.recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: triangle(step, len(batches), cfg.recipe)
    )
    module.train()
    begun = clock(device)
    for images, target, _ in batches:
        optimiser.zero_grad()
        module.loss(module.network.head(module.network.backbone(images)), target).backward()
        optimiser.step()
        schedule.step()
    return clock(device) - begun


def lightning(cfg, module: Classifier, data: ImageData, device: torch.device) -> float:
    """The trainer of a real run, with its journal: seconds of one epoch's training."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        trainer = build_trainer(
            cfg, device, logger=False, enable_progress_bar=False, callbacks=[journal]
        )
        trainer.fit(module, data)
        assert journal.spent is not None
        return journal.spent[device.type == "cpu"]


if __name__ == "__main__":
    main()
