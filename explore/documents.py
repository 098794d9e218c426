"""Bulk writes in the form in which FiftyOne stores samples, for a ninth of its objects' time.

The form is never spelled out here. An example that FiftyOne itself has stored is the template, and
only its leaves are filled in, so that a new version's documents are a new version's.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from explore.lazy import Dataset, Sample, load

BATCH = 2000  # documents per request
Document = dict[str, Any]


def templates(dataset: Dataset, examples: list[Sample]) -> list[Document]:
    """The stored form of the examples. Their fields are declared; the examples do not stay."""
    object_id = load("bson").ObjectId

    ids = dataset.add_samples(examples, dynamic=True, progress=False)
    found = dataset._sample_collection.find({"_id": {"$in": [object_id(i) for i in ids]}})
    stored = {str(document["_id"]): document for document in found}
    dataset.delete_samples(ids)
    return [stored[i] for i in ids]


def fill(template: Document, **values: Any) -> Document:
    """A document like the template, with these values and, where it has an id, one of its own."""
    object_id = load("bson").ObjectId

    own = {"_id": object_id()} if "_id" in template else {}
    return {**template, **own, **values}


def insert(dataset: Dataset, documents: Iterable[Document]) -> None:
    """Add sample documents."""
    chance = random.Random(0)
    now = datetime.now(UTC).replace(tzinfo=None)
    for batch in _batches(documents):
        for document in batch:
            # FiftyOne shuffles by this number; its own samples have it in this range.
            document["_rand"] = 0.999 + 0.001 * chance.random()
            document["created_at"] = document["last_modified_at"] = now
        dataset._sample_collection.insert_many(batch)
    dataset.reload()


def update(dataset: Dataset, rows: Iterable[tuple[str, Document]]) -> None:
    """Set fields of samples: (sample id, field -> value in stored form)."""
    object_id, update_one = load("bson").ObjectId, load("pymongo").UpdateOne

    now = datetime.now(UTC).replace(tzinfo=None)
    writes: Iterator[Any] = (
        update_one({"_id": object_id(i)}, {"$set": {**values, "last_modified_at": now}})
        for i, values in rows
    )
    for batch in _batches(writes):
        dataset._sample_collection.bulk_write(batch, ordered=False)
    dataset.reload()


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch
