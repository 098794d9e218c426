"""What every experiment's configuration is: frozen fields, checked, with words for what is wrong.

Nothing heavy is imported here: `--help` and the check of a sweep's cells use it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from contract.words import nearest, suggest


class ConfigError(Exception):
    """Values that are no config. `problems` maps each offending key to what is wrong with it."""

    exit_code = 2

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{key}: {text}" for key, text in self.problems.items()))


@dataclass(frozen=True)
class Allowed:
    """Annotation of a text field: the values it takes, in words, and what a wrong one may mean."""

    text: str
    meant: Callable[[str], list[str]] = lambda value: []


Kind = TypeVar("Kind", bound="Config")


class Config(BaseModel):
    """What defines an experiment: frozen fields, each with a help text below it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
    NAMED: ClassVar[str] = ""
    """Fields that count in `decisive` at their default, too: those by which folders are kept. A
    field that is added later stays out, so that it renames no folder."""

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: Any, info: Any) -> Any:
        """Accept numbers in any notation (YAML reads 1e-4 as a string), but no booleans."""
        if cls.model_fields[info.field_name].annotation not in (int, float):
            return value
        if isinstance(value, bool):
            raise ValueError("a boolean is no number")
        return float(value) if isinstance(value, str) and not _is_int(value) else value

    def decisive(self) -> dict[str, Any]:
        """Return the fields by which experiments are told apart: those of `NAMED`, and all others
        that are not at their default.
        """
        fields, named = type(self).model_fields, self.NAMED.split()
        return {
            name: value
            for name, value in self.model_dump().items()
            if name in named or value != fields[name].default
        }

    @property
    def digest(self) -> str:
        """Hash of `decisive` (64 hex digits): equal for equal experiments, whatever was typed."""
        text = json.dumps(self.decisive(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def check(values: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Return the config of `values`; fields that are left out take their defaults.

    Raises ConfigError that lists every bad key with its value, what is allowed, and for a typo the
    nearest known word.
    """
    values = {str(key): value for key, value in values.items()}
    try:
        return kind(**values)
    except ValidationError as error:
        problems = {}
        for item in error.errors():
            key = str(item["loc"][0])
            if item["type"] == "extra_forbidden":
                problems[key] = f"unknown{suggest(key, kind.model_fields)}"
            else:
                problems[key] = f"{values[key]!r} is not allowed; allowed: {allowed(key, kind)}"
                near = nearest(values[key], _meant(key, values[key], kind))
                problems[key] += f"; did you mean {near!r}?" if near else ""
        raise ConfigError(problems) from None


def allowed(name: str, kind: type[Config]) -> str:
    """Say in words which values the field `name` takes."""
    field = kind.model_fields[name]
    if known := _annotation(name, kind):
        return known.text
    if choices := choices_of(name, kind):
        return ", ".join(choices)
    if field.annotation is bool:
        return "true, false"
    text = "a whole number" if field.annotation is int else "a number"
    words = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}
    for bound in field.metadata:
        for attribute, word in words.items():
            if getattr(bound, attribute, None) is not None:
                text += f" {word} {getattr(bound, attribute)}"
    return text


def choices_of(name: str, kind: type[Config]) -> tuple[str, ...]:
    """Return the closed list of values of the field `name`, or () where it has none."""
    return get_args(kind.model_fields[name].annotation)


def _meant(name: str, value: Any, kind: type[Config]) -> list[str] | tuple[str, ...]:
    known = _annotation(name, kind)
    return known.meant(str(value)) if known else choices_of(name, kind)


def _annotation(name: str, kind: type[Config]) -> Allowed | None:
    return next((m for m in kind.model_fields[name].metadata if isinstance(m, Allowed)), None)


def _is_int(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+\s*", text) is not None
