"""What the tests of a survey find and what they let through, simulated; writes docs/statistics.md.

python scripts/simulate_statistics.py [REPETITIONS]    # 2000 take five minutes of one core

Accuracies are normal with the scatter and the correlations that were measured on CIFAR-10; the
losses' true differences are known, so that every statement can be held against them. The same
numbers of repetitions give the same page.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from lossatlas.analysis import statistics
from lossatlas.analysis.contenders import BEST
from lossatlas.analysis.statistics import Difference

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
MARGIN = 0.5  # points, as all numbers here
EFFECTS = (0.0, -0.6, 0.0, 1.0, 0.0, -2.0, 0.0, -12.0)  # of the losses that are not unstable
SD = 0.35  # the median; its logarithm scatters by LOG_SD from loss to loss
LOG_SD = 0.4
BAD_SD = 1.4  # of a loss that is 12 points behind
UNSTABLE_SD = (1.5, 3.0)
CORRELATIONS = (0.8, 0.0, -0.6)  # with the baseline, over the seeds: of relatives, and of others


@dataclass(frozen=True)
class Survey:
    """A kind of survey: how many losses, how many of them unstable and by how much they are off,
    seeds a loss and for the baseline, how many the contenders of a first stage come to have in a
    second, and the share of runs that is missing."""

    name: str
    losses: int = 32
    unstable: int = 4
    shift: float = 0.0  # the true difference of the unstable losses
    seeds: int = 3
    baseline: int = 8
    second: int = 0
    missing: float = 0.0  # any run
    diverged: float = 0.0  # a run of an unstable loss leaves no accuracy
    collapsed: float = 0.0  # a run of an unstable loss ends 20 points lower


SURVEYS = (
    Survey("32 losses, 3 seeds"),
    Survey("32 losses, 5 seeds", seeds=5),
    Survey("32 losses, 8 seeds", seeds=8),
    Survey("32 losses, none unstable, 3 seeds", unstable=0),
    Survey("8 losses, 3 seeds", losses=8, unstable=1),
    Survey("8 losses, 5 seeds", losses=8, unstable=1, seeds=5),
    Survey("3 losses, 3 seeds", losses=3, unstable=1),
    Survey("unstable losses 3 points lower, 3 seeds", shift=-3.0),
    Survey("unstable losses 3 points lower, 5 seeds", shift=-3.0, seeds=5),
    Survey("a run in five missing, 5 seeds", seeds=5, missing=0.2),
    Survey("unstable losses: a run in four diverged, 5 seeds", seeds=5, diverged=0.25),
    Survey("unstable losses: a run in five collapsed, 5 seeds", seeds=5, collapsed=0.2),
    Survey("3 seeds, baseline too", baseline=3),
    Survey("5 seeds, baseline too", seeds=5, baseline=5),
    Survey("43 losses, 3 seeds", losses=43),
    Survey("43 losses, 3 seeds, then 5 of the contenders", losses=43, second=5),
    Survey("43 losses, 3 seeds, then 8 of the contenders", losses=43, second=8),
)

Arms = Sequence[Mapping[int, float]]  # accuracies by seed; the baseline is the first


def draw(kind: Survey, generator: np.random.Generator) -> tuple[list[dict[int, float]], np.ndarray]:
    """The accuracies of a survey by arm and seed, the baseline first, and the true differences."""
    stable = kind.losses - kind.unstable
    places = np.arange(stable) + generator.integers(len(EFFECTS))  # few losses: other effects
    effects = np.array(EFFECTS)[places % len(EFFECTS)]
    sds = SD * np.exp(LOG_SD * generator.normal(size=stable))
    sds = np.where(effects < -10, BAD_SD, sds)
    bad = generator.uniform(*UNSTABLE_SD, size=kind.unstable)
    truth = np.concatenate(([0.0], effects, np.full(kind.unstable, kind.shift)))
    sds = np.concatenate(([SD * math.exp(LOG_SD * generator.normal())], sds, bad))
    rho = np.array(CORRELATIONS)[generator.integers(len(CORRELATIONS), size=len(sds))]
    rho[0] = 1.0
    later = max(kind.seeds, kind.second)
    most = max(later, kind.baseline)
    noise = rho[:, None] * generator.normal(size=most)
    noise = noise + np.sqrt(1 - rho[:, None] ** 2) * generator.normal(size=(len(sds), most))
    values = 78.0 + truth[:, None] + sds[:, None] * noise
    held = generator.random(values.shape) >= kind.missing
    held[stable + 1 :] &= generator.random((kind.unstable, most)) >= kind.diverged
    fallen = generator.random((kind.unstable, most)) < kind.collapsed
    values[stable + 1 :] -= 20.0 * fallen
    truth[stable + 1 :] -= 20.0 * kind.collapsed  # the mean over all that could happen
    arms = []
    for i, (line, there) in enumerate(zip(values, held, strict=True)):
        seeds = later if i else kind.baseline
        arms.append({s: float(line[s]) for s in range(seeds) if there[s]})
    return arms, truth[1:]


def staged(kind: Survey, arms: Arms) -> tuple[Arms, int]:
    """The arms of a survey in two stages, the contenders alone with all their seeds; and how many
    contended."""
    first = [arms[0], *({s: v for s, v in arm.items() if s < kind.seeds} for arm in arms[1:])]
    contend = statistics.reach_best(welch_larger(first), BEST)
    pairs = zip(contend, arms[1:], first[1:], strict=True)
    return [arms[0], *(whole if chosen else part for chosen, whole, part in pairs)], sum(contend)


def paired(arms: Arms) -> list[Difference]:
    """Student's t on differences by seed."""
    return [statistics.paired(arm, arms[0]) for arm in arms[1:]]


def paired_moderated(arms: Arms) -> list[Difference]:
    """The same with variances moderated over the losses (limma on pairs)."""
    pairs = [[arm[s] - arms[0][s] for s in arm if s in arms[0]] for arm in arms[1:]]
    told = statistics.prior(pairs)
    found = []
    for one in pairs:
        if told is None or len(one) < 2:
            found.append(Difference(len(one), len(one), None))
            continue
        variance, df = statistics.moderated(float(np.var(one, ddof=1)), len(one) - 1, told)
        mean, se = float(np.mean(one)), math.sqrt(variance / len(one))
        half = se * float(special.stdtrit(df, 0.975))
        p = float(2 * special.stdtr(df, -abs(mean) / se))
        found.append(Difference(len(one), len(one), mean, se, df, mean - half, mean + half, p))
    return found


def welch(arms: Arms) -> list[Difference]:
    """Welch's t, each variance its own."""
    told = statistics.Prior(1.0, 0.0, math.inf)
    return _by_arms(arms, told)


def welch_moderated(arms: Arms) -> list[Difference]:
    """Welch's t, each variance the moderated one."""
    return _by_arms(arms, statistics.prior([list(arm.values()) for arm in arms]), larger=False)


def welch_larger(arms: Arms) -> list[Difference]:
    """Welch's t, each variance the larger of its own and the moderated one: the reports' test."""
    return _by_arms(arms, statistics.prior([list(arm.values()) for arm in arms]))


def _by_arms(arms: Arms, told: statistics.Prior | None, larger: bool = True) -> list[Difference]:
    first = list(arms[0].values())
    return [statistics.by_arms(list(arm.values()), first, told, larger) for arm in arms[1:]]


RULE = "**Welch, the larger**"  # the reports' test
TESTS = {
    "paired t": paired,
    "paired t, moderated": paired_moderated,
    "Welch": welch,
    "Welch, moderated": welch_moderated,
    RULE: welch_larger,
}


class Counts:
    """What became of the statements of one test in one kind of survey."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.surveys: list[bool] = []  # was there a false discovery?
        self.found: dict[float, list[bool]] = {}
        self.covered: dict[bool, list[bool]] = {True: [], False: []}
        self.equal: dict[float, list[bool]] = {}
        self.flattery: list[float] = []  # points by which the best that is found looks too good
        self.contenders: list[int] = []

    def add(self, found: Sequence[Difference], truth: np.ndarray, stable: int) -> None:
        """Count one survey."""
        adjusted = statistics.holm([one.p for one in found])
        false = False
        for i, (one, p, true) in enumerate(zip(found, adjusted, truth.tolist(), strict=True)):
            resolved = p is not None and p < statistics.ALPHA
            if i < stable:
                self.found.setdefault(abs(true), []).append(resolved)
                equal = not resolved and statistics.is_within(one, MARGIN)
                self.equal.setdefault(abs(true), []).append(equal)
            wrong_side = one.mean is not None and one.mean * true < 0
            false = false or (resolved and (true == 0 or wrong_side))
            if one.low is not None and one.high is not None:
                self.covered[i < stable].append(one.low <= true <= one.high)
        self.surveys.append(false)
        better = [
            (one.mean, true)
            for one, p, true in zip(found, adjusted, truth.tolist(), strict=True)
            if p is not None and p < statistics.ALPHA and one.mean is not None and one.mean > 0
        ]
        if better:
            self.flattery.append(max(better)[0] - max(better)[1])

    def cells(self) -> list[str]:
        """The cells of the table, shares in percent."""
        return [
            _share(self.surveys),
            *(_share(self.found.get(effect, [])) for effect in (0.6, 1.0, 2.0, 12.0)),
            _share(self.covered[True]),
            _share(self.covered[False]),
            _share(self.equal.get(0.0, [])),
            _share(self.equal.get(0.6, [])),
        ]


HEAD = (
    "Test", "false discovery in", "finds 0.6", "1", "2", "12 points", "covers", "covers unstable",
    "equal called equivalent", "0.6 apart called equivalent",
)  # fmt: skip


def _share(many: Sequence[bool]) -> str:
    return f"{100 * np.mean(many):.1f}" if many else "–"


def simulate(kind: Survey, repetitions: int) -> dict[str, Counts]:
    """What each test does in one kind of survey; its seed is its place in the list."""
    generator = np.random.default_rng([462, SURVEYS.index(kind)])
    counts = {name: Counts() for name in TESTS}
    for _ in range(repetitions):
        arms, truth = draw(kind, generator)
        if kind.second:
            arms, contended = staged(kind, arms)
            counts[RULE].contenders.append(contended)
        for name, test in TESTS.items():
            counts[name].add(test(arms), truth, kind.losses - kind.unstable)
    return counts


def table(kind: Survey, counts: Mapping[str, Counts]) -> list[str]:
    """The lines of the table of one kind of survey."""
    lines = [f"### {kind.name[0].upper()}{kind.name[1:]}", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join([name, *one.cells()]) + " |" for name, one in counts.items()]
    return [*lines, ""]


def page(
    tables: Sequence[str], counts: Mapping[str, Mapping[str, Counts]], repetitions: int
) -> str:
    """The page as Markdown."""
    half = 100 * math.sqrt(0.25 / repetitions)
    twentieth = 100 * math.sqrt(0.05 * 0.95 / repetitions)
    head = TEXT.format(
        repetitions=f"{repetitions:,}", half=f"{half:.1f}", twentieth=f"{twentieth:.1f}",
        least=statistics.LEAST, baseline=statistics.BASELINE_SEEDS, pairs=statistics.LEAST_PAIRS,
        margin=MARGIN, arms=statistics.LEAST_ARMS, best=BEST, shows=shown(counts),
    )  # fmt: skip
    return head + "\n" + "\n".join(tables).rstrip() + "\n"


def shown(counts: Mapping[str, Mapping[str, Counts]]) -> str:
    """The sentences that a reader takes along, from the counts."""
    few, five = counts["32 losses, 3 seeds"], counts["32 losses, 5 seeds"]
    calm = counts["32 losses, none unstable, 3 seeds"][RULE]
    one_stage = counts["43 losses, 3 seeds"][RULE]
    second = {n: counts[f"43 losses, 3 seeds, then {n} of the contenders"][RULE] for n in (5, 8)}
    rule, own, drawn, pairs = (few[n] for n in (RULE, "Welch", "Welch, moderated", "paired t"))
    return "\n".join(
        [
            f"- At 3 seeds the paired t finds {_share(pairs.found[12.0])} % of differences of 12 "
            f"points among 32 losses and Welch's own variances {_share(own.found[12.0])} %; the "
            f"rule finds {_share(rule.found[12.0])} %. Where a difference is not resolved, reports "
            "print it with its interval all the same.",
            f"- The price at 3 seeds: a false discovery in {_share(rule.surveys)} % of surveys "
            f"with unstable losses ({_share(drawn.surveys)} % where these may borrow the calm of "
            f"the others, {_share(own.surveys)} % where nobody borrows), in "
            f"{_share(calm.surveys)} % without any. So what three seeds find of a loss that "
            "scatters is worth new seeds.",
            f"- At 5 seeds it is {_share(five[RULE].surveys)} %, and "
            f"{_share(five[RULE].found[1.0])} % of differences of 1 point are found "
            f"(paired t: {_share(five['paired t'].found[1.0])} %).",
            f"- Its intervals cover {_share(rule.covered[True])} % at 3 seeds and "
            f"{_share(five[RULE].covered[True])} % at 5; those of unstable losses "
            f"{_share(rule.covered[False])} and {_share(five[RULE].covered[False])} %.",
            "- In two stages, 3 seeds of 43 losses and more of the "
            f"{np.mean(second[8].contenders):.1f} that contend, the first seeds choose and count, "
            f"too: a false discovery in {_share(second[5].surveys)} % of surveys with 5 seeds of "
            f"these and in {_share(second[8].surveys)} % with 8 (3 seeds of all and no second "
            f"stage: {_share(one_stage.surveys)} %), and {_share(second[5].found[1.0])} % and "
            f"{_share(second[8].found[1.0])} % of differences of 1 point are found "
            f"({_share(one_stage.found[1.0])} %). The best of what is found looks "
            f"{np.mean(second[5].flattery):.2f} and {np.mean(second[8].flattery):.2f} points "
            f"better than it is ({np.mean(one_stage.flattery):.2f}).",
        ]
    )


TEXT = """\
# Statistics: which test, and what it can see

Made by `scripts/simulate_statistics.py` of the functions in `src/lossatlas/analysis/statistics.py`.

Losses of a scenario are compared with the baseline **by arms**: Welch's t, each variance the larger
of the arm's own and the one that is drawn towards the variances of all arms of the scenario (Smyth,
2004, doi:10.2202/1544-6115.1027), with the degrees of freedom of the latter; with fewer than {arms}
arms each variance is its own. p-values are corrected over the losses of a scenario (Holm).

- A difference that is not resolved and whose 95 % interval lies within ±{margin:g} points is called
  *equivalent*: two one-sided tests at 2.5 % each, not corrected over the losses.
- With fewer than {least} seeds of either arm a difference is printed and nothing is said of it.
- The baseline is meant to have {baseline} seeds, because its own error is in every difference of a
  scenario; with fewer the report says so.
- From {pairs} seeds on that both have, the difference by pairs stands beside, uncorrected and
  without a conclusion.

## The simulation

{repetitions} surveys of each kind. Standard deviations: median 0.35 points, lognormal (0.4) over
the losses; 1.4 for losses that are 12 points behind; 1.5 to 3 for the unstable losses, of which
there are 4 among 32 and 43, and 1 among fewer. Correlation with the baseline over the seeds:
0.8, 0 or -0.6. True differences of the stable losses: half 0, the others -0.6, 1, -2 and -12
points; of the unstable ones 0 unless said. The baseline has 8 seeds unless said.

All numbers are percent: of surveys with at least one false discovery (after Holm, of a difference
that is 0 or of the other sign); of losses with that true difference that are found (after Holm); of
95 % intervals that cover the true difference, of stable and of unstable losses; of losses with true
difference 0, and 0.6, that are called equivalent. The Monte Carlo standard error of a share of
surveys is at most {half} (at 5 %: {twentieth}); shares of losses are of more cases, but cases of
one survey share its baseline.

In two stages the losses whose interval reaches the best {best} means after the first have more
seeds, as `loss=contenders()` gives them, and all seeds of a loss count.

A collapsed run lies 20 points lower, and the true difference is the mean over all that could
happen: no test of a few seeds can know of collapses that it has not seen.

## What it shows

{shows}
"""


def main() -> None:
    """Simulate all kinds of surveys and write the page."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    tables: list[str] = []
    counts = {}
    for kind in SURVEYS:
        counts[kind.name] = simulate(kind, repetitions)
        lines = table(kind, counts[kind.name])
        print("\n".join(lines), flush=True)
        tables += lines
    PAGE.write_text(page(tables, counts, repetitions))


if __name__ == "__main__":
    main()
