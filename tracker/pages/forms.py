"""What the buttons of pages do: each says what a client would say, through the same GraphQL. A form
carries a token of the login that it was shown to, so that no other page can send it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tracker.api import ids
from tracker.errors import RequestError
from tracker.http.bodies import parts
from tracker.http.gate import SESSION, SESSION_SECONDS
from tracker.pages import common
from tracker.pages.render import link

MOST_BYTES = 512 << 10
MOST_FIELDS = 50
SWEEP_STATES = {"stop": "FINISHED", "pause": "PAUSED", "resume": "RUNNING", "cancel": "CANCELED"}
EDIT = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { id } } }"
STOP = "mutation($i: StopRunInput!) { stopRun(input: $i) { success } }"
DELETE = "mutation($i: DeleteRunInput!) { deleteRun(input: $i) { success } }"
SWEEP = "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { id } } }"


def login_of(request: Request) -> str:
    """What tells one login from another, without being good for one."""
    return hashlib.sha256(request.scope.get(SESSION, "").encode()).hexdigest()[:16]


def token(request: Request) -> str:
    """For the forms of a page that this request is shown. It is the same for an hour, so that a
    page that is asked for again is the same where nothing has changed.
    """
    server = request.app.state.server
    hour = server.clock() // 3600 * 3600
    return server.signer.token("form", {"login": login_of(request)}, hour + SESSION_SECONDS)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form that this server has shown to this login; RequestError otherwise."""
    server = request.app.state.server
    body = b"".join([part async for part in parts(request, server.settings, MOST_BYTES)])
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise RequestError("this is no form of this server") from None
    shown = server.signer.open_token("form", fields.get("token", ""), server.clock())
    if shown["login"] != login_of(request):
        raise RequestError("this form was shown to another login: load the page anew", status=403)
    return fields


async def change_run(request: Request) -> Response:
    """`what`: edit (name, tags, notes), stop, delete (`sure`)."""
    fields, place = await fields_of(request), request.path_params
    here = link(place["entity"], place["project"], "runs", place["run"])

    def change() -> str:
        server = request.app.state.server
        with server.store.read() as db:
            project = common.find_project(db, place["entity"], place["project"])
            run = common.find_run(db, project, place["run"])
        storage_id = ids.encode("Run", run["id"])
        what = fields.get("what")
        if what == "edit":
            tags = [tag.strip() for tag in fields.get("tags", "").split(",")]
            edited = {
                "id": storage_id,
                "displayName": fields.get("name", "").strip() or run["name"],
                "tags": list(dict.fromkeys(filter(None, tags))),
                "notes": fields.get("notes", "").replace("\r\n", "\n"),
            }
            say(request, EDIT, edited)
        elif what == "stop":
            say(request, STOP, {"id": storage_id})
        elif what == "delete" and fields.get("sure"):
            say(request, DELETE, {"id": storage_id, "deleteArtifacts": False})
            return link(place["entity"], place["project"])
        else:
            raise RequestError("a run can be edited, stopped, or deleted where that is ticked")
        return here

    return RedirectResponse(await anyio.to_thread.run_sync(change), 303)


async def change_sweep(request: Request) -> Response:
    """`what`: stop, pause, resume, cancel."""
    fields, place = await fields_of(request), request.path_params
    state = SWEEP_STATES.get(fields.get("what", ""))
    if state is None:
        raise RequestError(f"a sweep can be told to: {', '.join(SWEEP_STATES)}")

    def change() -> str:
        with request.app.state.server.store.read() as db:
            project = common.find_project(db, place["entity"], place["project"])
            sweep = common.find_sweep(db, project, place["sweep"])
        say(request, SWEEP, {"id": ids.encode("Sweep", sweep["id"]), "state": state})
        return link(place["entity"], place["project"], "sweeps", place["sweep"])

    return RedirectResponse(await anyio.to_thread.run_sync(change), 303)


def say(request: Request, mutation: str, values: dict[str, Any]) -> None:
    server = request.app.state.server
    body = json.loads(json.dumps({"query": mutation, "variables": {"i": values}}))
    status, answer = server.engine.run(body, server.context(request))
    if "errors" in answer:
        raise RequestError(answer["errors"][0]["message"], status=max(status, 400))
