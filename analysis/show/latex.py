"""table.tex: the table that a paper would print, for booktabs. Bold by verdict, not by mean."""

from __future__ import annotations

from analysis.judge.verdict import DIFFERENT, DIFFERENT_HERE, EQUIVALENT, INSUFFICIENT
from analysis.schema.report import CellReport, Contrast, Report
from analysis.show import text
from contract.values import key

SPECIAL = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"·": r"$\cdot$", "−": "$-$", "–": "--", "±": r"$\pm$", "×": r"$\times$", "≈": r"$\approx$"},
}


RESOLVED = {DIFFERENT: "", DIFFERENT_HERE: r"$^\ddagger$", EQUIVALENT: r" $\approx$"}
OPEN = r"$^\dagger$"


def escape(name: str) -> str:
    """Text from outside as literal LaTeX, on one line."""
    return "".join(SPECIAL.get(letter, letter) for letter in " ".join(name.split()))


def table(report: Report) -> str:
    """One row an arm, two columns a metric: mean ± half-width, and Δ from the baseline.

    Bold: DIFFERENT from the baseline and better, where a direction is known. Dagger: compared, and
    not resolved; without an interval where there is no inference. "" where nothing was judged.
    """
    names = list(dict.fromkeys(contrast.metric for contrast in report.contrasts))
    if not names:
        return ""
    axis, value = next(iter(report.baseline.items()), ("", None))
    against = {
        (key(c.a), c.metric): c
        for c in reversed(report.contrasts)
        if not axis or key(c.b.get(axis)) == key(value)
    }
    head = "".join(
        f" & {escape(report.metric(name).axis_title)} & $\\Delta$ [95\\,\\% CI]" for name in names
    )
    rows = [
        escape(cell.label)
        + "".join(
            _cells(report, cell, name, against.get((key(cell.config), name))) for name in names
        )
        for cell in report.cells
    ]
    lines = [
        "% \\usepackage{booktabs}",
        "% mean +- half-width of the 95 % interval over replicates; differences from the baseline",
        "% bold: different after correction over the family, in the direction that is better",
        "% dagger: not resolved; double dagger: different on this test set; approx: equivalent",
        "\\begin{tabular}{l" + "rl" * len(names) + "}",
        "\\toprule",
        f"{head} \\\\",
        "\\midrule",
        *(f"{row} \\\\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _cells(report: Report, cell: CellReport, name: str, contrast: Contrast | None) -> str:
    stats = cell.metrics.get(name)
    mean = "--"
    if stats is not None and stats.mean is not None:
        mean = escape(text.plus_minus(name, stats.mean, stats.half))
    if contrast is None:
        return f" & {mean} & "
    if contrast.verdict == INSUFFICIENT:
        return f" & {mean} & {escape(text.fmt(contrast.delta, 3))}{OPEN}"
    interval = contrast.crossed or contrast
    delta = escape(text.with_span(contrast.delta, interval.low, interval.high))
    if contrast.verdict != DIFFERENT:
        return f" & {mean} & {delta}{RESOLVED.get(contrast.verdict, OPEN)}"
    better = report.metric(name).better
    higher = (contrast.delta or 0) > 0
    if better and higher != (better == "higher"):
        return f" & {mean} & {delta}"
    return f" & \\textbf{{{mean}}} & \\textbf{{{delta}}}"
