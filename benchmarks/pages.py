"""Cost of the tracker's pages, beside the reading of the same rows with nothing done to them.

    python -m benchmarks.pages [--runs 10000] [--metrics 100] [--steps 5000]

Prints milliseconds of CPU time (median of 5, in this process, without a network), sizes, and ratios
to reading and parsing every row once, which is what a page that knew no shorter way would do. Then,
where there is a browser (chromium, playwright), from the click to the first chart, beside a page
that has none: on a busy machine both take longer, so the time of its processors is said, too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from tests.tracker.worlds import START, Site, Tracker
from tracker.pages.render import static_files
from tracker.runs import rows as run_rows
from tracker.server import make_link

REPEATS = 5
RUN = "/local/long/runs/long"
SEEN = """window.seen = new Promise((done) => {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const look = () => wanted && document.querySelector(wanted)
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now())))
    : setTimeout(look, 1);
  look();
});"""  # done when the first frame with it is drawn


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=100)
    parser.add_argument("--steps", type=int, default=5_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        fill_runs(site, options.runs)
        fill_history(site, options.metrics, options.steps)
        report("every run read and parsed", base := timed(lambda: read_runs(site)), base)
        for path in ("/local/p", "/local/p?sort=-summary.metric_3", "/local/p?q=seed%3D3",
                     "/local/p?group=config.fusion&group=config.seed"):  # fmt: skip
            report(path, timed(lambda path=path: site.http.get(path)), base, size(site, path))
        report("every history row read and parsed", base := timed(lambda: read_rows(site)), base)
        keys = [("key", f"m/{k}") for k in range(6)]  # that a browser asks for first
        first = "/local/long/series?" + urlencode([("run", "long"), *keys])
        for path in (RUN, first):
            shown = path.split("?")[0]
            report(shown, timed(lambda path=path: site.http.get(path)), base, size(site, path))
        site.stream("long", "long", complete=True, exitcode=0)
        site.close()
        in_a_browser(Path(folder))
    scripts = [content for name, (content, _) in static_files().items() if name.endswith(".js")]
    packed = sum(len(gzip.compress(content)) for content in scripts)
    print(f"all scripts together: {packed / 1000:.1f} kB compressed")


def fill_runs(site: Site, runs: int) -> None:
    random.seed(1)
    site.start_run("first")
    with site.store.write() as db:
        for i in range(runs - 1):
            config = {f"parameter_{k}": {"value": k * i} for k in range(20)}
            config |= {"seed": {"value": i % 5}, "fusion": {"value": random.choice("abcd")}}
            summary = {f"metric_{k}": random.random() for k in range(20)}
            documents = {"config": json.dumps(config), "summary": json.dumps(summary)}
            name, at = f"r{i}", START + i
            run_rows.create_run(db, 1, name, "finished", at, display_name=f"run {i}", **documents)


def fill_history(site: Site, metrics: int, steps: int) -> None:
    site.start_run("long", project="long")
    rows = [
        {"_step": i, **{f"m/{k}": math.sin(i / 100 + k) for k in range(metrics)}}
        for i in range(steps)
    ]
    for start in range(0, steps, 1000):
        lines = [json.dumps(row) for row in rows[start : start + 1000]]
        chunk = {"offset": start, "content": lines}
        site.stream("long", "long", files={"wandb-history.jsonl": chunk})


def read_runs(site: Site) -> Any:
    with site.store.read() as db:
        rows = db.execute("SELECT config, summary FROM runs").fetchall()
        return [(json.loads(row[0]), json.loads(row[1])) for row in rows]


def read_rows(site: Site) -> Any:
    with site.store.read() as db:
        return [json.loads(row[0]) for row in db.execute("SELECT row FROM history").fetchall()]


def in_a_browser(folder: Path) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or find_spec("playwright") is None:
        print("no browser: the time to the first chart is not measured")
        return
    from playwright.sync_api import sync_playwright

    tracker = Tracker(folder)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.add_init_script(SEEN)
        page.goto(make_link(tracker.server.url, tracker.server.key))
        base = None
        for path, seen in (("/authorize", "h1"), ("/local/p", "tr"), (RUN, "figure canvas")):
            taken = [visit(page, tracker.server.url + path, seen) for _ in range(2 + REPEATS)][2:]
            wall, busy = (statistics.median(values) for values in zip(*taken, strict=True))
            base = base or wall
            ratio, best = wall / base, min(taken)[0]
            name = f"{path}, first {seen}"
            print(f"{name:<45} {wall:5.0f} ms, the quickest {best:4.0f} ms", end="")
            print(f"  ratio {ratio:5.2f}  {busy:5.0f} ms of processors", flush=True)
        browser.close()
    tracker.stop()


def visit(page: Any, url: str, seen: str) -> tuple[float, float]:
    """Milliseconds from the click until something is seen, and of the processors meanwhile: those
    of this process's children (server, browser) and of itself.
    """
    before = processors()
    page.goto(f"{url}#{seen}", wait_until="commit")
    taken = page.evaluate("window.seen")
    busy = processors() - before
    page.goto("about:blank")
    return taken, 1000 * busy


def processors() -> float:
    """Seconds of processors that this process and all below it have had."""
    found = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found += times.user + times.system
    return found


def size(site: Site, path: str) -> int:
    answer = site.http.get(path)
    assert answer.status_code == 200, answer.text
    return len(answer.content)


def timed(work: Callable[[], Any]) -> float:
    """Median milliseconds of CPU time."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - start))
    return statistics.median(taken)


def report(what: str, taken: float, base: float, bytes_: int | None = None) -> None:
    weight = "" if bytes_ is None else f"  {bytes_ / 1000:7.1f} kB"
    print(f"{what:<60} {taken:8.1f} ms  ratio {taken / base:5.2f}{weight}", flush=True)


if __name__ == "__main__":
    main()
