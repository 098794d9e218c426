"""Reports that were written here (`runner.py report`), as pages. They are files: Markdown with
pictures beside it, in a folder each; which sweep one is about stands in its `report.json`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from markupsafe import Markup

from contract import places
from tracker.documents import Object
from tracker.pages.notes import reader
from tracker.pages.render import link

MOST_REPORTS = 300
MOST_BYTES = 16 << 20
NAME = re.compile(r"[\w.+-]+")
PICTURE = re.compile(r"[\w.+-]+\.png")


def find(project: Object, sweep: Object) -> str | None:
    """The name of the newest report about a sweep."""
    wanted = {"entity": project["entity"], "project": project["name"], "id": sweep["name"]}
    found = [
        path
        for path in sorted(places.reports().glob("*/report.json"))[:MOST_REPORTS]
        if NAME.fullmatch(path.parent.name) and about(path) == wanted
    ]
    return max(found, key=lambda path: path.stat().st_mtime).parent.name if found else None


def about(path: Path) -> dict[str, str] | None:
    """The sweep that a report (its `report.json`) is about: `entity`, `project`, `id`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        sweep = json.loads(path.read_bytes())["sweep"]
        return {name: str(sweep[name]) for name in ("entity", "project", "id")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(name: str) -> Markup | None:
    """A report as HTML; None where there is none."""
    path = places.reports() / name / "report.md"
    if not NAME.fullmatch(name) or name.strip(".") == "" or not path.is_file():
        return None
    if path.stat().st_size > MOST_BYTES:
        return None
    made = reader().render(path.read_text(encoding="utf-8"))
    # Markdown of others has no pictures and no HTML; of a report, its own and its foldings are back
    picture = r'!<a href="([\w.+-]+\.png)">([^<]*)</a>'
    place = link("-", "reports", name)
    made = re.sub(picture, rf'<img src="{place}/\1" alt="\2">', made)
    made = made.replace("<p>&lt;/details&gt;</p>", "</details>")
    folded = r"<p>&lt;details&gt;&lt;summary&gt;([^<&]*)&lt;/summary&gt;</p>"
    made = re.sub(folded, r"<details><summary>\1</summary>", made)
    scroll = r'<div class="scroll" tabindex="0" role="region" aria-label="Table">\1</div>'
    return Markup(re.sub(r"(<table>.*?</table>)", scroll, made, flags=re.DOTALL))


def picture(name: str, file: str) -> Path | None:
    path = places.reports() / name / file
    fits = NAME.fullmatch(name) and name.strip(".") and PICTURE.fullmatch(file)
    return path if fits and path.is_file() else None
