"""The section of contrastive sweeps: groups, gates, intervals, evidence of freezing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import build
from analysis.read import fetch, snapshot
from analysis.read.snapshot import Run, Snapshot
from analysis.show import render
from contract.study import Section, StudyError
from fusion.report import page
from fusion.report import section as numbers
from fusion.report.picture import borrowed
from fusion.report.schema import Contrastive

AXES = {"logits": ["study", "learned"], "finetune": ["projector", "all"]}


def decorate(run: Run, rng: np.random.Generator) -> None:
    """Add what the earlier stages would have logged. Stages depend on logits and seed alone."""
    logits, seed = run.config["logits"], run.config["seed"]
    stage = np.random.default_rng([seed, logits == "learned"])
    assert run.predictions is not None
    labels = run.predictions.examples.labels
    signs = 2.0 * labels - 1
    margins = {"zero_shot": 3.0 if logits == "learned" else 0.0, "scratch": 2.0, "lidar": 3.0}
    drawn = {
        name: (signs * (margin + np.random.default_rng([seed, i]).normal(size=labels.size)))
        for i, (name, margin) in enumerate(margins.items())
    }
    run.predictions.others.update({n: v.astype(np.float32) for n, v in drawn.items()})
    for name, values in run.predictions.others.items():
        run.summary[f"{name}/test/accuracy"] = float(((values > 0) == (labels > 0)).mean())
    digests = {"lidar/weights": f"lidar{seed}", "projector/frozen/lidar_classifier": f"lidar{seed}"}
    digests["projector/frozen/rgb_embedder"] = f"rgb{logits}{seed}"
    if run.config["finetune"] == "projector":
        digests |= {"frozen/classifier": f"lidar{seed}", "frozen/embedder": f"rgb{logits}{seed}"}
    run.summary |= digests
    run.summary |= {
        "frozen_identical": True,
        "contrastive/loss": 0.2 + 0.01 * stage.random(),
        "contrastive/chance": math.log(32),
        "contrastive/floor": 2.9705 if logits == "study" else 0.001,
        "contrastive/study_loss": 3.03 + 0.01 * stage.random(),
        "contrastive/study_chance": math.log(32),
        "contrastive/study_floor": 2.9705,
        "contrastive/candidates": 400,
        "contrastive/mrr_chance": 0.016,
        "contrastive/rgb_to_lidar/mrr": 0.7 + 0.01 * stage.random(),
        "contrastive/rgb_to_lidar/recall@1_of_32": 0.9,
        "contrastive/rgb_to_lidar/recall@5_of_all": 0.8,
        "projector/mse": 0.1 + 0.01 * stage.random(),
        "projector/mse_of_mean": 2.0,
        "projector/explained_variance": 0.95,
    }


@pytest.fixture
def taken(sweep: Callable[..., Snapshot]) -> Snapshot:
    made = sweep(AXES, name="contrastive_pre_training", quality=lambda config: 1.0)
    rng = np.random.default_rng(0)
    for run in made.runs:
        decorate(run, rng)
    return made


def section(taken: Snapshot) -> Contrastive:
    made = numbers.section(*build.arrange(taken))
    assert made is not None
    return made


def written(taken: Snapshot) -> str:
    """report.md without its pictures."""
    grid, design = build.arrange(taken)
    parts: list[Section] = build.of_guest(design, grid)
    return render.markdown(build.build(taken, grid, design, parts), [], parts)


def test_other_sweeps_have_no_such_section(sweep: Callable[..., Snapshot]) -> None:
    made = sweep(seeds=3)
    assert build.build(made).sections == {"contrastive": None}
    assert "Borrowing" not in written(made)


def test_cells_that_share_their_stages_form_a_group(taken: Snapshot) -> None:
    made = section(taken)
    shown = {(arm.arm, arm.label) for arm in made.arms}
    assert shown == {
        ("zero-shot", "study"),
        ("zero-shot", "learned"),
        ("fine-tuned", "projector · study"),
        ("fine-tuned", "all · study"),
        ("fine-tuned", "projector · learned"),
        ("fine-tuned", "all · learned"),
        ("RGB from scratch", "all runs"),
        ("LiDAR classifier", "all runs"),
    }
    assert {(value.label, value.n) for value in made.stages} == {("study", 5), ("learned", 5)}


def test_intervals_take_seeds_and_examples_as_samples(taken: Snapshot) -> None:
    arm = next(a for a in section(taken).arms if (a.arm, a.label) == ("zero-shot", "learned"))
    assert arm.examples == 400 and arm.n == 5
    assert arm.mean is not None and arm.low is not None and arm.high is not None
    assert arm.mean == pytest.approx(np.mean([v for v in arm.values.values() if v is not None]))
    # At least as wide as what 400 examples leave open, however little the seeds differ
    assert arm.high - arm.low > 2 * 1.9 * math.sqrt(arm.mean * (1 - arm.mean) / 400 / 5)


def test_gates_are_judged_by_the_ladder(taken: Snapshot) -> None:
    tests = {(t.metric, t.a.split(" of ")[0], t.label): t for t in section(taken).tests if t.gate}
    reached = tests["test/accuracy", "zero-shot accuracy", "learned"]
    assert reached.verdict == "DIFFERENT"
    assert reached.sentence.startswith("zero-shot accuracy of learned is higher than the gate 0.95")
    missed = tests["test/accuracy", "zero-shot accuracy", "study"]
    assert missed.verdict == "DIFFERENT"
    assert missed.sentence.startswith("the gate 0.95 is higher than zero-shot accuracy of study by")
    loss = tests["contrastive/study_loss", "loss in the study's form", "study"]
    assert loss.gate == 3.2 and loss.examples == 0 and loss.delta == pytest.approx(-0.165, abs=0.01)
    assert loss.verdict == "DIFFERENT_HERE"


def test_stages_accuracies_and_comparisons_are_families_of_their_own(taken: Snapshot) -> None:
    tests = section(taken).tests
    gates, comparisons = [t for t in tests if t.gate], [t for t in tests if not t.gate]
    accuracies = [t for t in gates if t.metric == "test/accuracy"]
    stages = [t for t in gates if t not in accuracies]
    # Two groups: loss, MSE and zero-shot each; four cells: fine-tuned
    assert (len(stages), len(accuracies), len(comparisons)) == (4, 2 + 4, 2 + 4 * 2)
    for family in (stages, accuracies, comparisons):
        ordered = sorted((t for t in family if t.p is not None), key=lambda t: t.p or 0)
        assert ordered[0].p_holm == pytest.approx((ordered[0].p or 0) * len(ordered), rel=1e-6)


def test_set_ups_are_named_by_what_they_change_in_the_studys(
    sweep: Callable[..., Snapshot],
) -> None:
    axes = {"embedding": ["normalised", "raw"], "logits": ["learned", "study"]}
    made = sweep(axes, name="contrastive_gate", quality=lambda config: 1.0,
                 common={"finetune": "projector"})  # fmt: skip
    for run in made.runs:
        decorate(run, np.random.default_rng(0))
    setups = section(made).setups
    assert [setup.changes for setup in setups] == [
        {},
        {"logits": "learned"},
        {"embedding": "raw"},
        {"embedding": "raw", "logits": "learned"},
    ]
    assert all(setup.frozen_label == setup.label for setup in setups), "no axis finetune"
    # What set-ups share is reported and judged once: here the contrastive stage of each form
    assert [t.a for t in section(made).tests if t.metric == "contrastive/study_loss"] == [
        "loss in the study's form of learned", "loss in the study's form of study",
    ]  # fmt: skip
    assert {v.label for v in section(made).stages if v.name == "contrastive/loss"} == {
        "learned", "study",
    }  # fmt: skip
    text = written(made)
    answer = text.split("## Before you rely")[0]
    passed = "logits = learned; embedding = raw, logits = learned."
    assert f"- Zero-shot: passed with {passed}" in answer
    row = next(line for line in answer.splitlines() if line.startswith("| the study's set-up |"))
    assert "below: DIFFERENT" in row and "above" not in row.split("|")[3]


def test_what_is_held_constant_is_not_called_the_studys_where_it_is_not(
    sweep: Callable[..., Snapshot],
) -> None:
    constants = {"embedding": "raw", "batch_size": 32, "finetune": "projector"}
    made = sweep({"logits": ["study", "learned"]}, name="contrastive_gate", common=constants)
    for run in made.runs:
        decorate(run, np.random.default_rng(0))
    assert [setup.changes for setup in section(made).setups] == [
        {"embedding": "raw"},
        {"embedding": "raw", "logits": "learned"},
    ]
    assert "| the study's set-up |" not in written(made)


def test_where_the_studys_form_is_not_swept_nothing_is_called_a_change_of_it(
    sweep: Callable[..., Snapshot],
) -> None:
    made = sweep({"labels": [0.1, 1.0], "finetune": ["all", "projector"]},
                 name="label_efficiency", common={"logits": "learned"})  # fmt: skip
    for run in made.runs:
        decorate(run, np.random.default_rng(0))
    assert section(made).setups == []
    assert "changed from the study's set-up" not in written(made)


def test_of_cells_that_share_stages_the_answer_takes_the_one_with_a_frozen_embedder(
    taken: Snapshot,
) -> None:
    shown = {setup.label: setup.frozen_label for setup in section(taken).setups}
    assert shown == {"study": "projector · study", "learned": "projector · learned"}


@pytest.mark.parametrize(
    "key",
    ["frozen/classifier", "frozen/embedder", "lidar/weights", "projector/frozen/rgb_embedder"],
)
def test_one_differing_digest_is_seen(taken: Snapshot, key: str) -> None:
    before = section(taken)
    assert before.frozen_runs == before.frozen_identical == 10
    run = next(run for run in taken.runs if "frozen/classifier" in run.summary)
    run.summary[key] = "something else"
    after = section(taken)
    assert (after.frozen_runs, after.frozen_identical) == (10, 9)


@pytest.mark.parametrize(
    ("name", "chance", "bound"),
    [
        ("contrastive/loss", math.log(32), 2.9705),
        ("contrastive/study_loss", math.log(32), 2.9705),
        ("contrastive/rgb_to_lidar/recall@1_of_32", 1 / 32, 1),
        ("contrastive/rgb_to_lidar/recall@5_of_all", 5 / 400, 1),
        ("contrastive/rgb_to_lidar/mrr", 0.016, 1),
        ("projector/mse", 2.0, 0),
        ("projector/explained_variance", 0, 1),
    ],
)
def test_every_number_stands_between_its_lines(
    taken: Snapshot, name: str, chance: float, bound: float
) -> None:
    found = next(v for v in section(taken).stages if (v.name, v.label) == (name, "study"))
    assert found.chance == pytest.approx(chance) and found.bound == pytest.approx(bound)


def test_predictions_of_other_classifiers_survive_the_snapshot(
    taken: Snapshot, tmp_path: Path
) -> None:
    snapshot.save(taken, tmp_path / "snapshot.json.gz")
    again = snapshot.load(tmp_path / "snapshot.json.gz")
    assert again.body == taken.body
    assert section(again) == section(taken)


def test_further_columns_of_a_predictions_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("pair,label,logit,lidar\nspheres/1,1,0.5,-2\ncubes/1,0,-1,3\n")
    shared: dict[str, Any] = {}
    found = fetch.parse_predictions(file, "test", shared)
    assert found is not None and found.examples.pairs == ("cubes/1", "spheres/1")
    assert found.logits.tolist() == [-1.0, 0.5]
    assert {name: values.tolist() for name, values in found.others.items()} == {"lidar": [3, -2]}
    file.write_text("pair,label,logit\ncubes/1,0,-1\n")
    plain = fetch.parse_predictions(file, "test", shared)
    assert plain is not None and plain.others == {}


def test_the_text_has_a_row_for_every_number(taken: Snapshot) -> None:
    text = written(taken)
    assert "**10 of 10** runs" in text
    assert "| contrastive/loss | 0.2" in text
    assert "no comparison" not in text
    table = text.split("| Contrastive |")[1].split("\n\n")[0].splitlines()
    assert {line.count("|") for line in table[1:]} == {6}


def test_shares_of_labels_are_drawn_as_lines(sweep: Callable[..., Snapshot]) -> None:
    axes = {"labels": [0.01, 0.1, 1.0], "finetune": ["projector", "all"]}
    made = sweep(axes, name="label_efficiency", quality=lambda c: c["labels"],
                 common={"logits": "learned"})  # fmt: skip
    for run in made.runs:
        decorate(run, np.random.default_rng(0))
    report = build.build(made)
    answer = written(made).split("## Before you rely")[0]
    assert "| labels | zero-shot | fine-tuned: projector | fine-tuned: all |" in answer
    rows = [line for line in answer.splitlines() if line.startswith(("| 0.01 |", "| 1 |"))]
    assert len(rows) == 4 and not any("–" in row for row in rows)
    assert "DIFFERENT" in rows[-1], "what pre-training adds has its verdict"
    picture = borrowed(section(made), report.axes)
    assert picture is not None
    legend = picture.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "zero-shot", "fine-tuned · projector", "fine-tuned · all", "RGB from scratch",
        "LiDAR classifier",
    ]  # fmt: skip
    assert all(line.get_xdata().size == 3 for line in picture.axes[0].lines)  # pyright: ignore


def test_the_picture_shows_every_classifier_and_the_gate(taken: Snapshot) -> None:
    picture = borrowed(section(taken), AXES)
    assert picture is not None
    labels = [text.get_text() for text in picture.axes[0].get_yticklabels()]
    assert len(labels) == 8 and "zero-shot: learned" in labels
    gate = [line for line in picture.axes[0].lines if line.get_linestyle() == "--"]
    assert len(gate) == 1 and list(gate[0].get_xdata()) == [0.95, 0.95]  # pyright: ignore


def test_the_page_is_up_to_date() -> None:
    """Write it anew with `python -m fusion.report.page`."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page()
    assert all(line.split("|")[3].strip() for line in page.page().splitlines() if "| `" in line)


def test_a_plan_without_the_figures_says_which_it_lacks(taken: Snapshot) -> None:
    grid, plan = build.arrange(taken)
    figures = {name: 1.0 for name in plan.published if name != "gate_mse"}
    with pytest.raises(StudyError, match="`published` lacks gate_mse"):
        numbers.section(grid, plan.model_copy(update={"published": figures}))


def test_a_sweep_over_other_axes_than_its_plans_has_the_section(
    sweep: Callable[..., Snapshot],
) -> None:
    made = sweep({"finetune": ["projector", "all"]}, name="contrastive_gate")
    for run in made.runs:
        run.config["logits"] = "learned"
        decorate(run, np.random.default_rng(0))
    _, plan = build.arrange(made)
    assert not plan.name and plan.published["gate_accuracy"] == 0.95
    assert section(made).published == plan.published
