"""Rows of projects and runs, as types. What may be NULL is None; times are seconds since 1970; JSON
is text, as its client sent it.
"""

from __future__ import annotations

from typing import TypedDict


class ProjectRow(TypedDict):
    """A project of an entity, which is only a name."""

    id: int
    entity: str
    name: str
    description: str | None
    created_at: float
    updated_at: float


class RunRow(TypedDict):
    """A run; migrations/0001 and 0008 say what its columns mean."""

    id: int
    project_id: int
    name: str
    display_name: str | None
    sweep: str | None
    state: str
    started: int
    stop_requested: int
    preempting: int
    resume_asked_at: float | None
    exit_code: int | None
    config: str
    summary: str
    system_metrics: str
    tags: str
    description: str | None
    notes: str | None
    group_name: str | None
    job_type: str | None
    commit_hash: str | None
    host: str | None
    program: str | None
    repo: str | None
    history_lines: int
    event_lines: int
    log_lines: int
    last_step: int
    history_keys: str
    created_at: float
    updated_at: float
    heartbeat_at: float
    ended_at: float | None
    begun_anew: int


class FileRow(TypedDict):
    """A file of a run, with the size and MD5 (base64) of its content."""

    id: int
    run_id: int
    name: str
    hash: str
    updated_at: float
    size: int
    md5: str


class LeaseRow(TypedDict):
    """What a run needs to know of the leases by which it was given out."""

    id: int
    ended_at: float | None  # NULL: open
    process_gone: int
    told_end: int | None
