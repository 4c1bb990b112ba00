"""Runs a plugin's import and hooks so that whatever they do stays with the plugin."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.machinery import ModuleSpec, PathFinder
from io import StringIO
from types import FrameType, ModuleType

# fmt: off
HEAVY = frozenset({
    "cv2", "duckdb", "flax", "ibis", "jax", "jaxlib", "keras", "keras_core", "keras_cv",
    "keras_hub", "keras_nlp", "librosa", "lightgbm", "matplotlib", "mlflow", "nibabel", "numpy",
    "onnx", "onnxruntime", "optuna", "pandas", "polars", "pyarrow", "pydicom", "pyspark", "scipy",
    "skimage", "sklearn", "soundfile", "statsmodels", "tensorflow", "tensorflow_datasets",
    "tensorflow_hub", "tensorflow_text", "tf_keras", "torch", "torchaudio", "torchvision",
    "transformers", "xgboost",
})
# fmt: on
"""Libraries that take long to import, so that listing plugins must not import them."""


class HeavyImport(BaseException):
    """A plugin imported a heavy library while it was discovered.

    Not an `Exception`, for else a dependency with an optional import of the library would
    catch it and stay without that library for the rest of the process.
    """


class TookTooLong(BaseException):
    """A plugin took too long; not an `Exception`, so that the plugin does not catch it."""


@contextmanager
def isolated(package: str, *, seconds: float, output: StringIO) -> Iterator[None]:
    """Run plugin code of which a failure leaves nothing behind.

    What it prints goes to `output`. Heavy libraries are refused. If it fails, the modules
    of its package that it imported are forgotten.

    Args:
        package: the plugin's top-level package.
        seconds: how long it may take; 0 means no limit. Only the main thread of a system
            with POSIX signals can keep the limit.
        output: receives standard output and standard error.

    Raises:
        HeavyImport: it imported a library in :data:`HEAVY` that was not loaded yet.
        TookTooLong: it was not done within `seconds`.
    """
    before = set(sys.modules)
    try:
        with (
            redirect_stdout(output),
            redirect_stderr(output),
            _no_heavy_imports(),
            _time_limit(seconds),
        ):
            yield
    except BaseException:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == package:
                del sys.modules[name]
        raise


class _HeavyFinder:
    """Finds heavy libraries for one thread, and refuses when they are to be loaded.

    Looking whether a library is installed stays possible.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in HEAVY or threading.get_ident() != self._thread:
            return None
        found = PathFinder.find_spec(name, path)
        return ModuleSpec(name, self, origin=found.origin) if found else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        raise HeavyImport(
            f"it imports {spec.name}, which is slow; name implementations as "
            "'package.module:Class' instead, so that they are imported on first use"
        )

    def exec_module(self, module: ModuleType) -> None:
        """Never reached; the import system requires it of a loader."""


@contextmanager
def _no_heavy_imports() -> Iterator[None]:
    finder = _HeavyFinder()
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"it took longer than {seconds:g} s (ZOO_PLUGIN_TIMEOUT)")

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
