"""A run's config by name: nested and hyphenated names, and which keys look like a seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from contract.sweepfile.points import SEEDLIKE
from contract.values import canonical, key

NO_SEED = "-"
NONE = "none"  # what --seed-key says where nothing matches replicates
FOLD = re.compile(r"(.*[._-])?fold", re.IGNORECASE)  # matches replicates, and none can be added


def lookup(config: Mapping[str, Any], name: str, default: Any) -> Any:
    """config[name], also where the run wrote hyphens as underscores or nested the name."""
    for spelling in (name, name.replace("-", "_")):
        if spelling in config:
            return config[spelling]
    head, _, rest = name.partition(".")
    inner = config.get(head)
    return lookup(inner, rest, default) if rest and isinstance(inner, Mapping) else default


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as dotted names."""
    flat: dict[str, Any] = {}
    for name, item in config.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def display(item: Any) -> str:
    """A config value as text, numbers short, lists as JSON."""
    if isinstance(item, float):
        return f"{item:.6g}"
    return item if isinstance(item, str) else key(item)


def seed_label(seed: Any) -> str:
    """A seed as the key of a JSON object: 0, 0.0 and "0" are one seed."""
    return display(canonical(seed))


def seedlike(names: Iterable[str]) -> list[str]:
    """The names that may be a seed's: `seed`, `*_seed`, `*.seed`, `fold`; plain `seed` first."""
    found = [name for name in names if SEEDLIKE.fullmatch(name) or FOLD.fullmatch(name)]
    return sorted(found, key=lambda name: (name != "seed", name.endswith("fold"), len(name)))


def by_key(configs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """key -> distinct values over flat configs, None where one lacks the key, in their order."""
    rows = list(configs)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: {key(v): v for v in (row.get(name) for row in rows)} for name in names}
