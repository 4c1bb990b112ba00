"""What a plugin implements: task, model, dataset, preprocessing, strategy and metrics.

A component is a frozen dataclass. Its fields are its settings: typed, documented with
:func:`setting`, settable from a file or the command line, and stored with every run. Its
methods are its contract. A component holds no other state, so building one is cheap and
two with equal settings are interchangeable.

This module imports no machine-learning library; implementations may.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeAlias

from zoo.deprecation import Former
from zoo.errors import ConfigError, DataError
from zoo.weights import Carrier, class_carrier, parts_by_path

if TYPE_CHECKING:
    import keras
    import numpy as np

Batch: TypeAlias = "dict[str, np.ndarray]"
"""Columns of examples or predictions; the first axis of each array counts the rows."""


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    formerly: tuple[Former, ...] = (),
) -> Any:
    """Declare a field of a component as a documented setting.

    Args:
        default: the value if the user gives none; a list or dict is copied.
        help: one sentence, with the unit where there is one.
        minimum: the smallest number allowed.
        maximum: the largest number allowed.
        formerly: what it was called, for old files and commands; see `zoo.Former`.
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "formerly": formerly}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Component:
    """Something a plugin declares by a spec and implements by a class."""

    def downloads(self) -> Sequence[str]:
        """Return the addresses of what it takes from the network with its present settings.

        `zoo prefetch` brings them. They are `kaggle://...`, `hf://...` or `tfds:NAME`; what
        is taken by :func:`zoo.preset` and :func:`zoo.tfds_builder` is found again offline.
        The weights that a recipe starts from are not among them.
        """
        return ()


class Examples(Protocol):
    """Examples that are read by row numbers, many at once.

    Whole columns are held at times, such as for metrics and baselines. So a column of
    something heavy, such as pictures or sound, holds references to it, which are read
    when an example is encoded.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> Batch:
        """Return the examples at `rows`, an int64 array [batch], in that order."""
        ...


@dataclass(frozen=True)
class Finding:
    """One thing that `check-data` has to say.

    Attributes:
        level: `error` stops training, `warning` goes into the report, `note` informs.
        code: a stable name for the kind of finding, such as `duplicate-id`.
        message: what was found, with numbers.
        where: file, line, column or split.
        hint: what to do about it.
    """

    level: Literal["error", "warning", "note"]
    code: str
    message: str
    where: str = ""
    hint: str = ""

    @classmethod
    def unusable(cls, error: DataError, where: str) -> Self:
        """Return what stops all of the data from being used, as a finding."""
        return cls("error", "unusable", error.message, where, error.hint)


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is known of a loaded dataset; stored with every run.

    Attributes:
        name: what the data are called in reports.
        source: where they came from: a path, a TFDS name or `generator`.
        fingerprint: a hash of content and loader settings; equal data, equal fingerprint.
        counts: examples in each split.
        classes: for each split, examples of each class; empty if the task has no classes.
        facts: further facts for the report, as JSON values.
    """

    name: str
    source: str
    fingerprint: str
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Data:
    """A loaded dataset.

    Attributes:
        splits: `train`, `validation` and `test`; no example is in two of them.
        info: what is known of them.
        findings: what the loader noticed on the way.
    """

    splits: Mapping[str, Examples]
    info: DatasetInfo
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset(Component, ABC):
    """Loads examples from the user's files, from TFDS or from a generator."""

    path: str = setting("", "File, folder or glob to read, or `tfds:NAME`.")

    def downloads(self) -> Sequence[str]:
        """Return the path if it names a dataset of TFDS; see :meth:`Component.downloads`."""
        from zoo.store import TFDS

        return (self.path,) if self.path.startswith(TFDS) else ()

    @property
    def given_path(self) -> str:
        """The path that the user gave.

        Raises:
            DataError: none was given.
        """
        if not self.path:
            raise DataError("No data are given.", hint="Say which: --data FILE, FOLDER or GLOB.")
        return self.path

    @abstractmethod
    def load(self, *, seed: int, cache: Path) -> Data:
        """Read, check and split the data.

        Args:
            seed: decides a random split, and a generator's content.
            cache: a folder for derived files, shared by all runs; may be deleted any time.

        Raises:
            DataError: the data cannot be used; names the file and the cause.
        """

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """Look for what would make a model trained on the data useless or dishonest.

        The default is what :meth:`load` finds. A loader for which some things are too slow or
        too many to say at each training says them here.

        Raises:
            DataError: nothing can be read at all.
        """
        try:
            return list(self.load(seed=seed, cache=cache).findings)
        except DataError as error:
            return [Finding.unusable(error, self.path)]

    @abstractmethod
    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read new examples to predict on or to measure on, labelled or not.

        Where files tell of official splits, the examples have `split`: `train`, `validation`,
        `test`, or empty. Measuring then goes by the test split alone.

        Returns:
            the readable examples, and a finding for each thing that is not.
        """

    def read_labelled(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read labelled examples to measure a model on.

        The default is :meth:`read`. A loader may leave out, and name, examples that are not
        labelled or are of what the model does not know, so that the others can be measured on.
        """
        return self.read(path, cache=cache)

    def settled(self, info: DatasetInfo) -> Self:
        """Return the loader as a bundle keeps it, for reading new files as the old ones.

        The default is the loader itself. One that finds out the meaning of columns, the
        order of classes or the like returns itself with that as settings.

        Args:
            info: what :meth:`load` said of the training data.
        """
        return self


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model, without the batch axis.

    Attributes:
        shape: sizes; `None` where they vary. Numbers are padded with 0 to the longest of
            the batch along an axis that varies; zeros at its end may be cut.
        dtype: a Keras dtype such as `float32`.
        names: the meaning of each place on the last axis: features, classes or pieces.
        sizes: for integer inputs, how many values each place on the last axis can take.
        values: for integer inputs, what the values from 1 on stand for, at each place.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a model is built from.

    Attributes:
        inputs: the model's inputs by name.
        outputs: the model's outputs by name.
        classes: names of what the outputs tell apart, in order, such as classes or pieces.
        arrays: what the architecture needs of the training data, such as bin edges.
    """

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    classes: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Preprocessing(ABC):
    """Turns examples into what a model takes; learnt on the training split alone.

    It is the part of a task that has state, and goes into the bundle.
    """

    @property
    @abstractmethod
    def space(self) -> Space:
        """What a model for these examples is built from."""

    @abstractmethod
    def inputs(self, batch: Batch) -> Batch:
        """Return the model's inputs, named and shaped as in `space.inputs`."""

    @abstractmethod
    def targets(self, batch: Batch) -> Any:
        """Return what the loss compares outputs with: an array or a dict of arrays."""

    def weights(self, batch: Batch) -> np.ndarray | None:
        """Return a float32 weight for each example in the loss, or None for equal ones."""
        return None

    def sizes(self, batch: Batch) -> np.ndarray | None:
        """Return how long each example is, or None where all are of one size.

        With `train.batch_tokens`, examples of alike size make a batch.

        Returns:
            int64 [batch], or [batch, inputs] where several inputs are padded; 1 or more.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the state as JSON, npz or text files; never a pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""


@dataclass(frozen=True)
class Metric:
    """A figure of merit that can be resampled.

    Attributes:
        name: key in files, such as `average_precision`.
        title: as shown in tables.
        compute: from how often each example counts (int64, [examples]) to a value. Ones
            give the metric itself; the bootstrap passes how often each was drawn. NaN
            where a sample leaves the metric undefined.
        higher_is_better: direction.
    """

    name: str
    title: str
    compute: Callable[[np.ndarray], float]
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class Metrics(Component, ABC):
    """Metrics beside those of a task, for whoever asks for them.

    A recipe or a user asks with ``evaluation.metrics = ["acme/calibration"]``; that they are
    installed changes no result.
    """

    @abstractmethod
    def metrics(self, truth: Batch, predictions: Batch) -> list[Metric]:
        """Return the metrics of a task's predictions, as :meth:`Task.metrics` does.

        Args:
            truth: the labelled examples, whole columns.
            predictions: what the task's `decode` returned for them, or a baseline predicted.
        """


@dataclass(frozen=True)
class Figure:
    """A picture or table for the report.

    Attributes:
        title: a few words.
        caption: what is to be seen in it.
        html: a self-contained fragment: an `<svg>`, `<img>` with a data address or `<table>`.
    """

    title: str
    caption: str
    html: str


class Baseline(Protocol):
    """A simple model that ours has to beat, fitted and predicting like a task's own."""

    def __call__(self, train: Batch, test: Batch) -> Batch:
        """Fit on `train`, whole columns, and return predictions for `test`."""
        ...


class Augmentation(ABC):
    """Varies training batches in the graph of the input pipeline.

    It must be a pure function of its arguments, so it draws from stateless random
    operations alone (`tf.random.stateless_uniform` and the like). Then an example is varied
    alike in whatever batch it comes, and a resumed run sees what an undisturbed one sees.

    Class attributes:
        keeps_shapes: whether the shapes it returns depend on those it is given alone, and not
            on the values. Otherwise processes whose parts of a batch must have one shape each
            vary the whole batch.
    """

    keeps_shapes: ClassVar[bool] = True

    @property
    def partners(self) -> int:
        """How many other examples each example is given to be mixed with.

        A class attribute of the same name serves as well.
        """
        return 0

    @abstractmethod
    def __call__(self, inputs: Any, targets: Any, seeds: Any, progress: Any) -> tuple[Any, Any]:
        """Return the varied inputs and targets, as tensors.

        Args:
            inputs: the model's inputs by name, each [batch, ...]. With partners each is
                [batch, 1 + partners, ...], the example itself first; what is returned has
                no such axis. Partners are drawn by (seed, pass, row) from all training
                examples. The weight in the loss stays the example's own.
            targets: as :meth:`Preprocessing.targets` returned them, with the same axes.
            seeds: int64 [batch, 2], different for each example and pass.
            progress: float32 scalar from 0 to 1: the share of all steps of the run, over
                its stages, that are done before this batch.
        """


@dataclass(frozen=True, kw_only=True)
class Task(Component, ABC):
    """What a domain's examples, outputs and predictions mean.

    Class attributes:
        monitor: the metric that chooses the best weights and heads every table.
        preprocessing: the class that :meth:`prepare` returns an instance of.
        notice: a statement that every card and report must carry, if any.
        plain_text: what of a record is plain text, such as `translation`, if predictions are;
            then `predict` writes them as lines of text too.
    """

    monitor: ClassVar[str]
    preprocessing: ClassVar[type[Preprocessing]]
    notice: ClassVar[str] = ""
    plain_text: ClassVar[str] = ""

    @abstractmethod
    def prepare(self, train: Examples, info: DatasetInfo) -> Preprocessing:
        """Learn the preprocessing from the training split."""

    def loss(self, space: Space) -> Any | None:
        """Return the loss to compile with: a `keras.losses.Loss` or a dict of them by output.

        None, the default, where each model brings its own; see :meth:`Model.loss`.

        Args:
            space: of the preprocessing, from which the model is built.
        """
        return None

    def augmentation(self, space: Space) -> Augmentation | None:
        """Return what varies the training batches, or None.

        Args:
            space: of the preprocessing, which says what the model's inputs are.
        """
        return None

    # From examples to outputs: windows are encoded, outputs are reduced, then restored.

    def windows(self, examples: Examples, preprocessing: Preprocessing) -> Examples:
        """Return what the network sees of examples: by default the examples themselves.

        A large picture may become several tiles, a long recording several stretches; their
        columns are then cut as well, so that they can be trained on.
        """
        return examples

    def predictor(
        self, model: keras.Model, preprocessing: Preprocessing
    ) -> Callable[[Batch], Any] | None:
        """Return what predicts instead of a single run of the network, such as decoding.

        Args:
            model: the network, on one device. It may be trained further and predict again
                without another call of this.
            preprocessing: what encodes the windows.

        Returns:
            a function from the network's inputs to raw outputs, or None for the network.
            The validation loss is the network's all the same.
        """
        return None

    def reduce(self, outputs: Any, preprocessing: Preprocessing) -> Any:
        """Return what is kept of one batch's raw outputs: by default all.

        The raw outputs of a whole split are never held. What is kept has to suffice for
        :meth:`restore`, :meth:`decode` and :meth:`tune`.

        Args:
            outputs: an array [batch, ...] or a dict of them; float32 where the network
                computed in fewer bits. The batch may be filled up with copies of its last
                window.
            preprocessing: what encoded the windows.

        Returns:
            an array or a dict of arrays, whose first axis is the batch.
        """
        return outputs

    def restore(
        self, outputs: Any, windows: Batch, examples: Batch, preprocessing: Preprocessing
    ) -> Any:
        """Return the outputs with one row an example again, in the example's own terms.

        Such as boxes in pixels of the whole picture, merged over its tiles.

        Args:
            outputs: what :meth:`reduce` kept, of all windows in order.
            windows: the windows, whole columns.
            examples: the examples, whole columns.
            preprocessing: what encoded the windows.
        """
        return outputs

    @abstractmethod
    def decode(self, outputs: Any, decision: Mapping[str, float]) -> Batch:
        """Turn a model's outputs into predictions in the domain's own terms.

        Args:
            outputs: what :meth:`restore` returned.
            decision: what :meth:`tune` chose; empty before that.
        """

    def tune(self, truth: Batch, outputs: Any) -> dict[str, float]:
        """Choose thresholds, temperature and the like on the validation split alone.

        Args:
            truth: the labelled examples, whole columns.
            outputs: what :meth:`restore` returned for them.

        Returns:
            values by name, which :meth:`decode` is given and the report shows. A task that
            calibrates adds its calibration error on validation before and after, as
            `calibration_before` and `calibration_after`; the report shows them apart.
        """
        return {}

    @abstractmethod
    def metrics(self, truth: Batch, predictions: Batch) -> list[Metric]:
        """Return the metrics of these predictions, the monitored one first."""

    def references(self, truth: Batch, predictions: Batch) -> Mapping[str, float]:
        """Return what the field's own implementation says of some of the metrics, by name.

        The contract suite compares it with :meth:`metrics`. Import the library here: it need
        not be installed where models are trained.

        Raises:
            ImportError: the reference implementation is not installed.
        """
        return {}

    def labelled(self, batch: Batch) -> bool:
        """Return whether examples say what is true of them, so that they can be measured on."""
        return "label" in batch

    def units(self, truth: Batch) -> np.ndarray | None:
        """Return what the bootstrap draws together: a card, patient or speaker each.

        Returns:
            an array [examples] of any values, or None if each example stands alone.
        """
        return None

    def baselines(self, preprocessing: Preprocessing) -> Mapping[str, Baseline]:
        """Return a trivial and a classical model to compare with, by title."""
        return {}

    def figures(
        self, truth: Batch, predictions: Batch, decision: Mapping[str, float]
    ) -> list[Figure]:
        """Return the domain's own figures for the report.

        Args:
            truth: the labelled examples, whole columns.
            predictions: what :meth:`decode` returned for them, with the columns of
                :meth:`explain` for the rows of :meth:`explained` and None elsewhere.
            decision: what :meth:`tune` chose.
        """
        return []

    def explained(self, truth: Batch, predictions: Batch) -> Sequence[int]:
        """Return the rows of a few examples whose explanation :meth:`figures` needs, if any."""
        return ()

    def explain(
        self, model: keras.Model, preprocessing: Preprocessing, batch: Batch, predictions: Batch
    ) -> Batch:
        """Return further prediction columns that say why."""
        return {}

    @abstractmethod
    def records(self, batch: Batch, predictions: Batch) -> Iterator[dict[str, Any]]:
        """Yield one record for each example, as `predict` writes them.

        Records hold JSON values, NumPy's numbers and arrays, and paths.
        """

    def files(
        self, batch: Batch, predictions: Batch, folder: Path, preprocessing: Preprocessing
    ) -> None:
        """Write predictions in the field's own formats, when `predict` writes a folder.

        Args:
            batch: the examples, whole columns.
            predictions: what was predicted for them.
            folder: where to write; the core adds `predictions.jsonl` and `findings.jsonl`.
            preprocessing: what encoded the examples.
        """


@dataclass(frozen=True, kw_only=True)
class Model(Component, ABC):
    """An architecture.

    Class attributes:
        part_patterns: names of the model's parts from input to output, each with a shell
            pattern of the paths of its weights; see `zoo.weights.parts_by_path`.
            Without any, each layer is a part.
        class_patterns: shell patterns of the paths of weights whose last axis counts
            `Space.classes`, once or several times over, such as those of a class head.
        shard_patterns: shell patterns of the paths of weights that are cut into parts where
            the model is shared among devices, each with the axis to cut along. Those of no
            pattern are whole on each device.
    """

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = ()
    class_patterns: ClassVar[tuple[str, ...]] = ()
    shard_patterns: ClassVar[tuple[tuple[str, int], ...]] = ()

    @abstractmethod
    def build(self, space: Space) -> keras.Model:
        """Return a new model, not compiled, whose inputs and outputs are `space`'s."""

    def parts(self, model: keras.Model) -> list[tuple[str, list[keras.Layer]]]:
        """Return the model's named parts from input to output.

        Stages say by these names what trains, and layer-wise decay counts them.
        """
        if self.part_patterns:
            return parts_by_path(model, self.part_patterns)
        return [(layer.name, [layer]) for layer in model.layers if layer.weights]

    def loss(self, space: Space) -> Any | None:
        """Return a loss that only this architecture trains with, or None for the task's.

        Args:
            space: what the model was built from.

        Returns:
            a `keras.losses.Loss` or a dict of them by output.
        """
        return None

    def presets(self) -> Mapping[str, str]:
        """Return the published weights it can start from: name -> `kaggle://` or `hf://` address.

        :func:`zoo.hub_presets` has those of Keras Hub and KerasCV.
        """
        return {}

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start `model` from published weights; :func:`zoo.preset` gives their folder.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: the architecture has no such weights.
        """
        raise ConfigError(
            f"{type(self).__name__} cannot start from {handle!r}: it has no published weights.",
            hint="Give weights=none, or the folder of an earlier run.",
        )

    def transfer(
        self, source: keras.Model, source_space: Space, target: keras.Model, space: Space
    ) -> list[str]:
        """Start `target` from a trained `source` whose space may differ.

        Returns:
            the paths of the variables of `target` that start from `source`, at least in part.
        """
        known = {weight.path: weight for weight in source.weights}
        carry = self.carrier(source_space, space)
        return [weight.path for weight in target.weights if carry(weight, known)]

    def carrier(self, source: Space, target: Space) -> Carrier:
        """Return what starts one weight of a new network from those of a trained one.

        The default copies the weight of equal path and shape, and class by class, by their
        names, those of `class_patterns`. An architecture with named features or words
        does the like for them with :func:`zoo.shared_places` and :func:`zoo.copy_places`.

        Args:
            source: what the trained network was built from.
            target: what the new one is built from.
        """
        return class_carrier(self.class_patterns, source.classes, target.classes)


@dataclass(frozen=True, kw_only=True)
class Strategy(Component):
    """How a recipe is spread over devices."""

    kind: Literal[
        "auto", "single", "mirrored", "multiworker", "jax-data-parallel", "jax-model-parallel"
    ] = setting("auto", "`auto` uses all workers of the cluster and all GPUs, else one device.")
    devices: int = setting(
        0, "How many devices a process uses; 0 means all GPUs, or one CPU.", minimum=0
    )
    shards: int = setting(
        1, "Among how many devices `jax-model-parallel` cuts the weights.", minimum=1
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "Compute type; `auto` takes bfloat16 where the hardware has it."
    )
    xla: Literal["auto", "on", "off"] = setting("auto", "Compile steps with XLA.")
    batch: Literal["global", "per-replica"] = setting(
        "global", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = setting(
        "none", "How learning rates grow with the global batch."
    )
