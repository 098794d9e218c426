"""Runs of other people's programs, as a server would have them: no names or habits of ours."""

from __future__ import annotations

from typing import Any

from analysis.read.snapshot import Run, Snapshot


def run(number: int, config: dict[str, Any], summary: dict[str, Any], **fields: Any) -> Run:
    """A finished run."""
    made = {
        "id": f"r{number:04d}", "name": f"run-{number}", "state": "finished",
        "created_at": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}Z",
        "url": "http://127.0.0.1/x", "config": config, "summary": summary,
    }  # fmt: skip
    return Run(**(made | fields))


def snapshot(runs: list[Run], parameters: dict[str, Any] | None = None, **config: Any) -> Snapshot:
    """A sweep over `parameters`; without any, runs that somebody chose in a project."""
    said = {"method": "grid", "parameters": parameters, **config} if parameters else {}
    sweep = {
        "id": "abcd1234", "name": "theirs", "entity": "them", "project": "theirs", "url": "",
        "state": "FINISHED", "config": said,
    }  # fmt: skip
    return Snapshot(sweep if parameters else {**sweep, "what": ["them/theirs"]}, runs)
