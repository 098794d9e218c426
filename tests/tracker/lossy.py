"""A proxy between a client and a server that loses replies after the server has given them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "content-encoding", "host")


class LossyProxy:
    """Loses the first `lose` replies that give an agent a run; `lost` names those runs."""

    def __init__(self, target: str, lose: int) -> None:
        self.lost: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                answer = proxy.client.request(
                    self.command, target + self.path, content=body, headers=headers
                )
                given = given_run(answer)
                if given and len(proxy.lost) < lose:
                    proxy.lost.append(given)
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        self.client = httpx.Client(timeout=300)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> LossyProxy:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.client.close()


def given_run(answer: httpx.Response) -> str | None:
    """The run that a reply to a heartbeat tells its agent to start."""
    if b"agentHeartbeat" not in answer.content:
        return None
    commands = json.loads(answer.json()["data"]["agentHeartbeat"]["commands"])
    return next((c["run_id"] for c in commands if c["type"] in ("run", "resume")), None)
