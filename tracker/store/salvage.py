"""Rows straight from the pages of an SQLite file, for where its trees are broken.

Pages and records as in https://www.sqlite.org/fileformat2.html: leaves and inner nodes of tables
(13, 5) and of indices (10, 2), which are what tables WITHOUT ROWID consist of.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE_LEAF, TABLE_INNER, INDEX_LEAF, INDEX_INNER = 13, 5, 10, 2
INNER = (TABLE_INNER, INDEX_INNER)
KINDS = (TABLE_LEAF, INDEX_LEAF, *INNER)
WAL_HEADER, FRAME_HEADER = 32, 24
MAX_CHAIN = 100_000  # pages of one value

Record = tuple[Any, ...]
Pages = dict[int, bytes]  # by their numbers, from 1


class BrokenError(Exception):
    """A cell that makes no sense."""


def read_pages(path: Path, page_bytes: int) -> Pages:
    """Page number -> content, with what the write-ahead log has committed laid over it."""
    data = path.read_bytes()
    pages = {
        i + 1: data[i * page_bytes : (i + 1) * page_bytes] for i in range(len(data) // page_bytes)
    }
    wal = path.with_name(path.name + "-wal")
    return pages | (committed(wal.read_bytes(), page_bytes) if wal.exists() else {})


def committed(wal: bytes, page_bytes: int) -> Pages:
    """Pages of the log up to its last commit."""
    done: Pages = {}
    waiting: Pages = {}
    salt = wal[16:24]
    for start in range(WAL_HEADER, len(wal), FRAME_HEADER + page_bytes):
        head = wal[start : start + FRAME_HEADER]
        page = wal[start + FRAME_HEADER : start + FRAME_HEADER + page_bytes]
        if len(page) < page_bytes or head[8:16] != salt:
            break
        number, size_after = struct.unpack(">II", head[:8])
        waiting[number] = page
        if size_after:  # the frame ends a transaction
            done |= waiting
            waiting = {}
    return done


def free_pages(pages: Pages) -> set[int]:
    """Numbers of pages that hold nothing any more; what still stands on them was deleted."""
    found: set[int] = set()
    number = int.from_bytes(pages.get(1, b"")[32:36])
    while number in pages and number not in found:
        trunk = pages[number]
        leaves = range(8, 8 + 4 * min(int.from_bytes(trunk[4:8]), len(trunk) // 4 - 2), 4)
        found |= {number, *(int.from_bytes(trunk[place : place + 4]) for place in leaves)}
        number = int.from_bytes(trunk[:4])
    return found


def tree(pages: Pages, root: int) -> tuple[list[int], int]:
    """Numbers of the pages of a table or an index, and how many of its pages cannot be read."""
    found: dict[int, None] = {}
    lost, waiting = 0, [root]
    while waiting:
        number = waiting.pop()
        if number in found or kind_of(pages, number) is None:
            lost += 1
            continue
        found[number] = None
        waiting += children(pages, number)[::-1]
    return list(found), lost


def kind_of(pages: Pages, number: int) -> int | None:
    """What a page is in a tree; None: nothing that a tree consists of."""
    kind = pages.get(number, b"\0" * 101)[100 if number == 1 else 0]
    return kind if kind in KINDS else None


def cells(pages: Pages, number: int) -> list[int]:
    """Where on its page each cell begins."""
    page, start = pages[number], 100 if number == 1 else 0
    first = start + (12 if page[start] in INNER else 8)
    most = (len(page) - first) // 2
    count = min(int.from_bytes(page[start + 3 : start + 5]), most)
    return [int.from_bytes(page[first + 2 * i : first + 2 * i + 2]) for i in range(count)]


def children(pages: Pages, number: int) -> list[int]:
    """Numbers of the pages below an inner node, in the order of their keys."""
    page, start = pages[number], 100 if number == 1 else 0
    if page[start] not in INNER:
        return []
    places = [*cells(pages, number), start + 8]
    return [int.from_bytes(page[place : place + 4]) for place in places]


def records(pages: Pages, number: int) -> Iterator[tuple[int | None, Record] | None]:
    """(rowid, values) of every cell of a page, None for one that cannot be read; rowid is None in
    trees without.
    """
    kind = kind_of(pages, number)
    if kind is None or kind == TABLE_INNER:
        return
    for place in cells(pages, number):
        try:
            yield read_cell(pages, pages[number], place + (4 if kind in INNER else 0), kind)
        except (BrokenError, IndexError, KeyError, struct.error):
            yield None


def read_cell(pages: Pages, page: bytes, place: int, kind: int) -> tuple[int | None, Record]:
    page_bytes = len(page)
    size, place = varint(page, place)
    rowid = None
    if kind == TABLE_LEAF:
        rowid, place = varint(page, place)
        most = page_bytes - 35
    else:
        most = (page_bytes - 12) * 64 // 255 - 23
    least = (page_bytes - 12) * 32 // 255 - 23
    local = size
    if size > most:
        local = least + (size - least) % (page_bytes - 4)
        local = local if local <= most else least
    payload = page[place : place + local]
    if size > local:
        payload += overflow(pages, int.from_bytes(page[place + local : place + local + 4]), size)
    if len(payload) < size:
        raise BrokenError
    return rowid, read_record(payload[:size])


def overflow(pages: Pages, number: int, size: int) -> bytes:
    parts, found = [], 0
    while number and found < size and len(parts) < MAX_CHAIN:
        page = pages[number]
        parts.append(page[4:])
        found += len(page) - 4
        number = int.from_bytes(page[:4])
    return b"".join(parts)


def varint(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = 0
    for i in range(9):
        byte = data[place + i]
        if i == 8:
            return (value << 8) | byte, place + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, place + i + 1
    raise BrokenError


def read_record(payload: bytes) -> Record:
    end, place = varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = varint(payload, place)
        kinds.append(kind)
    if place != end:
        raise BrokenError
    values = []
    for kind in kinds:
        value, end = read_value(payload, end, kind)
        values.append(value)
    if end != len(payload):
        raise BrokenError
    return tuple(values)


def read_value(payload: bytes, place: int, kind: int) -> tuple[Any, int]:
    if kind == 0:
        return None, place
    if kind in (8, 9):
        return kind - 8, place
    width = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}.get(kind, (kind - 12) // 2)
    part = payload[place : place + width]
    if kind in (10, 11) or len(part) < width:
        raise BrokenError
    if kind < 7:
        return int.from_bytes(part, signed=True), place + width
    if kind == 7:
        return struct.unpack(">d", part)[0], place + width
    return (part.decode(errors="replace") if kind % 2 else part), place + width
