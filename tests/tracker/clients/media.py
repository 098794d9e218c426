"""A run `media` with pictures, a table, histograms, a point cloud, HTML, tags and notes."""

import numpy as np
import wandb

rng = np.random.default_rng(0)
notes = "# Title\n\n**bold** <b>raw</b> [bad](javascript:alert(1)) ![x](https://example.com/x.png)"
with wandb.init(project="media", id="media", notes=notes, tags=["first"]) as run:
    for step in range(3):
        run.log(
            {"weights": wandb.Histogram(rng.normal(step, 1, 500).tolist()), "loss": 1 / (step + 1)}
        )
    picture = rng.integers(0, 255, (16, 24, 3), dtype=np.uint8)
    run.log(
        {
            "picture": wandb.Image(picture, caption="<i>one</i>"),
            "pictures": [wandb.Image(picture), wandb.Image(picture)],
            "table": wandb.Table(
                columns=["name", "value"], data=[[f"row {i}", i * 7 % 250] for i in range(250)]
            ),
            "cloud": wandb.Object3D(rng.normal(0, 1, (500, 3))),
            "page": wandb.Html("<script>alert('x')</script>"),
        }
    )
