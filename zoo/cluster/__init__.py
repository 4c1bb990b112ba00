"""The processes that carry out one run together: how they are found, and what they share."""

from __future__ import annotations

from zoo.cluster.detection import Cluster, detect
from zoo.cluster.group import Group, current, joined
from zoo.cluster.joining import free_port

__all__ = ["Cluster", "Group", "current", "detect", "free_port", "joined"]
