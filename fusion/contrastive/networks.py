"""The networks of the study's third experiment; at width 1 they have its channels.

Legend: B batch, C channels, H/W pixels, D embedding, E = C·4·4 convolutional embedding (3200).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion.models.encoders import CELLS, Embedder, convolutions, head, scaled

# Of the embedding and the layer before it: the study's at any width. Scaled down to 33 and 17 they
# lose the shape (zero-shot accuracy 0.92 instead of 0.97 at width 1/6).
HIDDEN, EMBEDDING = 100, 200


class Classifier(nn.Module):
    """Classify one modality: four convolution blocks, then a head 3200 → 100 → 1.

    The feature map before the head, flattened, is the convolutional embedding: what the projector
    has to hit, and what the head can be given in place of an image.
    """

    def __init__(self, in_channels: int, width: float, downsample: str) -> None:
        super().__init__()
        self.blocks = convolutions(in_channels, width, downsample)
        self.head = head(scaled(200, width) * CELLS, (scaled(100, width),))

    def embed(self, images_BCHW: Tensor) -> Tensor:
        """Return the convolutional embedding (B, E)."""
        return self.blocks(images_BCHW).flatten(1)

    def classify(self, embedding_BE: Tensor) -> Tensor:
        """Return logits (B,) of convolutional embeddings."""
        return self.head(embedding_BE).squeeze(1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.classify(self.embed(images_BCHW))


class Encoders(nn.Module):
    """The two embedders that are trained against each other; both give vectors of length 1."""

    def __init__(
        self, rgb_channels: int, lidar_channels: int, width: float, downsample: str
    ) -> None:
        super().__init__()
        self.rgb = Embedder(rgb_channels, width, downsample, (HIDDEN, EMBEDDING))
        self.lidar = Embedder(lidar_channels, width, downsample, (HIDDEN, EMBEDDING))

    def forward(self, rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        return self.rgb(rgb_BCHW), self.lidar(lidar_BCHW)


class Projector(nn.Module):
    """Map an embedding to a convolutional embedding: D → 1000 → 500 → E, ReLU between.

    Inputs and targets can be standardised by constants that are part of the module.
    """

    input_mean: Tensor
    input_std: Tensor
    target_mean: Tensor
    target_std: Tensor

    def __init__(self, width: float) -> None:
        super().__init__()
        one, two, out = scaled(1000, width), scaled(500, width), scaled(200, width) * CELLS
        self.layers = nn.Sequential(
            nn.Linear(EMBEDDING, one),
            nn.ReLU(),
            nn.Linear(one, two),
            nn.ReLU(),
            nn.Linear(two, out),
        )
        for name, length in (("input", EMBEDDING), ("target", out)):
            self.register_buffer(f"{name}_mean", torch.zeros(length))
            self.register_buffer(f"{name}_std", torch.ones(length))

    def standardise(self, name: str, values_NX: Tensor) -> None:
        """Take mean and standard deviation of `name`, "input" or "target", from training values."""
        std_X = values_NX.std(0)
        # A unit that is (almost) never active would otherwise count as much as all others
        least = 0.01 * std_X.max()
        getattr(self, f"{name}_mean").copy_(values_NX.mean(0))
        getattr(self, f"{name}_std").copy_(std_X.clamp_min(least))

    def forward(self, embedding_BD: Tensor) -> Tensor:
        inputs_BD = (embedding_BD - self.input_mean) / self.input_std
        return self.layers(inputs_BD) * self.target_std + self.target_mean


class Borrowed(nn.Module):
    """RGB → embedder → projector → the head of a LiDAR classifier: logits (B,)."""

    def __init__(
        self, embedder: Embedder, projector: Projector, classifier: Classifier, normalised: bool
    ) -> None:
        super().__init__()
        self.embedder, self.projector, self.classifier = embedder, projector, classifier
        self.normalised = normalised

    def embed(self, rgb_BCHW: Tensor) -> Tensor:
        """Return what the projector is given (B, D)."""
        if self.normalised:
            return self.embedder(rgb_BCHW)
        return self.embedder.before_normalisation(rgb_BCHW)

    def decide(self, embedding_BD: Tensor) -> Tensor:
        """Return logits (B,) of embeddings."""
        return self.classifier.classify(self.projector(embedding_BD))

    def forward(self, rgb_BCHW: Tensor) -> Tensor:
        return self.decide(self.embed(rgb_BCHW))
