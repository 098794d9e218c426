"""The snapshot: everything a report reads, in one file, with a schema version and a hash.

A report is a function of its snapshot alone. The file is gzipped JSON with sorted keys and no time
stamps of its own, so equal contents are equal bytes. Its `sha256` is that of the canonical JSON of
all other keys (sorted, no spaces, UTF-8): it survives other zlib versions, and a file that was
changed by hand is refused. Predictions are packed: the example list is stored once per distinct
test set, the logits as base64 of little-endian float32.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from contract.files import write_atomic
from contract.values import number, plain

SCHEMA = "fusion-runner/snapshot/1"
FINISHED = "finished"
HASH = "sha256"


class SnapshotError(Exception):
    """A snapshot file that cannot be read."""

    exit_code = 2


@dataclass(frozen=True)
class Examples:
    """N labelled examples in the order of their pair ids; labels has shape (N,), 0 or 1."""

    pairs: tuple[str, ...]
    labels: np.ndarray

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of a hash of ids and labels: equal for equal sets."""
        text = json.dumps([list(self.pairs), self.labels.astype(int).tolist()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Predictions:
    """One run's logits, shape (N,) float32, on `examples`; part is "test" or "val".

    others: column -> logits (N,) of other classifiers that the run evaluated beside its own.
    """

    examples: Examples
    logits: np.ndarray
    part: str = "test"
    others: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """One run's terms: metric -> (N,) float64, whose mean is the run's metric. `examples` are those
    of all columns, without labels."""

    examples: Examples
    columns: dict[str, np.ndarray]


@dataclass
class Run:
    """One run as the server had it. history: metric -> values per logged row (NaN = not logged)."""

    id: str
    name: str
    state: str
    created_at: str
    url: str
    config: dict[str, Any]
    summary: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    history: dict[str, np.ndarray] = field(default_factory=dict)
    predictions: Predictions | None = None
    terms: Terms | None = None
    marker: str = ""  # changes whenever the server's history of the run does
    heartbeat_at: str = ""
    sweep: str = ""  # its sweep's id, where the snapshot holds several

    @property
    def finished(self) -> bool:
        return self.state == FINISHED


@dataclass
class Snapshot:
    """A sweep and its runs. looks: how often a sequential procedure has looked, of how many.

    plan: the plan that was given or found beside the sweep, where it is none that is shipped.
    choices: what was said of this report alone, as fields of a plan; it overrules the plan.
    """

    sweep: dict[str, Any]  # id, name, entity, project, url, state, config; parts: several sweeps
    runs: list[Run]
    looks: tuple[int, int] | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content as canonical JSON."""
        return _canonical(_encode(self))


def pack(snapshot: Snapshot) -> tuple[bytes, str]:
    """The file's bytes and the sha256 of its content. Equal snapshots, equal bytes."""
    content = _encode(snapshot)
    sha256 = _hash(content)
    body = _canonical({**content, HASH: sha256})
    return gzip.compress(body, compresslevel=6, mtime=0), sha256


def save(snapshot: Snapshot, path: Path) -> str:
    """Write the snapshot atomically; return the sha256 of its content."""
    packed, sha256 = pack(snapshot)
    write_atomic(path, packed)
    return sha256


def load(path: Path) -> Snapshot:
    """Read a snapshot. Raises SnapshotError for a missing, damaged, changed or unknown file."""
    try:
        packed = path.read_bytes()
    except FileNotFoundError as error:
        raise SnapshotError(f"snapshot {path} does not exist") from error
    except OSError as error:
        raise SnapshotError(f"snapshot {path} cannot be read: {error.strerror}") from error
    return unpack(packed, str(path))


def unpack(packed: bytes, name: str) -> Snapshot:
    """The snapshot in a file's bytes; `name` is the file's, for errors. Raises SnapshotError.

    A file without a hash is taken as it is.
    """
    again = "fetch it again with `runner.py report SWEEP`"
    try:
        content = json.loads(gzip.decompress(packed))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SnapshotError(f"snapshot {name} is damaged ({error}); {again}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != SCHEMA:
        raise SnapshotError(f"snapshot {name} has schema {found!r}; this version reads {SCHEMA!r}")
    said = content.pop(HASH, None)
    if said is not None and said != _hash(content):
        raise SnapshotError(
            f"snapshot {name} was changed after it was written: its content does not have its "
            f"sha256 {str(said)[:16]}…; {again}, or take the key {HASH!r} out to render it as it is"
        )
    try:
        return _decode(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotError(f"snapshot {name} is damaged ({error!r}); {again}") from error


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: Any) -> bytes:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _encode(snapshot: Snapshot) -> dict[str, Any]:
    sets: dict[str, Any] = {}
    runs = [_encode_run(run, sets) for run in sorted(snapshot.runs, key=lambda r: r.id)]
    return {
        "schema": SCHEMA,
        "sweep": plain(snapshot.sweep),
        "looks": list(snapshot.looks) if snapshot.looks else None,
        "examples": sets,
        "runs": runs,
        **({"plan": plain(snapshot.plan)} if snapshot.plan else {}),
        **({"choices": plain(snapshot.choices)} if snapshot.choices else {}),
    }


def _encode_run(run: Run, sets: dict[str, Any]) -> dict[str, Any]:
    predictions: dict[str, Any] | None = None
    if run.predictions is not None:
        examples = run.predictions.examples
        sets.setdefault(
            examples.digest,
            {
                "pairs": list(examples.pairs),
                "labels": "".join(str(int(label)) for label in examples.labels),
            },
        )
        predictions = {
            "examples": examples.digest,
            "part": run.predictions.part,
            "logits": _pack(run.predictions.logits),
        }
        if run.predictions.others:
            others = {name: _pack(logits) for name, logits in run.predictions.others.items()}
            predictions["others"] = others
    terms: dict[str, Any] = {}
    if run.terms is not None:
        examples = run.terms.examples
        sets.setdefault(examples.digest, {"pairs": list(examples.pairs), "labels": ""})
        columns = {name: _pack(column, "<f8") for name, column in run.terms.columns.items()}
        terms = {"terms": {"examples": examples.digest, "columns": columns}}
    return {
        **terms,
        **({"sweep": run.sweep} if run.sweep else {}),
        "id": run.id,
        "name": run.name,
        "state": run.state,
        "created_at": run.created_at,
        "heartbeat_at": run.heartbeat_at,
        "marker": run.marker,
        "url": run.url,
        "config": plain(run.config),
        "summary": plain(run.summary),
        "provenance": plain(run.provenance),
        "history": {
            key: [None if math.isnan(v) else plain(float(v)) for v in column]
            for key, column in run.history.items()
        },
        "predictions": predictions,
    }


def _decode(content: dict[str, Any]) -> Snapshot:
    sets = {
        key: Examples(
            tuple(item["pairs"]), np.array([int(c) for c in item["labels"]], dtype=np.int8)
        )
        for key, item in content["examples"].items()
    }
    looks = content.get("looks")
    config = content["sweep"].get("config") or {}
    if not isinstance(config.get("parameters") or {}, dict):
        raise TypeError("the sweep's parameters are no mapping")
    return Snapshot(
        sweep=content["sweep"],
        runs=[_decode_run(item, sets) for item in content["runs"]],
        looks=(int(looks[0]), int(looks[1])) if looks else None,
        plan=content.get("plan") or {},
        # population: how a snapshot of version 1 said this one choice at first
        choices=content.get("choices")
        or ({"population": content["population"]} if content.get("population") else {}),
    )


def _decode_run(item: dict[str, Any], sets: dict[str, Examples]) -> Run:
    fields = {
        key: value for key, value in item.items() if key not in ("history", "predictions", "terms")
    }
    history = {
        key: np.array([math.nan if v is None else number(v) for v in column], dtype=float)
        for key, column in item["history"].items()
    }
    predictions = None
    if item["predictions"] is not None:
        packed = item["predictions"]
        examples = sets[packed["examples"]]
        others = {name: _unpack(logits) for name, logits in packed.get("others", {}).items()}
        logits = _unpack(packed["logits"])
        if {column.size for column in (logits, *others.values())} != {examples.labels.size}:
            raise ValueError(f"run {item.get('id')} has not one logit for each example")
        predictions = Predictions(examples, logits, packed["part"], others)
    terms = None
    if "terms" in item:
        examples = sets[item["terms"]["examples"]]
        columns = {n: _unpack(column, "<f8") for n, column in item["terms"]["columns"].items()}
        if {column.size for column in columns.values()} != {len(examples.pairs)}:
            raise ValueError(f"run {item.get('id')} has not one term for each example")
        terms = Terms(examples, columns)
    return Run(**fields, history=history, predictions=predictions, terms=terms)


def _pack(numbers: np.ndarray, kind: str = "<f4") -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, dtype=kind).tobytes()).decode()


def _unpack(packed: str, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed, validate=True), dtype=kind)
