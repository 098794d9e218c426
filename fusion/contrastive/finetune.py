"""Stage 3: RGB → embedder → projector → the LiDAR classifier's head, fine-tuned with labels.

Legend: B batch, N samples of a part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from fusion.contrastive.networks import Borrowed
from fusion.contrastive.plans import labelled_plan
from fusion.contrastive.views import Views
from fusion.training.freeze import count_trainable, frozen
from fusion.training.loop import Job, Loss, train
from fusion.training.outcome import Outcome

if TYPE_CHECKING:
    from fusion.contrastive.config import PretrainConfig

# finetune -> parts of Borrowed that learn; all others are frozen
LEARNS = {
    "projector": ("projector",),
    "projector+rgb": ("projector", "embedder"),
    "all": ("projector", "embedder", "classifier"),
}


def fit(config: PretrainConfig, views: Views, model: Borrowed, job: Job) -> Outcome:
    """Fine-tune what `config.finetune` names; summary: val/ and the final part's metrics.

    Where the embedder is frozen, its embeddings are computed once.
    """
    learns = LEARNS[config.finetune]
    kept = {name: part for name, part in model.named_children() if name not in learns}
    free = nn.ModuleDict({name: getattr(model, name) for name in learns})
    labels_N = views.labels("train")
    with frozen(*kept.values()) as digests:
        logits = logits_of(views, model, embedder_is_frozen="embedder" in kept)

        def loss(index_B: Tensor) -> Loss:
            logits_B = logits("train", index_B)
            return Loss(binary_cross_entropy_with_logits(logits_B, labels_N[index_B]))

        def evaluate(part: str) -> Tensor:
            return views.gather(part, lambda index_B: logits(part, index_B))

        plan = labelled_plan(
            config, views, "finetune", config.finetune_epochs, config.finetune_learning_rate
        )
        seen_N = views.labelled(config.labels, config.seed)
        progress = train(
            free, plan, job, seen_N, loss, lambda: views.score("val", evaluate("val")),
            views.device,
        )  # fmt: skip
        part = views.final_part
        final_N = evaluate(part)
        summary = {
            "best_epoch": progress.best_epoch,
            "labelled_pairs": len(seen_N),
            "trainable_parameters": count_trainable(model),
            "frozen_parameters": sum(p.numel() for p in model.parameters() if not p.requires_grad),
            **views.score("val", evaluate("val")),
            **views.score(part, final_N),
            **{f"frozen/{n}": d for n, d in zip(kept, digests, strict=True)},
        }
    return Outcome({**summary, "frozen_identical": True}, {"logits": final_N.cpu().numpy()})


def logits_of(
    views: Views, model: Borrowed, *, embedder_is_frozen: bool
) -> Callable[[str, Tensor], Tensor]:
    """Return what maps a part and indices (B,) to logits (B,)."""
    if not embedder_is_frozen:
        return lambda part, index_B: model(views.rgb(part, index_B))
    embeddings = {
        part: views.gather(part, lambda index_B, part=part: model.embed(views.rgb(part, index_B)))
        for part in views.data.parts
    }
    return lambda part, index_B: model.decide(embeddings[part][index_B])
