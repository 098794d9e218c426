"""What a guest may bring: the study that a plan names, of which the house knows nothing else.

A study is an object of this type at `package.module:attribute`. All that it may do is optional;
`Study()` does nothing, and stands for the guest of a sweep that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract import outside

Point = dict[str, Any]  # a point of the grid: parameter -> value
Check = Callable[[Point], Any]


# What a study of fusion is asked (analysis/judge/checklist.py) and only its guest can tell
UNIMODAL, HELD_OUT, MISSING = (
    "unimodal baselines", "held-out test untouched by selection", "missing-modality tests",
)  # fmt: skip
GUESTS = {
    UNIMODAL: "which arms see a part of the inputs alone, only the study's guest knows",
    HELD_OUT: "on which part the program chose its epoch, only the study's guest knows",
    MISSING: "whether inputs were taken away at the test, only the study's guest knows",
}


@dataclass(frozen=True)
class Answer:
    """met: yes, no, or None where it cannot be told from the runs. evidence: a few words."""

    met: bool | None
    evidence: str


class StudyError(Exception):
    """A study that cannot be had."""

    exit_code = 2


@dataclass(frozen=True)
class Section:
    """A part of a report that the study makes.

    values: JSON, under `name` in report.json (None: nothing to say). answer and body: Markdown, for
    the top of report.md and for its middle. pictures: file name -> what draws it, as a matplotlib
    figure, or gives None where there is nothing to draw. tables: file name -> CSV. warnings: lines
    for those of the report.
    """

    name: str
    values: Any = None
    answer: str = ""
    body: str = ""
    pictures: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """The functions of a guest. command: the words of the program's command in a sweep file.

    check(command) gives what checks one point of the grid (it raises an exception with `problems`,
    parameter -> text), or None where it is no command of the study's. check_data(command, points)
    refuses data that is missing or too small, before anything begins. prepare(command, points)
    makes the data that points need, once, before agents want it at the same time.
    sections(grid, plan) are the study's own parts of a report, from an `analysis.grid.cells.Grid`
    and the `contract.plan.Plan`; StudyError says what the plan lacks for them. checklist answers
    what of GUESTS it can, from the same. viewed: its examples are pairs of a data folder, which the
    viewer opens.
    """

    check: Callable[[list[str]], Check | None] = lambda command: None
    check_data: Callable[[list[str], list[Point]], None] = lambda command, points: None
    prepare: Callable[[list[str], list[Point]], None] = lambda command, points: None
    sections: Callable[[Any, Any], list[Section]] = lambda grid, plan: []
    checklist: Callable[[Any, Any], Mapping[str, Answer]] = lambda grid, plan: {}
    viewed: bool = False


def load(name: str, *beside: Path) -> Study:
    """Return the study at "package.module:attribute"; that of "" brings nothing.

    `beside`: where a person's own may lie besides the current folder. Raises StudyError where it
    cannot be imported or is none.
    """
    if not name:
        return Study()
    try:
        found = outside.load(name, "study", *beside)
    except outside.OutsideError as error:
        raise StudyError(str(error)) from None
    if not isinstance(found, Study):
        raise StudyError(f"study {name} is no contract.study.Study but {type(found).__name__}")
    return found
