"""Predictions of a sweep's runs as arrays, one arm per cell, on the samples of one data set.

Suffixes: R runs of an arm (one per seed), N examples.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from analysis import build
from analysis.grid.cells import Cell, Grid
from analysis.read.snapshot import Examples, Run, Snapshot
from analysis.read.snapshot import Predictions as Made
from contract.words import identifier
from explore.errors import ExploreError
from explore.pairs import DataSet
from fusion.report.section import ARMS, FINE_TUNED

# A field of a sample must not hide what FiftyOne itself calls so.
RESERVED = {
    *(
        "id",
        "filepath",
        "tags",
        "metadata",
        "group",
        "created_at",
        "last_modified_at",
        "media_type",
    ),
    *("pair", "split", "split_study", "corruption", "profile", "ground_truth", "hardness"),
    *("mistakenness", "arms_right", "orthographic_projection_metadata"),
    *("copy", "save", "merge", "filename", "dataset", "frames", "fields", "rgb_id", "lidar_id"),
}

# Column of the logits of another classifier than the run's own -> its name in reports
CLASSIFIERS = {column: name for name, (_, column) in ARMS.items() if column}


@dataclass(frozen=True)
class Arm:
    """A cell with the predictions of its runs; seeds name the rows of logits_RN.

    classifier: which, where runs evaluated others beside their own; else "".
    """

    cell: Cell
    field: str
    seeds: tuple[str, ...]
    logits_RN: np.ndarray
    labels_N: np.ndarray
    classifier: str = ""

    @property
    def label(self) -> str:
        """The cell's name, as reports print it, after that of the classifier."""
        return " · ".join(filter(None, [self.classifier, self.cell.label]))

    @cached_property
    def right_RN(self) -> np.ndarray:
        """Whether each run is right (logit > 0 says sphere)."""
        return (self.logits_RN > 0) == (self.labels_N > 0)

    @property
    def seeds_right_N(self) -> np.ndarray:
        """How many seeds are right."""
        return self.right_RN.sum(0)

    @property
    def majority_N(self) -> np.ndarray:
        """Whether more than half of the seeds are right."""
        return 2 * self.seeds_right_N > len(self.seeds)

    @property
    def sphere_N(self) -> np.ndarray:
        """Probability of a sphere, averaged over seeds."""
        return sigmoid(self.logits_RN).mean(0)


@dataclass(frozen=True)
class Predictions:
    """All arms of a snapshot on one set of examples.

    others: arms of the other classifiers that runs evaluated beside their own; they are no part of
    the scores. left_out: why runs are not shown.
    """

    snapshot: Snapshot
    grid: Grid
    examples: Examples
    part: str  # "test" or "val"
    arms: tuple[Arm, ...]
    others: tuple[Arm, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Equal for equal predictions of equal runs."""
        digest = hashlib.sha256(self.examples.digest.encode())
        for arm in self.all_arms:
            runs = [(seed, arm.cell.runs[seed].id) for seed in arm.seeds]
            digest.update(repr((arm.field, self.part, runs)).encode() + arm.logits_RN.tobytes())
        return digest.hexdigest()

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The runs' own, then the others."""
        return (*self.arms, *self.others)

    @property
    def logits_RN(self) -> np.ndarray:
        """The logits of all runs of all arms."""
        return np.concatenate([arm.logits_RN for arm in self.arms])

    @property
    def arms_right_N(self) -> np.ndarray:
        """How many arms have a majority of seeds that are right."""
        return np.sum([arm.majority_N for arm in self.arms], axis=0)

    @property
    def hardness_N(self) -> np.ndarray:
        """Entropy of the prediction in nats, averaged over all runs (FiftyOne's definition)."""
        return entropy(self.logits_RN).mean(0)

    @property
    def mistakenness_N(self) -> np.ndarray:
        """How likely the label is wrong, in (0, 1), averaged over all runs (FiftyOne's definition).

        Near 1 where every run is sure of the other label, near 0 where every run is sure of it.
        """
        logits_RN = self.logits_RN
        wrong_RN = np.where((logits_RN > 0) == (self.examples.labels > 0), -1, 1)
        return ((wrong_RN * np.exp(-entropy(logits_RN)) + 1) / 2).mean(0)

    def unimodal(self, of: str) -> list[Arm]:
        """The arms that see `of` ("rgb" or "lidar") alone."""
        return [arm for arm in self.arms if fusion_of(arm) == of]


def fusion_of(arm: Arm) -> str:
    """The arm's fusion, swept or fixed; "" where its runs do not say."""
    run = next(iter(arm.cell.runs.values()))
    return str(arm.cell.config.get("fusion", run.config.get("fusion", "")))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probability of a sphere, in float64 without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(float)))


def entropy(logits: np.ndarray) -> np.ndarray:
    """Entropy in nats of the Bernoulli distribution with these logits."""
    size = np.abs(logits.astype(float))
    return np.logaddexp(0.0, -size) + size * sigmoid(-size)


def collect(snapshot: Snapshot, data: DataSet) -> Predictions:
    """The predictions that were made on `data`; one run per cell and seed, as in reports.

    Raises ExploreError where no finished run has any, with the reasons.
    """
    grid, _ = build.arrange(snapshot)
    chosen, left_out = _chosen_examples(grid, data)
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    if chosen is None:
        name = snapshot.sweep.get("name") or snapshot.sweep.get("id")
        raise ExploreError(
            f"sweep {name}: none of its runs has predictions on {data.root} "
            f"({reasons or 'it has no finished run'})"
        )
    arms: list[Arm] = []
    for cell in grid.cells:
        made = {
            seed: run.predictions
            for seed, run in cell.runs.items()
            if run.predictions is not None
            and run.predictions.examples.digest == chosen.digest
            and not _unusable(run, data)
        }
        if made:
            arms += _arms(cell, made, {arm.field for arm in arms})
    runs = [run for cell in grid.cells for run in cell.runs.values()]
    made_on = (run.predictions for run in runs if run.predictions is not None)
    part = next(p.part for p in made_on if p.examples.digest == chosen.digest)
    own = tuple(arm for arm in arms if arm.classifier in ("", FINE_TUNED))
    others = tuple(arm for arm in arms if arm.classifier not in ("", FINE_TUNED))
    return Predictions(snapshot, grid, chosen, part, own, others, left_out)


def _arms(cell: Cell, made: dict[str, Made], taken: set[str]) -> Iterator[Arm]:
    """The cell's own arm, then one for each other classifier that all its runs evaluated."""
    first = next(iter(made.values()))
    columns = [c for c in CLASSIFIERS if all(c in p.others for p in made.values())]
    for column in ["", *columns]:
        logits_RN = np.stack([p.others[column] if column else p.logits for p in made.values()])
        if np.isfinite(logits_RN).all():
            name = CLASSIFIERS[column] if column else FINE_TUNED if columns else ""
            arm = Arm(cell, "", tuple(made), logits_RN, first.examples.labels, name)
            yield replace(arm, field=field_of(arm.label, taken))


def _chosen_examples(grid: Grid, data: DataSet) -> tuple[Examples | None, dict[str, int]]:
    """The examples that most runs predicted, and how many runs are left out for which reason."""
    left_out: Counter[str] = Counter()
    sets: dict[str, Examples] = {}
    votes: Counter[str] = Counter()
    for cell in grid.cells:
        for run in cell.runs.values():
            if reason := _unusable(run, data):
                left_out[reason] += 1
                continue
            assert run.predictions is not None
            digest = run.predictions.examples.digest
            sets[digest] = run.predictions.examples
            votes[digest] += 1
    if not votes:
        return None, dict(left_out)
    best = votes.most_common(1)[0][0]
    if rest := votes.total() - votes[best]:
        left_out["predicted other examples"] = rest
    return sets[best], dict(left_out)


def _unusable(run: Run, data: DataSet) -> str:
    """Why a run's predictions cannot be shown on `data`; "" where they can."""
    if run.predictions is None:
        return "without predictions"
    made_on = run.provenance.get("data_hash") or data.data_hash
    examples = run.predictions.examples
    if made_on != data.data_hash:
        return "of other data"
    if any(
        data.labels.get(p) != label
        for p, label in zip(examples.pairs, examples.labels.tolist(), strict=True)
    ):
        return "with pairs or labels that the data lacks"
    if not np.isfinite(run.predictions.logits).all():
        return "with infinite logits"
    return ""


def field_of(label: str, taken: set[str]) -> str:
    """A field name for a cell, different from those taken."""
    name = identifier(label)
    if not name or name[0].isdigit() or name in RESERVED:
        name = f"cell_{name}".rstrip("_")
    if name not in taken:
        return name
    return next(f"{name}_{n}" for n in range(2, len(taken) + 3) if f"{name}_{n}" not in taken)


def match(name: str, predictions: Predictions) -> dict[str, Arm]:
    """The arms that a name on the command line means, by what else defines them.

    Either one arm by its whole name (key ""), with its values in any order where only one fits, or
    all arms that have that value on one axis, or that classifier, keyed by the rest of their name.
    Raises ExploreError where it means none.
    """
    wanted = identifier(name)
    arms = predictions.all_arms
    whole = [arm for arm in arms if wanted in (arm.field, identifier(arm.label))]
    whole = whole or [arm for arm in arms if _words(arm.label) == _words(name)]
    if len(whole) == 1:
        return {"": whole[0]}
    for axis, values in predictions.grid.axes.items():
        for value in values:
            if wanted in (identifier(str(value)), identifier(f"{axis}={value}")):
                return {_rest(arm, axis): arm for arm in arms if arm.cell.config.get(axis) == value}
    if found := {arm.cell.label: arm for arm in arms if wanted == identifier(arm.classifier)}:
        return found
    raise ExploreError(
        f"--contrast: no cell {name!r}; the cells with predictions are: "
        f"{', '.join(arm.label for arm in arms)}{_groups(predictions)}"
    )


def _groups(predictions: Predictions) -> str:
    """What else than a cell a name may mean."""
    axes = predictions.grid.axes
    groups = {name: [*map(str, values)] for name, values in axes.items() if len(axes) > 1}
    if predictions.others:
        groups["classifier"] = list({arm.classifier: None for arm in predictions.all_arms})
    return "".join(f"; or all cells of one {k}: {', '.join(v)}" for k, v in groups.items())


def _words(name: str) -> list[str]:
    """The same for "late · maxpool", "maxpool late" and "maxpool/late"."""
    return sorted(filter(None, map(identifier, re.split(r"[\s·/]+", name))))


def _rest(arm: Arm, axis: str) -> str:
    rest = [f"{k}={v}" for k, v in arm.cell.config.items() if k != axis]
    return ", ".join([arm.classifier, *rest])
