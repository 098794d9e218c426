"""The fusions of ours: the one place where another is added.

A name here is a value of `--fusion`; what stands behind it is found as a person's own would be, by
`package.module:attribute`. Nothing is imported here: flags and the check of a sweep read the names.
"""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """Where a fusion is made; two_encoders: one for each modality, which may begin pre-trained."""

    place: str
    two_encoders: bool = True


FUSIONS = {
    "early": Known("fusion.models.networks:Early", two_encoders=False),
    "late": Known("fusion.models.networks:Late"),
    "concat": Known("fusion.models.operators:concat"),
    "add": Known("torch:add"),
    # The Hadamard product, element by element: often confused with matmul.
    "mul": Known("torch:mul"),
    # The matrix product of the two maps of each channel, over their spatial axes (H = W).
    "matmul": Known("torch:matmul"),
    "rgb": Known("fusion.models.networks:RgbOnly", two_encoders=False),
    "lidar": Known("fusion.models.networks:LidarOnly", two_encoders=False),
}
