"""Progress of long loops: a bar on a terminal, a line now and then elsewhere (logs, CI)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 5.0  # seconds before the first line, and between lines


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the items; report on stderr. `total` is needed where the items have no length."""
    total = total if total is not None else len(items)  # type: ignore[arg-type]
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        console = Console(stderr=True)
        yield from bar(items, label, total, console=console, transient=True)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > PATIENCE and done < total:
            print(f"{label}: {done}/{total}", file=sys.stderr, flush=True)
            last = time.monotonic()
