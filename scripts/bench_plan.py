"""How much planning gains by composing runs of the same options once.

    python scripts/bench_plan.py [--settings 40] [--rounds 3]

Both ways compose the same runs, which differ in a value of their loss, in turn; printed are CPU
times a run, medians over the rounds, and the median of the ratios round by round.
"""

import argparse
import statistics
import time
from types import SimpleNamespace

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from lossatlas import resources
from lossatlas.training.config import register_configs, resolve
from lossatlas.training.sweeper import ResumableSweeper, ResumableSweeperConf


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    register_configs()
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        runs = [("loss=focal", f"loss.gamma={1 + i / 100}") for i in range(options.settings)]
        times: dict[str, list[float]] = {"each": [], "once": []}
        for _ in range(options.rounds):
            fresh, found = sweeper(), {}
            for way in times:
                begun = time.process_time()
                found[way] = [
                    resolve(fresh._load(one)[0] if way == "each" else fresh._compose(one))
                    for one in runs
                ]
                times[way].append((time.process_time() - begun) / len(runs))
            if found["each"] != found["once"]:
                raise SystemExit("the two ways compose different runs")
    for way, seconds in times.items():
        spread = f"({1000 * min(seconds):.1f} to {1000 * max(seconds):.1f})"
        print(f"composed {way}: {1000 * statistics.median(seconds):.1f} CPU ms a run {spread}")
    ratios = [a / b for a, b in zip(times["each"], times["once"], strict=True)]
    print(
        f"ratio: median {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}), "
        f"{options.rounds} rounds of {len(runs)} runs"
    )


def sweeper() -> ResumableSweeper:
    """A sweeper as Hydra sets it up."""
    fields = {k: v for k, v in vars(ResumableSweeperConf()).items() if k != "_target_"}
    made = ResumableSweeper(**fields)
    master = compose("config", [], return_hydra_config=True)
    master.hydra.job.config_name = "config"
    context = SimpleNamespace(config_loader=GlobalHydra.instance().config_loader())
    made.setup(hydra_context=context, task_function=lambda _: None, config=master)
    return made


if __name__ == "__main__":
    main()
