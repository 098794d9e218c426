"""The ASGI application: what is wired to what, and what is done every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from pathlib import Path

import anyio.to_thread
from starlette.applications import Starlette
from starlette.routing import Route

from tracker import handlers
from tracker.api import users
from tracker.api.engine import QueryEngine, load_schema
from tracker.artifacts import changes as artifact_changes
from tracker.artifacts import commits as artifact_commits
from tracker.artifacts import files as artifact_files
from tracker.artifacts import leftovers
from tracker.artifacts import reads as artifacts
from tracker.artifacts import uploads as artifact_uploads
from tracker.context import Hooks
from tracker.handlers import Server, guarded
from tracker.http.bodies import Budget
from tracker.http.downloads import Looks
from tracker.http.gate import Gate
from tracker.http.signing import Signer
from tracker.pages import views as page_views
from tracker.runs import changes as run_changes
from tracker.runs import console, files, projects
from tracker.runs import reads as runs
from tracker.settings import Settings
from tracker.store.clocks import Watch
from tracker.store.database import Store
from tracker.sweeps import resolvers as sweeps

log = logging.getLogger(__name__)

WORKERS = 16  # threads; each has a reading connection of its own
# modules with RESOLVERS; the hooks of their make_hooks are called when runs change
SUBJECTS = (
    users,
    projects,
    runs,
    run_changes,
    console,
    files,
    artifacts,
    artifact_files,
    artifact_uploads,
    artifact_commits,
    artifact_changes,
    sweeps,
)


@cache
def query_engine() -> QueryEngine:
    """One per process: it holds no state but what it has parsed."""
    return QueryEngine(load_schema(*(module.RESOLVERS for module in SUBJECTS)))


def gather_hooks(settings: Settings) -> Hooks:
    """What all subjects do when a run changes, in the order of SUBJECTS."""
    found = [module.make_hooks(settings) for module in SUBJECTS if hasattr(module, "make_hooks")]
    return Hooks(
        *(
            tuple(hook for hooks in found for hook in getattr(hooks, name))
            for name in Hooks.__dataclass_fields__
        )
    )


def make_app(
    store: Store,
    key: str,
    blob_folder: Path,
    *,
    settings: Settings | None = None,
    hosts: frozenset[str] = frozenset(),
    clock: Callable[[], float] = time.time,
) -> Gate:
    """The application behind its gate; `hosts` are names it may be called by besides loopback."""
    settings = settings or Settings()
    signer = Signer(key)
    server = Server(
        store,
        signer,
        blob_folder,
        settings,
        gather_hooks(settings),
        query_engine(),
        Budget(settings.max_inflight_bytes),
        Looks(store, blob_folder),
        clock,
    )
    app = Starlette(routes=routes(), lifespan=partial(lifespan, server))
    app.state.server = server
    return Gate(app, signer, hosts, handlers.refusal, clock)


def routes() -> list[Route]:
    return [
        Route("/healthz", handlers.health, methods=["GET"]),
        Route("/login", guarded(handlers.login), methods=["GET"]),
        Route("/graphql", guarded(handlers.graphql), methods=["POST"]),
        Route(
            "/files/{entity}/{project}/{run}/file_stream",
            guarded(handlers.file_stream),
            methods=["POST"],
        ),
        Route(
            "/files/{entity}/{project}/{run}/{name:path}",
            guarded(handlers.run_file),
            methods=["GET"],
        ),
        Route("/artifacts/{entity}/{digest}", guarded(handlers.artifact_content), methods=["GET"]),
        Route(
            "/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name:path}",
            guarded(handlers.artifact_content),
            methods=["GET"],
        ),
        Route(  # of older clients
            "/artifactsV2/{region}/{entity}/{birth}/{digest}",
            guarded(handlers.artifact_content),
            methods=["GET"],
        ),
        Route("/storage/{token}", guarded(handlers.put_content), methods=["PUT"]),
        Route("/storage/{token}", guarded(handlers.get_content), methods=["GET"]),
        *page_views.ROUTES,
    ]


@contextlib.asynccontextmanager
async def lifespan(server: Server, _: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKERS
    settings, watch = server.settings, Watch(server.settings.start_grace)
    chores = [
        asyncio.create_task(for_ever(settings.tick_seconds, partial(tick, server, watch))),
        asyncio.create_task(for_ever(settings.clear_seconds, partial(clear, server))),
    ]
    try:
        yield
    finally:
        for chore in chores:
            chore.cancel()
        server.store.ending.set()  # requests have had their time


async def for_ever(seconds: float, chore: Callable[[], None]) -> None:
    """Does it at once, and every so many seconds."""
    while True:
        try:
            await anyio.to_thread.run_sync(chore)
        except Exception:
            log.exception("a periodic chore failed; it is tried again")
        await asyncio.sleep(seconds)


def tick(server: Server, watch: Watch) -> None:
    """Looks after what has fallen silent."""
    now = server.clock()
    with server.store.write() as db:
        if watch.hears(db, now):
            run_changes.tick(db, now, server.settings.heartbeat_timeout, server.hooks.run_ended)
            for hook in server.hooks.tick:
                hook(db, now)


def clear(server: Server) -> None:
    """Removes what nobody will ask for again."""
    leftovers.clear(server.store, server.blobs, server.clock(), server.settings.upload_grace)
