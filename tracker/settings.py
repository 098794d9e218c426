"""Limits and times of a server; every one bounds what a faulty or hostile client can cost."""

from __future__ import annotations

from dataclasses import dataclass

USER = "local"  # who has made every run, whatever entity its project is in


@dataclass(frozen=True)
class Settings:
    entity: str = USER  # the one user, who is the one entity unless a client names another
    project: str = "uncategorized"  # whatever its client names no project for
    heartbeat_timeout: float = 180.0  # seconds without a word: crashed (clients beat every 30 s)
    agent_timeout: float = 60.0  # the same for a sweep's agent (stock ones beat every 5 s)
    start_grace: float = 120.0  # seconds after a start before any run is called crashed
    tick_seconds: float = 5.0
    # for the next part of an upload: its addresses are good for a day, and the largest content may
    # take another to come
    upload_grace: float = 3 * 24 * 3600.0
    clear_seconds: float = 3600.0
    max_json_bytes: int = 64 << 20  # one GraphQL or file_stream body, after decompression
    max_gzip_ratio: int = 100
    max_upload_bytes: int = 64 << 30
    max_inflight_bytes: int = 256 << 20  # JSON bodies being read at the same time, all together
    min_free_bytes: int = 64 << 20  # uploads are refused below this much free space
    header_seconds: float = 20.0  # from connection, or the last answer, to complete request headers
    body_seconds: float = 30.0  # between two parts of a body, or of an answer that is being taken
    max_connections: int = 512
    # of one query; the client's largest page has 1,000 runs of about 60 fields
    max_query_values: int = 250_000
    max_answer_chars: int = 128 << 20
    query_seconds: float = 10.0  # of computing
