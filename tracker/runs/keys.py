"""What the keys of W&B's run filters and orders stand for."""

from __future__ import annotations

from tracker.api.filters import equals
from tracker.api.operands import Operand, document_operand, read_time
from tracker.errors import RequestError
from tracker.settings import USER
from tracker.store.where import Where

COLUMNS = {
    "name": "name",
    "id": "name",
    "display_name": "display_name",
    "displayname": "display_name",
    "state": "state",
    "group": "group_name",
    "groupname": "group_name",
    "job_type": "job_type",
    "jobtype": "job_type",
    "commit": "commit_hash",
    "host": "host",
    "description": "description",
    "notes": "notes",
    "exitcode": "exit_code",
    "history_line_count": "history_lines",
    "historylinecount": "history_lines",
}
SWEEP = ("sweep", "sweep_name", "sweepname")
TIMES = {
    "created_at": "created_at",
    "createdat": "created_at",
    "updated_at": "updated_at",
    "updatedat": "updated_at",
    "heartbeat_at": "heartbeat_at",
    "heartbeatat": "heartbeat_at",
}
DOCUMENTS = {
    "config": "config",
    "summary_metrics": "summary",
    "summarymetrics": "summary",
    "summary": "summary",
    "system_metrics": "system_metrics",
    "systemmetrics": "system_metrics",
}


def run_operand(key: str) -> Operand:
    """What a filter's key, such as `config.optimizer.lr.value` or `state`, stands for."""
    head, _, rest = key.partition(".")
    lower = head.lower()
    if rest and lower in DOCUMENTS:
        return document_operand(DOCUMENTS[lower], rest)
    if key.lower() in SWEEP:
        return Operand("sweep", also=taken_over)
    if key.lower() in COLUMNS:
        column = COLUMNS[key.lower()]
        return Operand(column, present=column in ("name", "state", "history_lines"))
    if key.lower() in TIMES:
        return Operand(TIMES[key.lower()], read=read_time, present=True)
    if key.lower() in ("tags", "tag"):
        return Operand("tags", is_list=True)
    if key.lower() in ("user", "username", "user.username"):
        return Operand("?", [USER])
    if key.lower() == "entity":
        return Operand("(SELECT entity FROM projects WHERE projects.id = project_id)")
    if key.lower() in ("duration", "runtime", "compute_seconds", "computeseconds"):
        return Operand("coalesce(ended_at, heartbeat_at) - created_at")
    raise RequestError(f"filters: {key!r} is not known here")


def taken_over(test: str) -> str:
    """Runs that a sweep with such a name has taken over (`wandb sweep -R`). They stand in that
    sweep, too, while `runs.sweep` goes on to name the one that has made them, if any.
    """
    return (
        "id IN (SELECT run_id FROM prior_runs JOIN sweeps ON sweeps.id = prior_runs.sweep_id"
        f" WHERE {test.format('sweeps.name')})"
    )


def of_sweep(name: str) -> Where:
    """The runs of a sweep."""
    return equals(run_operand("sweep"), name)
