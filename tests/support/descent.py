"""Takes a few steps of some recipes on some devices: a worker, run as `python -m descent JOB`.

The job is JSON: `recipes`, `folder` for what is found, and `strategy`, the settings of the
strategy. Worker 0 writes for each recipe its weights before and after, or the error.
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
    import numpy as np

    from zoo.cluster import detect, joined
    from zoo.distribution import distribute
    from zoo.testing.subject import Subject
    from zoo.testing.training import plain_descent

    with joined(detect()) as group, tempfile.TemporaryDirectory() as scratch:
        for recipe in job["recipes"]:
            plugin, _, name = recipe.partition("/")
            trial = Subject(plugin, Path(scratch)).of_recipe(name)
            strategy = replace(trial.recipe.strategy, **job["strategy"])
            distribute(strategy, trial.recipe.model)  # before anything is computed
            found: dict[str, Any] = {}
            try:
                before, after = plain_descent(trial, **job["strategy"])
                found = {"before": before, "after": after}
            except Exception:
                found = {"error": np.array(traceback.format_exc())}
            if group.is_chief:
                np.savez(Path(job["folder"]) / f"{plugin}-{name}.npz", **found)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
