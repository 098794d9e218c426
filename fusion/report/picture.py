"""The picture of the contrastive section: what each classifier reaches, against the gate."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.show.pictures.results import (
    COLOURS,
    GREY,
    MARKERS,
    MAX_ROWS,
    caption,
    figure,
    shorten,
    styled,
)
from fusion.report.schema import ArmAccuracy, Contrastive
from fusion.report.section import ARMS
from fusion.report.setups import FINETUNE, LABELS


@styled
def borrowed(section: Contrastive, axes: dict[str, list[Any]]) -> Figure | None:
    """Accuracies with intervals: against the share of labels where that is swept, else as a list.

    Behind them the gate as a line and the range of the study's peers as a band.
    """
    arms = section.arms
    if not arms:
        return None
    if len(axes.get(LABELS, ())) > 1:
        return _against_labels(section, axes)
    shown = arms[:MAX_ROWS]
    made = figure(7.5, 1.1 + 0.27 * len(shown))
    panel = made.subplots()
    for row, arm in enumerate(shown):
        _point(panel, arm, row, COLOURS[list(ARMS).index(arm.arm)])
    panel.set_yticks(
        range(len(shown)), [shorten(f"{arm.arm}: {arm.label}", 52) for arm in shown], fontsize=9
    )
    panel.set_ylim(len(shown) - 0.5, -0.5)
    panel.grid(axis="y", visible=False)
    lines = section.published
    panel.axvspan(lines["peers_low"] or 0, lines["peers_high"] or 0, color=GREY, alpha=0.12, lw=0)
    panel.axvline(lines["gate_accuracy"] or 0, color=GREY, ls="--", lw=1)
    panel.set_xlabel(f"{section.part} accuracy; dashed: gate, grey: the study's peers")
    note = caption(len(shown), len(arms), "classifiers")
    if note:
        made.supxlabel(note, fontsize=8, color=GREY)
    return made


def _point(panel: Axes, arm: ArmAccuracy, row: float, colour: str) -> None:
    panel.plot([v for v in arm.values.values() if v is not None], [row] * _count(arm), "|",
               color=colour, alpha=0.5, ms=7)  # fmt: skip
    if arm.mean is None:
        return
    if arm.low is not None and arm.high is not None:
        panel.plot([arm.low, arm.high], [row, row], color=colour, lw=2, solid_capstyle="butt")
    panel.plot([arm.mean], [row], "o", color=colour, ms=5)


def _count(arm: ArmAccuracy) -> int:
    return sum(v is not None for v in arm.values.values())


def _against_labels(section: Contrastive, axes: dict[str, list[Any]]) -> Figure:
    """One line for each classifier over the share of labels, on a logarithmic axis."""
    lines: dict[str, list[ArmAccuracy]] = {}
    for arm in section.arms:
        rest = [str(v) for k, v in arm.config.items() if k != LABELS and len(axes[k]) > 1]
        mode = [str(arm.config[FINETUNE])] if FINETUNE in arm.config and not rest else []
        lines.setdefault(" · ".join([arm.arm, *(rest or mode)]), []).append(arm)
    made = figure(6.6, 4.2)
    panel = made.subplots()
    handles = []
    for index, (name, items) in enumerate(lines.items()):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        x = np.array([float(arm.config[LABELS]) for arm in items]) * 1.03 ** (index - 2)
        y = np.array([_or_nan(arm.mean) for arm in items])
        panel.plot(x, y, color=colour, marker=marker, ms=5, lw=1.2)
        low = [_or_nan(arm.low) for arm in items]
        panel.vlines(x, low, [_or_nan(arm.high) for arm in items], color=colour, lw=1.5, alpha=0.6)
        handles.append(Line2D([], [], color=colour, marker=marker, label=shorten(name)))
    panel.set_xscale("log")
    shares = [float(value) for value in axes[LABELS]]
    panel.set_xticks(shares, [f"{100 * share:g} %" for share in shares])
    panel.minorticks_off()
    panel.set_xlabel("labels that any stage may see, share of the training part")
    panel.set_ylabel(f"{section.part} accuracy")
    panel.legend(handles=handles, fontsize=8)
    return made


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
