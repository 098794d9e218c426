"""report.json: the section of contrastive pre-training."""

from __future__ import annotations

from analysis.schema.base import Config, Model, Number


class ArmAccuracy(Model):
    """Accuracy of one classifier of one cell."""

    label: str
    """Cell; for classifiers that fine-tuning does not touch, the cells that share them."""
    config: Config
    """Axis -> value; without `finetune` for classifiers that it does not touch."""
    arm: str
    """zero-shot, fine-tuned, RGB from scratch, or LiDAR classifier."""
    n: int
    """Seeds."""
    examples: int
    """Examples per seed; 0 where no predictions were logged."""
    mean: Number
    """Mean over seeds."""
    low: Number
    """Lower end, 95 %: seeds and examples both taken as samples where there are predictions."""
    high: Number
    """Upper end."""
    values: dict[str, Number]
    """Seed -> accuracy."""


class ContrastiveTest(Model):
    """A − B within one cell over its seeds, or A against a gate of the assignment."""

    label: str
    """Cell, or the cells that share A and B."""
    a: str
    """What is compared."""
    b: str
    """With what; for a gate, its threshold."""
    metric: str
    """Metric."""
    gate: Number
    """Threshold of the gate; null for a comparison of two classifiers."""
    n: int
    """Seeds."""
    examples: int
    """Examples; 0 where the metric has no per-example terms."""
    delta: Number
    """Mean of A − B."""
    low: Number
    """95 % interval over seeds, lower end."""
    high: Number
    """Upper end."""
    crossed_low: Number
    """95 % interval over seeds and examples, lower end; null where there are no predictions."""
    crossed_high: Number
    """Upper end."""
    p: Number
    """Larger of the p over seeds and the crossed p; that over seeds where no examples are known."""
    p_holm: Number
    """Holm-adjusted over the stages' gates, the accuracies' gates, or the comparisons."""
    verdict: str
    """As of contrasts."""
    sentence: str
    """The only sentence that the verdict allows."""
    deltas: dict[str, Number]
    """Seed -> difference."""


class StageValue(Model):
    """A number of a stage that comes before fine-tuning, over seeds."""

    label: str
    """Cells that share the stage."""
    name: str
    """Key in the runs' summaries."""
    n: int
    """Seeds."""
    mean: Number
    """Mean."""
    low: Number
    """95 % t-interval over seeds, lower end."""
    high: Number
    """Upper end."""
    chance: Number
    """What a model without knowledge of the pairing reaches; of an error, the mean predictor's."""
    bound: Number
    """What cannot be passed; null where nothing bounds it."""
    values: dict[str, Number]
    """Seed -> value."""


class Setup(Model):
    """A point of the axes besides `finetune`, by what it changes in the study's set-up."""

    label: str
    """Label of the cells that share it, as of their zero-shot classifier."""
    frozen_label: str
    """Label of its cell in which the projector alone is fine-tuned; empty where there is none."""
    changes: Config
    """Name -> value where it is not the study's, swept or held constant; empty for its own."""


class Contrastive(Model):
    """Borrowing a classifier: gates, accuracies, retrieval, and the evidence of freezing."""

    part: str
    """test, or val where there is no test part."""
    arms: list[ArmAccuracy]
    """Accuracies of all classifiers."""
    tests: list[ContrastiveTest]
    """Gates of the stages, gates of accuracy, comparisons: three families."""
    setups: list[Setup]
    """The study's own first, then one change, then more; empty where it is not in the sweep."""
    stages: list[StageValue]
    """Losses with their lines, retrieval, projector."""
    frozen_runs: int
    """Finished runs that kept parts frozen and recorded their digests."""
    frozen_identical: int
    """Those whose frozen parts have the same digest in every stage that used them."""
    published: dict[str, Number]
    """The study's figures, its gates, and the range of its peers."""
