"""Rows of sweeps, as types. What may be NULL is None; times are seconds since 1970; JSON is text.
migrations/0002, 0005 and 0008 say what the columns mean.
"""

from __future__ import annotations

from typing import TypedDict


class SweepRow(TypedDict):
    """A sweep; `config` is its YAML."""

    id: int
    project_id: int
    name: str
    display_name: str | None
    description: str | None
    config: str
    method: str
    state: str
    cursor: int
    handed_out: int
    controller: str | None
    scheduler: str | None
    created_at: float
    updated_at: float


class AgentRow(TypedDict):
    """An agent of a sweep."""

    id: int
    sweep_id: int
    name: str
    host: str
    state: str
    failures: int
    created_at: float
    heartbeat_at: float


class CellRow(TypedDict):
    """A cell that was handed out; `args` is JSON."""

    id: int
    sweep_id: int
    key: str
    args: str
    state: str
    turn: int
    failures: int
    interruptions: int


class AttemptRow(TypedDict):
    """An attempt at a cell; it is a lease while `ended_at` is NULL."""

    id: int
    sweep_id: int
    cell_id: int
    run_id: int
    agent_id: int | None
    forerunner: int | None
    number: int
    offered_by: str
    process_alive: int
    leased_at: float
    seen_at: float | None
    stop_asked_at: float | None
    stop_reason: str | None
    ended_at: float | None
    outcome: str | None
    offers: int
    from_step: int
    process_gone: int
    told_end: int | None


class ScoreRow(TypedDict):
    """What the sweep's metric has been in a run; NULL: it has never been logged."""

    sweep_id: int
    run_id: int
    lines: int
    count: int
    best: float | None
    latest: float | None


class RungRow(TypedDict):
    """The metric of a run at a rung of hyperband."""

    sweep_id: int
    rung: int
    run_id: int
    value: float


class DecisionRow(TypedDict):
    """Why a thing happened; `run` is NULL where it is not about a run."""

    id: int
    sweep_id: int
    at: float
    kind: str
    run: str | None
    text: str
