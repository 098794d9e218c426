"""Two ways to a server: `Site` runs the application in the test's process, with a clock that the
test sets; `Tracker` is the real process on a port of its own, which real wandb clients talk to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tracker.app import make_app, tick
from tracker.server import MAIN, Server, find
from tracker.settings import Settings
from tracker.store.clocks import Watch
from tracker.store.database import Store

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
SERVER = (sys.executable, "-P", str(MAIN), "--data-dir")
KEY = "k" * 40
START = 1_800_000_000.0  # the clock of a site, until a test sets it
URL = "http://127.0.0.1:8080"


class Http:
    """An ASGI application called without a socket, from tests that are not asynchronous."""

    def __init__(self, app: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=URL,
            headers={"Authorization": f"Bearer {KEY}"},
        )

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        call = self.client.request(method, url, **options)
        return asyncio.run_coroutine_threadsafe(call, self.loop).result()

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PUT", url, **options)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.client.aclose(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class FailingStore(Store):
    """A store in which reading and writing fail with `error`, while it is set."""

    error: Exception | None = None

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        with super().write() as db:
            self._fail()
            yield db

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        with super().read() as db:
            self._fail()
            yield db

    def _fail(self) -> None:
        if self.error:
            raise self.error


class Site:
    """The application in this process. `gql` and `stream` speak as the client does."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.now = START
        self.store = FailingStore(folder / "tracker.db")
        # long enough that only `tick` looks after runs
        self.settings = settings or Settings(tick_seconds=3600, start_grace=0)
        self.app = make_app(
            self.store, KEY, folder / "blobs", settings=self.settings, clock=lambda: self.now
        )
        self.server = self.app.app.state.server  # type: ignore[attr-defined]
        self.watch = Watch(self.settings.start_grace)
        self.http = Http(self.app)

    def gql(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.post(query, variables)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def refused(self, query: str, **variables: Any) -> str:
        """The message with which a query is refused."""
        answer = self.post(query, variables)
        assert answer.status_code in (400, 404), answer.text
        return answer.json()["errors"][0]["message"]

    def post(self, query: str, variables: dict[str, Any]) -> httpx.Response:
        body = json.dumps({"query": query, "variables": variables})
        return self.http.post(
            "/graphql", content=body, headers={"Content-Type": "application/json"}
        )

    def start_run(self, name: str = "r1", project: str = "p", **fields: Any) -> dict[str, Any]:
        data = self.gql(
            "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) {"
            " inserted bucket { id name state historyLineCount config } } }",
            i={"name": name, "modelName": project, "entityName": "local", **fields},
        )
        return data["upsertBucket"]

    def stream(self, name: str = "r1", project: str = "p", **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"/files/local/{project}/{name}/file_stream", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self, name: str, *rows: dict[str, Any], offset: int = 0) -> None:
        lines = [json.dumps(row) for row in rows]
        self.stream(name, files={"wandb-history.jsonl": {"offset": offset, "content": lines}})

    def run(self, fields: str, name: str = "r1", project: str = "p") -> dict[str, Any] | None:
        data = self.gql(
            'query($p: String!, $n: String!) { project(name: $p, entityName: "local") {'
            f" run(name: $n) {{ {fields} }} }} }}",
            p=project,
            n=name,
        )
        return data["project"]["run"]

    def tick(self, seconds: float) -> None:
        """Lets time pass, and the server look after what has fallen silent."""
        self.now += seconds
        tick(self.server, self.watch)

    def close(self) -> None:
        self.http.close()
        self.store.close()


class Tracker:
    """The server as a process."""

    def __init__(self, folder: Path, *options: str, command: tuple[str, ...] = ()) -> None:
        """`command` starts it where the folder has another path than here."""
        self.folder = folder
        self.command = [*(command or (*SERVER, str(folder))), *options]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
            )
        while True:
            server = find(self.folder)
            if server and server.pid == self.process.pid:
                self.server: Server = server
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """As the machine's out-of-memory killer would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data with which the server answers a query."""
        answer = httpx.post(
            f"{self.server.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.server.key}"},
            timeout=300,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def send(self, path: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        answer = httpx.post(self.server.url + path, json=body, headers=headers, timeout=300)
        assert answer.status_code == 200, answer.text

    def get(self, path: str) -> httpx.Response:
        """A page or a file, with the key."""
        headers = {"Authorization": f"Bearer {self.server.key}"}
        return httpx.get(self.server.url + path, headers=headers, timeout=300)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        return kept | {
            "WANDB_BASE_URL": self.server.url,
            "WANDB_API_KEY": self.server.key,
            "WANDB_MODE": "online",
            "WANDB_SILENT": "true",
            "WANDB_DIR": str(self.folder.parent),
            "WANDB_CACHE_DIR": str(self.folder.parent / "cache"),
            "WANDB_CONFIG_DIR": str(self.folder.parent / "config"),
            "WANDB_DATA_DIR": str(self.folder.parent / "staging"),
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, script: str, *arguments: str, python: str = sys.executable) -> str:
        """What tests/tracker/clients/SCRIPT.py prints; it must end well."""
        done = subprocess.run(
            [python, str(CLIENTS / f"{script}.py"), *arguments],
            env=self.environment,
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
        return done.stdout
