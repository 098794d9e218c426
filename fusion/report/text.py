"""The study's section as Markdown, from its numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from analysis.grid.cells import Grid
from analysis.grid.configs import display
from analysis.judge.verdict import DIFFERENT, DIFFERENT_HERE
from analysis.show import render
from analysis.show.text import NONE, escape, fmt, with_span
from contract.plan import Plan
from contract.study import Section
from fusion.report.picture import borrowed
from fusion.report.schema import ArmAccuracy, Contrastive, ContrastiveTest, Setup, StageValue
from fusion.report.section import FINE_TUNED, LIDAR, SCRATCH, ZERO_SHOT, accuracy_of, section
from fusion.report.setups import FINETUNE, LABELS

NAME, PICTURE = "contrastive", "borrowed.png"
TEMPLATES = Path(__file__).with_name("templates")
MAX_SETUPS = 16
STAGES = (("Contrastive", "contrastive/"), ("Projector", "projector/"))


def sections(grid: Grid, plan: Plan) -> list[Section]:
    """The section; without values where no run that counts has the contrastive stage."""
    made = section(grid, plan)
    if made is None:
        return [Section(NAME, pictures={PICTURE: lambda: None})]
    view = View(made, grid.axes)
    templates = render.environment(TEMPLATES)
    answer, body = (templates.get_template(f"{name}.md.j2") for name in ("answer", "body"))
    return [
        Section(
            NAME,
            values=made.model_dump(),
            answer=answer.render(c=made, view=view),
            body=body.render(c=made, view=view, picture=PICTURE if made.arms else ""),
            pictures={PICTURE: partial(borrowed, made, grid.axes)},
        )
    ]


class View:
    """What the templates print, in the order and with the words in which they print it."""

    def __init__(self, made: Contrastive, axes: dict[str, list[Any]]) -> None:
        self.made, self.axes = made, axes
        self.arms = {(arm.arm, arm.label): arm for arm in made.arms}
        self.gates = [test for test in made.tests if test.gate is not None]
        self.comparisons = [test for test in made.tests if test.gate is None]
        self._gates = {test.a: test for test in self.gates}
        self._against = {(test.a, test.b): test for test in self.comparisons}

    @property
    def by_labels(self) -> bool:
        """Whether the sweep asks how many labels are needed, and nothing else."""
        return len(self.axes.get(LABELS, ())) > 1 and set(self.axes) <= {LABELS, FINETUNE}

    @property
    def set_ups(self) -> list[list[str]]:
        """A row for each of at most 16 set-ups: its changes, and both arms with their gates."""
        return [
            [change(setup)]
            + [text for arm, label in _places(setup) for text in self._row(arm, label)]
            for setup in self.made.setups[:MAX_SETUPS]
        ]

    @property
    def more(self) -> bool:
        """Whether there are set-ups beyond those."""
        return len(self.made.setups) > MAX_SETUPS

    def _row(self, arm: str, label: str) -> list[str]:
        found = self.arms.get((arm, label))
        shown = f"{of_arm(found)} ({found.n})" if found else NONE
        return [shown, ruling(self._gates.get(accuracy_of(arm, label)))]

    def passed(self, wanted: str) -> str:
        """The set-ups with which an arm passes the gate, and those of which that is open."""
        passed, unresolved = [], []
        for setup in self.made.setups:
            label = dict(_places(setup))[wanted]
            arm, test = self.arms.get((wanted, label)), self._gates.get(accuracy_of(wanted, label))
            if arm is None or arm.mean is None or arm.mean <= (self.gate or 0):
                continue
            above = test is not None and test.verdict == DIFFERENT and (test.delta or 0) > 0
            (passed if above else unresolved).append(change(setup))
        text = f"passed with {'; '.join(passed) or 'none'}"
        return text + (f". Mean above it, not resolved: {'; '.join(unresolved)}" * bool(unresolved))

    @property
    def gate(self) -> float | None:
        """The threshold of accuracy."""
        return self.made.published["gate_accuracy"]

    @property
    def modes(self) -> list[Any]:
        """Ways to fine-tune that are swept; one without a name where none is."""
        return self.axes.get(FINETUNE, [None])

    @property
    def shares(self) -> list[list[str]]:
        """A row for each share of the labels: it, then the accuracy of every classifier."""
        return [
            [escape(display(share))]
            + [of_arm(arm) if arm else NONE for arm in self._at(share)]
            + [of_arm(arm) if arm else NONE
               for arm in (self._arm(SCRATCH, share), self._arm(LIDAR, share))]
            for share in self.axes[LABELS]
        ]  # fmt: skip

    @property
    def gains(self) -> list[list[str]]:
        """A row for each share of the labels: it, then what pre-training adds to scratch."""
        return [
            [escape(display(share))] + [self._gain(arm) if arm else "" for arm in self._at(share)]
            for share in self.axes[LABELS]
        ]

    def _at(self, share: Any) -> list[ArmAccuracy | None]:
        tuned = [self._arm(FINE_TUNED, share, mode) for mode in self.modes]
        return [self._arm(ZERO_SHOT, share), *tuned]

    def _arm(self, name: str, share: Any, mode: Any = None) -> ArmAccuracy | None:
        fitting = (
            arm for arm in self.made.arms
            if arm.arm == name and arm.config.get(LABELS) == share
            and (mode is None or arm.config.get(FINETUNE) == mode)
        )  # fmt: skip
        return next(fitting, None)

    def _gain(self, arm: ArmAccuracy) -> str:
        test = self._against.get((accuracy_of(arm.arm, arm.label), SCRATCH))
        return f"{self.difference(test)} {test.verdict}" if test else NONE

    @property
    def beside(self) -> str:
        """The classifiers of either modality alone."""
        return "; ".join(
            arm.arm
            + (f" with {escape(display(arm.config[LABELS]))} of the labels" if LABELS in arm.config
               else "")
            + f" {of_arm(arm)} (n = {arm.n})"
            for arm in self.made.arms if arm.arm in (LIDAR, SCRATCH)
        )  # fmt: skip

    def wanted(self, test: ContrastiveTest) -> str:
        """The side of its gate on which a number is meant to be."""
        return ">" if test.metric == f"{self.made.part}/accuracy" else "<"

    def difference(self, test: ContrastiveTest) -> str:
        """A − B with the crossed interval where there is one, else that over seeds."""
        crossed = test.crossed_low is not None
        low, high = (test.crossed_low, test.crossed_high) if crossed else (test.low, test.high)
        return with_span(test.delta, low, high)

    @property
    def stages(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """(title, cells, rows) of each stage that has numbers: name, one a cell, chance, bound."""
        tables = []
        for title, prefix in STAGES:
            found = [value for value in self.made.stages if value.name.startswith(prefix)]
            labels = list(dict.fromkeys(value.label for value in found))
            names = sorted({value.name for value in found})
            rows = [_stage([v for v in found if v.name == name], name, labels) for name in names]
            if rows:
                tables.append((title, [escape(label) for label in labels], rows))
        return tables


def _stage(values: list[StageValue], name: str, labels: list[str]) -> list[str]:
    shown = {value.label: with_span(value.mean, value.low, value.high) for value in values}
    ends_of = ([v.chance for v in values], [v.bound for v in values])
    lines = [dict.fromkeys(map(fmt, ends)) for ends in ends_of]
    cells = [shown.get(label, "") for label in labels]
    return [escape(name), *cells, *(" / ".join(line) for line in lines)]


def _places(setup: Setup) -> list[tuple[str, str]]:
    """(arm, label of its cell) of the two arms of a set-up in which the embedder is frozen."""
    return [(ZERO_SHOT, setup.label), (FINE_TUNED, setup.frozen_label)]


def change(setup: Setup) -> str:
    """What a set-up changes in the study's."""
    parts = [f"{axis} = {escape(display(value))}" for axis, value in setup.changes.items()]
    return ", ".join(parts) or "the study's set-up"


def of_arm(arm: ArmAccuracy) -> str:
    """An arm's accuracy with its interval."""
    return with_span(arm.mean, arm.low, arm.high)


def ruling(test: ContrastiveTest | None) -> str:
    """The verdict on a gate, and on which side of it the arm is where that is resolved."""
    if test is None:
        return ""
    side = "above: " if (test.delta or 0) > 0 else "below: "
    return side * (test.verdict in (DIFFERENT, DIFFERENT_HERE)) + test.verdict
