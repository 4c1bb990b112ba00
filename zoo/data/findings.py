"""Lists of findings that stay readable, whatever the size of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from zoo.components import Finding


def limited_findings(findings: Iterable[Finding], shown: int) -> list[Finding]:
    """Keep the first `shown` findings of each kind, and say how many more there are."""
    found = list(findings)
    seen: Counter[str] = Counter()
    kept = []
    for finding in found:
        seen[finding.code] += 1
        if seen[finding.code] <= shown:
            kept.append(finding)
    for code, count in seen.items():
        if count > shown:
            level = next(each.level for each in found if each.code == code)
            kept.append(Finding(level, code, f"{count - shown:,} more of the kind {code}."))
    return kept
