"""Published claims, answered from the contrasts and cost ratios of one report."""

from __future__ import annotations

from typing import Any

from analysis.grid.cells import Grid
from analysis.judge import stats
from analysis.judge.verdict import DIFFERENT, EQUIVALENT, MIN_SEEDS
from analysis.schema import report as schema
from contract.plan import Claim, Expectation, Level, Plan, Ratios
from contract.values import key

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
MIXED = "mixed"
OPEN = "not resolved"
ELSEWHERE = "needs another sweep"


def answer_all(
    plan: Plan, grid: Grid, contrasts: list[schema.Contrast], costs: list[schema.CostRatio]
) -> list[schema.ClaimAnswer]:
    """Every claim that the plan lists; those of other sweeps say what would answer them."""
    return [
        _answer(claim, claim.sweep == plan.name, grid, contrasts, costs) for claim in plan.claims
    ]


def _answer(
    claim: Claim,
    here: bool,
    grid: Grid,
    contrasts: list[schema.Contrast],
    costs: list[schema.CostRatio],
) -> schema.ClaimAnswer:
    found: list[schema.ClaimPart | None] = []
    metric = _metric(claim, contrasts) if here else ""
    if here:
        found += [_part(item, claim.metric, contrasts) for item in claim.contrasts]
        found += [_level_part(item, grid, metric) for item in claim.levels]
        found += (_ratio_parts(claim.ratios, costs) or [None]) if claim.ratios else []
    parts = [part for part in found if part is not None]
    missing = not here or len(parts) < len(found)
    return schema.ClaimAnswer(
        id=claim.id,
        text=claim.text,
        reading=claim.reading,
        answer=ELSEWHERE if missing else combine([part.answer for part in parts]),
        kinds={} if missing else _kinds(parts),
        untested=claim.untested,
        needs=f"sweeps/{claim.sweep}.yaml" if missing else "",
        parts=parts,
        metric=metric,
        published=dict(claim.published.items()),
        ours=_ours(claim, grid, contrasts, costs) if here else {},
    )


def _kinds(parts: list[schema.ClaimPart]) -> dict[str, str]:
    """Quantity -> the answer of its parts alone, where a claim is about several quantities."""
    kinds: dict[str, list[str]] = {}
    for part in parts:
        kinds.setdefault(part.text.split(":")[0], []).append(part.answer)
    return {kind: combine(found) for kind, found in kinds.items()} if len(kinds) > 1 else {}


def combine(answers: list[str]) -> str:
    """One answer from those of the parts: all must agree for `supported`."""
    agrees, contradicts = answers.count("agrees"), answers.count("contradicts")
    if agrees and contradicts:
        return MIXED
    if answers and agrees == len(answers):
        return SUPPORTED
    return CONTRADICTED if contradicts else OPEN


def _part(
    wanted: Expectation, metric: str, contrasts: list[schema.Contrast]
) -> schema.ClaimPart | None:
    """The contrast of a claim, turned around where the report has B − A; None where it has none."""
    for contrast in contrasts:
        if contrast.metric.split("/")[-1] != metric:
            continue
        if _is(contrast.a, wanted.a) and _is(contrast.b, wanted.b):
            return _claim_part(contrast, wanted.expect, 1)
        if _is(contrast.a, wanted.b) and _is(contrast.b, wanted.a):
            return _claim_part(contrast, wanted.expect, -1)
    return None


def _is(config: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return key(config) == key(wanted)


def _claim_part(contrast: schema.Contrast, expect: str, sign: int) -> schema.ClaimPart:
    interval = contrast.crossed or contrast
    low, high = interval.low, interval.high
    delta = None if contrast.delta is None else sign * contrast.delta
    if sign < 0 and low is not None and high is not None:
        low, high = -high, -low
    labels = [contrast.a_label, contrast.b_label][::sign]
    return schema.ClaimPart(
        text=f"{contrast.metric}: {labels[0]} − {labels[1]}",
        expect=expect,
        verdict=contrast.verdict,
        observed=delta,
        low=low,
        high=high,
        answer=_agreement(contrast.verdict, delta, expect),
    )


def _agreement(verdict: str, delta: float | None, expect: str) -> str:
    if verdict == EQUIVALENT:
        return "agrees" if expect == "equal" else "contradicts"
    if verdict != DIFFERENT or delta is None:
        return "open"
    return "agrees" if expect == ("higher" if delta > 0 else "lower") else "contradicts"


def _ratio_parts(claim: Ratios, costs: list[schema.CostRatio]) -> list[schema.ClaimPart]:
    """A counted ratio is held against the claimed one; a measured one by its interval."""
    parts = []
    low, high = claim.claimed * (1 - claim.tolerance), claim.claimed * (1 + claim.tolerance)
    for cost in costs:
        matches = cost.a.get(claim.axis) == claim.a and cost.b.get(claim.axis) == claim.b
        if cost.metric not in claim.metrics or not matches or cost.ratio is None:
            continue
        ends = (cost.ratio, cost.ratio) if cost.exact else (cost.low, cost.high)
        if ends[0] is None or ends[1] is None:
            verdict, answer = "unresolved", "open"
        elif low <= ends[0] and ends[1] <= high:
            verdict, answer = "within", "agrees"
        elif ends[1] < low or ends[0] > high:
            verdict, answer = "outside", "contradicts"
        else:
            verdict, answer = "unresolved", "open"
        parts.append(
            schema.ClaimPart(
                text=f"{cost.metric}: {cost.a_label} / {cost.b_label}",
                expect=f"{claim.claimed:g} ± {100 * claim.tolerance:g} %",
                verdict=verdict,
                observed=cost.ratio,
                low=cost.low,
                high=cost.high,
                answer=answer,
            )
        )
    return parts


def _level_part(claim: Level, grid: Grid, metric: str) -> schema.ClaimPart | None:
    """A cell's mean against a value: the 95 % interval over seeds on one side of the tolerance."""
    cell = next((c for c in grid.cells if _is(c.config, claim.cell)), None)
    values = list(cell.finite(metric).values()) if cell is not None else []
    if cell is None or not values:
        return None
    interval, least = stats.mean_interval(values), claim.reaches - claim.tolerance
    verdict, answer = "unresolved", "open"
    if interval.n >= MIN_SEEDS and interval.low >= least:
        verdict, answer = "within", "agrees"
    elif interval.n >= MIN_SEEDS and interval.high < least:
        verdict, answer = "below", "contradicts"
    return schema.ClaimPart(
        text=f"mean {metric}: {cell.label}",
        expect=f"≥ {claim.reaches:g} − {claim.tolerance:g}",
        verdict=verdict,
        observed=interval.mean,
        low=interval.low,
        high=interval.high,
        answer=answer,
    )


def _metric(claim: Claim, contrasts: list[schema.Contrast]) -> str:
    """The metric of the report that the claim's metric stands for, e.g. test/loss for loss."""
    judged = [c.metric for c in contrasts if c.metric.split("/")[-1] == claim.metric]
    return judged[0] if judged else ""


def _ours(
    claim: Claim,
    grid: Grid,
    contrasts: list[schema.Contrast],
    costs: list[schema.CostRatio],
) -> dict[str, float | None]:
    """Our figures under the names of the published ones: means of cells, or ratios of costs."""
    figures: dict[str, float | None] = {}
    metric = _metric(claim, contrasts)
    for cell in grid.cells:
        if cell.label in claim.published and metric:
            values = list(cell.finite(metric).values())
            figures[cell.label] = sum(values) / len(values) if values else None
    if claim.ratios is not None:
        for cost in costs:
            rest = [str(v) for axis, v in cost.a.items() if axis != claim.ratios.axis]
            name = f"{' · '.join(rest)} {cost.metric}"
            if cost.a.get(claim.ratios.axis) == claim.ratios.a and name in claim.published:
                figures[name] = cost.ratio
    return figures
