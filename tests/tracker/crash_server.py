"""A server that is killed again and again: `crash_server.py DATA_DIR SUICIDE`.

For each line on stdin it forks a process that serves DATA_DIR (forked, because importing everything
anew would take most of a round) and prints its pid; when that process has died it prints "dead".
With the probability SUICIDE a process kills itself between a commit and its answer.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import yaml  # noqa: F401  imported before the fork

from tracker import app, handlers
from tracker.runs import stream
from tracker.serving import serve


def main() -> None:
    data_dir, suicide = Path(sys.argv[1]), float(sys.argv[2])
    receive = stream.receive
    app.query_engine()

    def receive_and_perhaps_die(*arguments: Any) -> dict[str, Any]:
        answer = receive(*arguments)
        if random.random() < suicide:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    handlers.stream.receive = receive_and_perhaps_die
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            random.seed(line)
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
            serve(data_dir)
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)


if __name__ == "__main__":
    main()
