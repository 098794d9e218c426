"""What a report is asked for: one sweep, several, or runs of a project, found on the server."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from analysis.read.ask import FetchError, NoSweepError, attempt, quiet
from analysis.read.fetch import Source
from contract.values import plain

TIMEOUT = 60  # seconds of a request; the client's own 19 are too few for a slow server
PROJECTS = 200  # projects in which a bare sweep id is looked for


def find(*what: str, query: Mapping[str, Any] | None = None) -> Source:
    """What a report is asked for, on the server in use.

    One sweep or several ("entity/project/id", "project/id" or "id"), or a project
    ("entity/project" or "project") with a query in W&B's words that chooses among its runs. A path
    that is no sweep but a project means all of its runs. Raises FetchError.
    """
    import wandb

    with quiet():
        api = attempt(lambda: wandb.Api(timeout=TIMEOUT), "connecting to the W&B server", 1)
        if query is not None:
            if len(what) != 1 or what[0].count("/") > 1:
                raise FetchError(
                    "--filter, --group, --tag and --name choose runs of one project: give "
                    f"ENTITY/PROJECT, not {' '.join(what)!r}"
                )
            return _project(api, what[0].strip("/"), query)
        if len(what) == 1:
            try:
                return _source(api, [_sweep(api, what[0])])
            except NoSweepError:
                if what[0].strip("/").count("/") > 1 or not _has_project(api, what[0]):
                    raise
                return _project(api, what[0].strip("/"), {})
        return _source(api, [_sweep(api, one) for one in what])


def _sweep(api: Any, sweep: str) -> dict[str, Any]:
    """A sweep, described; a bare id is looked for in the projects of the default entity."""
    parts = [part for part in sweep.strip("/").split("/") if part and part != "sweeps"]
    if not 1 <= len(parts) <= 3:
        raise FetchError(f"SWEEP {sweep!r}: allowed are entity/project/id, project/id and id")
    entity = parts[0] if len(parts) == 3 else api.default_entity
    if len(parts) > 1:
        projects = [parts[-2]]
    else:
        found = attempt(lambda: list(api.projects(entity)), "listing projects")
        projects = [project.name for project in found][:PROJECTS]
    for project in projects:
        with contextlib.suppress(LookupError):
            item = attempt(
                lambda p=project: api.sweep(f"{entity}/{p}/{parts[-1]}"), f"reading {sweep}"
            )
            return describe(item, str(entity), project)
    where = f"{entity}/{projects[0]}" if len(projects) == 1 else f"any project of {entity}"
    raise NoSweepError(
        f"SWEEP {sweep!r}: no sweep {parts[-1]!r} in {where} on {api.settings['base_url']}; "
        "`wandb sweep` prints the id"
    )


def _source(api: Any, infos: list[dict[str, Any]]) -> Source:
    """The runs of one sweep, or of several together."""
    infos = [*{info["id"]: info for info in infos}.values()]
    several = len(infos) > 1
    wanted = tuple(
        (f"{i['entity']}/{i['project']}", {"sweep": i["id"]}, i["id"] if several else "")
        for i in infos
    )
    if not several:
        return Source(api, infos[0], wanted)
    ids = sorted(info["id"] for info in infos)
    first, names = infos[0], dict.fromkeys(info["name"] or info["id"] for info in infos)
    states = dict.fromkeys(info["state"] for info in infos)
    info = {
        **{"id": short("+".join(ids)), "name": " + ".join(names), "url": first["url"]},
        **{"entity": first["entity"], "project": first["project"], "state": ", ".join(states)},
        "config": {},
        "parts": infos,
        "what": ["/".join(i[n] for n in ("entity", "project", "id")) for i in infos],
    }
    return Source(api, info, wanted)


def _has_project(api: Any, path: str) -> bool:
    """Whether there is a project of that name. Asking for one that is not there creates nothing."""
    entity, _, project = path.strip("/").rpartition("/")
    try:
        found = attempt(
            lambda: list(api.projects(entity or api.default_entity)), "listing projects"
        )
    except (FetchError, LookupError):
        return False
    return any(item.name == project for item in found)


def _project(api: Any, path: str, query: Mapping[str, Any]) -> Source:
    """The runs of a project that a query chooses."""
    head, _, project = path.rpartition("/")
    entity = head or str(api.default_entity)
    filters = filters_of(query)
    path = f"{entity}/{project}"
    try:
        attempt(lambda: len(api.runs(path, filters=filters, per_page=1)), f"asking {path}", 2)
    except LookupError:
        raise FetchError(
            f"{path}: no such project on {api.settings['base_url']}; `wandb.ai` lists yours"
        ) from None
    words = [f"--{name}={text}" for name in query for text in _texts(query[name])]
    info = {
        **{"id": short(path + json.dumps(filters, sort_keys=True)), "entity": entity},
        **{"name": " ".join([project, *words]), "project": project, "state": "", "config": {}},
        "url": f"{api.settings['base_url'].rstrip('/')}/{path}",
        "what": [path, *words],
    }
    return Source(api, info, ((path, filters, ""),))


def _texts(value: Any) -> list[str]:
    return [str(item) if isinstance(item, str) else json.dumps(item) for item in value]


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """W&B's filter document of what was said by --filter (documents), --group, --tag, --name.

    Several words of one flag are alternatives, but for filters, which must all hold.
    """
    parts = list(query.get("filter", []))
    if groups := list(query.get("group", [])):
        parts.append({"group": {"$in": groups}})
    if tags := list(query.get("tag", [])):
        parts.append({"tags": {"$in": tags}})
    if names := list(query.get("name", [])):
        parts.append({"$or": [{"display_name": {"$regex": name}} for name in names]})
    return {"$and": parts} if len(parts) > 1 else parts[0] if parts else {}


def short(text: str) -> str:
    """Eight hex digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def describe(sweep: Any, entity: str, project: str) -> dict[str, Any]:
    """The sweep as the snapshot holds it."""
    return {
        "id": sweep.id,
        "name": sweep.name,
        "entity": entity,
        "project": project,
        "url": sweep.url,
        "state": str(getattr(sweep, "state", None) or sweep._attrs.get("state") or ""),
        "config": plain(sweep.config),
    }
