"""`python -P tracker/__main__.py --data-dir D`: the server in the foreground (see `server`).

It finds its own packages by its own path, whatever lies in the current folder or in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tracker.errors import TrackerError
from tracker.serving import serve
from tracker.settings import Settings

SECONDS = (
    "heartbeat_timeout",
    "agent_timeout",
    "start_grace",
    "tick_seconds",
    "upload_grace",
    "clear_seconds",
    "header_seconds",
    "body_seconds",
    "query_seconds",
)


def main() -> int:
    """Serve as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tracker", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--durable", action="store_true")
    for name in SECONDS:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=float, default=getattr(Settings, name), metavar="SECONDS")
    parser.add_argument("--max-query-values", type=int, default=Settings.max_query_values)
    options = parser.parse_args()
    named = {name: getattr(options, name) for name in (*SECONDS, "max_query_values")}
    settings = Settings(**named)
    try:
        serve(
            options.data_dir,
            host=options.host,
            port=options.port,
            durable=options.durable,
            settings=settings,
        )
    except TrackerError as error:
        with contextlib.suppress(OSError):  # a log on the same full disk
            print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
