"""Config, summary, tags and notes of a run that several hands change: its process, and `wandb.Api`
from outside while it goes on.

Every client sends whole documents, so that what it means is the difference to what it knew: a
process knows what it sent last, the Api what it has read. That difference is laid over what is
stored; where both changed one key, the later one wins. What the Api has read it tells by itself: a
config or summary that it is given holds a stamp of all that it could send back, in `_wandb`, which
it returns as it came.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from typing import Any

from tracker.documents import Object
from tracker.runs import rows as run_rows
from tracker.store.rows import Columns

DOCUMENTS = ("config", "summary")
TEXTS = ("notes", "description", "display_name", "group_name", "job_type")
FIELDS = (*DOCUMENTS, "tags", *TEXTS)
MISSING: Any = object()
INTERNAL = "_wandb"
STAMP = "as_read"
canonical = json.JSONEncoder(sort_keys=True).encode


def merge(base: Any, sent: Any, stored: Any, same: Callable[[Any, Any], bool]) -> Any:
    """`stored` with what was changed from `base` to `sent`, key by key; MISSING where that is to
    delete it.
    """
    if is_branch(sent) and is_branch(stored):
        base = base if isinstance(base, dict) else {}
        merged = {
            key: merge(
                base.get(key, MISSING), sent.get(key, MISSING), stored.get(key, MISSING), same
            )
            for key in {**stored, **sent}
        }
        return {key: value for key, value in merged.items() if value is not MISSING}
    if base is MISSING or sent is MISSING:
        return stored if base is sent else sent
    return stored if same(base, sent) else sent


def is_branch(value: Any) -> bool:
    """Whether a value is merged key by key; what has a `_type` (an image, a table) is one value."""
    return isinstance(value, dict) and "_type" not in value


def same_value(base: Any, sent: Any) -> bool:
    return canonical(base) == canonical(sent)


def same_stamp(base: Any, sent: Any) -> bool:
    return base == stamp(sent)


def stamp(value: Any) -> Any:
    """What tells later whether a value was changed: short sums in the place of its leaves."""
    if is_branch(value):
        return {key: stamp(item) for key, item in value.items()}
    return f"{zlib.crc32(canonical(value).encode()):x}"


def merge_tags(base: list[str], sent: list[str], stored: list[str]) -> list[str]:
    kept = [tag for tag in stored if tag in sent or tag not in base]
    return kept + [tag for tag in sent if tag not in base and tag not in kept]


def merge_field(field: str, base: str | None, sent: str, stored: str | None) -> str | None:
    """A column of `runs`, merged. Documents and tags are JSON texts, and stay as they were sent
    where nobody else has changed them.
    """
    if field in TEXTS:
        return stored if sent == base else sent
    known, said, there = (json.loads(text or "{}") for text in (base, sent, stored))
    merged: Any
    if field == "tags":
        merged = merge_tags(known, said, there)
    else:
        merged = merge(known, said, there, same_value)
    return sent if same_value(merged, said) else json.dumps(merged)


def by_process(db: sqlite3.Connection, run: Columns, columns: Object, writer: str = "") -> Object:
    """`columns` as they are to be stored when the run's process has sent them."""
    told = run_rows.sent_last(db, run["id"], writer)
    merged = dict(columns)
    for field in FIELDS:
        if field not in columns:
            continue
        sent = columns[field]
        if field == "config":
            sent = merged[field] = split_stamp(sent)[0]
        if writer:
            told.setdefault(field, "[]" if field == "tags" else None)
        elif field not in told:
            continue  # what is stored is what it sent last
        merged[field] = merge_field(field, told[field], sent, run[field])
        if writer or merged[field] != sent:
            run_rows.remember_sent(db, run["id"], writer, field, sent)
        else:
            run_rows.forget_sent(db, run["id"], field)
    return merged


def from_outside(db: sqlite3.Connection, run: Columns, columns: Object) -> Object:
    """`columns` as they are to be stored when somebody else has sent them. What the process had
    sent is remembered, so that its next word is understood.
    """
    merged, read = dict(columns), {}
    for field in DOCUMENTS:
        if field in columns:
            merged[field], stamps = split_stamp(columns[field])
            read |= stamps
    for field in FIELDS:
        if field not in columns:
            continue
        merged[field] = merge_read(field, read.get(field), merged[field], run[field])
        if merged[field] != run[field] and field not in run_rows.sent_last(db, run["id"], ""):
            run_rows.remember_sent(db, run["id"], "", field, run[field])
    return merged


def merge_read(field: str, read: Any, sent: str, stored: str | None) -> str | None:
    """A column of `runs` that comes from outside; `read` is its stamp, None where there is none:
    then all of what is stored was known.
    """
    if field in TEXTS:
        return stored if read is not None and same_stamp(read, sent) else sent
    ours, theirs = json.loads(stored or "{}"), json.loads(sent)
    if field == "tags":
        merged: Any = merge_tags(ours if read is None else read, theirs, ours)
    else:
        own = ours.get(INTERNAL, theirs.get(INTERNAL, MISSING))  # the process's alone
        ours, theirs = without_internal(ours), without_internal(theirs)
        merged = merge(stamp(ours) if read is None else read, theirs, ours, same_stamp)
        merged |= {} if own is MISSING else {INTERNAL: own}
    return json.dumps(merged)


def without_internal(document: Object) -> Object:
    return {key: value for key, value in document.items() if key != INTERNAL}


def stamped(run: Columns, field: str) -> str:
    """The config or summary of a run as the Api is given it.

    `Run.update()` sends config, tags and texts in one, `Summary.update()` the summary alone.
    """
    document = json.loads(run[field])
    stamps: Object = {field: stamp(without_internal(document))}
    place = internal_of(document, field)
    if place is None:
        return run[field]
    if field == "config":
        stamps["tags"] = json.loads(run["tags"])
        stamps |= {name: stamp(run[name]) for name in TEXTS}
    place[STAMP] = stamps
    return json.dumps(document)


def internal_of(document: Object, field: str) -> Object | None:
    """The part of a document that is the client's own; None where something else is there."""
    place = document.setdefault(INTERNAL, {"value": {}} if field == "config" else {})
    place = place.get("value") if field == "config" and isinstance(place, dict) else place
    return place if isinstance(place, dict) else None


def split_stamp(text: str) -> tuple[str, Object]:
    """A document without the stamp that may be in it, and the stamp, {} where there is none."""
    if STAMP not in text:
        return text, {}
    document = json.loads(text)
    internal = document.get(INTERNAL)
    for place in (internal, internal.get("value") if isinstance(internal, dict) else None):
        if isinstance(place, dict) and isinstance(place.get(STAMP), dict):
            found = place.pop(STAMP)
            if not place:  # it was made for the stamp
                del document[INTERNAL]
            return json.dumps(document), found
    return text, {}
