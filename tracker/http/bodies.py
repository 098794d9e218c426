"""Reading request bodies within bounds: size, compression ratio, pace, and all together."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request

from tracker import documents
from tracker.errors import RequestError
from tracker.settings import Settings

SLOWEST_BYTES_PER_SECOND = 1_024
GZIP_SLACK = 64 << 10  # the ratio is not judged below this size


class Budget:
    """Bytes of bodies that are in memory at the same time."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    def take(self, n: int) -> None:
        if self.used + n > self.limit:
            raise RequestError("too many large requests at once: try again", status=429)
        self.used += n

    def give(self, n: int) -> None:
        self.used -= n


async def parts(request: Request, settings: Settings, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes; RequestError 413 beyond `limit`, 408 where it comes too slowly."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > limit:
        raise RequestError(f"the body is larger than {limit} bytes", status=413)
    received, start = 0, time.monotonic()
    stream = aiter(request.stream())
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), settings.body_seconds)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RequestError("the body came too slowly", status=408) from None
        except ClientDisconnect:
            raise RequestError("the client went away", status=400) from None
        received += len(part)
        if received > limit:
            raise RequestError(f"the body is larger than {limit} bytes", status=413)
        patience = settings.body_seconds + received / SLOWEST_BYTES_PER_SECOND
        if time.monotonic() - start > patience:
            raise RequestError("the body came too slowly", status=408)
        if part:
            yield part


class Body:
    """One request's body in memory, decompressed; releases its share of the budget on exit."""

    def __init__(self, request: Request, settings: Settings, budget: Budget) -> None:
        self.request, self.settings, self.budget = request, settings, budget
        self.data = bytearray()
        self._taken = 0

    async def __aenter__(self) -> Body:
        try:
            await self._read()
        except BaseException:
            self.budget.give(self._taken)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.budget.give(self._taken)

    async def _read(self) -> None:
        encoding = self.request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip"):
            raise RequestError(f"Content-Encoding {encoding!r} is not read here", status=415)
        inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
        received = 0
        async for part in parts(self.request, self.settings, self.settings.max_json_bytes):
            received += len(part)
            if inflate is None:
                self._add(part)
            else:
                self._inflate(inflate, part, received)
        if inflate is not None and not inflate.eof:
            raise RequestError("the gzip body is not complete")

    def _add(self, part: bytes) -> None:
        self.budget.take(len(part))
        self._taken += len(part)
        self.data += part

    def _inflate(self, inflate: Any, part: bytes, received: int) -> None:
        ratio = self.settings.max_gzip_ratio
        most = min(self.settings.max_json_bytes, GZIP_SLACK + ratio * received)
        while part:
            try:
                out = inflate.decompress(part, most - len(self.data) + 1)
            except zlib.error as error:
                raise RequestError(f"the gzip body is broken: {error}") from None
            self._add(out)
            if len(self.data) > most:
                raise RequestError("the body is too large when decompressed", status=413)
            part = inflate.unconsumed_tail

    def json(self) -> Any:
        return documents.read(self.data, "the body")
