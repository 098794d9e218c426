"""RunConfig: one field = one flag = one sweep key = one W&B config key = one report column.

Nothing heavy is imported here: `runner.py train --help` and the check of a sweep's cells use it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, field_validator

from contract import outside
from contract.words import slug
from fusion.data.spec import DataName
from fusion.models.fusions import FUSIONS
from fusion.training.config import Allowed, Config

Downsample = Literal["maxpool", "strided_append", "strided_replace", "avgpool", "blurpool"]
Split = Literal["default", "study"]
Schedule = Literal["cosine", "constant"]

DOWNSAMPLES: tuple[str, ...] = get_args(Downsample)
CONTRASTIVE = "contrastive:"
_ENCODING = ", ".join(name for name, known in FUSIONS.items() if known.two_encoders)
INIT_ALLOWED = (
    f"lecun, random, or {CONTRASTIVE}ARTIFACT (an artifact of `runner.py pretrain --inputs "
    f"fusion`, project/name:alias, or a folder) with --fusion {_ENCODING}"
)


def _fusion(value: str) -> str:
    if value not in FUSIONS and not outside.NAME.fullmatch(value):
        raise ValueError("no such fusion")
    return value


Fusion = Annotated[
    str,
    AfterValidator(_fusion),
    Allowed(f"{', '.join(FUSIONS)}, or {outside.FORM} of your own", lambda value: [*FUSIONS]),
]


class RunConfig(Config):
    """What defines one training run. The defaults are the `default` budget."""

    NAMED: ClassVar[str] = (
        "data split train_pairs align fusion downsample width seed epochs batch_size learning_rate "
        "schedule init"
    )

    data: DataName = "fusion:3000:0"
    """Data: a folder, PROFILE:PAIRS[:SEED] (study, fusion, bind), or package.module:function."""

    split: Split = "default"
    """Partition of the pairs: default is 70/10/20 train/val/test, study is 80/20 without test."""

    train_pairs: Annotated[int, Field(ge=0)] = 0
    """Training pairs to use, a nested stratified prefix of the training part; 0 uses all."""

    align: bool = False
    """Bring the depth map into the orientation of the image (the study did not)."""

    fusion: Fusion = "concat"
    """How RGB and LiDAR merge: a name that `runner.py models` lists, or package.module:Class."""

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

    init: Annotated[str, Allowed(INIT_ALLOWED)] = "lecun"
    """Initial weights: lecun, random (torch's own, as the study), or contrastive:ARTIFACT."""

    @field_validator("init")
    @classmethod
    def _init(cls, value: str, info: Any) -> str:
        if value in ("lecun", "random"):
            return value
        if not value.removeprefix(CONTRASTIVE) or not value.startswith(CONTRASTIVE):
            raise ValueError("no such initialisation")
        known = FUSIONS.get(info.data.get("fusion", ""))
        if known is not None and not known.two_encoders:
            raise ValueError("a model without an encoder for each modality")
        return value

    @property
    def name(self) -> str:
        """A readable name that is unique to this configuration, fit for a folder."""
        return f"{slug(self.fusion)}-{self.downsample}-seed{self.seed}-{self.digest[:8]}"
