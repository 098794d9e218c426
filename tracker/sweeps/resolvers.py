"""Resolvers: sweeps and their agents. The rules stand in `leases`, `attempts`, `states`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from tracker import documents
from tracker.api import filters, ids, paging
from tracker.api.engine import sibling_arguments
from tracker.api.users import viewer
from tracker.context import Hooks
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import reads as runs
from tracker.runs import rows as run_rows
from tracker.runs.keys import of_sweep, run_operand
from tracker.runs.rows import RunQuery
from tracker.runs.tables import ProjectRow, RunRow
from tracker.settings import Settings
from tracker.store.rows import update
from tracker.sweeps import attempts, scores
from tracker.sweeps import filters as sweep_filters
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import states as sweep_states
from tracker.sweeps.leases import Leases
from tracker.sweeps.states import config_of
from tracker.sweeps.tables import AgentRow, SweepRow

Info = GraphQLResolveInfo

MAX_LIVE_RUNS = 1_000  # of one agent


def make_hooks(settings: Settings) -> Hooks:
    """What sweeps do when a run changes, and every few seconds when silence counts."""
    return Hooks(
        run_started=(attempts.run_started,),
        run_logged=(attempts.run_logged,),
        run_rewritten=(attempts.run_rewritten,),
        run_ended=(attempts.run_ended,),
        tick=(Leases(settings).tick,),
    )


# --- changes ----------------------------------------------------------------------------------


def upsert_sweep(_: Any, info: Info, input: Object) -> Object:
    """Creates a sweep of a config, or gives an existing one (`id`) another config or state."""
    context = info.context
    text = input.get("config")
    config = config_of(text) if text else None  # refused before anything is written
    columns = {
        column: input[name]
        for name, column in (
            ("displayName", "display_name"),
            ("description", "description"),
            ("controller", "controller"),
            ("scheduler", "scheduler"),
        )
        if input.get(name) is not None
    }
    with context.store.write() as db:
        if input.get("id"):
            sweep = find_or_refuse(db, input["id"])
            if columns:
                update(db, "sweeps", sweep["id"], **columns)
            if text:
                sweep_states.reconfigure(db, sweep, text, context.now)
            if input.get("state"):
                sweep = find_or_refuse(db, input["id"])
                sweep_states.set_state(db, sweep, input["state"], context.now)
        else:
            sweep = create(context, db, input, columns)
        current = sweep_rows.get_sweep(db, sweep["id"])
    return {
        "sweep": current,
        "config_validation_warnings": list(config.warnings) if config else [],
    }


def create(context: Any, db: Any, input: Object, columns: Object) -> SweepRow:
    """A new sweep, with the runs made before that it is to take in."""
    if not input.get("config"):
        raise RequestError("a new sweep needs a `config`")
    entity, name = context.place(input)
    project, _ = run_rows.ensure_project(db, entity, name, context.now)
    sweep = sweep_states.create(db, project["id"], input["config"], context.now, **columns)
    if input.get("priorRunsFilters"):
        where = filters.parse(input["priorRunsFilters"], run_operand)
        found = RunQuery(project["id"], [where]).page(db, paging.MAX_PAGE)
        sweep_states.add_prior_runs(db, sweep, found, context.now)
    return sweep


def create_agent(_: Any, info: Info, input: Object) -> Object:
    """Registers an agent; a sweep that waited for one starts."""
    context = info.context
    with context.store.write() as db:
        project = run_rows.find_project(db, *context.place(input))
        name = input["sweep"].rpartition("/")[2]
        sweep = sweep_rows.find_sweep(db, project["id"], name) if project else None
        if sweep is None:
            raise RequestError(f"sweep {input['sweep']!r} does not exist", status=404)
        agent_id = Leases(context.settings).register(db, sweep, input["host"], context.now)
        return {"agent": sweep_rows.get_agent(db, agent_id)}


def agent_heartbeat(_: Any, info: Info, input: Object) -> Object:
    """Keeps the agent's lease and tells it what to do; HTTP 404 makes an agent exit."""
    context = info.context
    alive = live_runs(input.get("runState"))
    with context.store.write() as db:
        agent = sweep_rows.get_agent(db, ids.decode("Agent", input["id"]))
        if agent is None:
            raise RequestError("no such agent (its sweep may have been deleted)", status=404)
        commands = Leases(context.settings).heartbeat(
            db, agent, alive, context.now, context.hooks.run_ended
        )
    return {"agent": agent, "commands": json.dumps(commands)}


def live_runs(text: str | None) -> set[str]:
    """The runs that `runState` ({run: true}) calls alive."""
    states = documents.read_object(text or "{}", "runState")
    if len(states) > MAX_LIVE_RUNS:
        raise RequestError(f"runState: more than {MAX_LIVE_RUNS} runs")
    return {name for name, is_alive in states.items() if is_alive is True}


def find_or_refuse(db: Any, storage_id: str) -> SweepRow:
    """A sweep by its storage id; RequestError 404 where it is gone."""
    sweep = sweep_rows.get_sweep(db, ids.decode("Sweep", storage_id))
    if sweep is None:
        raise RequestError("no such sweep (it may have been deleted)", status=404)
    return sweep


def enqueue_run(_: Any, info: Info, input: Object) -> Object:
    raise RequestError("runs cannot be enqueued: this server chooses the cells of a sweep itself")


# --- reads ------------------------------------------------------------------------------------


def project_sweep(
    source: ProjectRow, info: Info, sweepName: str | None = None, id: str | None = None
) -> SweepRow | None:
    name = (sweepName or "").rpartition("/")[2]
    with info.context.store.read() as db:
        if id and not name:
            sweep = sweep_rows.get_sweep(db, ids.decode("Sweep", id))
            return sweep if sweep and sweep["project_id"] == source["id"] else None
        return sweep_rows.find_sweep(db, source["id"], name)


def project_sweeps(
    source: ProjectRow,
    info: Info,
    first: int | None = None,
    after: str | None = None,
    filters: str | None = None,
    **_: Any,
) -> Object:
    place = paging.read_cursor(after)
    limit = paging.bound(first)
    with info.context.store.read() as db:
        rows = [
            row
            for row in sweep_rows.list_sweeps(db, source["id"])
            if sweep_filters.matches({**row, "state": sweep_states.api_state(row)}, filters)
        ]
    behind = [row for row in rows if place is None or row["id"] < place[0]]
    page = paging.connection(behind[: limit + 1], limit, lambda row: [row["id"]])
    return page | {"total_count": len(rows)}


def total_sweeps(source: ProjectRow, info: Info) -> int:
    """Of the sweeps that the query lists beside it, where it lists some of them only."""
    narrowed = sibling_arguments(info, "sweeps").get("filters")
    with info.context.store.read() as db:
        rows = sweep_rows.list_sweeps(db, source["id"])
    return sum(sweep_filters.matches(row, narrowed) for row in rows)


def sweep_runs(source: SweepRow, info: Info, **arguments: Any) -> Object:
    query = RunQuery(source["project_id"], [of_sweep(source["name"])])
    return runs.run_connection(info, query, **arguments)


def prior_runs(source: SweepRow, info: Info, **arguments: Any) -> Object:
    where = [sweep_rows.taken_in(source)]
    return runs.run_connection(info, RunQuery(source["project_id"], where), **arguments)


def agent_runs(source: AgentRow, info: Info, **arguments: Any) -> Object:
    with info.context.store.read() as db:
        sweep = sweep_rows.sweep_of(db, source["sweep_id"])
    return runs.run_connection(
        info, RunQuery(sweep["project_id"], [sweep_rows.given_to(source)]), **arguments
    )


def agent_total(source: AgentRow, info: Info) -> int:
    with info.context.store.read() as db:
        sweep = sweep_rows.sweep_of(db, source["sweep_id"])
        return RunQuery(sweep["project_id"], [sweep_rows.given_to(source)]).count(db)


def agent_state(source: AgentRow, info: Info) -> str:
    """RUNNING, FINISHED, or CRASHED: not heard of for too long."""
    if source["state"] != "running":
        return "FINISHED"
    silent = info.context.now - source["heartbeat_at"] > info.context.settings.agent_timeout
    return "CRASHED" if silent else "RUNNING"


def sweep_agent(source: SweepRow, info: Info, agentName: str) -> AgentRow | None:
    with info.context.store.read() as db:
        for agent in sweep_rows.list_agents(db, source["id"]):
            if agentName in (agent["name"], ids.encode("Agent", agent["id"])):
                return agent
    return None


def sweep_agents(
    source: SweepRow, info: Info, first: int | None = None, after: str | None = None
) -> Object:
    place, limit = paging.read_cursor(after) or [0], paging.bound(first or paging.MAX_PAGE)
    with info.context.store.read() as db:
        agents = [a for a in sweep_rows.list_agents(db, source["id"]) if a["id"] > place[0]]
    return paging.connection(agents[: limit + 1], limit, lambda agent: [agent["id"]])


def with_store(read: Callable[[Any, Any], Any]) -> Callable[[Any, Info], Any]:
    """A field that is read from the database: read(connection, source)."""

    def resolve(source: Any, info: Info) -> Any:
        with info.context.store.read() as db:
            return read(db, source)

    return resolve


def run_sweep(db: Any, run: RunRow) -> SweepRow | None:
    return sweep_rows.find_sweep(db, run["project_id"], run["sweep"]) if run["sweep"] else None


def run_agent(db: Any, run: RunRow) -> AgentRow | None:
    """The agent that had the run last; None outside sweeps, or where it was deleted."""
    attempt = sweep_rows.last_attempt(db, run_id=run["id"])
    return sweep_rows.get_agent(db, attempt["agent_id"] or 0) if attempt else None


def run_count(db: Any, sweep: SweepRow) -> int:
    return RunQuery(sweep["project_id"], [of_sweep(sweep["name"])]).count(db)


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {
        "upsertSweep": upsert_sweep,
        "createAgent": create_agent,
        "agentHeartbeat": agent_heartbeat,
        "enqueueSweepRun": enqueue_run,
    },
    "Project": {
        "sweep": project_sweep,
        "sweeps": project_sweeps,
        "totalSweeps": total_sweeps,
    },
    "Run": {"sweep": with_store(run_sweep), "agent": with_store(run_agent)},
    "Sweep": {
        "id": lambda row, info: ids.encode("Sweep", row["id"]),
        "state": lambda row, info: sweep_states.api_state(row),
        "earlyStopJobRunning": lambda row, info: False,
        "bestLoss": with_store(
            lambda db, row: scores.best(db, config_of(row["config"]), row["id"])
        ),
        "heartbeatAt": with_store(lambda db, row: sweep_rows.last_heartbeat(db, row["id"])),
        "runCount": with_store(run_count),
        "runCountExpected": lambda row, info: config_of(row["config"]).expected,
        "project": with_store(lambda db, row: run_rows.get_project(db, row["project_id"])),
        "user": lambda row, info: viewer(None, info),
        "runs": sweep_runs,
        "priorRuns": prior_runs,
        "agent": sweep_agent,
        "agents": sweep_agents,
        "decisionLog": with_store(lambda db, row: sweep_states.explain(db, row["id"])),
    },
    "Agent": {
        "id": lambda row, info: ids.encode("Agent", row["id"]),
        "state": agent_state,
        "totalRuns": agent_total,
        "runs": agent_runs,
    },
}
