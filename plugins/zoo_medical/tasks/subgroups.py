"""Figures for some of the patients, for tasks that are not of named classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import zoo


@dataclass(frozen=True, kw_only=True)
class Subgrouped:
    """The setting of subgroups, as :class:`zoo.Classification` has it; a task inherits from it."""

    subgroups: tuple[str, ...] = zoo.setting(
        (), "Columns, such as a sex or site, for each value of which metrics are shown."
    )

    def check_subgroups(self, train: zoo.Batch) -> None:
        """Check that the examples have the columns.

        Raises:
            ConfigError: they lack one.
        """
        for name in self.subgroups:
            if name not in train:
                raise zoo.ConfigError(
                    f"task.subgroups names {name!r}, which the examples have no column of.",
                    hint=zoo.nearest(name, train) or f"They have {', '.join(sorted(train))}.",
                )

    def subgroup_figures(
        self, truth: zoo.Batch, metrics: Sequence[zoo.Metric], units: np.ndarray | None
    ) -> list[zoo.Figure]:
        """Return a table of the metrics for each value, if there are any columns for it.

        Args:
            truth: the examples, whole columns; files that are measured on later may lack some.
            metrics: of the predictions on all of them.
            units: what the bootstrap draws together.
        """
        columns = [name for name in self.subgroups if name in truth]
        return [zoo.subgroup_table(truth, metrics, columns, units)] if columns else []
