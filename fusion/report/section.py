"""The section of contrastive pre-training: gates, accuracies, evidence of freezing.

Legend: S seeds, N examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.grid.cells import Cell, Grid
from analysis.judge import draft, family, stats, terms
from analysis.metrics import describe
from analysis.read.snapshot import Run
from contract.plan import Plan
from contract.study import StudyError
from fusion.report.schema import ArmAccuracy, Contrastive, ContrastiveTest, StageValue
from fusion.report.setups import FINETUNE, groups, setups, shared_label, values
from fusion.report.stages import stage_values

# arm -> (prefix of its metrics in a summary, column of its logits in the predictions)
ZERO_SHOT, FINE_TUNED, SCRATCH, LIDAR = (
    "zero-shot", "fine-tuned", "RGB from scratch", "LiDAR classifier",
)  # fmt: skip
ARMS = {
    ZERO_SHOT: ("zero_shot/", "zero_shot"),
    FINE_TUNED: ("", ""),
    SCRATCH: ("scratch/", "scratch"),
    LIDAR: ("lidar/", "lidar"),
}
# What the plan publishes: figures of the study (one seed), the range of its peers, the gates
FIGURES = (
    *("loss", "mse", "accuracy", "accuracy_everything_trained", "peers_low", "peers_high"),
    *("gate_loss", "gate_mse", "gate_accuracy"),
)
STUDY_LOSS, MSE = "contrastive/study_loss", "projector/mse"


def section(grid: Grid, plan: Plan) -> Contrastive | None:
    """The section; None where no run that counts has the contrastive stage.

    Raises StudyError where the plan does not publish what is compared with.
    """
    runs = [run for cell in grid.cells for run in cell.runs.values()]
    runs = [run for run in runs if "contrastive/loss" in run.summary]
    if not runs:
        return None
    if lacking := [name for name in FIGURES if name not in plan.published]:
        raise StudyError(
            f"the plan's `published` lacks {', '.join(lacking)}; `base: shared/study.yaml` has them"
        )
    published, margin = plan.published, plan.margins.get("accuracy")
    part = "test" if any("test/accuracy" in run.summary for run in runs) else "val"
    arms: list[ArmAccuracy] = []
    held: list[Draft] = []
    compared: list[Draft] = []
    found = groups(grid)
    for label, cells in found.items():
        first = cells[0]
        arms += [accuracy(first, label, arm, part) for arm in (ZERO_SHOT, SCRATCH, LIDAR)]
        arms += [accuracy(cell, cell.label, FINE_TUNED, part) for cell in cells]
        held.append(gate(first, label, ZERO_SHOT, part, published))
        compared.append(against(first, label, ZERO_SHOT, SCRATCH, part))
        for cell in cells:
            held.append(gate(cell, cell.label, FINE_TUNED, part, published))
            compared.append(against(cell, cell.label, FINE_TUNED, ZERO_SHOT, part))
            compared.append(against(cell, cell.label, FINE_TUNED, SCRATCH, part))
    stages = stage_values(grid)
    kept = [run for run in runs if any(name.startswith("frozen/") for name in run.summary)]
    return Contrastive(
        part=part,
        arms=merged(grid, [arm for arm in arms if arm.n]),
        # Three questions, each a family of its own, declared before looking
        tests=[*judge(stage_gates(stages, published)), *judge(held), *judge(compared, margin)],
        setups=setups(grid, found),
        stages=stages,
        frozen_runs=len(kept),
        frozen_identical=sum(map(identical, kept)),
        published=dict(published),
    )


def merged(grid: Grid, arms: list[ArmAccuracy]) -> list[ArmAccuracy]:
    """Arms of one kind together; a baseline that cells share stands once, under what they share."""
    found: dict[tuple[str, str], list[ArmAccuracy]] = {}
    for arm in arms:
        # Equal in every seed, on the same labels: it is one and the same trained baseline
        same = repr((arm.values, arm.config.get("labels")))
        shared = arm.arm in (SCRATCH, LIDAR)
        found.setdefault((arm.arm, same if shared else arm.label), []).append(arm)
    rows = [
        same[0].model_copy(update=shared_label([arm.config for arm in same], grid.axes))
        if len(same) > 1
        else same[0]
        for same in found.values()
    ]
    return sorted(rows, key=lambda arm: list(ARMS).index(arm.arm))


def identical(run: Run) -> bool:
    """Whether each frozen part has one and the same digest wherever a stage recorded it."""
    s = run.summary
    pairs = [
        ("frozen/classifier", "lidar/weights"),
        ("frozen/classifier", "projector/frozen/lidar_classifier"),
        ("frozen/embedder", "projector/frozen/rgb_embedder"),
    ]
    return s.get("frozen_identical") is True and all(
        s[ours] == s.get(theirs) for ours, theirs in pairs if ours in s
    )


def correct(cell: Cell, arm: str, part: str, seeds: list[str]) -> np.ndarray | None:
    """(S, N): 1 where the arm's prediction is right; None unless every seed has predictions."""
    column = ARMS[arm][1]
    rows = []
    for seed in seeds:
        predictions = cell.runs[seed].predictions
        if predictions is None or predictions.part != part:
            return None
        logits = predictions.others.get(column) if column else predictions.logits
        if logits is None:
            return None
        rows.append(terms.correctness(logits[None], predictions.examples.labels)[0])
    if len(rows) < 2 or len({row.size for row in rows}) != 1:
        return None
    return np.stack(rows)


def accuracy(cell: Cell, label: str, arm: str, part: str) -> ArmAccuracy:
    """Mean accuracy of an arm with its interval."""
    found = values(cell, f"{ARMS[arm][0]}{part}/accuracy")
    interval = stats.mean_interval(list(found.values()))
    low, high = interval.low, interval.high
    terms_SN = correct(cell, arm, part, list(found))
    if terms_SN is not None:
        low, high = (float(end) for end in stats.crossed(terms_SN).interval())
    return ArmAccuracy(
        label=label,
        config={k: v for k, v in cell.config.items() if arm == FINE_TUNED or k != FINETUNE},
        arm=arm,
        n=interval.n,
        examples=0 if terms_SN is None else terms_SN.shape[1],
        mean=interval.mean,
        low=low,
        high=high,
        values=dict(found),
    )


def accuracy_of(arm: str, label: str) -> str:
    """What a test calls the accuracy of an arm."""
    return f"{arm} accuracy of {label}"


@dataclass(frozen=True)
class Draft:
    """A test before the family is known. terms_SN: per-example differences, where there are any."""

    label: str
    a: str
    b: str
    metric: str
    gate: float | None
    deltas: dict[str, float]
    terms_SN: np.ndarray | None = None
    saturated: bool = False


def gate(cell: Cell, label: str, arm: str, part: str, published: dict[str, float]) -> Draft:
    """An arm's accuracy against the gate."""
    threshold = published["gate_accuracy"]
    found = values(cell, f"{ARMS[arm][0]}{part}/accuracy")
    terms_SN = correct(cell, arm, part, list(found))
    return Draft(
        label,
        accuracy_of(arm, label),
        f"the gate {threshold:g}",
        f"{part}/accuracy",
        threshold,
        {seed: value - threshold for seed, value in found.items()},
        None if terms_SN is None else terms_SN - threshold,
    )


def stage_gates(stages: list[StageValue], published: dict[str, float]) -> list[Draft]:
    """The gates of the stages before fine-tuning: the loss in the study's form, the projector."""
    gates = {
        STUDY_LOSS: ("loss in the study's form", "gate_loss"),
        MSE: ("projector MSE", "gate_mse"),
    }
    drafts = []
    for stage in (stage for stage in stages if stage.name in gates):
        text, gate = gates[stage.name]
        threshold = published[gate]
        deltas = {seed: v - threshold for seed, v in stage.values.items() if v is not None}
        names = f"{text} of {stage.label}", f"the gate {threshold:g}"
        drafts.append(Draft(stage.label, *names, stage.name, threshold, deltas))
    return drafts


def against(cell: Cell, label: str, a: str, b: str, part: str) -> Draft:
    """Accuracy of one arm minus another's, on the same seeds and examples."""
    of_a, of_b = (values(cell, f"{ARMS[arm][0]}{part}/accuracy") for arm in (a, b))
    seeds = [seed for seed in of_a if seed in of_b]
    terms_a, terms_b = (correct(cell, arm, part, seeds) for arm in (a, b))
    terms_SN = terms_a - terms_b if terms_a is not None and terms_b is not None else None
    near = 1 - 1 / terms_SN.shape[1] if terms_SN is not None else 1.0
    return Draft(
        label,
        accuracy_of(a, label),
        b,
        f"{part}/accuracy",
        None,
        {seed: of_a[seed] - of_b[seed] for seed in seeds},
        terms_SN,
        all(np.mean([v >= near - 1e-12 for v in found.values()] or [0]) >= 0.8
            for found in (of_a, of_b)),
    )  # fmt: skip


def judge(tests: list[Draft], margin: float | None = None) -> list[ContrastiveTest]:
    """Tests that are corrected as one family, by the rules of every contrast."""
    made = [test for test in tests if test.deltas]
    found = family.corrected([_member(test) for test in made], margin=margin)
    return [_test(test, judged) for test, judged in zip(made, found, strict=True)]


def _member(test: Draft) -> family.Member:
    """A test as a member of its family."""
    crossed = stats.crossed(test.terms_SN) if test.terms_SN is not None else None
    n, examples = test.terms_SN.shape if test.terms_SN is not None else (0, 0)
    item = draft.Draft(
        pairs=[],
        metric=describe(test.metric),
        n=len(test.deltas),
        deltas=test.deltas,
        over_seeds=stats.paired_estimate(list(test.deltas.values())),
        crossed=crossed,
        crossed_seeds=n,
        examples=examples,
    )
    return family.Member(test.a, test.b, item, test.saturated)


def _test(test: Draft, judged: family.Judged) -> ContrastiveTest:
    item, facts, ruling = judged.item, judged.facts, judged.verdict
    crossed = item.crossed.one.interval() if item.crossed is not None else (math.nan, math.nan)
    return ContrastiveTest(
        label=test.label,
        a=test.a,
        b=test.b,
        metric=test.metric,
        gate=test.gate,
        n=item.n,
        examples=item.examples,
        delta=item.over_seeds.delta,
        low=facts.seeds[0],
        high=facts.seeds[1],
        crossed_low=crossed[0],
        crossed_high=crossed[1],
        p=item.p if math.isfinite(item.p) else item.p_here,
        p_holm=facts.p_holm if math.isfinite(item.p) else facts.p_here_holm,
        verdict=ruling.name,
        sentence=ruling.sentence,
        deltas=dict(test.deltas),
    )
