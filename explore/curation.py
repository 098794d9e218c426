"""Tags that a person set in the App, as a file that the manifest of the data takes up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from contract.files import write_json
from contract.words import counted
from explore.dataset import own_tags
from explore.errors import ExploreError
from explore.lazy import Dataset
from explore.pairs import EXCLUDE_TAG, MOVE_TAGS, DataSet
from fusion.data.curation import SCHEMA


@dataclass(frozen=True)
class Curation:
    """Pairs to leave out, and pairs to move to another part; unknown: other tags and their number.

    A pair that is left out is in no part, so it is never in both.
    """

    exclude: list[str]
    move: dict[str, str]
    unknown: dict[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What the file says, in one line."""
        text = f"{counted(len(self.exclude), 'pair')} to leave out, {len(self.move)} to move"
        if self.unknown:
            named = ", ".join(f"{tag} ({count})" for tag, count in sorted(self.unknown.items()))
            known = ", ".join([EXCLUDE_TAG, *MOVE_TAGS])
            text += f"; tags without a meaning: {named} (known are {known})"
        return text


def collect(dataset: Dataset) -> Curation:
    """What the tags of a dataset ask for. Raises ExploreError where they contradict each other."""
    exclude, move, unknown = [], {}, Counter()
    for pair, tags in own_tags(dataset).items():
        unknown.update(tag for tag in tags if tag != EXCLUDE_TAG and tag not in MOVE_TAGS)
        targets = [MOVE_TAGS[tag] for tag in tags if tag in MOVE_TAGS]
        if len(targets) > 1:
            raise ExploreError(
                f"pair {pair} is tagged for several parts ({', '.join(targets)}); "
                "remove all but one of these tags in the App"
            )
        if EXCLUDE_TAG in tags:
            exclude.append(pair)
        elif targets:
            move[pair] = targets[0]
    return Curation(exclude, move, dict(unknown))


def write(curation: Curation, data: DataSet, path: Path) -> None:
    """Write the file, whole or not at all; equal tags give equal bytes."""
    content = {
        "schema": SCHEMA,
        "data_hash": data.data_hash,
        "exclude": curation.exclude,
        "move": curation.move,
    }
    write_json(path, content)
