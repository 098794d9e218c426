"""What the routes do."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from tracker.api.engine import QueryEngine
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts import uploads as artifact_uploads
from tracker.artifacts.tables import ArtifactFileRow
from tracker.context import Context, Hooks
from tracker.errors import RequestError
from tracker.http import logins
from tracker.http.bodies import Body, Budget, parts
from tracker.http.downloads import Looks, download
from tracker.http.gate import SESSION_SECONDS, cookie_name, vouch
from tracker.http.signing import LOGIN_SECONDS, Signer
from tracker.pages import answers
from tracker.runs import file_rows, files, stream
from tracker.runs import rows as run_rows
from tracker.runs.tables import FileRow
from tracker.runs.take_over import LEASE_HEADER
from tracker.settings import Settings
from tracker.store import blobs
from tracker.store.database import Store
from tracker.store.passing import passing
from tracker.work import Work

log = logging.getLogger(__name__)

WRITE_BUFFER = 1 << 20


@dataclass
class Server:
    """What lives as long as the process."""

    store: Store
    signer: Signer
    blobs: Path
    settings: Settings
    hooks: Hooks
    engine: QueryEngine
    budget: Budget
    looks: Looks
    clock: Callable[[], float] = time.time

    def context(self, request: Request) -> Context:
        host, port = request.scope["server"]
        host = f"[{host}]" if ":" in host else host
        return Context(
            self.store,
            self.clock(),
            f"http://{host}:{port}",
            self.signer,
            self.blobs,
            self.settings,
            self.hooks,
            request.headers.get("user-agent", ""),
            work=Work(
                self.settings.max_query_values,
                self.settings.max_answer_chars,
                self.settings.query_seconds,
                self.store.ending,
            ),
            lease=request.headers.get(LEASE_HEADER, ""),
            writer=writer_of(request),
        )


class Answer(JSONResponse):
    """JSON in ASCII, which can hold whatever text a client has sent."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def guarded(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Errors as answers. What may pass with time (disk full, busy) is 5xx, on which clients try
    again without end; what will not is 4xx, for the same reason.
    """

    async def wrapped(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestError as error:
            return problem(error.status, str(error))
        except OverflowError as error:  # of a number that no column and no float holds
            return problem(400, f"a number is out of range: {error}")
        except Exception as error:
            if again := passing(error):
                log.error("%s %s: %s", request.method, route_of(request), error)
                return problem(again, f"the server could not store this: {error}")
            log.exception("%s %s failed", request.method, route_of(request))
            return problem(400, f"internal error: {type(error).__name__}")

    return wrapped


def writer_of(request: Request) -> str:
    """Which of a run's writers asks; "" where it has one only. GraphQL has another header for it,
    which is there for single writers too.
    """
    headers = request.headers
    several = headers.get("x-wandb-use-async-filestream") == "true"
    name = headers.get("x-wandb-async-client-id") or (
        headers.get("x-wandb-client-id") if several else ""
    )
    return (name or "")[:128]


def route_of(request: Request) -> str:
    """What is logged of an address: its form. The address itself may be a capability."""
    return getattr(request.scope.get("route"), "path", "?")


def problem(status: int, message: str) -> Response:
    return Answer({"error": message, "errors": [{"message": message}]}, status)


def refusal(status: int, message: str, is_page: bool) -> Any:
    """The answer for a request that the gate does not let through."""
    if is_page and status == 401:
        return answers.not_logged_in
    headers = {
        400: {"Connection": "close"},  # where its body ends is not certain
        401: {"WWW-Authenticate": 'Basic realm="tracker"'},
    }
    return Answer({"error": message, "errors": [{"message": message}]}, status, headers.get(status))


async def health(request: Request) -> Response:
    """Open to all; with `challenge`, proves that this server knows the key."""
    server: Server = request.app.state.server
    challenge = request.query_params.get("challenge", "")[:100]
    proof = server.signer.token("health", {"challenge": challenge}, 0)
    return Answer({"status": "ok", "proof": proof if challenge else None})


async def graphql(request: Request) -> Response:
    server: Server = request.app.state.server
    context = server.context(request)

    def respond(body: Body) -> Response:
        status, answer = server.engine.run(body.json(), context)
        return Answer(answer, status)

    async with Body(request, server.settings, server.budget) as body:
        watching = asyncio.create_task(watch_client(request, context.work))
        try:
            return await anyio.to_thread.run_sync(respond, body)
        finally:
            watching.cancel()


async def watch_client(request: Request, work: Work) -> None:
    """Ends the work for a request, the body of which has been read, when its client leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    work.leave()


async def file_stream(request: Request) -> Response:
    server: Server = request.app.state.server
    place = request.path_params
    async with Body(request, server.settings, server.budget) as body:
        answer = await anyio.to_thread.run_sync(
            lambda: stream.receive(
                server.context(request),
                place["entity"],
                place["project"],
                place["run"],
                body.json(),
            )
        )
    return Answer(answer)


async def put_content(request: Request) -> Response:
    server: Server = request.app.state.server
    context = server.context(request)
    target = server.signer.open_token("put", request.path_params["token"], context.now)
    vouch(request.scope)
    upload = await anyio.to_thread.run_sync(
        blobs.Upload, server.blobs, server.settings.min_free_bytes
    )
    try:
        waiting = bytearray()
        async for part in parts(request, server.settings, server.settings.max_upload_bytes):
            waiting += part
            if len(waiting) >= WRITE_BUFFER:
                await anyio.to_thread.run_sync(upload.write, bytes(waiting))
                waiting.clear()
        await anyio.to_thread.run_sync(
            complete_put, server, context, target, upload, bytes(waiting)
        )
    finally:
        await anyio.to_thread.run_sync(upload.close)
    return Response(status_code=200)


def complete_put(
    server: Server, context: Context, target: dict[str, Any], upload: blobs.Upload, rest: bytes
) -> None:
    upload.write(rest)
    upload.finish(durable=server.store.durable)
    store = files.store_run_file if "run" in target else artifact_uploads.store_upload
    store(context, target, upload)


async def get_content(request: Request) -> Response:
    server: Server = request.app.state.server
    target = server.signer.open_token("get", request.path_params["token"], server.clock())
    vouch(request.scope)
    return await download(server.looks, target["hash"], target["name"], server.clock())


async def run_file(request: Request) -> Response:
    """A file of a run by its name."""
    place = request.path_params

    def find(db: sqlite3.Connection) -> FileRow | None:
        run = run_rows.locate_run(db, place["entity"], place["project"], place["run"])
        return file_rows.find_file(db, run["id"], place["name"]) if run else None

    return await send_found(request, find)


async def artifact_content(request: Request) -> Response:
    """An artifact's file by the MD5 of its content: the client's way when it has no address."""
    place = request.path_params
    try:
        digest = base64.b64encode(bytes.fromhex(place["digest"])).decode()
    except ValueError:
        raise RequestError("not a digest", status=404) from None
    return await send_found(
        request, lambda db: artifact_rows.find_content(db, place["entity"], digest)
    )


async def send_found(
    request: Request, find: Callable[[sqlite3.Connection], FileRow | ArtifactFileRow | None]
) -> Response:
    """The content of a row that is found in the database, as a download."""
    server: Server = request.app.state.server

    def look() -> FileRow | ArtifactFileRow | None:
        with server.store.read() as db:
            return find(db)

    row = await anyio.to_thread.run_sync(look)
    if row is None or row["hash"] is None:
        raise RequestError("no such file", status=404)
    name = row["name"].rpartition("/")[2]
    return await download(server.looks, row["hash"], name, server.clock())


async def login(request: Request) -> Response:
    """Trades a one-time link (`runner.py serve --link`) for the pages' cookie."""
    server: Server = request.app.state.server
    token = request.query_params.get("key", "")
    try:
        link = server.signer.open_token("login", token, server.clock(), LOGIN_SECONDS)
    except RequestError:
        return answers.login_page()

    def use_link() -> bool:
        with server.store.write() as db:
            return logins.use_link(db, link["nonce"], server.clock())

    if not await anyio.to_thread.run_sync(use_link):
        return answers.login_page()
    wanted = answers.wanted_place(request)
    answer = RedirectResponse(wanted, 303)
    answer.set_cookie(
        cookie_name(request.scope),
        server.signer.token(
            "session", {"nonce": secrets.token_hex(8)}, server.clock() + SESSION_SECONDS
        ),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",  # so that a link clicked in a notebook or a mail arrives logged in
    )
    return answer
