"""Imports TensorFlow without the lines it writes about itself, and keeps libraries offline."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from zoo.settings import offline

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables by which libraries are told not to use the network; they read them on import."""


def keep_libraries_offline() -> None:
    """Where `ZOO_OFFLINE` forbids the network, tell other libraries so in their own way.

    Those without such a switch, Kaggle's and TFDS, are not asked for what is not here.
    """
    if offline():
        os.environ.update(dict.fromkeys(OFFLINE, "1"))


def load_tensorflow() -> None:
    """Import TensorFlow and Keras quietly, if they are installed.

    Without them nothing happens: what needs them says how to install them.
    """
    keep_libraries_offline()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if "keras" in sys.modules or not (find_spec("tensorflow") and find_spec("keras")):
        return
    with hold_back_stderr():
        import_module("tensorflow")
        import_module("keras")


@contextmanager
def hold_back_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and show it only on an exception.

    TensorFlow's C++ code writes there before any log level takes effect.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
