"""What the embedded tracker decided about a sweep, and what it cannot know by itself."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import requests

from launch.register import LaunchError
from launch.servers import Chosen

SWEEP = """
query Sweep($entity: String!, $project: String!, $sweep: String!) {
  project(name: $project, entityName: $entity) { sweep(sweepName: $sweep) { id decisionLog } }
}
"""
STOP = """
mutation Stop($id: ID!) { upsertSweep(input: {id: $id, state: "STOPPED"}) { sweep { id } } }
"""


def decision_log(server: Chosen, path: str) -> list[str]:
    """Return the embedded tracker's decisions about the sweep "entity/project/id", oldest first.

    Raises LaunchError for another server, and for a sweep that it does not know.
    """
    if server.data_dir is None:
        raise LaunchError(f"{server.url} keeps no decision log; only the embedded one does")
    return _sweep(server.url, path)["decisionLog"]


def tell_stopped(server: Chosen, path: str) -> None:
    """Tell the embedded tracker that the agents of a sweep were stopped: they did not crash."""
    if server.data_dir is not None:
        with suppress(LaunchError, requests.RequestException):  # then it has to guess
            _ask(server.url, STOP, id=_sweep(server.url, path)["id"])


def _sweep(url: str, path: str) -> dict[str, Any]:
    if path.count("/") != 2:
        raise LaunchError(f"SWEEP {path!r}: write entity/project/id, as `wandb sweep` prints it")
    entity, project, sweep = path.split("/")
    found = _ask(url, SWEEP, entity=entity, project=project, sweep=sweep).get("project") or {}
    if not found.get("sweep"):
        raise LaunchError(f"SWEEP {path!r}: the server has no such sweep")
    return found["sweep"]


def _ask(url: str, query: str, **variables: str) -> dict[str, Any]:
    """Return the embedded tracker's answer to a query, {} where it refuses."""
    answer = requests.post(
        f"{url}/graphql",
        json={"query": query, "variables": variables},
        auth=("api", os.environ["WANDB_API_KEY"]),
        timeout=30,
    )
    return answer.json().get("data") or {}
