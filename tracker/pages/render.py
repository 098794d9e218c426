"""Templates, what they may call, and the headers of a page."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from contract.words import counted
from tracker.documents import Object
from tracker.http.gate import STATIC_PREFIX

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals |= {"link": link, "static": static, "file_link": file_link}
    env.filters |= {
        "number": show,
        "brief": lambda value: f"{value:.2g}",
        "ago": ago,
        "moment": moment,
        "bytes": show_bytes,
        "duration": duration,
        "query": lambda pairs: urlencode(pairs, doseq=True),
    }
    return env


def link(*parts: str) -> str:
    """A path of this server; every part is quoted whole."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def file_link(project: Object, run: Object, name: str) -> str:
    """The address of a run's file; its folders stand in it as such."""
    return link("files", project["entity"], project["name"], run["name"]) + "/" + quote(name)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Name -> (content, what tells it from other contents): they change with the program only."""
    found = {}
    for path in STATIC.rglob("*"):
        if path.suffix in STATIC_TYPES:
            content = path.read_bytes()
            mark = hashlib.sha256(content).hexdigest()[:12]
            found[path.relative_to(STATIC).as_posix()] = (content, mark)
    return found


def static(name: str) -> str:
    """The address of a file in static/, which may be kept for ever."""
    return f"{STATIC_PREFIX}{name}?v={static_files()[name][1]}"


def static_answer(name: str) -> Response | None:
    found = static_files().get(name)
    if found is None:
        return None
    kind = STATIC_TYPES[Path(name).suffix] + "; charset=utf-8"
    headers = {"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found[0], headers=headers)


def show(value: Any) -> str:
    """A value of a config or a summary, short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and "_type" in value:
        return f"({value['_type']})"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"


def show_bytes(size: int | None) -> str:
    amount, unit = float(size or 0), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(seconds: float | None) -> str:
    passed = max(0.0, time.time() - (seconds or 0))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            return f"{counted(int(passed // size), unit)} ago"
    return "just now"


def duration(seconds: float) -> str:
    """`3 h 5 min`, `42 s`."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def render(template: str, status: int = 200, **values: Any) -> Response:
    """A page. Its scripts and styles are those that carry its nonce, and nothing leads out."""
    nonce = secrets.token_urlsafe(12)
    html = environment().get_template(template).render(**{"live": False, **values, "nonce": nonce})
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    # a browser that tells nobody where it comes from says `Origin: null` of our own forms, too
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return HTMLResponse(html, status, headers)
