"""How data is named: a folder, PROFILE:PAIRS[:SEED] to generate, or a function that reads it.

Nothing heavy is imported here: flags and the check of a sweep's cells use it.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from contract import outside
from fusion.training.config import Allowed

PROFILES = ("study", "fusion", "bind")
SPEC = re.compile(r"(?P<profile>[a-z]+):(?P<pairs>\d+)(?::(?P<seed>\d+))?")
# A split of 70/10/20 needs ten pairs of each class for one of them to be in val.
MIN_PAIRS = 20
ALLOWED = (
    f"a folder, or PROFILE:PAIRS[:SEED] with PROFILE one of {', '.join(PROFILES)} "
    f"and PAIRS an even number from {MIN_PAIRS} (fusion:3000:0)"
)


def is_outside(value: str) -> bool:
    """Return whether a name is that of a person's own function (`fusion.data.arrays`)."""
    return value.partition(":")[0] not in PROFILES and bool(outside.NAME.fullmatch(value))


def _check(value: str) -> str:
    profile, colon, _ = value.partition(":")
    if value.strip() and (not colon or "/" in profile):
        return value  # a folder
    spec = SPEC.fullmatch(value)
    if spec is None or profile not in PROFILES:
        raise ValueError("no such spec")
    if int(spec["pairs"]) < MIN_PAIRS or int(spec["pairs"]) % 2:
        raise ValueError("no such number of pairs")
    return value


def _meant(value: str) -> list[str]:
    profile, colon, rest = value.partition(":")
    return [f"{known}{colon}{rest}" for known in PROFILES] if profile not in PROFILES else []


FolderName = Annotated[str, AfterValidator(_check), Allowed(ALLOWED, _meant)]
DataName = Annotated[
    str,
    AfterValidator(lambda value: value if is_outside(value) else _check(value)),
    Allowed(f"{ALLOWED}, or {outside.FORM} of a function of your own that reads it", _meant),
]
