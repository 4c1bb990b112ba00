"""Imports TensorFlow without the lines it writes about itself."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec


def load_tensorflow() -> None:
    """Import TensorFlow and Keras quietly, if they are installed.

    Without them nothing happens: what needs them says how to install them.
    """
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
