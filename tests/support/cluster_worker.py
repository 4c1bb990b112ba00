"""A worker that does one thing and tells how it ended: `python -m cluster_worker WHAT`."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

from zoo.cluster import Group, detect, joined
from zoo.errors import ZooError


def exchange(group: Group) -> None:
    """Share arrays, texts and nothing in particular."""
    own = {"rows": np.arange(group.index + 1), "names": np.array(["é", None, np.ones(2)], object)}
    found = group.gather(own)
    assert [len(each["rows"]) for each in found] == list(range(1, group.size + 1))
    assert all(each["names"][0] == "é" and each["names"][1] is None for each in found)
    assert all((each["names"][2] == 1).all() for each in found)
    assert group.from_chief(lambda: {"from": group.index}) == {"from": 0}
    group.agree({"keras": "3"}, "")


def disagree(group: Group) -> None:
    """Have another version than the others."""
    group.agree({"keras": "3" if group.index < 2 else "4"}, "Install the same.")


def fail(group: Group) -> None:
    """Meet a user's mistake while the others wait."""
    if group.index == 1:
        raise ZooError("The folder does not exist.")
    group.gather(0)


def die(group: Group) -> None:
    """Be killed while the others wait."""
    _step(group)
    if group.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.gather(0)


def hang(group: Group) -> None:
    """Stand still while the others wait."""
    if group.index == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    group.gather(0)


def block(group: Group) -> None:
    """Die while the others do something that nothing can wake."""
    if group.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.when_lost = lambda: print("kept", flush=True)
    time.sleep(60)


def late_clock(group: Group) -> None:
    """Never get so far."""


def _step(group: Group) -> None:
    group.done(7)
    time.sleep(1.5)  # until a sign of life has told of it


def main(what: str) -> None:
    """Do it, and say how it ended."""
    if what == "late_clock" and os.environ["ZOO_WORKER"] == "1":
        now = time.time
        time.time = lambda: now() - 100  # type: ignore[assignment]
    try:
        with joined(detect()) as group:
            globals()[what](group)
        print("done")
    except ZooError as error:
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
