"""The models that report.json is made of: strict, documented, numbers cleaned."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

DIGITS = 10


def clean(value: Any) -> Any:
    """Ten significant digits; NaN and infinities become null."""
    if isinstance(value, int) or value is None:
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


Number = Annotated[float | None, BeforeValidator(clean)]
Config = dict[str, Any]


class Model(BaseModel):
    """Strict, and documented by the string below each field."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
