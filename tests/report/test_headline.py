"""What a report says on its first screen."""

import re
from dataclasses import replace

from lossatlas.analysis import across, arms, measures
from lossatlas.report import sentences, tables
from lossatlas.report.headline import MOST_SAID, headline
from rows import BASE, only, row, survey


def test_the_answer_names_what_cannot_be_told_from_the_best_and_what_is_higher_but_not_shown():
    near = survey(
        cross_entropy=BASE, focal=[0.75, 0.751, 0.749], gce=[0.752, 0.749, 0.75], mae=[0.72] * 3
    )
    condition, found = only(near)
    first, _ = headline([(condition, list(found.values()))], [])
    assert first.startswith("In `clean`: **`gce` +")
    assert "the highest of 3 losses; not shown to differ from `gce`: `focal`; the others" in first
    wide = survey(cross_entropy=BASE, focal=[0.75, 0.751, 0.749], gce=[0.90, 0.60, 0.90])
    condition, found = only(wide)
    first, _ = headline([(condition, list(found.values()))], [])
    assert first.startswith("In `clean`: **`focal` +")
    assert "the best that is shown (`gce` has +9.95 points (95 % interval" in first
    assert first.endswith(
        "not resolved); not shown to differ from `focal`: `gce`; the others: 1 not resolved."
    )
    section = sentences.answer(condition, list(found.values()))[1]
    assert section == (
        "`focal` is the highest of those shown to be better; not shown to differ from `focal`: "
        "`gce`."
    )


def test_with_a_long_tail_the_answer_says_what_rare_classes_gain_and_frequent_ones_pay():
    def tail(loss, s, accuracy, few, many):
        return row(loss, s, test_accuracy=accuracy, test_few_accuracy=few, test_many_accuracy=many)

    runs = [tail("cross_entropy", s, 0.46 + 0.001 * s, 0.02, 0.88) for s in range(8)]
    runs += [tail("ldam", s, 0.62 + 0.001 * s, 0.55, 0.74) for s in range(3)]
    condition, found = only(runs)
    first, _ = headline([(condition, list(found.values()))], [])
    assert (
        "; accuracy of classes with few training images 55.00 against 2.00 %, of classes with many "
        "training images 74.00 against 88.00 %." in first
    )
    for one in runs:
        one["test_balanced_accuracy"] = one["test_accuracy"]
    runs += [tail("seesaw", s, 0.61 + 0.001 * s, 0.65 + 0.01 * s, 0.74) for s in range(3)]
    condition, found = only(runs)
    first, _ = headline([(condition, list(found.values()))], [])
    assert "; on test classes of equal size, accuracy of classes with few training ima" in first
    assert "55.00 against 2.00 % (the most that is shown: `seesaw`, 66.00 %), of cl" in first


def test_where_no_loss_is_better_the_answer_says_how_much_it_could_be_at_most():
    condition, found = only(survey(cross_entropy=BASE, gce=[0.72, 0.68, 0.73, 0.67], mae=[0.5] * 3))
    first, _ = headline([(condition, list(found.values()))], [])
    high = found["gce"].difference.high
    assert first.startswith(
        "In `clean`: **no loss is shown to be better than `cross_entropy` (70.05 %)** in test "
        "accuracy; the highest of 2, `gce`, has −0.05 points (95 % interval −"
    )
    assert first.endswith(
        "not resolved; the highest end of the 2 intervals is "
        f"+{100 * high:.2f} points; the others: 1 worse."
    )
    assert sentences.answer(condition, list(found.values()))[1] == (
        "No loss is shown to be better than `cross_entropy`; the highest end of the 2 intervals "
        f"is +{100 * high:.2f} points; not shown to differ from it: `gce`."
    )


def test_how_much_it_could_be_at_most_of_a_measure_of_which_less_is_better():
    runs = [
        row(loss, s, test_nll=nll + (-1) ** s * 0.01)
        for loss, nll in (("cross_entropy", 0.8), ("focal", 0.799), ("mae", 1.2))
        for s in range(4)
    ]
    [condition] = arms.conditions(runs, [], measure=measures.find("nll"))
    first, _ = headline([(condition, found := arms.results(condition))], [])
    low = next(one.difference.low for one in found if one.arm.label == "focal")
    assert "the lowest of 2, `focal`, has −0.001 nats (95 % interval −0.0" in first
    assert f"; the lowest end of the 2 intervals is −{-low:.3f} nats; the oth" in first


def test_the_answer_has_six_sentences_at_most_and_names_every_scenario_that_fits():
    runs = survey(cross_entropy=BASE, focal=[0.72, 0.73, 0.74], gce=[0.60, 0.61, 0.62])
    many = [f"noise_{i}" for i in range(9)]
    runs += [
        one | {"scenario": name} for name in many for one in runs if one["scenario"] == "clean"
    ]
    runs += [row("focal", 0, 0.5, scenario="lonely"), row("gce", 0, 0.5, scenario="alone")]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    said = headline(found, across.summaries(found))
    assert len(said) == MOST_SAID
    assert all(re.match(r"In `\w+`: \*\*`\w+` [+−]\d|All with|Nothing", one) for one in said)
    assert "Nothing is compared in `alone`, `lonely`: no run of `cross_entropy` is there." in said
    assert "in `clean` `focal` has +2.9" in said[1]
    assert said[-1].endswith(
        "All with recipe `quick`, model `airnet`, data `cifar10`; 6 more scenarios are in the "
        "tables."
    )


def test_what_the_best_costs_on_clean_labels_is_told_of_another_recipe_too():
    runs = survey(cross_entropy=BASE, gce=[0.60, 0.61, 0.62])
    there = survey(cross_entropy=BASE, gce=[0.78, 0.79, 0.80])
    runs += [one | {"scenario": "noise", "recipe": "long", "epochs": 30} for one in there]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    said = headline(found, [])
    assert "; in `clean`, by another recipe (`quick`), `gce` has −" in said[1]
    assert "against 8) against `cross_entropy` there: lower (worse)" in said[1]
    known = [
        one | {"train_size": 50_000, "epochs": 3 if one["recipe"] == "quick" else 30}
        for one in runs
    ]
    found = [(c, arms.results(c)) for c in arms.conditions(known, [])]
    long = "(`quick`, 3 epochs of 50,000 images; here 30 epochs of 50,000 images), `gce`"
    assert long in headline(found, [])[1]
    third = [one | {"recipe": "middle"} for one in known if one["scenario"] == "clean"]
    found = [(c, arms.results(c)) for c in arms.conditions(known + third, [])]
    assert not any("in `clean`, by another" in one for one in headline(found, []))  # which one?
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    elsewhere = [(c, results) for c, results in found if c.setting != "clean"]
    assert "in `clean`" not in headline(elsewhere, [])[0]


def test_a_scenario_is_told_before_what_is_over_several():
    nll = {"cross_entropy": 0.9, "focal": 0.8, "gce": 1.0}  # gives a sentence on probabilities
    runs = [
        one | {"scenario": name, "test_nll": nll[one["loss"]] + one["seed"] / 1000}
        for name in ("clean", "noise", "tail")
        for one in survey(cross_entropy=BASE, focal=[0.72, 0.73, 0.74], gce=[0.60, 0.61, 0.62])
    ]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    repeated = "Of 6 statements, made again: 6 hold."
    said = headline(found, across.summaries(found), repeated=[repeated])
    for name in ("clean", "noise", "tail"):
        assert any(one.startswith(f"In `{name}`") for one in said)
    assert len(said) <= MOST_SAID
    assert "more scenario" not in said[-1]


def test_the_best_probabilities_have_a_sentence_also_after_scaling():
    runs = [
        row(loss, s, 0.7 + s / 1000, test_nll=nll + s / 1000, test_nll_ts=0.5, test_ece=ece)
        for loss, nll, ece in (("cross_entropy", 0.9, 0.29), ("focal", 0.8, 0.067), ("mae", 2, 0.3))
        for s in range(4)
    ]
    condition, found = only(runs)
    said = headline([(condition, list(found.values()))], [])[1]
    assert said.startswith(
        "Probabilities, by the lowest NLL that is shown to be a gain: in `clean` **`focal` −0.100 "
        "nats (95 % interval −0.10"
    )
    assert said.endswith(
        "**, 0.802 against 0.901 nats, ECE 6.70 % against 29.00 %, after temperature scaling no "
        "loss is shown to have a lower one."
    )
    said = sentences.answer(condition, list(found.values()))[-1]
    assert (
        "in NLL, the lowest that is shown, 0.802 against 0.901 nats; ECE 6.70 % against 29.00 %; "
        "temperature scaling by the scenario's own labels brings the NLL of "
        "`cross_entropy` from 0.901 to 0.500, and no loss is shown to have a lower one then."
        in said
    )
    better = [
        one | {"test_nll_ts": 0.4 + one["seed"] / 1000} for one in runs if one["loss"] == "mae"
    ]
    condition, found = only([one for one in runs if one["loss"] != "mae"] + better)
    said = sentences.answer(condition, list(found.values()))[-1]
    assert "; the lowest that is shown is then `mae` with 0.402, −0.098 nats (95 %" in said
    # In the answer, too, where a loss has a lower NLL before scaling.
    both = [one | {"test_nll_ts": 0.4} if one["loss"] == "mae" else one for one in runs]
    condition, found = only(
        [one | {"test_nll_ts": one["test_nll_ts"] + one["seed"] / 1000} for one in both]
    )
    said = headline([(condition, list(found.values()))], [])[1]
    assert said.endswith(", after temperature scaling `mae`, 0.402 against 0.502 nats.")
    alone = [one | {"test_nll_ts": None} if one["loss"] != "cross_entropy" else one for one in runs]
    condition, found = only([{k: v for k, v in one.items() if v is not None} for one in alone])
    assert "scaling" not in "".join(sentences.answer(condition, list(found.values())))
    nll_ts = replace(only(runs)[0], measure=measures.MEASURES["test_nll_ts"])
    assert not any("scaling by" in one for one in sentences.answer(nll_ts, arms.results(nll_ts)))


def test_each_condition_says_which_probabilities_are_best_and_the_answer_names_them_all():
    def runs(scenario, **nll):
        return [
            row(loss, s, 0.7 + s / 1000, test_nll=mean + s / 1000, test_ece=0.1, scenario=scenario)
            for loss, mean in nll.items()
            for s in range(4)
        ]

    noisy = runs("noise", cross_entropy=0.9, focal=0.8)
    noisy += runs("tail", cross_entropy=2.0, focal=1.5) + runs("clean", cross_entropy=0.5, focal=1)
    found = [(c, arms.results(c)) for c in arms.conditions(noisy, [])]
    [said] = [one for one in headline(found, []) if "NLL" in one]
    assert "a gain: in `tail` **`focal` −0.500 nats (" in said
    assert "; in `noise` **`focal` −0.100 nats (" in said
    assert said.endswith("; none in `clean` (`cross_entropy` 0.502 nats, ECE 10.00 %).")
    [said] = [one for one in headline(found[:1], []) if "NLL" in one]
    assert said.endswith(
        "shown to be a gain: none in `clean` (`cross_entropy` 0.502 nats, ECE 10.00 %)."
    )
    own = {c.setting: sentences.answer(c, results)[-1] for c, results in found}
    assert own["noise"].startswith("Probabilities: **`focal` −0.100 nats (")
    assert own["clean"] == (
        "Probabilities: no loss is shown to have a lower NLL than `cross_entropy`, which has "
        "0.502 nats and an ECE of 10.00 %; 1 is shown to have a higher one."
    )
    [noise] = [c for c, _ in found if c.setting == "noise"]
    nll = replace(noise, measure=measures.MEASURES["test_nll"])
    assert not any("Probabilities" in one for one in sentences.answer(nll, arms.results(nll)))


def test_the_best_probabilities_name_what_cannot_be_told_from_them():
    nll = {"cross_entropy": 0.9, "focal": 0.8, "gce": 0.8003, "mae": 0.85}
    runs = [
        row(loss, s, 0.7 + s / 1000, test_nll=mean + s / 1000, test_ece=0.1)
        for loss, mean in nll.items()
        for s in range(4)
    ]
    condition, found = only(runs)
    said = headline([(condition, list(found.values()))], [])[1]
    assert "0.802 against 0.901 nats, ECE 10.00 % against 10.00 %, not shown to differ from" in said
    assert said.endswith("from `focal`: `gce`.")
    said = sentences.answer(condition, list(found.values()))[-1]
    assert "shown, 0.802 against 0.901 nats; not shown to differ from `focal`: `gce`; ECE" in said
    for one in runs:
        one["weights_sha256"] = (
            "of gce and focal" if one["loss"] in ("focal", "gce") else one["loss"]
        )
    condition, found = only(runs)
    said = sentences.answer(condition, list(found.values()))[-1]
    assert "0.802 against 0.901 nats; in every seed the same weights as `gce`; ECE" in said


def test_a_run_of_every_scenario_has_its_cost_and_epochs_are_told_where_all_have_as_many():
    runs = [
        row(loss, s, 0.7 + s / 1000, scenario=name, device="cpu", cpu_s=cost, epochs=3)
        for name in ("clean", "noise")
        for loss, cost in (("cross_entropy", 50.0), ("focal", 60.0), ("gce", 45.0))
        for s in range(3)
    ]
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    assert headline(found, [])[-1] == (
        "Training took, in the mean of a loss, 45 to 60 CPU s in `clean` (baseline 50), 45 to 60 "
        "CPU s in `noise` (baseline 50), on machines that may have had other work beside; all with "
        "recipe `quick` (3 epochs), model `airnet`, data `cifar10`."
    )
    longer = [one | {"epochs": 30} if one["scenario"] == "noise" else one for one in runs]
    found = [(c, arms.results(c)) for c in arms.conditions(longer, [])]
    assert "all with recipe `quick`, model" in headline(found, [])[-1]


def test_an_oracle_is_not_said_to_be_of_the_last_epoch():
    runs = [row("cross_entropy", s, best_test_accuracy=0.7 + s / 1000) for s in range(3)]
    runs += [row("focal", s, best_test_accuracy=0.6 + s / 1000) for s in range(3)]
    [condition] = arms.conditions(runs, [], measure=measures.find("best_test_accuracy"))
    said = sentences.answer(condition, arms.results(condition))[0]
    assert said.startswith("70.10 % best test accuracy (an oracle): the baseline")


def test_what_only_the_correction_leaves_open_is_a_hint():
    wide = {f"x{i}": [0.60 + 0.001 * i, 0.64, 0.68] for i in range(8)}
    runs = survey(cross_entropy=BASE, focal=[0.745, 0.70, 0.76], gce=[0.655, 0.64, 0.685], **wide)
    condition, found = only(runs)
    hints = [one.arm.label for one in found.values() if one.hint == "lower"]
    assert hints
    assert all(found[label].difference.high < 0 for label in hints)
    assert all(found[label].conclusion == "not resolved" for label in hints)
    results = list(found.values())
    first = headline([(condition, results)], [])[0]
    assert f"{len(hints)} worse but for Holm's correction" in first
    said = " ".join(sentences.answer(condition, results))
    assert "lower (worse) but for Holm's correction, against `cross_entropy`." in said
    families = dict.fromkeys(found, "a family")
    shown = str(tables.main_table(condition, results, families)["rows"])
    assert shown.count("▽ lower but for Holm") == len(hints)


def test_the_best_loss_says_if_its_probabilities_are_worse():
    nll = {"cross_entropy": 0.9, "ldam": 1.1}
    runs = [
        one | {"test_nll": nll[one["loss"]] + one["seed"] / 1000}
        for one in survey(cross_entropy=BASE, ldam=[0.75, 0.751, 0.749])
    ]
    condition, found = only(runs)
    first = headline([(condition, list(found.values()))], [])[0]
    assert "; its NLL is worse, 1.101 against 0.903 nats" in first


def test_scaling_that_makes_the_baseline_worse_is_no_advice():
    def runs(scaled):
        return [
            row(loss, s, 0.7 + s / 1000, test_nll=nll + s / 1000, test_nll_ts=scaled + s / 1000)
            for loss, nll in (("cross_entropy", 0.9001), ("focal", 0.8))
            for s in range(4)
        ]

    condition, found = only(runs(1.1))
    said = headline([(condition, list(found.values()))], [])[1]
    worse = "temperature scaling by the scenario's own labels makes the NLL of `cross_entropy`"
    assert said.endswith(f"{worse} worse, 0.902 to 1.102.")
    condition, found = only(runs(0.90014))
    assert "worse" not in headline([(condition, list(found.values()))], [])[1]  # as printed
    part = [one for one in runs(0.95) if one["seed"] < 2]
    part += [{k: v for k, v in one.items() if k != "test_nll_ts"} for one in runs(0.95)[2:4]]
    condition, _ = only(runs(0.95)[4:] + part)
    assert sentences.scaling(condition.baseline) == ("0.901", "0.950")  # of the seeds with both


def test_the_same_weights_are_those_of_the_same_seeds():
    runs = [row("focal", s, 0.8 + s / 1000, weights_sha256=f"w{s}") for s in range(3)]
    runs += [row("gce", s, 0.8 + s / 1000, weights_sha256=f"w{s}") for s in (2, 3, 4)]
    runs += survey(cross_entropy=BASE)
    condition, found = only(runs)
    assert not arms.same_weights(found["focal"].arm, found["gce"].arm)
    assert arms.same_weights(found["focal"].arm, found["focal"].arm)
    assert not arms.same_weights(condition.baseline, condition.baseline)  # nothing is known
    first = headline([(condition, list(found.values()))], [])[0]
    assert "not shown to differ from `gce`: `focal`" in first


def test_embedding_losses_are_told_against_their_own_encoder_on_clean_labels_too():
    knn = {"nt_xent": 0.50, "byol": 0.45}
    runs = [
        row(loss, s, scenario=name, target="two_view", knn_accuracy=mean + s / 500,
            knn_accuracy_untrained=0.4)
        for name in ("clean", "noise")
        for loss, mean in knn.items()
        for s in range(3)
    ]  # fmt: skip
    found = [(c, arms.results(c)) for c in arms.conditions(runs, [])]
    told = headline(found, [])[1]
    assert "in `clean` `nt_xent` has +10.20 points" in told
    assert "against the untrained encoder there: higher (better)" in told
    logits = [one | {"recipe": "other"} for one in survey(cross_entropy=BASE, gce=[0.6] * 3)]
    found = [(c, arms.results(c)) for c in arms.conditions([*runs, *logits], [])]
    assert any("in `clean` `nt_xent` has +10.20" in one for one in headline(found, []))
