"""`python -m tracker --data-dir D`: the server in the foreground (see `tracker.server`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracker.context import Settings
from tracker.errors import TrackerError
from tracker.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tracker", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("--heartbeat-timeout", type=float, default=180.0, metavar="SECONDS")
    parser.add_argument("--start-grace", type=float, default=120.0, metavar="SECONDS")
    options = parser.parse_args()
    settings = Settings(
        heartbeat_timeout=options.heartbeat_timeout, start_grace=options.start_grace
    )
    try:
        serve(
            options.data_dir,
            host=options.host,
            port=options.port,
            durable=options.durable,
            settings=settings,
        )
    except TrackerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
