"""Differences A − B with the interval that decides: a row per comparison, a panel per metric."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.grid.cells import pair_label
from analysis.judge.effects import effect_label
from analysis.judge.verdict import DIFFERENT, DIFFERENT_HERE, EQUIVALENT, INCONCLUSIVE, INSUFFICIENT
from analysis.schema.report import Contrast, Effect, MetricInfo, Report
from analysis.show.pictures.axes import STEPS, Window, named, whisker
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
from analysis.show.text import declared

ALONE = "alone yes, after correction no"
RESOLVED = {
    DIFFERENT: (DIFFERENT, COLOURS[0]),
    DIFFERENT_HERE: ("DIFFERENT_HERE: on this test set", COLOURS[5]),
    EQUIVALENT: ("EQUIVALENT: inside the margin", COLOURS[2]),
}


@styled
def forest(report: Report) -> Figure | None:
    """Pooled effects, then contrasts. The interval that decides is thin, with ends; that of the
    comparison alone is thick: where only the first holds 0, nothing but the correction says no."""
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
    made = figure(room_for(labels_shown) + 3.2 * len(names), 1.5 + 0.3 * len(labels))
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    place = {label: row for row, label in enumerate(labels)}
    drawn: list[Contrast | Effect] = []
    cut, alpha = False, report.rules["alpha"] or 0
    for panel, name in zip(panels, names, strict=True):
        here = {_effect_label(e): e for e in report.effects if e.metric == name}
        here |= {pair_label(c.a, c.b, report.axes): c for c in rows[name]}
        here = {label: item for label, item in here.items() if label in place}
        window = _window(report.metric(name), list(here.values()))
        window.apply(panel, "x")
        panel.axvline(0, color=GREY, lw=1, zorder=1)
        margin = next((c.margin for c in here.values() if c.verdict == EQUIVALENT), None)
        if margin is not None:
            panel.axvspan(-margin, margin, color=COLOURS[2], alpha=0.1, lw=0, zorder=0)
        for label, item in here.items():
            cut |= _difference(panel, place[label], item, alpha, window)
        drawn += here.values()
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        panel.set_xlabel(named(report.metric(name), "Δ "))
    panels[0].set_yticks(range(len(labels)), labels_shown)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    note = "arrows: the interval goes on beyond the axis" if cut else ""
    note += caption(min(total, MAX_ROWS), total, "contrasts")
    _legend(made, drawn, alpha, note.removeprefix("; "))
    return made


def _effect_label(effect: Effect) -> str:
    return f"all levels: {effect_label(effect)}"


def _intervals(item: Contrast | Effect) -> list[tuple[float, float]]:
    """(alone, deciding): alone, over seeds and over examples where those are asked for; none where
    there is no inference."""
    if item.decides_low is None or item.decides_high is None:
        return []
    ends = [(item.low, item.high)]
    if item.p_family is not None and item.crossed is not None:
        ends.append((item.crossed.low, item.crossed.high))
    known = [(low, high) for low, high in ends if low is not None and high is not None]
    alone = (min(low for low, _ in known), max(high for _, high in known)) if known else None
    return [*([alone] if alone else []), (item.decides_low, item.decides_high)]


def _window(metric: MetricInfo, items: list[Contrast | Effect]) -> Window:
    """Zero and every difference inside; intervals of few seeds may be cut off."""
    values = [0.0, *(item.delta for item in items if item.delta is not None)]
    for item in items:
        values += [v for v in getattr(item, "deltas", {}).values() if v is not None]
    ends = [end for item in items for interval in _intervals(item) for end in interval]
    return Window.of(metric, values, ends, difference=True)


def _difference(
    panel: Axes, row: int, item: Contrast | Effect, alpha: float, window: Window
) -> bool:
    resolved = item.verdict in RESOLVED
    colour = RESOLVED[item.verdict][1] if resolved else COLOURS[1] if _alone(item, alpha) else GREY
    cut, intervals = False, _intervals(item)
    for low, high in intervals[:-1]:
        whisker(
            panel, "x", row, low, high, window, colour, 5, marks=False,
            alpha=0.35, solid_capstyle="butt", zorder=1,
        )  # fmt: skip
    for low, high in intervals[-1:]:
        cut = whisker(panel, "x", row, low, high, window, colour, 1.2, zorder=2)
        ends = [end for end in (low, high) if window.low <= end <= window.high]
        panel.plot(ends, [row] * len(ends), "|", ms=8, mew=1.4, color=colour, zorder=2)
    marker = "D" if isinstance(item, Effect) else "o"
    face = colour if resolved else "white"
    panel.plot([real(item.delta)], [row], marker, ms=6, color=colour, mfc=face, mew=1.4, zorder=4)
    return cut


def _alone(item: Contrast | Effect, alpha: float) -> bool:
    """Whether nothing but the correction for the family leaves it open."""
    return item.verdict == INCONCLUSIVE and item.p_family is not None and item.p_family < alpha


def _legend(made: Figure, drawn: list[Contrast | Effect], alpha: float, note: str) -> None:
    """Only what the picture really shows."""

    def dot(label: str, colour: str = GREY, face: str = "white", marker: str = "o") -> Line2D:
        return Line2D([], [], color=colour, marker=marker, mfc=face, ls="", label=label)

    said = {item.verdict for item in drawn}
    handles = [dot(*RESOLVED[name], RESOLVED[name][1]) for name in RESOLVED if name in said]
    if any(_alone(item, alpha) for item in drawn):
        handles.append(dot(ALONE, COLOURS[1]))
    other = sorted({c.verdict for c in drawn if not _alone(c, alpha)} - set(RESOLVED))
    if other:
        alone = f"{INSUFFICIENT}: no inference" if other == [INSUFFICIENT] else other[0]
        handles.append(dot(alone if len(other) == 1 else "any other verdict"))
    if any(isinstance(item, Effect) for item in drawn):
        handles.append(dot("pooled effect", marker="D"))
    if any(_intervals(item) for item in drawn):
        level = f"{declared(100 * (1 - alpha))} %"
        handles.append(Line2D([], [], color=GREY, lw=5, alpha=0.35, label=f"{level}, alone"))
        decides = f"{level} after correction: decides"
        handles.append(Line2D([], [], color=GREY, lw=1.2, marker="|", label=decides))
    legend(made, handles, note, 4)
