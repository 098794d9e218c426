"""RunConfig: one field = one flag = one sweep key = one W&B config key = one report column.

Nothing heavy is imported here: `runner.py train --help` and the check of a sweep's cells use it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contract.words import nearest, suggest

Fusion = Literal["early", "late", "concat", "add", "mul", "matmul", "rgb", "lidar"]
Downsample = Literal["maxpool", "strided_append", "strided_replace", "avgpool", "blurpool"]
Split = Literal["default", "study"]
Schedule = Literal["cosine", "constant"]

FUSIONS: tuple[str, ...] = get_args(Fusion)
DOWNSAMPLES: tuple[str, ...] = get_args(Downsample)
PROFILES = ("study", "fusion", "bind")
# Fusions with an encoder for each modality, which can begin with pre-trained ones
TWO_ENCODERS = ("late", "concat", "add", "mul", "matmul")
CONTRASTIVE = "contrastive:"
INIT_ALLOWED = (
    f"lecun, random, or {CONTRASTIVE}ARTIFACT (an artifact of `runner.py pretrain --inputs "
    f"fusion`, project/name:alias, or a folder) with --fusion {', '.join(TWO_ENCODERS)}"
)

# A split of 70/10/20 needs ten pairs of each class for one of them to be in val.
MIN_PAIRS = 20
DATA_ALLOWED = (
    f"a folder, or PROFILE:PAIRS[:SEED] with PROFILE one of {', '.join(PROFILES)} "
    f"and PAIRS an even number from {MIN_PAIRS} (fusion:3000:0)"
)


class ConfigError(Exception):
    """Values that are no RunConfig. `problems` maps each offending key to what is wrong with it."""

    exit_code = 2

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{key}: {text}" for key, text in self.problems.items()))


Kind = TypeVar("Kind", bound="Config")


class Config(BaseModel):
    """What defines an experiment: frozen fields, each with a help text below it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: Any, info: Any) -> Any:
        """Accept numbers in any notation (YAML reads 1e-4 as a string), but no booleans."""
        if cls.model_fields[info.field_name].annotation not in (int, float):
            return value
        if isinstance(value, bool):
            raise ValueError("a boolean is no number")
        return float(value) if isinstance(value, str) and not _is_int(value) else value

    @field_validator("data", check_fields=False)
    @classmethod
    def _data(cls, value: str) -> str:
        profile, colon, numbers = value.partition(":")
        if value.strip() and (not colon or "/" in profile):
            return value  # a folder
        pairs = re.fullmatch(r"(\d+)(?::\d+)?", numbers)
        if profile not in PROFILES or pairs is None:
            raise ValueError("no such spec")
        if int(pairs[1]) < MIN_PAIRS or int(pairs[1]) % 2:
            raise ValueError("no such number of pairs")
        return value

    @property
    def digest(self) -> str:
        """Hash of all fields (64 hex digits): equal for equal experiments, whatever was typed."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class RunConfig(Config):
    """What defines one training run. The defaults are the `default` budget."""

    data: str = "fusion:3000:0"
    """Data set: a folder, or PROFILE:PAIRS[:SEED] to generate (profiles study, fusion, bind)."""

    split: Split = "default"
    """Partition of the pairs: default is 70/10/20 train/val/test, study is 80/20 without test."""

    train_pairs: Annotated[int, Field(ge=0)] = 0
    """Training pairs to use, a nested stratified prefix of the training part; 0 uses all."""

    align: bool = False
    """Bring the depth map into the orientation of the image (the study did not)."""

    fusion: Fusion = "concat"
    """Where and how RGB and LiDAR are merged; rgb and lidar are the unimodal baselines."""

    downsample: Downsample = "maxpool"
    """How feature maps are halved; strided_append adds convolutions, strided_replace does not."""

    width: Annotated[float, Field(gt=0, le=4)] = 0.16
    """Factor on every channel and hidden-unit count; 1.0 has the study's channels."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Replicate: the root of the streams for initialisation, sample order and noise."""

    epochs: Annotated[int, Field(ge=1)] = 8
    """Passes over the training part."""

    batch_size: Annotated[int, Field(ge=1)] = 32
    """Samples per optimizer step; the last step of an epoch takes what is left."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak learning rate of Adam."""

    schedule: Schedule = "cosine"
    """Learning rate over the steps: cosine warms up, then decays to zero; constant stays."""

    init: str = "lecun"
    """Initial weights: lecun, random (torch's own, as the study), or contrastive:ARTIFACT."""

    @field_validator("init")
    @classmethod
    def _init(cls, value: str, info: Any) -> str:
        if value in ("lecun", "random"):
            return value
        if not value.removeprefix(CONTRASTIVE) or not value.startswith(CONTRASTIVE):
            raise ValueError("no such initialisation")
        if info.data.get("fusion") not in TWO_ENCODERS:
            raise ValueError("a model without an encoder for each modality")
        return value

    @property
    def name(self) -> str:
        """A readable name that is unique to this configuration, fit for a folder."""
        return f"{self.fusion}-{self.downsample}-seed{self.seed}-{self.digest[:8]}"


@overload
def check(values: Mapping[str, Any]) -> RunConfig: ...
@overload
def check(values: Mapping[str, Any], kind: type[Kind]) -> Kind: ...
def check(values: Mapping[str, Any], kind: type[Config] = RunConfig) -> Config:
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
                problems[key] += _suggest_value(key, values[key], kind)
        raise ConfigError(problems) from None


def allowed(name: str, kind: type[Config] = RunConfig) -> str:
    """Say in words which values the field `name` takes."""
    if name == "data":
        return DATA_ALLOWED
    if name == "init":
        return INIT_ALLOWED
    choices = choices_of(name, kind)
    if choices:
        return ", ".join(choices)
    field = kind.model_fields[name]
    if field.annotation is bool:
        return "true, false"
    text = "a whole number" if field.annotation is int else "a number"
    words = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}
    for bound in field.metadata:
        for attribute, word in words.items():
            if getattr(bound, attribute, None) is not None:
                text += f" {word} {getattr(bound, attribute)}"
    return text


def choices_of(name: str, kind: type[Config] = RunConfig) -> tuple[str, ...]:
    """Return the closed list of values of the field `name`, or () where it has none."""
    return get_args(kind.model_fields[name].annotation)


def _suggest_value(name: str, value: Any, kind: type[Config]) -> str:
    choices = choices_of(name, kind)
    if name == "data":
        profile, colon, rest = str(value).partition(":")
        choices = [f"{known}{colon}{rest}" for known in PROFILES] if profile not in PROFILES else []
    near = nearest(value, choices)
    return f"; did you mean {near!r}?" if near else ""


def _is_int(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+\s*", text) is not None
