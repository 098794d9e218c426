"""Do two commits train the same weights? Hashes of weights and losses, bit by bit, side by side.

    python benchmarks/neutral.py BASE [HEAD]

A change that should not alter results shows it here: each configuration of both experiments trains
at both commits, on this machine, from worktrees in a temporary folder. Equal bits are asked for,
which is why this compares two commits on one processor and no committed value: processors differ in
the last bits. Exit code 1 where anything differs, with the names of what does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent
TRAIN = ["train", "--data", "fusion:400:0", "--epochs", "3", "--width", "0.1667"]
PRETRAIN = ["pretrain", "--data", "bind:400:0", "--width", "0.1667"]
PRETRAIN += ["--classifier-epochs", "2", "--contrastive-epochs", "2"]
PRETRAIN += ["--projector-epochs", "2", "--finetune-epochs", "2"]
CASES = {
    "late": [*TRAIN, "--fusion", "late"],
    "concat-strided": [*TRAIN, "--fusion", "concat", "--downsample", "strided_append"],
    "matmul-random": [*TRAIN, "--fusion", "matmul", "--init", "random", "--seed", "3"],
    "lidar-constant": [*TRAIN, "--fusion", "lidar", "--schedule", "constant"],
    "mul-aligned": [*TRAIN, "--fusion", "mul", "--align", "--data", "bind:400:0"],
    "pretrain-learned": [*PRETRAIN],
    "pretrain-study": [
        *PRETRAIN,
        "--logits",
        "study",
        "--embedding",
        "normalised",
        "--labels",
        "0.5",
    ],
}
TIMES = ("epoch_seconds", "samples_per_second")


def main() -> int:
    """Train everything at both commits; return the exit code."""
    parser = argparse.ArgumentParser(description="Train at two commits; compare every bit.")
    parser.add_argument("base")
    parser.add_argument("head", nargs="?", default="HEAD")
    commits = list(vars(parser.parse_args()).values())
    with tempfile.TemporaryDirectory() as temporary:
        found = [results(commit, Path(temporary) / str(i)) for i, commit in enumerate(commits)]
    different = [
        name for name in sorted(found[0] | found[1]) if len({f.get(name) for f in found}) > 1
    ]
    for name in different:
        print(f"differs: {name}: {found[0].get(name)} and {found[1].get(name)}")
    print(f"{len(found[0])} hashes at {commits[0]}, {len(different)} differ at {commits[1]}")
    return 1 if different else 0


def results(commit: str, tree: Path) -> dict[str, str]:
    """Train every case at `commit` in a worktree; return name -> hash."""
    subprocess.run(["git", "worktree", "add", "--detach", tree, commit], cwd=ROOT, check=True)
    try:
        return {
            f"{case}/{name}": value
            for case, arguments in CASES.items()
            for name, value in hashes(tree, case, arguments).items()
        }
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def hashes(tree: Path, case: str, arguments: list[str]) -> dict[str, str]:
    """Train one case; return the hashes of its histories and weights, kept stages included."""
    print(f"{tree.name}: {case}", flush=True)
    folder = tree / "runs" / case
    stages = tree / "runs" / f"{case}-stages"
    where = ["--output", str(folder)]
    where += ["--stages", str(stages)] if arguments[0] == "pretrain" else []
    command = [sys.executable, "runner.py", *arguments, *where]
    command += ["--tracking", "disabled", "--device", "cpu", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} at {tree}:\n{done.stdout}{done.stderr}")
    found = {}
    for file in sorted([*folder.rglob("*"), *stages.rglob("*")]):
        # A stage's folder carries a key that follows from the code
        name = f"{file.parent.name.rsplit('-', 1)[0]}/{file.name}"
        if file.name == "history.jsonl":
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            kept = [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
            found[name] = hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]
        elif file.name == "weights.safetensors":
            total = hashlib.sha256()
            for key, array in sorted(load_file(file).items()):
                total.update(f"{key} {array.shape} {array.dtype}".encode() + array.tobytes())
            found[name] = total.hexdigest()[:16]
    return found


if __name__ == "__main__":
    sys.exit(main())
