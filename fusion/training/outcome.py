"""What a stage leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """Numbers about the weights of the best epoch; arrays, and grey pictures (uint8), by name."""

    summary: dict[str, float | int | str | bool]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
