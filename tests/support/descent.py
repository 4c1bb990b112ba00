"""Takes a few steps of some recipes on some devices: a worker, run as `python -m descent JOB`.

The job is JSON: `recipes`, `folder` for what is found, and `strategies`, the settings of one or
more strategies by name. Worker 0 writes for each strategy and recipe the weights before and
after, or the error.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any


def main(job: dict[str, Any]) -> None:
    """Carry a job out."""
    from zoo.startup import load_tensorflow

    load_tensorflow()
    import pytest
    from few_blocks import use_few_blocks

    from zoo.cluster import detect, joined
    from zoo.distribution import distribute
    from zoo.testing.subject import Subject

    with (
        joined(detect()) as group,
        tempfile.TemporaryDirectory() as scratch,
        pytest.MonkeyPatch.context() as patched,
    ):
        use_few_blocks(patched, 1)
        for recipe in job["recipes"]:
            plugin, _, name = recipe.partition("/")
            trial = Subject(plugin, Path(scratch)).of_recipe(name)
            for strategy in job["strategies"].values():  # before anything is computed
                distribute(replace(trial.recipe.strategy, **strategy), trial.recipe.model)
            for place, strategy in job["strategies"].items():
                found = _taken(trial, strategy)
                if group.is_chief:
                    _write(Path(job["folder"]) / place / f"{plugin}-{name}.npz", found)


def _taken(trial: Any, strategy: dict[str, Any]) -> dict[str, Any]:
    from zoo.testing.training import plain_descent

    try:
        before, after = plain_descent(trial, **strategy)
    except Exception:
        return {"error": traceback.format_exc()}
    return {"before": before, "after": after}


def _write(path: Path, found: dict[str, Any]) -> None:
    import numpy as np

    path.parent.mkdir(exist_ok=True)
    np.savez(path, **found)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
