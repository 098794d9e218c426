"""The FiftyOne App on a dataset: how it is laid out, started and left."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psutil

from explore.errors import ExploreError
from explore.fields import run_field
from explore.lazy import Dataset, View, load
from explore.mongod import listens
from explore.predictions import Predictions

ADDRESS = "127.0.0.1"
PORT = 5151  # FiftyOne's own default
START_SECONDS = 120.0
MOST_LABELS = 6  # arms whose predictions the grid shows at once
DATA_FIELDS = ["pair", "split", "split_study", "corruption", "profile"]
# Orange and blue, told apart by all eyes (Okabe and Ito), in every field alike
COLOURS = {"cube": "#E69F00", "sphere": "#0072B2"}
SCORES = ["arms_right", "hardness", "mistakenness"]
EMBEDDINGS = "embeddings"  # the saved workspace


def reserve(wanted: int | None) -> tuple[int, socket.socket]:
    """`wanted`, or FiftyOne's own port, or any free one; it is ours while the socket is open.

    FiftyOne would join whatever server it finds on a port, another project's included, so the port
    must be free. The server takes seconds until it binds it: until then, a UDP socket of the same
    number keeps other calls of explore off. Raises ExploreError where `wanted` is not free.
    """
    for port in (wanted or PORT, 0):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((ADDRESS, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((ADDRESS, claim.getsockname()[1]))
            return claim.getsockname()[1], claim
        except OSError as error:
            claim.close()
            if wanted is not None:
                raise ExploreError(f"--port {wanted}: {error.strerror}; choose another") from None
    raise ExploreError("no free port on 127.0.0.1")


class Server:
    """FiftyOne's web server as a process, started at once and awaited when it is needed.

    A session starts one by itself, but first tries for ten seconds to reach it and then sleeps for
    ten more; importing FiftyOne again in the server often takes longer than that.
    """

    def __init__(self, port: int | None) -> None:
        self.port, self._claim = reserve(port)
        self.url = f"http://{ADDRESS}:{self.port}"
        self._service = _service(self.port)

    def wait(self) -> None:
        """Return when the server answers. Raises ExploreError where it does not."""
        deadline = time.monotonic() + START_SECONDS
        opener = build_opener(ProxyHandler({}))
        child = self._service.child
        while time.monotonic() < deadline and child.poll() is None:
            # Ours, and no other that has taken the port meanwhile
            with contextlib.suppress(OSError, psutil.Error):
                if any(listens(own.pid, self.port) for own in child.children()):
                    opener.open(f"{self.url}/fiftyone", timeout=10).close()
                    return
            time.sleep(0.1)
        raise ExploreError(f"FiftyOne's server did not answer on {self.url}")

    def hand_over(self) -> None:
        """Let FiftyOne know the process as its own: it ends it with the last session."""
        load("fiftyone.core.session.session")._server_services[self.port] = self._service

    def stop(self) -> None:
        """End the process, unless that is done."""
        if self._service.child.is_running():
            self._service.stop()
        self._claim.close()


def _service(port: int) -> Any:
    """The process, which ends with ours; FiftyOne's own start waits, and joins other servers."""
    module = load("fiftyone.core.service")

    class Own(module.ServerService):
        def start(self) -> None:
            module.Service.start(self)

    return Own(port, ADDRESS, do_not_track=True)


@contextmanager
def server(port: int | None) -> Iterator[Server]:
    """A server on `port`, or on a free one, while the context lasts."""
    started = Server(port)
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def session(server: Server, dataset: Dataset, view: View | None) -> Iterator[Any]:
    """The App on a dataset, at `session.url`, while the context lasts."""
    fo = load("fiftyone")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)  # banners, and how to use ssh
    server.wait()
    server.hand_over()
    opened = fo.launch_app(dataset, view=view, port=server.port, address=ADDRESS, remote=True)
    try:
        yield opened
    finally:
        opened.close()
        fo.close_app()


def arrange(dataset: Dataset, predictions: Predictions | None, shown: list[str]) -> None:
    """Lay the App out: fields in groups, labels shown in the grid, a workspace with a map.

    shown: fields of predictions and contrasts to show beside the ground truth.
    """
    fo = load("fiftyone")
    config = dataset.app_config
    config.sidebar_groups = [
        fo.SidebarGroupDocument(name=name, paths=paths, expanded=expanded)
        for name, paths, expanded in _groups(dataset, predictions, shown)
        if paths
    ]
    config.color_scheme = _colours(dataset)
    config.active_fields = fo.ActiveFields(paths=["ground_truth", *shown])
    dataset.save()
    maps = [key for key in dataset.list_brain_runs(type="visualization")]
    if maps:
        dataset.save_workspace(EMBEDDINGS, spaces(maps[0]), overwrite=True)


def default_labels(predictions: Predictions | None) -> list[str]:
    """The fields of the first arms."""
    arms = predictions.arms if predictions is not None else ()
    return [arm.field for arm in arms[:MOST_LABELS]]


def spaces(brain_key: str | None, colour_by: str = "ground_truth.label") -> Any:
    """The grid, beside a map coloured by a field where a brain key is given."""
    fo = load("fiftyone")
    panels = [fo.Panel(type="Samples", pinned=True)]
    if brain_key is not None:
        state = {"brainResult": brain_key, "colorByField": colour_by}
        panels.append(fo.Panel(type="Embeddings", state=state))
    # Without an active child, the App draws a space empty.
    tabs = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    return tabs[0] if len(tabs) == 1 else fo.Space(children=tabs, orientation="horizontal")


def _colours(dataset: Dataset) -> Any:
    """Labels by value, so that a wrong one is seen beside the truth."""
    fo = load("fiftyone")
    values = [{"value": value, "color": colour} for value, colour in COLOURS.items()]
    labels = dataset.get_field_schema(embedded_doc_type=fo.Classification)
    fields = [{"path": path, "colorByAttribute": "label", "valueColors": values} for path in labels]
    return fo.ColorScheme(color_by="value", fields=fields)


def _groups(
    dataset: Dataset, predictions: Predictions | None, shown: list[str]
) -> Iterator[tuple[str, list[str], bool]]:
    """(name, fields, expanded) of the sidebar's groups; every field stands in one."""
    arms = predictions.arms if predictions is not None else ()
    others = predictions.others if predictions is not None else ()
    schema = list(dataset.get_field_schema())
    shares = [name for name in schema if "_minus_" in name]
    shown = [name for name in shown if name in shares]
    runs = [run_field(arm, seed) for arm in arms for seed in arm.seeds]
    known = ["tags", "group", "metadata", "ground_truth", *DATA_FIELDS, *SCORES, *shares, *runs]
    known += [arm.field for arm in (*arms, *others)]
    yield "tags", ["tags", "_label_tags"], True
    yield "labels", ["ground_truth", *[arm.field for arm in arms]], True
    yield "other classifiers", [arm.field for arm in others], False
    yield "failures", [name for name in [*SCORES, *shown] if name in schema], True
    yield "data", [name for name in DATA_FIELDS if name in schema], True
    yield "contrasts", [name for name in shares if name not in shown], False
    yield "runs", runs, False
    yield "metadata", [f"metadata.{name}" for name in ("width", "height", "num_channels")], False
    yield "other", [name for name in schema if name not in known], False
