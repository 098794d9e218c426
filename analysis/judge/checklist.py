"""What the field asks of a study of fusion, answered from the runs (after arXiv 2512.22991).

Each item is met, not met, or cannot be told from these runs, with the evidence. What only the guest
can know, it answers (contract/study.py); without a guest it cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.judge.verdict import INSUFFICIENT, NOT_COMPARABLE
from analysis.schema import report as schema
from analysis.show.text import listing
from contract.study import GUESTS, HELD_OUT, MISSING, UNIMODAL, Answer
from contract.words import counted

SOURCE = "arXiv 2512.22991"
CODE, DATA = ("commit",), ("data_hash", "split_hash", "test_hash")


def checklist(
    report: schema.Report, guest: Mapping[str, Answer], explained: Mapping[str, list[str]]
) -> schema.Checklist:
    """Every item, for any report. explained: axis -> what may differ where it is swept."""
    asked = {name: guest.get(name, Answer(None, GUESTS[name])) for name in GUESTS}
    found = {
        UNIMODAL: asked[UNIMODAL],
        "equal tuning budget": tuning(report),
        HELD_OUT: held_out(report, asked[HELD_OUT]),
        "number of seeds": seeds(report),
        "intervals": intervals(report),
        "equal data and code": equal(report, explained),
        MISSING: asked[MISSING],
        "multiplicity": multiplicity(report),
    }
    items = [
        schema.CheckItem(item=name, met=answer.met, evidence=answer.evidence)
        for name, answer in found.items()
    ]
    return schema.Checklist(source=SOURCE, items=items)


def tuning(report: schema.Report) -> Answer:
    """Whether every arm had the same settings and as many runs."""
    leaked, held = report.constants.leaked, list(report.constants.held)
    if report.kind == "search":
        return Answer(None, "points were drawn, not given to every arm alike")
    if leaked:
        return Answer(False, f"{listing(list(leaked), 6)} differ between runs, beside the axes")
    if not held:
        return Answer(None, "runs logged no settings that are held")
    planned = {len(cell.states) for cell in report.cells}
    if len(planned) > 1:
        return Answer(False, f"cells have {min(planned)} to {max(planned)} runs planned")
    what = f"{listing(held, 6)} are the same in every arm, {counted(max(planned), 'seed')} each"
    return Answer(True, f"{what}; trials before this sweep are not seen")


def held_out(report: schema.Report, guest: Answer) -> Answer:
    """Whether what is reported was not used to choose: epochs are the guest's to answer."""
    if report.goal.startswith("test/"):
        return Answer(False, f"the sweep's own metric is {report.goal}")
    if not report.primary.startswith("test/"):
        if report.primary.startswith("val/"):
            return Answer(False, f"{report.primary} is of a validation part, which is for choosing")
        return Answer(None, f"{report.primary or 'no metric'} does not say of which part it is")
    return guest


def seeds(report: schema.Report) -> Answer:
    """Whether comparisons rest on as many seeds as resolve something."""
    counts = [item.n for item in [*report.effects, *report.contrasts]]
    least = int(report.rules["advised_seeds"] or 0)
    if not counts:
        return Answer(None, "nothing is compared")
    said = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
    return Answer(min(counts) >= least, f"{said} a comparison, of {least} advised")


def intervals(report: schema.Report) -> Answer:
    """Whether every comparison has an interval, over examples where those are the question."""
    items = [*report.effects, *report.contrasts]
    if not items:
        return Answer(None, "nothing is compared")
    without = sum(item.verdict in (INSUFFICIENT, NOT_COMPARABLE) for item in items)
    if without:
        return Answer(False, f"{without} of {counted(len(items), 'comparison')} allow no inference")
    crossed = all(item.crossed is not None for item in items)
    return Answer(True, "95 %, over seeds and examples" if crossed else "95 %, over seeds")


def equal(report: schema.Report, explained: Mapping[str, list[str]]) -> Answer:
    """Whether all runs that count had the same data and the same committed code."""
    known, missing = report.provenance.environment, report.provenance.missing
    swept = {name for axis in report.axes for name in explained.get(axis, [])}
    differ = [n for n in (*CODE, *DATA) if len(known.get(n, [])) > 1 and n not in swept]
    keys = sorted({name for item in report.contrasts for name in item.differing})
    if differ or keys:
        return Answer(False, f"runs differ in {listing(list(dict.fromkeys([*differ, *keys])), 6)}")
    lacking = [name for name in (*CODE, *DATA) if name not in known or missing.get(name)]
    if lacking:
        return Answer(None, f"runs do not say their {listing(lacking)}")
    if "true" in known.get("dirty", []):
        return Answer(None, "data by hash; code from a checkout with uncommitted changes")
    return Answer(True, "one hash each of data, split and test set, one commit")


def multiplicity(report: schema.Report) -> Answer:
    """Whether what is compared is corrected together."""
    sizes = [item.family for item in report.contrasts if item.metric == report.primary]
    if not sizes:
        return Answer(None, "nothing is compared")
    return Answer(True, f"Holm over the {max(sizes)} that are declared on {report.primary}")
