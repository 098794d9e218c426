"""Stages as W&B runs: each with its own step axis, in one group, joined by artifacts.

A stage is published once to every project that needs it. Which artifact it became there is kept in
its folder, so that a later run can say what it builds on without asking the server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.files import write_json
from contract.words import slug
from fusion.training.stages import Finished, Row, Stage
from fusion.training.tracking import Tracking, start

PUBLISHED = "published.json"
FILES = ("weights.safetensors", "stage.json", "summary.json")


class PublishedError(Exception):
    """What a stage has kept about where it is published cannot be read."""

    exit_code = 2


@dataclass(frozen=True)
class Description:
    """What a stage's run is called, and its config."""

    stage: Stage

    @property
    def name(self) -> str:
        return f"{self.stage.name}-{self.stage.key[:8]}"

    def model_dump(self) -> dict[str, Any]:
        return {"stage": self.stage.name, **self.stage.settings}


class StageRun:
    """One stage's own W&B run, while it is open."""

    def __init__(self, tracking: Tracking, recorder: WandbRecorder, stage: Stage) -> None:
        self.tracking, self.recorder, self.stage = tracking, recorder, stage

    def log(self, row: Row) -> None:
        """Send the row of an epoch."""
        self.tracking.log(row)

    def publish(self, folder: Path, summary: dict[str, Any]) -> None:
        """Send summary, files and pictures, and remember what they became."""
        self.tracking.summarise(summary)
        for picture in sorted(folder.glob("*.png")):
            self.tracking.picture(picture.stem, picture)
        files = [folder / name for name in FILES]
        files += sorted([*folder.glob("*.npy"), *folder.glob("*.png")])
        # One collection for each kind of stage, data and seed; what differs are its versions
        name = f"{self.stage.name}-{slug(self.recorder.group)}"
        form = [str(v) for k, v in self.stage.settings.items() if k == "logits"]
        aliases = [self.stage.key, *form]
        saved = self.tracking.save(name, "model", files, self.stage.identity, aliases)
        if saved is not None and self.tracking.url is not None:
            saved.wait()
            known = read_published(folder)
            known[self.recorder.place] = {
                "run": self.tracking.run.path,
                "artifact": saved.qualified_name,
            }
            write_json(folder / PUBLISHED, known)


class WandbRecorder:
    """Publishes stages to one project of the server in use."""

    def __init__(self, mode: str, project: str | None, group: str) -> None:
        self.mode, self.project, self.group = mode, project, group

    @property
    def place(self) -> str:
        """Server, entity and project, as far as they are known before a run is begun."""
        names = ("WANDB_BASE_URL", "WANDB_ENTITY")
        return " ".join([*(os.environ.get(name, "-") for name in names), self.project or "-"])

    def knows(self, stage: Stage, folder: Path) -> bool:
        """Return whether the stage was published to this place; offline runs are not repeated."""
        return self.mode != "online" or self.place in read_published(folder)

    def artifact(self, finished: Finished) -> str | None:
        """Return the full name of a finished stage's artifact here; None where it has none."""
        return read_published(finished.folder).get(self.place, {}).get("artifact")

    @contextmanager
    def opened(self, stage: Stage, folder: Path) -> Iterator[StageRun]:
        """Begin, or go on with, the stage's run; a copy for another server has another id."""
        folder.mkdir(parents=True, exist_ok=True)
        home = folder / "tracking" / slug(self.place)
        home.mkdir(parents=True, exist_ok=True)
        with start(
            self.mode,
            Description(stage),
            home,
            project=self.project,
            name=None,
            group=self.group,
            job_type=stage.name,
        ) as tracking:
            for finished in stage.inputs:
                if name := self.artifact(finished):
                    tracking.use(name)
            yield StageRun(tracking, self, stage)


def read_published(folder: Path) -> dict[str, dict[str, str]]:
    """Return place -> run and artifact; PublishedError where the file is damaged."""
    path = folder / PUBLISHED
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(item, dict) for item in found.values()):
            return found
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        pass
    raise PublishedError(f"{path} is damaged; remove it, and the stage is published again")
