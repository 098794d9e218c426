"""Differences A − B with both intervals: a row per contrast, a panel per metric."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.grid.cells import pair_label
from analysis.judge.effects import effect_label
from analysis.judge.verdict import DIFFERENT, INCONCLUSIVE
from analysis.schema.report import Contrast, Effect, MetricInfo, Report
from analysis.show.pictures.axes import STEPS, Window, whisker
from analysis.show.pictures.results import (
    COLOURS,
    GREY,
    MAX_ROWS,
    caption,
    figure,
    legend,
    real,
    room_for,
    shorten,
    styled,
)

BETTER = {"lower": "← lower is better", "higher": "higher is better →"}
ALONE = "alone yes, after correction no"


@styled
def forest(report: Report) -> Figure | None:
    """Pooled effects, then contrasts. The interval that decides is thick, that over seeds thin;
    coloured where the verdict is DIFFERENT, and otherwise where only the correction says no."""
    names = list(dict.fromkeys(c.metric for c in report.contrasts))[:3]
    rows = {n: [c for c in report.contrasts if c.metric == n and c.n > 0] for n in names}
    names = [name for name in names if rows[name]]
    if not names:
        return None
    total = max(len(rows[name]) for name in names)
    overall = list(dict.fromkeys(_effect_label(e) for e in report.effects))[: MAX_ROWS // 4]
    labels = [
        *overall,
        *(pair_label(c.a, c.b, report.axes) for c in rows[names[0]][:MAX_ROWS]),
    ]
    labels_shown = [shorten(label, 64) for label in labels]
    made = figure(room_for(labels_shown) + 3.2 * len(names), 1.3 + 0.3 * len(labels))
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    place = {label: row for row, label in enumerate(labels)}
    drawn: list[Contrast | Effect] = []
    cut = False
    for panel, name in zip(panels, names, strict=True):
        here = [c for c in rows[name] if pair_label(c.a, c.b, report.axes) in place]
        effects = [e for e in report.effects if e.metric == name and _effect_label(e) in place]
        window = _window(report.metric(name), [*here, *effects])
        window.apply(panel, "x")
        panel.axvline(0, color=GREY, lw=1, zorder=1)
        for contrast in here:
            row = place[pair_label(contrast.a, contrast.b, report.axes)]
            cut |= _difference(panel, row, contrast, report.rules["alpha"] or 0, window)
        for effect in effects:
            row = place[_effect_label(effect)]
            cut |= _difference(panel, row, effect, report.rules["alpha"] or 0, window, "D")
        drawn += [*effects, *here]
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        better = BETTER.get(report.metric(name).better, "")
        panel.set_xlabel(
            "\n".join([f"Δ {report.metric(name).axis_title}", *[better] * bool(better)])
        )
    panels[0].set_yticks(range(len(labels)), labels_shown)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    note = "arrows: the interval goes on beyond the axis" if cut else ""
    note += caption(min(total, MAX_ROWS), total, "contrasts")
    _legend(made, drawn, report.rules["alpha"] or 0, note.removeprefix("; "))
    return made


def _effect_label(effect: Effect) -> str:
    return f"all levels: {effect_label(effect)}"


def _window(metric: MetricInfo, items: list[Contrast | Effect]) -> Window:
    """Zero and every difference inside; intervals of few seeds may be cut off."""
    values = [0.0, *(item.delta for item in items if item.delta is not None)]
    for item in items:
        values += [v for v in getattr(item, "deltas", {}).values() if v is not None]
    ends = [end for item in items for pair in (item, item.crossed) if pair is not None
            for end in (pair.low, pair.high) if end is not None]  # fmt: skip
    return Window.of(metric, values, ends, difference=True)


def _difference(
    panel: Axes,
    row: int,
    contrast: Contrast | Effect,
    alpha: float,
    window: Window,
    marker: str = "o",
) -> bool:
    resolved = contrast.verdict == DIFFERENT
    colour = COLOURS[0] if resolved else COLOURS[1] if _alone(contrast, alpha) else GREY
    cut = whisker(panel, "x", row, contrast.low, contrast.high, window, colour, 1, zorder=2)
    for end in (contrast.low, contrast.high):
        if end is not None and window.low <= end <= window.high:
            panel.plot([end], [row], "|", ms=6, color=colour, zorder=2)
    crossed = contrast.crossed
    if crossed is not None:
        cut |= whisker(
            panel, "x", row, crossed.low, crossed.high, window, colour, 4.5,
            alpha=0.35, solid_capstyle="butt", zorder=1,
        )  # fmt: skip
    face = colour if resolved else "white"
    panel.plot(
        [real(contrast.delta)], [row], marker, ms=6, color=colour, mfc=face, mew=1.4, zorder=4
    )
    return cut


def _alone(item: Contrast | Effect, alpha: float) -> bool:
    """Whether nothing but the correction for the family leaves it open."""
    return item.verdict == INCONCLUSIVE and item.p_family is not None and item.p_family < alpha


def _legend(made: Figure, drawn: list[Contrast | Effect], alpha: float, note: str) -> None:
    """Only what the picture really shows."""
    resolved = any(c.verdict == DIFFERENT for c in drawn)
    other = sorted({c.verdict for c in drawn if not _alone(c, alpha)} - {DIFFERENT})
    handles: list[Line2D] = []
    if resolved:
        handles.append(Line2D([], [], color=COLOURS[0], marker="o", ls="", label=DIFFERENT))
    if any(_alone(c, alpha) for c in drawn):
        handles.append(
            Line2D([], [], color=COLOURS[1], marker="o", mfc="white", ls="", label=ALONE)
        )
    if other:
        label = other[0] if len(other) == 1 else "any other verdict"
        handles.append(Line2D([], [], color=GREY, marker="o", mfc="white", ls="", label=label))
    if any(isinstance(c, Effect) for c in drawn):
        diamond = Line2D([], [], color=GREY, marker="D", mfc="white", ls="", label="pooled effect")
        handles.append(diamond)
    if any(c.crossed is not None for c in drawn):
        handles.append(
            Line2D([], [], color=GREY, lw=4.5, alpha=0.35, label="95 %, seeds × examples")
        )
    handles.append(Line2D([], [], color=GREY, lw=1, marker="|", label="95 %, seeds only"))
    legend(made, handles, note)
