"""What resolves what is open: seeds, runs and minutes, and the command."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.judge import planning
from analysis.show.render import markdown

VALUES = {"late": (0.80, 0.82, 0.84), "concat": (0.78, 0.79, 0.835)}


def few(sweep):
    """Two arms that differ by one and a half standard deviations of their difference."""
    made = sweep({"fusion": ["late", "concat"]}, seeds=3)
    made.population = "seeds"
    for run in made.runs:
        run.predictions = None
        run.summary["test/accuracy"] = VALUES[run.config["fusion"]][run.config["seed"]]
        run.created_at, run.heartbeat_at = "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"
    return made


def test_it_says_seeds_runs_minutes_and_the_command(sweep) -> None:
    report = build(few(sweep))
    item, more = report.contrasts[0], report.more
    assert item.verdict == "INCONCLUSIVE" and more is not None and more.question
    assert more.seeds == max(item.seeds_needed_looks or 0, 4)
    assert more.runs == 2 * (more.seeds - 3)
    assert more.minutes is not None and more.minutes == pytest.approx(-(-more.runs * 90 // 60))
    text = markdown(report, [])
    assert f"--until-decided --max-seeds {more.seeds}`" in text
    assert f"about {int(more.minutes)} minutes of one agent here" in text


def test_looks_need_more_seeds_than_one(sweep) -> None:
    item = build(few(sweep)).contrasts[0]
    assert item.seeds_needed_family is not None and item.seeds_needed_looks is not None
    assert item.seeds_needed_looks >= item.seeds_needed_family
    assert item.delta is not None and item.sd is not None
    asked = planning.seeds_needed(item.delta, item.sd, alpha=0.05 / 4)
    assert item.seeds_needed_looks == asked


def test_nothing_is_asked_for_where_nothing_is_open(sweep) -> None:
    made = sweep({"fusion": ["late", "concat"]}, quality=lambda c: 1 + 2 * (c["fusion"] == "late"))
    report = build(made)
    assert {c.verdict for c in report.contrasts} == {"DIFFERENT"} and report.more is None
    assert "--until-decided" not in markdown(report, [])


def test_runs_that_do_not_say_when_they_ended_cost_no_minutes(sweep) -> None:
    made = few(sweep)
    for run in made.runs:
        run.heartbeat_at = ""
    report = build(made)
    assert report.more is not None and report.more.minutes is None
    assert "minutes of one agent" not in markdown(report, [])
