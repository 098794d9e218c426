"""The report's numbers as Markdown, CSV and HTML. Nothing is computed here, only formatted."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from analysis.grid.cells import cell_label, pair_label
from analysis.grid.configs import display
from analysis.judge.effects import effect_label
from analysis.judge.verdict import (
    DIFFERENT,
    DIFFERENT_HERE,
    EQUIVALENT,
    INCONCLUSIVE,
    INSUFFICIENT,
    UNDECIDED,
)
from analysis.schema.report import (
    CellReport,
    ClaimAnswer,
    Contrast,
    CostRatio,
    Dominance,
    Effect,
    More,
    Report,
)
from analysis.show import latex, text
from contract.study import Section
from contract.values import key
from contract.words import counted

TEMPLATES = Path(__file__).with_name("templates")
PICTURES = {
    "forest.png": "Differences, with the intervals that decide",
    "search.png": "Values of the points that were drawn",
    "results.png": "Every seed as a point, with mean and interval per cell",
}
ROWS = 36  # rows of a table in the Markdown; the CSV twin has them all


def markdown(report: Report, pictures: list[str], sections: Sequence[Section] = ()) -> str:
    """report.md. pictures: file names that exist beside it; sections: those of the guest."""
    page = environment(TEMPLATES).get_template("report.md.j2")
    rendered = page.render(r=report, pictures=pictures, sections=sections, view=View(report))
    return re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"


def html(title: str, body_markdown: str, pictures: Mapping[str, bytes]) -> str:
    """The Markdown as one self-contained page: pictures (file name -> PNG) become data URLs."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(body_markdown)

    def embed(match: re.Match[str]) -> str:
        if match[1] not in pictures:
            return match[0]
        data = base64.b64encode(pictures[match[1]]).decode()
        return f'src="data:image/png;base64,{data}"'

    body = re.sub(r'src="([\w.-]+\.png)"', embed, body)
    # the only markup of ours; text from outside is never a paragraph of its own
    body = body.replace("<p>&lt;/details&gt;</p>", "</details>")
    folded = r"<p>&lt;details&gt;&lt;summary&gt;([^<&]*)&lt;/summary&gt;</p>"
    body = re.sub(folded, r"<details><summary>\1</summary>", body)
    body = re.sub(r"(<table>.*?</table>)", r'<div class="wide">\1</div>', body, flags=re.DOTALL)
    page = environment(TEMPLATES).get_template("report.html.j2")
    return page.render(title=title, body=body)


@cache
def environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder, with the filters that format numbers and names."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "fmt": text.fmt,
        "declared": text.declared,
        "p": text.fmt_p,
        "esc": text.escape,
        "display": display,
        "show": lambda value: text.escape(display(value)),
        "link": link,
    }
    environment.globals |= {"span": text.span, "with_span": text.with_span}
    return environment


def link(label: str, url: str) -> str:
    """A Markdown link; plain text where the URL is not one."""
    if not url.startswith(("http://", "https://")):
        return text.escape(label)
    return f"[{text.escape(label)}]({quote(url, safe=':/?#&=%~+,@-._')})"


class View:
    """What the template needs in another arrangement than the report's."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.rows = ROWS

    @property
    def columns(self) -> list[str]:
        """Metrics of the results table, in the order of the study's columns."""
        roles = {metric.name: metric.role for metric in self.report.metrics}
        doubled = {f"val/{n.removeprefix('test/')}" for n in roles if n.startswith("test/")}
        names = [n for n in roles if n == "val/loss" or n not in doubled]
        order = ["quality", "cost", "other"]
        return sorted(names, key=lambda n: (n != "val/loss", order.index(roles[n])))

    def first_columns(self) -> list[str]:
        """Metrics of the first table: those that are judged, else the first ones."""
        return self.judged() or self.columns[:2]

    def others(self) -> list[str]:
        """Metrics that the first table does not show."""
        return [name for name in self.columns if name not in self.first_columns()]

    def title(self, name: str) -> str:
        """Title with unit."""
        return self.report.metric(name).axis_title

    def mean(self, cell: CellReport, name: str) -> str:
        """mean ± half-width (n); the bare value of one run; a dash without any."""
        stats = cell.metrics.get(name)
        if stats is None or stats.mean is None:
            return text.NONE
        return f"{text.plus_minus(name, stats.mean, stats.half)} ({stats.n})"

    def pair(self, item: Contrast | CostRatio) -> str:
        """A contrast or ratio by what its cells share and where they differ."""
        return pair_label(item.a, item.b, self.report.axes)

    def explore(self) -> str:
        """The command that opens the samples behind the first contrast; "" without predictions."""
        first = next((c for c in self.report.contrasts if c.crossed), None)
        if first is None or "data_hash" not in self.report.provenance.environment:
            return ""  # the viewer opens the study's examples
        sweep = self.report.sweep
        words = ["--runs", f"{sweep.entity}/{sweep.project}/{sweep.id}"]
        words += ["--contrast", self.pair(first)]
        return f"python runner.py explore {shlex.join(words)}"

    def effect(self, item: Effect) -> str:
        """The two levels of an effect."""
        return effect_label(item)

    def contrasts(self, metric: str) -> list[Contrast]:
        """Contrasts of one metric."""
        return [c for c in self.report.contrasts if c.metric == metric]

    def judged(self) -> list[str]:
        """Metrics with contrasts, primary first."""
        return list(dict.fromkeys(c.metric for c in self.report.contrasts))

    def paired(self) -> bool:
        """Whether contrasts are over matched seeds."""
        return all(contrast.matched for contrast in self.report.contrasts)

    def crossed(self) -> bool:
        """Whether any interval is over examples, too."""
        return any(contrast.crossed for contrast in self.report.contrasts)

    def first_picture(self, pictures: list[str]) -> tuple[str, str]:
        """(file, description) of the one picture that is not folded away."""
        for name, about in PICTURES.items():
            if name in pictures:
                return name, about
        return "", ""

    def family(self, metric: str) -> int:
        """Comparisons that are corrected together on a metric."""
        return next((c.family for c in self.contrasts(metric)), 0)

    def shared(self) -> str:
        """What has most of the family's level, in words; "" where all members are alike."""
        effects = any(e.main for e in self.report.effects if e.metric == self.report.primary)
        named = sum(c.main for c in self.contrasts(self.report.primary))
        if named == self.family(self.report.primary):
            return ""
        return "pooled effects" if effects else f"{counted(named, 'contrast')}" if named else ""

    @property
    def against(self) -> str:
        """What Δ is against."""
        axis, value = next(iter(self.report.baseline.items()))
        return text.escape(f"Δ against {axis} = {display(value)}")

    def pooled_rows(self) -> list[tuple[str, dict[str, Effect]]]:
        """Pooled effects of the question's axis as rows: label, metric -> effect."""
        rows: dict[str, dict[str, Effect]] = {}
        for effect in self.report.effects:
            if effect.axis in self.report.baseline:
                label = f"{cell_label({effect.axis: effect.a}, {})}, all {effect.strata} levels"
                rows.setdefault(label, {})[effect.metric] = effect
        return list(rows.items())

    def marked(self, item: Contrast | Effect) -> str:
        """Δ with the interval that decides and the mark of its verdict; alone without inference."""
        if item.verdict == INSUFFICIENT:
            return text.fmt(item.delta, 3)
        interval = item.crossed if item.crossed is not None else item
        said = text.with_span(item.delta, interval.low, interval.high)
        marks = {DIFFERENT: f"**{said}**", DIFFERENT_HERE: f"{said} †", EQUIVALENT: f"{said} ≈"}
        return marks.get(item.verdict, said)

    def commands(self) -> list[str]:
        """What to run next, exactly: the rest of the grid, more seeds, a look at the samples."""
        report, lines = self.report, []
        file = report.file or "FILE"
        if not report.sweep.method:  # chosen runs: no sweep to go on with
            return lines
        if report.grid.done < report.grid.expected:
            lines.append(f"Run what is left: `python runner.py sweep {file}`")
        if report.more is not None:
            lines.append(f"{self.resolve(report.more)}: `{self.until(file, report.more.seeds)}`")
        elif self.open_with(INCONCLUSIVE):
            lines.append("Seeds alone would not resolve what is open: it needs more examples")
        elif self.open_with(*UNDECIDED):
            most = max(int(report.rules["advised_seeds"] or 0), self.runs_of_a_cell + 1)
            lines.append(f"Add seeds where a comparison is open: `{self.until(file, most)}`")
        if explore := self.explore():
            lines.append(f"See the samples behind a contrast: `{explore}`")
        return lines

    def open_with(self, *verdicts: str) -> bool:
        """Whether a comparison on the primary metric has one of these verdicts."""
        items = [*self.report.effects, *self.report.contrasts]
        return any(i.metric == self.report.primary and i.verdict in verdicts for i in items)

    def checked(self) -> str:
        """How many items of the checklist are met, not met, or cannot be told."""
        met = [c.met for c in self.report.checklist.items] if self.report.checklist else []
        return f"{met.count(True)} ✔, {met.count(False)} ✘, {met.count(None)} cannot be told"

    def until(self, file: str, most: int) -> str:
        """The command that adds seeds to what is open."""
        return f"python runner.py sweep {file} --until-decided --max-seeds {most}"

    def resolve(self, more: More) -> str:
        """What more seeds would resolve, at the spread that was seen, and what they cost here."""
        if more.question:
            what = f"Resolve the question, of which {counted(more.comparisons, 'comparison')} "
            what += f"{'is' if more.comparisons == 1 else 'are'} open"
        else:
            what = "The question is resolved; for what is open beside it"
        cost = counted(more.runs, "more run")
        if more.minutes is not None:
            cost += f", about {counted(int(more.minutes), 'minute')} of one agent here"
        text = f"{what}: {more.seeds} seeds a cell, by the spread seen ({cost})"
        if more.without:
            text += f"; {more.without} would stay open, with these examples"
        return text

    @property
    def runs_of_a_cell(self) -> int:
        """Most runs that a cell has."""
        return max((len(cell.runs) for cell in self.report.cells), default=0)

    def undecided(self) -> list[Contrast]:
        """Contrasts that more seeds or examples could decide."""
        return [c for c in self.report.contrasts if c.needs]

    def inconclusive(self) -> list[Contrast]:
        """Those of them that have enough seeds for a forecast."""
        return [c for c in self.undecided() if c.verdict == INCONCLUSIVE]

    def contrast(self, cell: CellReport, metric: str) -> Contrast | None:
        """The contrast of that cell with the baseline; None where there is none."""
        return self._against_baseline.get((key(cell.config), metric))

    @cached_property
    def _against_baseline(self) -> dict[tuple[str, str], Contrast]:
        axis, value = next(iter(self.report.baseline.items()), ("", None))
        found: dict[tuple[str, str], Contrast] = {}
        for contrast in self.report.contrasts:
            if key(contrast.b.get(axis)) == key(value):
                found.setdefault((key(contrast.a), contrast.metric), contrast)
        return found

    def claims_here(self) -> list[ClaimAnswer]:
        """Claims that this sweep answers."""
        return [claim for claim in self.report.claims if not claim.needs]

    def claims_need(self) -> str:
        """The sweeps that the other claims need."""
        found = dict.fromkeys(claim.needs for claim in self.report.claims if claim.needs)
        return text.escape(text.listing(list(found)))

    def dominances(self) -> list[list[Dominance]]:
        """Cells that dominate others, the costs of each pair together."""
        rows: dict[tuple[str, str], list[Dominance]] = {}
        for item in self.report.pareto:
            rows.setdefault((item.a_label, item.b_label), []).append(item)
        return list(rows.values())

    def cost_rows(self) -> list[list[CostRatio]]:
        """Cost ratios of each pair of cells, in the order of the metrics."""
        rows: dict[tuple[str, str], list[CostRatio]] = {}
        for item in self.report.costs:
            rows.setdefault((item.a_label, item.b_label), []).append(item)
        return list(rows.values())

    def sensitivity(self) -> list[Contrast]:
        """Contrasts for which something beyond the two intervals can be said."""
        return [
            c for c in self.contrasts(self.report.primary)
            if c.unmatched_a or c.unmatched_b or c.failed_at_chance is not None
            or c.bca_low is not None
        ]  # fmt: skip

    def incomplete(self) -> list[tuple[list[tuple[str, str]], str]]:
        """([(state, its seeds)], the cells with points in these states) of what is not done."""
        rows: dict[str, tuple[list[tuple[str, str]], list[str]]] = {}
        for cell in self.report.cells:
            states: dict[str, list[str]] = {}
            for seed, state in cell.states.items():
                if state != "done":
                    states.setdefault(state, []).append(seed)
            said = [(state, ", ".join(seeds)) for state, seeds in states.items()]
            if said:
                rows.setdefault(key(said), (said, []))[1].append(cell.label)
        return [(said, text.listing(labels, ROWS)) for said, labels in rows.values()]


def tables(report: Report) -> dict[str, str]:
    """File name -> CSV of the tables, without the limits that the Markdown has."""
    axes = list(report.axes)
    cells = [
        {
            **{axis: display(cell.config.get(axis, "")) for axis in axes},
            "metric": name,
            **stats.model_dump(exclude={"values"}),
        }
        for cell in report.cells
        for name, stats in cell.metrics.items()
    ]
    runs = [
        {
            **{axis: display(cell.config.get(axis, "")) for axis in axes},
            **ref.model_dump(),
            **{
                name: stats.values.get(ref.seed) if ref.counted else None
                for name, stats in cell.metrics.items()
            },
        }
        for cell in report.cells
        for ref in cell.runs
    ]
    long = [
        {**{n: row[n] for n in (*axes, "seed", "id", "state")}, "metric": name, "value": row[name]}
        for row in runs
        for name in dict.fromkeys(metric.name for metric in report.metrics)
        if row.get(name) is not None
    ]
    files = {
        "cells.csv": cells,
        "runs.csv": runs,
        "runs-long.csv": long,
        "contrasts.csv": [_flat(item.model_dump()) for item in report.contrasts],
        "effects.csv": [_flat(item.model_dump()) for item in report.effects],
        "costs.csv": [_flat(item.model_dump()) for item in report.costs],
    }
    made = {name: _csv(rows) for name, rows in files.items() if rows}
    paper = latex.table(report)
    return {**made, "table.tex": paper} if paper else made


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Configs and lists as JSON text, nested models as prefixed columns."""
    flat: dict[str, Any] = {}
    for name, item in row.items():
        if name in ("crossed", "statement"):
            flat |= _flat(item, f"{name}_") if item else {}
        elif isinstance(item, dict | list):
            flat[prefix + name] = json.dumps(item, ensure_ascii=False)
        else:
            flat[prefix + name] = item
    return flat


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
