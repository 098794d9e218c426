"""uvicorn's HTTP protocol, with bounds on what a connection may cost that has shown no key, and its
server, which ends for certain.

uvicorn's own limits leave room: its keep-alive timer ends with the first byte of a next request,
and its `limit_concurrency` refuses whoever comes last, that is, everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import struct
import termios
import threading
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.h11_impl import H11Protocol

from tracker.http.gate import LET_IN

log = logging.getLogger(__name__)

GRACE_SECONDS = 5  # that requests have to end when the server does
END_SECONDS = 10.0  # after which it ends whatever they do


class BoundedProtocol(H11Protocol):
    """Every request has to be there in time: the headers of the first and of each later one. An
    answer has to be taken: some of it in every `send_seconds`. Where all places are taken, the
    connection that has waited longest without a request that was let in makes room.
    """

    header_seconds = 20.0
    send_seconds = 30.0
    max_connections = 512
    _watch: asyncio.TimerHandle | None = None
    _unsent = 0  # bytes, when the watch began
    _since = 0.0  # when the connection was made or has had its last answer

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_headers()
        if len(self.connections) > self.max_connections and not self._make_room():
            self.app = service_unavailable

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self._answering() and not self.flow.write_paused:
            self._end_watch()

    def on_response_complete(self) -> None:
        self._await_headers()  # first: the next request may lie in the buffer
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_watch(self.send_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answering():
            self._end_watch()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_headers(self) -> None:
        self._since = self.loop.time()
        self._start_watch(self.header_seconds)

    def _start_watch(self, seconds: float) -> None:
        self._end_watch()
        self._unsent = unsent(self.transport)
        self._watch = self.loop.call_later(seconds, self._look, seconds)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self, seconds: float) -> None:
        if unsent(self.transport) < self._unsent:
            self._start_watch(seconds)  # slow, but it takes its answer
        else:
            self.transport.abort()

    def _make_room(self) -> bool:
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        waiting = [each for each in others if each is not self and not each._serves()]
        if waiting:
            oldest = min(waiting, key=lambda each: each._since)
            self.connections.discard(oldest)  # at once: several may come in one round of the loop
            oldest.transport.abort()
        return bool(waiting)

    def _serves(self) -> bool:
        return self._answering() and LET_IN in self.cycle.scope


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the other side has not taken, here and, where it can be told, in the kernel, which
    takes megabytes at once from here.
    """
    size = transport.get_write_buffer_size()
    with contextlib.suppress(OSError, ValueError):
        descriptor = transport.get_extra_info("socket").fileno()
        size += struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0]
    return size


class EndingServer(uvicorn.Server):
    """Waits for what its threads do, because they store what clients have sent, but not for ever:
    what is committed survives the death of the process.
    """

    async def shutdown(self, sockets: Any = None) -> None:
        last_resort = threading.Timer(END_SECONDS, end_at_once)
        last_resort.daemon = True
        last_resort.start()
        await super().shutdown(sockets)


def end_at_once() -> None:
    log.error("a request does not end; the process ends without it")
    os._exit(1)
