"""What a model must know of the data: how large its inputs are, and how many classes there are."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """Channels of both inputs, their height and width in pixels, and the number of classes."""

    rgb: int = 3
    lidar: int = 4
    height: int = 64
    width: int = 64
    classes: int = 2

    @property
    def logits(self) -> int:
        """Of a sample: one for two classes (above 0 says the second), else one for each class."""
        return 1 if self.classes == 2 else self.classes


STUDY = Shape()
