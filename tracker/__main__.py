"""`python -m tracker --data-dir D`: the server in the foreground (see `tracker.server`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracker.errors import TrackerError
from tracker.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tracker", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    try:
        serve(options.data_dir, host=options.host, port=options.port, durable=options.durable)
    except TrackerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
