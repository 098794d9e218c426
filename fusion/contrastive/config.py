"""PretrainConfig: what defines one contrastive experiment, as RunConfig does for a fusion run.

Nothing heavy is imported here.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fusion.config import Downsample, Schedule, Split
from fusion.data.spec import FolderName
from fusion.training.config import Config

Logits = Literal["study", "fixed", "learned"]
Finetune = Literal["projector", "projector+rgb", "all"]
Inputs = Literal["cilp", "fusion"]
Embedding = Literal["normalised", "standardised", "raw"]
Target = Literal["plain", "standardised"]


class PretrainConfig(Config):
    """What defines one contrastive experiment. The defaults are the `default` budget."""

    NAMED: ClassVar[str] = (
        "data split train_pairs labels inputs align width downsample logits temperature batch_size "
        "shift embedding target finetune seed classifier_epochs contrastive_epochs "
        "projector_epochs finetune_epochs learning_rate finetune_learning_rate schedule"
    )

    data: FolderName = "study:4000:0"
    """Data set: a folder, or PROFILE:PAIRS[:SEED] to generate (profiles study, fusion, bind)."""

    split: Split = "default"
    """Partition of the pairs: default is 70/10/20 train/val/test, study is 80/20 without test."""

    train_pairs: Annotated[int, Field(ge=0)] = 0
    """Training pairs to use, a nested stratified prefix of the training part; 0 uses all."""

    labels: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training pairs whose label any stage may see; pairs need no label."""

    inputs: Inputs = "cilp"
    """cilp is the study's RGBA and raw depth; fusion is RGB and XYZA, for encoders to pass on."""

    align: bool = False
    """With inputs=fusion: bring the depth map into the orientation of the image."""

    width: Annotated[float, Field(gt=0, le=4)] = 0.1667
    """Factor on every channel and hidden-unit count; 1.0 has the study's channels."""

    downsample: Downsample = "maxpool"
    """How feature maps are halved, as in the fusion models."""

    logits: Logits = "learned"
    """Contrastive logits: (cos + 1) / 2 as the study, cos / temperature, or a learned scale."""

    temperature: Annotated[float, Field(ge=0.01, le=10)] = 0.07
    """Divisor of the cosine for fixed logits, starting value for learned ones."""

    batch_size: Annotated[int, Field(ge=2)] = 32
    """Pairs of a contrastive step: each is matched against all others of its batch."""

    shift: Annotated[int, Field(ge=0, le=16)] = 0
    """Most pixels that RGB and LiDAR are moved independently, against matching by position."""

    embedding: Embedding = "raw"
    """Projector input: of unit length (the study's), that standardised, or before normalisation."""

    target: Target = "standardised"
    """What the projector has to hit: the convolutional embedding, plain (the study's) or scaled."""

    finetune: Finetune = "projector"
    """What is trained with labels in the end; all else is frozen, bit by bit."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Replicate: the root of the streams for initialisation, sample order, labels and noise."""

    classifier_epochs: Annotated[int, Field(ge=1)] = 8
    """Epochs of the LiDAR classifier and of the RGB classifier from scratch."""

    contrastive_epochs: Annotated[int, Field(ge=1)] = 10
    """Epochs of the two embedders."""

    projector_epochs: Annotated[int, Field(ge=1)] = 30
    """Epochs of the projector; its inputs and targets are computed once."""

    finetune_epochs: Annotated[int, Field(ge=1)] = 4
    """Epochs of the last stage."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak learning rate of Adam in all stages but the last."""

    finetune_learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    """Peak learning rate of Adam in the last stage."""

    schedule: Schedule = "cosine"
    """Learning rate over the steps: cosine warms up, then decays to zero; constant stays."""

    @property
    def name(self) -> str:
        """A readable name that is unique to this configuration, fit for a folder."""
        return f"{self.logits}-{self.finetune}-seed{self.seed}-{self.digest[:8]}"

    @property
    def group(self) -> str:
        """What the runs of all stages and cells have in common that may share stages."""
        return f"{self.data}-seed{self.seed}"
