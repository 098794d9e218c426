"""The types of rows say what the schema says."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints

import pytest

from tracker.artifacts import tables as artifacts
from tracker.runs import tables as runs
from tracker.store.blob_rows import BlobRow
from tracker.store.database import create
from tracker.sweeps import tables as sweeps

TABLES = {
    "projects": runs.ProjectRow,
    "runs": runs.RunRow,
    "blobs": BlobRow,
    "artifact_types": artifacts.TypeRow,
    "collections": artifacts.CollectionRow,
    "artifacts": artifacts.ArtifactRow,
    "memberships": artifacts.MembershipRow,
    "aliases": artifacts.AliasRow,
    "manifests": artifacts.ManifestRow,
    "artifact_files": artifacts.ArtifactFileRow,
    "sweeps": sweeps.SweepRow,
    "agents": sweeps.AgentRow,
    "cells": sweeps.CellRow,
    "attempts": sweeps.AttemptRow,
    "scores": sweeps.ScoreRow,
    "rungs": sweeps.RungRow,
    "decisions": sweeps.DecisionRow,
}
# rows that are less than their table, or more
PARTS = {
    ("attempts", runs.LeaseRow): set(),
    ("artifact_tags", artifacts.TagRow): set(),
    ("collection_tags", artifacts.TagRow): set(),
    ("files", runs.FileRow): {"size", "md5"},
}
KINDS = {"INTEGER": int, "REAL": float, "TEXT": str}


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path: Path = tmp_path_factory.mktemp("schema") / "tracker.db"
    create(path)
    return sqlite3.connect(path)


def columns(db: sqlite3.Connection, table: str) -> dict[str, set[type]]:
    """Column -> its types; a whole number that is a key is never NULL."""
    return {
        name: {KINDS[kind]} | (set() if filled or (key and kind == "INTEGER") else {NoneType})
        for _, name, kind, filled, _, key in db.execute(f"PRAGMA table_info({table})")
    }


def fields(row: type) -> dict[str, set[type]]:
    return {name: set(get_args(hint)) or {hint} for name, hint in get_type_hints(row).items()}


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_its_table(schema: sqlite3.Connection, table: str):
    assert fields(TABLES[table]) == columns(schema, table)


@pytest.mark.parametrize(("table", "row"), PARTS, ids=lambda part: getattr(part, "__name__", part))
def test_a_part_of_a_row_is_of_its_table(schema: sqlite3.Connection, table: str, row: type):
    there = columns(schema, table)
    more = PARTS[table, row]
    assert {name: kinds for name, kinds in fields(row).items() if name not in more} == {
        name: there[name] for name in fields(row) if name not in more
    }
