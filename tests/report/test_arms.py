"""Which runs are compared with which."""

import re

import pandas as pd
import pytest

from lossatlas.analysis import across, arms, measures
from lossatlas.analysis.statistics import detectable
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.report import card_page, figures, sentences, tables
from lossatlas.report.headline import headline
from lossatlas.results.travel import machine
from rows import BASE, only, row, survey, whole


def main(condition, found):
    families = dict.fromkeys((arm.loss for arm in condition.arms), "a family")
    return tables.main_table(condition, list(found.values()), families)


def test_tuning_runs_and_empty_fields_are_left_out():
    table = pd.DataFrame([row("focal", 0, 0.5), row("focal", 1, float("nan"), holdout=5000)])
    [kept] = arms.rows(table)
    assert kept["seed"] == 0
    assert "holdout" not in kept


def test_a_diverged_run_counts_and_is_counted():
    runs = [row("cross_entropy", s, 0.7 + s / 100) for s in (0, 1)]
    runs += [
        row("focal", 0, 0.6),
        row("focal", 1, 0.1, "diverged"),
        row("focal", 2, None, "diverged"),
    ]
    condition, found = only(runs)
    assert found["focal"].cell.n == 2
    assert found["focal"].cell.mean == pytest.approx(0.35)
    assert found["focal"].diverged == 2
    said = " ".join(sentences.limits([(condition, list(found.values()))]))
    assert "Diverged runs: 2, of which 1 left no accuracy." in said


def test_a_loss_that_only_failed_keeps_its_row():
    condition, found = only([row("cross_entropy", 0, 0.7), row("focal", 0, None, "failed")])
    assert found["focal"].cell.n == 0
    body = main(condition, found)["rows"]
    assert [cell["text"] for cell in body[1]] == ["focal", "a family", "–", "–", "–", "0"]


def test_other_hyperparameters_make_another_arm():
    runs = [
        row("focal", 0, 0.6, **{"loss.gamma": 2.0}),
        row("focal", 0, 0.5, **{"loss.gamma": 3.0}),
    ]
    _, found = only(runs)
    assert sorted(found) == ["focal (gamma 2.0)", "focal (gamma 3.0)"]


@pytest.mark.parametrize(("key", "usual", "less"), [("train_size", 50000, 1000), ("epochs", 3, 1)])
def test_runs_of_a_changed_recipe_are_never_taken_for_those_of_the_recipe(key, usual, less):
    full = [row("cross_entropy", s, 0.7 + s / 100, **{key: usual}) for s in range(3)]
    cut = row("cross_entropy", 0, 0.2, run_id="cut", started=9, **{key: less})
    condition, found = only([*full, cut])
    assert sorted(found) == sorted(f"cross_entropy ({key} {n})" for n in (usual, less))
    assert condition.replaced == 0
    assert condition.baseline.label == f"cross_entropy ({key} {usual})"
    # of another loss, too: it is compared, and its label says what else differs
    other = [row("focal", s, 0.3, **{key: less}) for s in range(3)]
    assert set(only([*full, *other])[1]) == {
        f"cross_entropy ({key} {usual})",
        f"focal ({key} {less})",
    }


def test_a_diverged_run_stays_in_its_arm_though_it_does_not_say_its_size():
    runs = [row("cross_entropy", s, 0.7, train_size=50000) for s in range(3)]
    runs.append(row("focal", 0, 0.1, "diverged"))
    assert set(only(runs)[1]) == {"cross_entropy", "focal"}


def test_hyperparameters_that_are_not_the_cards_are_named():
    runs = [row("focal", s, 0.6, **{"loss.gamma": gamma}) for s, gamma in ((0, 2.0), (1, 2.0))]
    assert list(only(runs)[1]) == ["focal"]
    runs = [row("focal", seed, 0.6, **{"loss.gamma": 3.0}) for seed in (0, 1)]
    assert list(only(runs)[1]) == ["focal (gamma 3.0)"]
    runs = [row("unknown", seed, 0.6, **{"loss.gamma": 3.0}) for seed in (0, 1)]
    assert list(only(runs)[1]) == ["unknown"]


def test_a_hyperparameter_that_the_code_did_not_have_is_in_no_label():
    rows = [row("own", 0, 0.5, **{"loss.scale": 1.0}), row("own", 1, 0.6, **{"loss.c": 2.0})]
    assert set(only(rows)[1]) == {"own (scale 1.0)", "own (c 2.0)"}


def test_a_sum_is_named_by_its_terms():
    runs = [row("sum", seed, 0.6, **{"loss.terms": "nce + 0.1 * rce"}) for seed in (0, 1)]
    assert list(only(runs)[1]) == ["sum (terms nce + 0.1 * rce)"]


def test_the_newer_of_two_equal_runs_counts():
    runs = [row("focal", 0, 0.6, started=2.0), row("focal", 0, 0.5, started=1.0)]
    condition, found = only(runs)
    assert found["focal"].cell.mean == 0.6
    assert condition.replaced == 1
    assert any("replaced by newer ones: 1" in s for s in sentences.limits([(condition, [])]))


def test_without_a_baseline_no_difference_is_given():
    condition, found = only([row("focal", s, 0.5 + s / 10) for s in (0, 1)])
    results = list(found.values())
    assert found["focal"].conclusion == "not compared"
    assert len(main(condition, found)["head"]) == 6
    told = "no run of `cross_entropy` is there."
    assert sentences.answer(condition, results) == [f"Nothing is compared: {told}"]
    where = "`clean` (recipe `quick`, model `airnet`, data `cifar10`)"
    assert headline([(condition, results)], []) == [f"Nothing is compared in {where}: {told}"]


@pytest.mark.parametrize(
    ("state", "told"),
    [("failed", "no run of `cross_entropy` has finished"),
     ("diverged", "the runs of the baseline `cross_entropy` left no test accuracy"),
     ("running", "no run of `cross_entropy` has finished")],
)  # fmt: skip
def test_a_baseline_that_failed_or_diverged_is_said_and_the_table_is_made(state, told):
    runs = [row("cross_entropy", s, None, state) for s in range(3)]
    condition, found = only([*runs, *(row("focal", s, 0.5 + s / 10) for s in range(3))])
    results = list(found.values())
    assert sentences.answer(condition, results) == [f"Nothing is compared: {told}."]
    assert found["focal"].conclusion == "not compared"
    assert len(main(condition, found)["rows"]) == 2
    assert across.summaries([(condition, results)]) == []


def test_one_seed_gives_no_interval_and_says_so():
    condition, found = only([row("cross_entropy", 0, 0.7), row("focal", 0, 0.65)])
    results = list(found.values())
    told = "too few seeds for a statement (3 of each loss are asked for)"
    assert sentences.answer(condition, results)[1] == (
        f"−5.00 points (no interval, n=1 against 1) for `focal`: {told}, against `cross_entropy`."
    )
    first, ground = headline([(condition, results)], [])
    assert first == (
        "In `clean`: **`focal` is not shown to be better than `cross_entropy` (70.00 %)** in test "
        f"accuracy, −5.00 points (no interval, n=1 against 1): {told}."
    )
    assert ground == "All with recipe `quick`, model `airnet`, data `cifar10`."
    limits = sentences.limits([(condition, results)])
    assert sentences.ONE_SEED in limits
    assert sentences.FEW_SEEDS in limits


def test_resolved_equivalent_unresolved_and_untold_losses_are_told_apart():
    condition, found = only(
        survey(
            cross_entropy=BASE,
            focal=[a + 0.05 for a in BASE[:4]],
            gce=[0.72, 0.68, 0.73, 0.67],
            mae=[a + 0.0005 for a in BASE],
            brier=[a + 0.003 + 1e-4 * (-1) ** i for i, a in enumerate(BASE)],
            nce=[0.1, 0.2],
        )
    )
    words = {label: one.conclusion for label, one in found.items() if label != "cross_entropy"}
    assert words == {
        "focal": "higher", "gce": "not resolved", "mae": "equivalent", "brier": "higher",
        "nce": "too few seeds",
    }  # fmt: skip
    assert found["brier"].within
    assert found["brier"].paired.mean == pytest.approx(0.003)
    assert found["focal"].paired is None
    said = sentences.answer(condition, list(found.values()))
    assert len(said) == 7
    assert said[0].startswith(
        "70.05 % test accuracy in the last epoch: the baseline `cross_entropy` (n=8, "
    )
    assert said[1] == "`focal` is the highest of 5 losses."
    assert said[2].startswith("+5.00 points (95 % interval +4.")
    assert "n=4 against 8) for `focal`; +0.30 points (95 % interval" in said[2]
    assert said[2].endswith("for `brier`: higher (better), against `cross_entropy`.")
    assert "for `mae`: equivalent within ±0.5 points, against `cross_entropy`." in said[3]
    assert said[4].startswith("−0.05 points (95 % interval")
    assert said[4].endswith("`gce`: not resolved, against `cross_entropy`.")
    assert said[5].startswith("−55.05 points (no interval, n=2 against 8) for `nce`: too few seeds")
    body = main(condition, found)
    assert [r[8]["text"] for r in body["rows"]] == [
        "▲ higher", "▲ higher (=)", "= equivalent", "the baseline", "≈ not resolved",
        "too few seeds",
    ]  # fmt: skip
    assert body["rows"][1][-1]["text"].startswith("+0.30 [")
    assert body["rows"][0][-1]["text"] == "–"
    assert {len(row) for row in body["rows"]} == {len(body["head"])}
    [first, sure] = headline([(condition, list(found.values()))], [])
    assert first.startswith("In `clean`: **`focal` +5.00 points (95 % interval +4.")
    assert first.endswith(
        "n=4 against 8)** in test accuracy, better than `cross_entropy`, 75.05 against 70.05 %; "
        "the highest of 5 losses; the others: 1 better, 1 equivalent, 1 not resolved, 1 with too "
        "few seeds."
    )
    least = sorted(d for one in found.values() if (d := detectable(one.difference)) is not None)
    middle = (least[1] + least[2]) / 2
    assert len(least) == 4
    assert f"true difference of {100 * middle:.2f} points, for the median loss and" in said[6]
    assert sure == "All with recipe `quick`, model `airnet`, data `cifar10`."


def test_variances_that_are_not_moderated_are_not_said_to_be():
    for few, own in ((True, True), (False, False)):
        losses = ["focal", "gce", "mae"] + ["sce", "rce"] * (not few)
        runs = survey(cross_entropy=BASE, **{one: [0.71, 0.72, 0.735] for one in losses})
        condition, found = only(runs)
        families = dict.fromkeys((*losses, "cross_entropy"), "likelihood")
        notes = " ".join(tables.main_table(condition, list(found.values()), families)["notes"])
        assert ("each variance that of its own seeds." in notes) is own
        assert ("that all arms of the scenario suggest" in notes) is not own


def test_a_baseline_of_few_seeds_is_said_before_anything():
    runs = survey(cross_entropy=BASE[:4], focal=BASE[:3])
    condition, found = only(runs)
    results = list(found.values())
    assert "n=4, 95 % interval" in sentences.answer(condition, results)[0]
    [notice] = sentences.notices([(condition, results)], runs)
    assert notice.startswith("**Few seeds of the baseline:** 4 in `clean` (recipe `quick`, model")
    assert notice.endswith("8 are asked for, because its own error is in every difference.")
    more = survey(cross_entropy=BASE, focal=BASE[:3])
    assert sentences.notices([(only(more)[0], list(only(more)[1].values()))], more) == []


def test_equal_values_everywhere_are_no_test():
    condition, found = only(survey(cross_entropy=[0.7] * 3, focal=[0.6] * 3))
    assert found["focal"].conclusion == "no test"
    said = sentences.answer(condition, list(found.values()))
    assert said[1] == (
        "−10.00 points (no interval, n=3 against 3) for `focal`: no test, without spread between "
        "the seeds, against `cross_entropy`."
    )


def test_losses_that_are_only_shown_do_not_count_in_holms_correction():
    few = survey(cross_entropy=BASE, focal=[0.7, 0.72, 0.73], **{f"x{i}": [0.5] for i in range(20)})
    _, found = only(few)
    assert found["focal"].p_holm == pytest.approx(found["focal"].difference.p)


def test_another_metric_baseline_and_pair():
    runs = [
        row(loss, s, 0.7, test_nll=nll + s / 1000)
        for loss, nll in (("cross_entropy", 0.9), ("focal", 0.8), ("mae", 2.0))
        for s in range(4)
    ]
    [condition] = arms.conditions(runs, [], "focal", measures.find("nll"))
    assert condition.baseline.label == "focal"
    results = arms.results(condition)
    assert [one.arm.label for one in results] == ["focal", "cross_entropy", "mae"]
    said = sentences.answer(condition, results)
    assert said[0].startswith("0.802 nats NLL in the last epoch: the baseline `focal` (n=4, ")
    assert said[1] == (
        "No loss is shown to be better than `focal`; the lowest end of the 2 intervals is +0.098 "
        "nats."
    )
    assert said[2].startswith("+0.100 nats (95 % interval +0.09")
    assert said[2].endswith("for `mae`: higher (worse), against `focal`.")
    first = main(condition, {one.arm.label: one for one in results})
    assert first["head"][:4] == ["Loss", "family", "NLL, nats", "sd, nats"]
    assert [r[0]["text"] for r in first["rows"]] == ["focal", "cross_entropy", "mae"]
    found = [(condition, results)]
    [line] = sentences.comparison(found, "mae", "cross_entropy")
    assert line.startswith("**+1.100 nats (95 % interval +1.0")
    assert "n=4 against 4)** in NLL for `mae` minus `cross_entropy` in `clean` (recipe" in line
    assert line.endswith(": higher (worse).")
    assert len(tables.comparison_table(found, "mae", "cross_entropy")["rows"]) == 1
    [line] = sentences.comparison(found, "mae", "gce")
    assert line.startswith("`mae` and `gce` are not both measured in `clean` (recipe")
    assert tables.comparison_table(found, "mae", "gce") is None


def test_losses_of_several_scenarios_stand_side_by_side():
    runs = survey(cross_entropy=BASE, focal=[0.72, 0.73, 0.74], gce=[0.60, 0.61, 0.62])
    there = survey(cross_entropy=BASE, gce=[0.78, 0.79, 0.80], mae=[0.5] * 2)
    found = [
        (c, arms.results(c))
        for c in arms.conditions([*runs, *(one | {"scenario": "noise"} for one in there)], [])
    ]
    families = dict.fromkeys(("cross_entropy", "focal", "gce", "mae"), "likelihood")
    told = tables.beside_table(found, families)
    assert told["head"] == ["Loss", "family", "clean (recipe quick)", "noise (recipe quick)"]
    [[name, _, clean, noise]] = told["rows"]  # what one scenario alone has says nothing here
    assert (name["text"], name["loss"]) == ("gce", "gce")
    assert re.fullmatch(r"−9\.05 \[−\S+, −\S+\] ▼", clean["text"])
    assert re.fullmatch(r"\+8\.95 \[\+\S+, \+\S+\] ▲", noise["text"])
    assert tables.beside_table(found[:1], families) is None
    few = [(c, [one for one in results if one.arm.loss != "gce"]) for c, results in found]
    assert tables.beside_table(few, families) is None


def test_a_metric_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="--metric 'speed': there is no such metric; legal: test_"):
        measures.find("speed")


def test_several_scenarios_are_summed_up():
    runs = survey(cross_entropy=BASE, focal=[0.72, 0.73, 0.74])
    runs += [one | {"scenario": name} for name in ("few_labels", "long_tail") for one in runs]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    [told] = across.summaries(found)
    first, second = sentences.across(told)
    assert first.startswith("**+2.95 points** (bootstrap interval +2.")
    assert ", too short as it is of 3 scenarios alone) for" in first
    assert "for `focal` over 3 scenarios and recipes on `cifar10`: the best interq" in first
    assert "baseline, of the one loss that all of them have beside the baseline; a run" in first
    assert not any("interquartile" in one for one in headline(found, [told]))
    assert first.endswith("is better than one of the baseline with probability 1.00.")
    assert second == (
        "1.0 is the best mean rank over 3 scenarios and recipes on `cifar10`, of the one loss that "
        "all of them have beside the baseline and the baseline itself, that of `focal` (sd 0.0)."
    )
    assert figures.gains(told, {}).data.splitlines()[0] == "loss,seed,points,low,high"
    two = across.summaries(found[:2])
    assert [figures.gains(one, {}) for one in two] == [None]  # no interval from two conditions
    assert [r[0]["text"] for r in tables.across_table(told)["rows"]] == ["focal", "cross_entropy"]


def test_recipes_models_and_data_are_named_with_each_sentence_where_they_differ():
    runs = [row("cross_entropy", s, 0.7 + s / 100) for s in range(3)]
    runs += [row("focal", s, 0.6 + s / 100) for s in range(3)]
    runs += [one | {"recipe": "long"} for one in runs]
    more = {"target": "two_view", "knn_accuracy": 0.5, "knn_accuracy_untrained": 0.4}
    runs += [row("nt_xent", 0, **more)]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    said = headline(found, [])
    assert len(said) == 4
    kinds = (("", "long"), ("", "quick"), (", embedding losses", "quick"))
    for sentence, (kind, recipe) in zip(said, kinds, strict=False):
        assert f"In `clean`{kind} (recipe `{recipe}`): " in sentence
    assert said[-1].endswith("All with model `airnet`, data `cifar10`.")
    mixed = [one | {"data": "mine"} for one in runs if one["recipe"] == "long"]
    mixed += [one for one in runs if one["recipe"] != "long"]
    found = [(c, arms.results(c)) for c in arms.conditions(mixed, [])]
    told = headline(found, [])
    assert any("In `clean` (recipe `long`, model `airnet`, data `mine`)" in one for one in told)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"data": "synthetic"}, "synthetic images"), ({"recipe": "smoke"}, "smoke recipe"),
        ({"data": "synthetic", "recipe": "smoke"}, "synthetic images and smoke recipe"),
    ],
)  # fmt: skip
def test_what_is_no_finding_says_so_and_is_compared_with_nothing(more, why):
    runs = [row("cross_entropy", s, 0.3 + s / 100, **more) for s in range(4)]
    runs += [row("focal", s, 0.9 + s / 1000, **more) for s in range(4)]
    embedded = {"target": "two_view", "knn_accuracy": 0.45, "knn_accuracy_untrained": 0.30}
    runs += [row("nt_xent", s, **embedded, **more) for s in range(2)]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    assert {c.trial for c, _ in found} == {why}
    for condition, results in found:
        assert {one.conclusion for one in results} == {"not compared"}
        assert figures.forest(condition, results, {}) is None
        assert sentences.answer(condition, results) == [f"Nothing is compared: no finding ({why})."]
    [notice] = sentences.notices(found, runs)
    assert notice.startswith(f"**{why.capitalize()}: no finding.** The runs in `clean` (recipe ")


def test_findings_beside_trials_stay_findings():
    runs = [row(loss, 0, 0.5, **more) for loss in ("cross_entropy", "focal")
            for more in ({}, {"data": "synthetic"})]  # fmt: skip
    real, made_up = arms.conditions(runs, [])
    assert (real.trial, made_up.trial) == (None, "synthetic images")
    assert real.baseline is not None
    assert real.key != made_up.key
    said = sentences.scenarios([(c, arms.results(c)) for c in (real, made_up)])
    assert said == [
        "`clean` on `cifar10`: the labels as published.",
        "`clean` on `synthetic`: synthetic images.",
    ]  # fmt: skip


def test_rows_of_several_machines_are_told_apart_as_far_as_they_tell():
    old, new = (
        {"hardware": "AMD EPYC, 2 cores"},
        {"cpu": "AMD, model 1", "cpu_capability": "AVX512"},
    )
    runs = [row("focal", s, 0.5, **old) for s in (0, 1)]
    assert set(map(machine, runs)) == {"AMD EPYC, 2 cores"}
    assert sentences.notices([], runs) == []
    runs += [row("gce", 0, 0.5, **old, **new), row("gce", 1, 0.5, **old | new | {"cpu": "AMD, 2"})]
    runs += [row("mae", 0, None, "failed", hardware="never counted")]
    [notice] = sentences.notices([], runs)
    assert notice.startswith(
        "**Rows of 3 kinds of machine:** `AMD EPYC, 2 cores` (2 rows); "
        "`AMD EPYC, 2 cores (AMD, 2; AVX512)` (1 row); "
        "`AMD EPYC, 2 cores (AMD, model 1; AVX512)` (1 row). Runs of one id differ between"
    )
    cuda = [row("focal", s, 0.5, hardware="GPU", device="cuda", cpu=f"host {s}") for s in (0, 1)]
    assert set(map(machine, cuda)) == {"GPU"}


def test_losses_of_other_machines_than_the_baselines_are_named():
    runs = [row("cross_entropy", s, 0.5, cpu="AMD") for s in (0, 1)]
    runs += [row("focal", s, 0.5, cpu="Intel") for s in (0, 1)]
    runs += [row("gce", 0, 0.5, cpu="Intel"), row("gce", 1, 0.5, cpu="AMD")]
    condition, found = only(runs)
    *_, told = sentences.notices([(condition, list(found.values()))], runs)
    assert told.startswith("**Other machines than the baseline's** in `clean` (")
    assert told.endswith(
        "): `focal` (all of 2 seeds), `gce` (1 of 2 seeds). A difference to it may be in part one "
        "of the machines."
    )


def test_one_kind_of_machine_is_named_and_no_more_is_claimed():
    runs = [row("focal", s, 0.5, hardware="a processor", cpu="model 1") for s in (0, 1)]
    condition, found = only(runs)
    said = sentences.limits([(condition, list(found.values()))])
    assert any("one kind of machine, `a processor (model 1)`, as far as" in one for one in said)


def test_what_a_recipe_went_through_is_told_of_its_runs_only():
    known = [{"recipe": "quick", "data": "cifar10", "says": "It was screened."}]
    for more, told in (({}, True), ({"recipe": "mine"}, False), ({"data": "synthetic"}, False)):
        condition, found = only([row("focal", 0, 0.5, **more)])
        said = sentences.limits([(condition, list(found.values()))], known)
        assert ("It was screened." in said) is told
        assert not [sentence for sentence in said if "screened on" in sentence]


def test_recipes_models_and_data_are_not_mixed():
    runs = [row("focal", 0, 0.5), row("focal", 0, 0.6, model="resnet18")]
    found = arms.conditions(runs, [])
    assert [len(c.arms) for c in found] == [1, 1]
    assert len({c.key for c in found}) == 2


def test_a_scenarios_parameters_are_part_of_the_condition():
    noisy = {"scenario": "symmetric_noise"}
    runs = [
        row(loss, seed, 0.5, **noisy, **{"scenario.probability": share})
        for loss in ("cross_entropy", "focal")
        for seed in (0, 1)
        for share in (0.2, 0.4)
    ]
    runs += [row("focal", 0, 0.5, scenario="long_tail", **{"scenario.imbalance": 100.0})]
    found = arms.conditions(runs, [])
    assert [c.setting for c in found] == [
        "long_tail, imbalance 100", "symmetric_noise, probability 0.2",
        "symmetric_noise, probability 0.4",
    ]  # fmt: skip
    assert [sum(len(arm.runs) for arm in c.arms) for c in found] == [1, 4, 4]
    assert [c.replaced for c in found] == [0, 0, 0]
    assert len({c.key for c in found}) == 3
    assert found[1].title.startswith("symmetric_noise, probability 0.2 (recipe ")
    assert {c.scenario for c in found} == {"long_tail", "symmetric_noise"}


def test_embedders_have_their_own_condition_and_the_untrained_encoder_as_zero():
    more = {"target": "two_view", "knn_accuracy": 0.45, "knn_accuracy_untrained": 0.30}
    runs = [row("cross_entropy", 0, 0.7), row("nt_xent", 0, **more)]
    classes, embeddings = arms.conditions(runs, [])
    assert [arm.loss for arm in classes.arms] == ["cross_entropy"]
    [found] = arms.results(embeddings)
    assert found.difference.mean == pytest.approx(0.15)
    assert sentences.answer(embeddings, [found]) == [
        "+15.00 points (no interval, n=1 against 1) for `nt_xent`: too few seeds for a statement "
        "(3 of each loss are asked for), against the untrained encoder."
    ]


@pytest.mark.parametrize(
    ("asked", "of_classes"),
    [("nll", "test_nll"), ("knn_accuracy", "test_accuracy"), ("accuracy", "test_accuracy")],
)
def test_networks_without_the_measure_that_is_asked_for_keep_what_counts_for_them(
    asked, of_classes
):
    runs = [row("cross_entropy", 0, 0.7), row("nt_xent", 0, target="two_view", knn_accuracy=0.5)]
    found = arms.conditions(runs, [], measure=measures.find(asked))
    assert [c.measure.field for c in found] == [of_classes, "knn_accuracy"]


def test_scenarios_are_told_with_what_was_measured_of_them():
    more = {"train_size": 50_000, "scenario": "symmetric_noise", "scenario.probability": 0.4}
    runs = [
        row("cross_entropy", s, 0.7, effective_noise=x, **more) for s, x in ((0, 0.4), (1, 0.39))
    ]
    runs += [row("focal", 0, 0.7, train_size=50_000, effective_noise=0.0)]
    runs += [row("focal", 0, 0.7, scenario="strange")]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    assert sentences.scenarios(found) == [
        "`clean`: the labels as published; 50,000 training images.",
        "`strange`: not described.",
        "`symmetric_noise, probability 0.4`: this share of each class's labels is replaced by one "
        "of the other classes, drawn uniformly; 50,000 training images; the targets of 39.00 "
        "to 40.00 % of them leave out the true class.",
    ]


def test_limits_tell_where_the_rates_come_from():
    runs = [row("focal", 0, 0.7, lr_source="given"), row("focal", 1, 0.7, lr_source="tuned")]
    condition, found = only(runs)
    said = sentences.limits([(condition, list(found.values()))])
    assert [source for source, text in sentences.RATES.items() if text in said] == [
        "tuned", "given",
    ]  # fmt: skip


def test_settings_name_what_differs_by_the_smallest_group():
    runs = [
        row("focal", 0, 0.5, batch_size=256, threads=1, epochs=3),
        row("focal", 0, 0.5, batch_size=256, threads=2, epochs=3, scenario="noisy"),
        row("gce", 0, 0.5, batch_size=128, threads=1, epochs=3),
    ]

    def told():
        tables_of = tables.settings_tables(runs)
        return [{r[0]["text"]: r[1]["text"] for r in one["rows"]} for one in tables_of]

    differing, shared = told()
    assert shared["epochs"] == "3"
    assert differing == {
        "threads": "1 (clean); 2 (noisy)", "batch_size": "128 (gce); 256 (focal)",
    }  # fmt: skip
    some = row("focal", 0, 0.5, scenario="noisy", **{"config.recipe.train_limit": 10})
    limited = tables.settings_tables([row("focal", 0, 0.5), some])[0]["rows"]
    texts = {one[0]["text"]: one[1]["text"] for one in limited}
    assert texts["recipe.train_limit"] == "10 (noisy)"
    many = [row(f"l{i}", 0, 0.5, parameters=1 + (i == 3)) for i in range(10)]
    [[what, text]] = [[cell["text"] for cell in r] for r in tables.settings_tables(many)[0]["rows"]]
    assert (what, text) == ("parameters", "2 (l3); 1 (the other 9 losses)")
    runs[0]["cpu"] = "model 1"
    assert told()[1]["cpu"] == "model 1 (of 1 rows that tell)"
    assert tables.settings_tables(runs[:1])[0] is None


def test_a_card_page_counts_no_trial_as_a_result(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "none"))
    card = registry.get_card("focal")
    for more, shown in (({}, True), ({"data": "synthetic"}, False), ({"recipe": "smoke"}, False)):
        table = pd.DataFrame([whole("focal-0") | row("focal", 0, 0.5, **more)])
        table.to_csv(tmp_path / "results.csv")
        measured = card_page.experiments([tmp_path / "results.csv"], tmp_path / "cards")
        found = card_page._experiments(card, "#000000", measured)
        assert bool(found["experiments"]) is shown


def test_a_card_page_tells_of_two_reports_the_one_of_more_seeds(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "none"))
    card = registry.get_card("focal")
    for name, seeds, started in (("older", 5, 1.0), ("newer", 3, 2.0), ("newest", 3, 3.0)):
        made = [row("focal", s, 0.5 + s / 100) for s in range(seeds)]
        table = pd.DataFrame(whole(f"{name}-{i}") | one for i, one in enumerate(made))
        table.assign(started=started).to_csv(tmp_path / f"{name}.csv")
    for names, told in ((("older", "newer"), "older"), (("newer", "newest"), "newest")):
        reports = [tmp_path / f"{name}.csv" for name in names]
        measured = card_page.experiments(reports, tmp_path / "cards")
        [table] = card_page._experiments(card, "#000000", measured)["experiments"]
        assert f"{told}.csv" in table["notes"][0]


def test_the_seeds_that_no_choice_was_made_on_stand_alone_beside_all():
    runs = survey(cross_entropy=BASE, focal=[0.75, 0.76, 0.77], gce=[0.60, 0.61, 0.62])
    runs += [row("focal", 3 + i, a, chosen_on="0, 1, 2") for i, a in enumerate((0.71, 0.73))]
    condition, found = only(runs)
    base = sum(BASE) / len(BASE)
    assert found["focal"].difference.n == 5
    assert (found["focal"].fresh.n, found["gce"].fresh) == (2, None)
    assert found["focal"].fresh.mean == pytest.approx(0.72 - base)
    [said, *_] = headline([(condition, list(found.values()))], [])
    assert "(its 2 newest seeds alone: +1.95 points)" in said
    table = main(condition, found)
    texts = {line[0]["text"]: line[-1]["text"] for line in table["rows"]}
    assert table["head"][-1] == "newest seeds alone [95 % interval] (seeds)"
    assert texts == {"focal": "+1.95 (2)", "gce": "–", "cross_entropy": "–"}
    limits = sentences.limits([(condition, list(found.values()))])
    assert sentences.CHOSEN in limits
    condition, found = only(survey(cross_entropy=BASE, focal=[0.75, 0.76, 0.77]))
    assert sentences.CHOSEN not in sentences.limits([(condition, list(found.values()))])
    assert "newest" not in str(main(condition, found))


def test_three_new_seeds_have_an_interval_and_what_chose_later_ones_is_not_new():
    runs = survey(cross_entropy=BASE, focal=[0.75, 0.76, 0.77], gce=[0.60, 0.61, 0.62])
    runs += [row("focal", s, 0.78, chosen_on="0, 1, 2") for s in (3, 4)]
    runs += [
        row("focal", 5 + i, a, chosen_on="0, 1, 2, 3, 4") for i, a in enumerate((0.71, 0.72, 0.73))
    ]
    condition, found = only(runs)
    fresh = found["focal"].fresh
    assert (found["focal"].difference.n, fresh.n) == (8, 3)
    assert fresh.mean == pytest.approx(0.72 - sum(BASE) / len(BASE))
    ends = f"{100 * fresh.low:+.2f}", f"{100 * fresh.high:+.2f}"
    low, high = (one.replace("-", "−") for one in ends)
    [said, *_] = headline([(condition, list(found.values()))], [])
    assert f"(its 3 newest seeds alone: +1.95 points, 95 % interval {low} to {high})" in said
    [texts] = [line for line in main(condition, found)["rows"] if line[0]["text"] == "focal"]
    assert texts[-1]["text"] == f"+1.95 [{low}, {high}] (3)"


def test_the_picture_over_conditions_holds_its_intervals():
    losses = [("focal", 0.6, 0.1, 1.4), ("gce", 0.2, -0.8, 2.8)]
    frame = pd.DataFrame(losses, columns=["loss", "points", "low", "high"]).assign(seed=None)
    left, right = figures._window(frame, frame[:0], "points")
    assert left < -0.8
    assert right > 2.8


@pytest.mark.parametrize("sign", [1, -1])
def test_a_picture_of_many_losses_is_drawn_for_the_better_half(sign):
    means = [-40.0, -9.0, -8.0, -7.0, -0.5, 0.2, 0.5, 1.0]  # the worst first
    arms = pd.DataFrame({"loss": [f"l{i}" for i in range(8)], "points": means})
    arms = arms.assign(low=arms["points"] - 0.3, high=arms["points"] + 0.3)
    if sign < 0:  # of what is better when it is lower
        arms = arms.assign(points=-arms["points"], low=-arms["high"], high=-arms["low"])
    seeds = arms[["loss", "points"]]
    ends = sorted(sign * end for end in figures._window(arms, seeds, "points"))
    assert ends == pytest.approx([-2.0, 1.3], abs=0.2)
    few = figures._window(arms.iloc[3:], seeds, "points")
    assert min(sign * end for end in few) < -7


def test_a_picture_of_very_many_losses_draws_the_best():
    body = [{"loss": f"l{i}", "seed": None, "points": float(-i), "low": -i - 1.0, "high": 1.0 - i}
            for i in range(figures.TALL + 5)]  # fmt: skip
    [ax] = figures._forest(pd.DataFrame(body), {}, "points", measures.ACCURACY).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"l{i}" for i in reversed(range(figures.TALL))]


def test_what_is_not_told_from_the_best_is_what_the_correction_leaves():
    runs = survey(
        cross_entropy=[0.70 + (-1) ** s * 0.002 for s in range(8)],
        focal=[0.75, 0.752, 0.748], gce=[0.749, 0.751, 0.747], mae=[0.7484, 0.7464, 0.7444],
        sce=[0.60, 0.602, 0.598],
    )  # fmt: skip
    condition, found = only(runs)
    level = arms.level(condition, found["focal"].arm)
    assert [arm.label for arm, _ in level] == ["gce", "mae"]
    assert (level[0][1].low < 0 < level[0][1].high, level[1][1].high < 0) == (True, True)
    said = sentences.answer(condition, list(found.values()))[1]
    assert "differ from `focal`: `gce`, and 1 more only because of Holm's correction." in said
    said = headline([(condition, list(found.values()))], [])[0]
    assert "`gce`, and 1 more only because of Holm's correction; the others: 2 better" in said
    assert [arm.label for arm in arms.ahead(condition, found["sce"].arm)] == ["focal", "gce", "mae"]


def test_a_baseline_of_embeddings_is_the_untrained_encoder_whoever_is_named():
    embedded = {"target": "two_view", "knn_accuracy_untrained": 0.30}
    runs = [
        row(loss, s, knn_accuracy=mean + s / 100, **embedded)
        for loss, mean in (("nt_xent", 0.45), ("barlow_twins", 0.40))
        for s in range(3)
    ]
    [condition] = arms.conditions(runs, [], "nt_xent")
    found = arms.results(condition)
    assert condition.baseline is None
    assert sorted(round(100 * one.difference.mean) for one in found) == [11, 16]
    said = " ".join(sentences.answer(condition, found))
    assert "against the untrained encoder" in said
    assert "`nt_xent`," not in said.replace("for `nt_xent`", "")


def test_seconds_of_runs_that_diverged_or_of_another_machine_compare_nothing():
    runs = [
        row(loss, s, 0.7 + s / 100, cpu=cpu, cpu_s=seconds, device="cpu", state=state)
        for loss, s, cpu, seconds, state in (
            ("cross_entropy", 0, "a", 50.0, "done"), ("cross_entropy", 1, "a", 52.0, "done"),
            ("cross_entropy", 2, "b", 90.0, "done"), ("focal", 0, "a", 60.0, "done"),
            ("focal", 1, "b", 200.0, "done"), ("focal", 2, "a", 2.0, "diverged"),
        )
    ]  # fmt: skip
    condition, found = only(runs)
    assert tables.costs(found["focal"].arm, condition) == ([60.0], "CPU s")
    [said] = [one for one in sentences.answer(condition, list(found.values())) if "CPU s" in one]
    assert said.startswith("Training took 51 (`cross_entropy`) to 60 CPU s (`focal`)")
