"""The study as a guest of the house: what it brings to a sweep, to its data and to its report.

Nothing heavy is imported here: a report needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contract import places
from contract.extras import require
from contract.study import Answer, Check, Point, Section, Study
from fusion.data.spec import is_outside


def check(command: list[str]) -> Check | None:
    """Return what checks the parameters of `train` or `pretrain`; None for another command."""
    from fusion.training.config import check

    if command[0] != str(places.RUNNER):
        return None
    if "train" in command:
        from fusion.config import RunConfig

        return lambda point: check(point, RunConfig)
    if "pretrain" in command:
        from fusion.contrastive.config import PretrainConfig

        return lambda point: check(point, PretrainConfig)
    return None


def configs(command: list[str], points: list[Point]) -> Iterator[Any]:
    """Yield the configuration of every point; none for a command that is not the study's."""
    made = check(command)
    return iter(()) if made is None else map(made, points)


def check_data(command: list[str], points: list[Point]) -> None:
    """Raise DataError where data is not there, or too small for a point; MissingError where
    torch is, which agents will need; FusionError where a person's own fusion cannot be built.
    """
    from fusion.data import parts

    known = list(configs(command, points))
    asked = {(c.data, c.split, c.train_pairs, c.align) for c in known}
    if asked:
        require("torch")
    shapes = {}
    for data, split, train_pairs, align in sorted(asked):
        if is_outside(data):
            options = {"split": split, "train_pairs": train_pairs, "align": align}
            shapes[data] = shape_of(data, **options)
        else:
            parts.check(data, split, train_pairs)
    theirs = [c for c in known if c.data in shapes or ":" in getattr(c, "fusion", "")]
    if theirs:
        from fusion.data.shape import STUDY
        from fusion.models import registry

        for config in {(c.fusion, c.downsample, c.data): c for c in theirs}.values():
            registry.check(config, shapes.get(config.data, STUDY))


def shape_of(data: str, **options: Any) -> Any:
    """Read a person's own data as a run would; return the shape that models must fit."""
    import torch

    from fusion.data import arrays

    return arrays.load(data, device=torch.device("cpu"), **options).shape


def prepare(command: list[str], points: list[Point]) -> None:
    """Make, or check, the data of all points."""
    from fusion.data.generate import resolve

    for data in sorted({config.data for config in configs(command, points)}):
        if not is_outside(data):
            resolve(data)


def sections(grid: Any, plan: Any) -> list[Section]:
    """Return the part of a report that is about borrowing a classifier."""
    from fusion.report.text import sections

    return sections(grid, plan)


def checklist(grid: Any, plan: Any) -> dict[str, Answer]:
    """Return what only the study knows of its runs: its baselines, its selection, its tests."""
    from fusion.report.checklist import checklist

    return checklist(grid)


STUDY = Study(
    check=check,
    check_data=check_data,
    prepare=prepare,
    sections=sections,
    checklist=checklist,
    viewed=True,
)
