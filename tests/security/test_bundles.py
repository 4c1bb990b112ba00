"""A stranger's bundle runs nothing, reads nothing outside its folder and cannot swell."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, StorageError, UnknownNameError
from zoo.safety.files import check_arrays, check_file
from zoo.safety.networks import check_config, check_preset
from zoo.storage import sha256
from zoo.training.checkpoints import Checkpoint, Checkpoints, Progress


@pytest.fixture
def bundle(good_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_bundle, tmp_path / "bundle"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that an attack would make if any of it ran."""
    return tmp_path / "canary"


def sealed(bundle: Path) -> None:
    """Write the hashes anew: whoever makes a bundle makes them as well."""
    content = json.loads((bundle / "bundle.json").read_text())
    files = [path for path in bundle.rglob("*") if path.is_file() and path.name != "bundle.json"]
    content["files"] = {str(path.relative_to(bundle)): sha256(path) for path in files}
    (bundle / "bundle.json").write_text(json.dumps(content))


def refused(bundle: Path, reason: str, error: type[zoo.ZooError] = StorageError) -> None:
    with pytest.raises(error, match=reason) as caught:
        zoo.load(bundle)
    assert caught.value.hint


def test_untouched_bundle_is_loaded(bundle: Path) -> None:
    sealed(bundle)
    assert zoo.load(bundle).decision == {"threshold": 0.0}


# The configuration of the network ------------------------------------------------------------


def parts(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle / "model.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(bundle: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(bundle / "model.keras", "w", kind) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    sealed(bundle)


def named(
    module: str | None, name: Any, config: Any = None, registered: Any = None
) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": name,
        "config": config or {},
        "registered_name": registered,
    }


class Trap:
    """Makes the canary when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "lambda-layer": (
        named("keras.layers", "Lambda", {"function": named(None, "__lambda__")}), "Lambda",
    ),
    "lambda-value": (named(None, "__lambda__", {"value": "4wEA"}), "__lambda__"),
    "type-specification": (named("tensorflow", "__typespec__", {"a": 1}), "__typespec__"),
    "saved-model-layer": (named("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"}), "TFSMLayer"),
    "torch-layer": (named("keras.layers", "TorchModuleWrapper", {"module": "x"}), "TorchModule"),
    "jax-layer": (named("keras.layers", "JaxLayer", {"call_fn": "x"}), "JaxLayer"),
    "any-module": (named("os", "system", {"command": "x"}), "system of os"),
    "any-function": (named("os", "function", "system", "system"), "system"),
    "function-of-builtins": (named("builtins", "function", "eval", "eval"), "eval"),
    "class-of-builtins": (named("builtins", "exec", {"a": 1}), "exec"),
    "enable-unsafe": (
        named("keras.config", "enable_unsafe_deserialization", {"a": 1}),
        "enable_unsafe_deserialization",
    ),
    "get-file": (named("keras.utils", "get_file", {"origin": "https://x"}), "get_file"),
    "get-file-as-function": (named("keras.utils", "function", "get_file", "get_file"), "get_file"),
    "load-model": (named("keras.models", "load_model", {"filepath": "x"}), "load_model"),
    "inner-module-of-keras": (
        named("keras.src.utils.python_utils", "func_load", {"a": 1}), "func_load",
    ),
    "module-of-the-core": (named("zoo.storage", "write_bytes", {"path": "x"}), "write_bytes"),
    "class-of-the-plugin": (named("toy", "Points", {"path": "x"}), "Points"),
    "registered-elsewhere": (named(None, "Elsewhere", {}, "elsewhere>Layer"), "plugins require"),
    "no-module": (named(None, "Dense", {"units": 1}), "Dense"),
    "strange-class-name": (named("keras.layers", ["Dense"]), "no part of networks"),
    "strange-module": (named("keras..layers", "Dense"), "no part of networks"),
    "vocabulary-file": (
        named("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
        "would read a file",
    ),
    "vocabulary-address": (
        named("keras.layers", "TextVectorization", {"vocabulary": "http://169.254.169.254/"}),
        "would read a file",
    ),
    "frequencies-file": (
        named("keras.layers", "TextVectorization", {"idf_weights": "/etc/passwd"}),
        "would read a file",
    ),
    "tokeniser-file": (
        named("keras_hub.tokenizers", "SentencePieceTokenizer", {"proto": "/etc/passwd"}),
        "would read a file",
    ),
    "optimizer-of-another-module": (named("shutil", "rmtree", {"path": "/"}), "rmtree"),
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def elsewhere() -> None:
    """A class that some other package of this process has registered."""

    class Layer(keras.layers.Layer):
        pass

    Layer.__module__ = "elsewhere.layers"
    keras.saving.register_keras_serializable("elsewhere")(Layer)


@pytest.mark.parametrize("place", ["layer", "deep", "whole"])
@pytest.mark.parametrize("attack", LAYERS)
def test_configuration_is_refused(bundle: Path, attack: str, place: str) -> None:
    layer, reason = LAYERS[attack]
    content = parts(bundle)
    config = json.loads(content["config.json"])
    if place == "layer":
        config["config"]["layers"][1] |= layer
    elif place == "deep":
        config["config"]["layers"][1]["config"]["kernel_initializer"] = {"a": [layer]}
    else:
        config = layer
    rewrite(bundle, {**content, "config.json": json.dumps(config).encode()})
    refused(bundle, reason)


@pytest.mark.parametrize(
    "config", [b"", b"{", b"[" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"9" * 5000]
)
def test_configuration_that_is_no_plain_json_is_refused(bundle: Path, config: bytes) -> None:
    rewrite(bundle, {**parts(bundle), "config.json": config})
    refused(bundle, "JSON")


def test_configuration_of_something_else_is_refused(bundle: Path) -> None:
    dense = named("keras.layers", "Dense", {"units": 1})
    rewrite(bundle, {**parts(bundle), "config.json": json.dumps(dense).encode()})
    refused(bundle, r"no model|cannot be read")
    rewrite(bundle, {**parts(bundle), "config.json": b"{}"})
    refused(bundle, r"no model|cannot be read")


def test_activations_by_name_are_no_attack() -> None:
    for module in ("builtins", "keras.activations"):
        check_config(named(module, "function", "relu", "relu"), set(), Path("x"))


# The file of the network -----------------------------------------------------------------------


def test_network_with_a_strange_part_is_refused(bundle: Path) -> None:
    for name in ("../canary", "assets/../../canary", "/tmp/canary", "run.py", "assets/a\\b"):
        rewrite(bundle, {**parts(bundle), name: b"!"})
        refused(bundle, "no part of a saved network")
    assert not (bundle.parent / "canary").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_network_with_two_configurations_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "model.keras", "a") as archive:
        archive.writestr("config.json", "{}")
    sealed(bundle)
    refused(bundle, "two parts of one name")


def test_network_without_weights_is_refused(bundle: Path) -> None:
    content = parts(bundle)
    del content["model.weights.h5"]
    rewrite(bundle, content)
    refused(bundle, "holds no model.weights.h5")


def test_network_that_unpacks_without_end_is_refused(bundle: Path) -> None:
    content = {**parts(bundle), "assets/zeros": bytes(70 * 2**20)}
    rewrite(bundle, content, zipfile.ZIP_DEFLATED)
    refused(bundle, "far more than it holds")


def test_network_that_is_no_zip_file_is_refused(bundle: Path) -> None:
    (bundle / "model.keras").write_bytes(pickle.dumps({"a": 1}))
    sealed(bundle)
    refused(bundle, "damaged")


def link(name: str) -> Callable[[h5py.File, Path], None]:
    def attack(file: h5py.File, secret: Path) -> None:
        links = {"external": h5py.ExternalLink(str(secret), "/a"), "soft": h5py.SoftLink("/layers")}
        file["layers/stolen"] = links[name]

    return attack


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("stolen", (16,), "u1", external=[(str(secret), 0, 16)])


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((16,), "u1")
    layout[:] = h5py.VirtualSource(str(secret), "a", (16,))
    file.create_virtual_dataset("stolen", layout)


def fill_values(file: h5py.File, secret: Path) -> None:
    file.create_dataset("large", (2**40,), "f4", chunks=(2**20,), compression="gzip")


def unwritten(file: h5py.File, secret: Path) -> None:
    file.create_dataset("large", (2**38,), "f4")


def compressed(file: h5py.File, secret: Path) -> None:
    file.create_dataset("large", data=np.zeros(2**22), compression="gzip")


def objects(file: h5py.File, secret: Path) -> None:
    file.create_dataset("text", data=["a", "b"], dtype=h5py.string_dtype())


def second_name(file: h5py.File, secret: Path) -> None:
    file["again"] = file["layers"]


def cycle(file: h5py.File, secret: Path) -> None:
    file["layers/again"] = file["layers"]


def time(file: h5py.File, secret: Path) -> None:
    h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((3,)))


def opaque(file: h5py.File, secret: Path) -> None:
    file["opaque"] = np.zeros(3, "V2")


WEIGHTS: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "external-link": (link("external"), "is a link"),
    "soft-link": (link("soft"), "is a link"),
    "external-storage": (external_storage, "another file"),
    "virtual": (virtual, "another file"),
    "fill-values": (fill_values, "does not hold"),
    "unwritten": (unwritten, "does not hold"),
    "compressed": (compressed, "does not hold"),
    "objects": (objects, "not numbers"),
    "time": (time, "damaged"),
    "opaque": (opaque, "not numbers"),
    "second-name": (second_name, "second name"),
    "cycle": (cycle, "second name"),
}


@pytest.mark.parametrize("attack", WEIGHTS)
def test_weights_are_refused(bundle: Path, attack: str, tmp_path: Path) -> None:
    change, reason = WEIGHTS[attack]
    content = parts(bundle)
    file = io.BytesIO(content["model.weights.h5"])
    with h5py.File(file, "a") as weights:
        change(weights, tmp_path / "secret")
    rewrite(bundle, {**content, "model.weights.h5": file.getvalue()})
    refused(bundle, reason)


def test_weights_that_are_damaged_are_refused(bundle: Path) -> None:
    content = parts(bundle)
    for weights in (b"", b"text", content["model.weights.h5"][:2000]):
        rewrite(bundle, {**content, "model.weights.h5": weights})
        refused(bundle, "damaged")


def test_weights_in_bfloat16_are_no_attack(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    network.save_weights(tmp_path / "model.weights.h5")
    check_preset(tmp_path)


# Layers of other packages ------------------------------------------------------------------------


@pytest.fixture
def layered(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle whose network has a layer of a package that is installed."""

    class Twice(keras.layers.Layer):
        def call(self, units: Any) -> Any:
            return units * 2

    Twice.__module__ = "acme_layers.arithmetic"
    keras.saving.register_keras_serializable("acme")(Twice)
    installed = tmp_path / "installed"
    for name, lines in {
        "acme_layers": "",
        "acme_points": "Requires-Dist: Acme.Layers>=1\n",
    }.items():
        folder = installed / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n{lines}")
        (folder / "top_level.txt").write_text(name)
    monkeypatch.syspath_prepend(installed)
    inputs = {"point": keras.Input((2,), name="point")}
    units = keras.layers.Dense(1)(Twice(name="double")(inputs["point"]))
    keras.Model(inputs, units).save(bundle / "model.keras")
    sealed(bundle)
    return bundle


def test_layer_of_a_package_that_no_plugin_requires_is_refused(layered: Path) -> None:
    refused(layered, r"Twice.*'double'.*plugins require")


def test_layer_of_a_package_that_a_plugin_requires_is_read(
    layered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {"distribution": "acme-points", "version": "1.0"}
    monkeypatch.setattr("zoo.registry.Registry.origin", lambda self, address: origin)
    assert zoo.load(layered).model.get_layer("double")


# The folder and bundle.json --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "preprocessing/mean.json"])
def test_link_in_the_folder_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("[0, 0]")
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).symlink_to(tmp_path / "secret")
    sealed(bundle)
    refused(bundle, "link or a special file")


def test_linked_folder_and_pipe_are_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "more").symlink_to(tmp_path)
    refused(bundle, "link or a special file")
    (bundle / "more").unlink()
    os.mkfifo(bundle / "more")
    refused(bundle, "link or a special file")


def edited(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return edit


CONTENTS: dict[str, tuple[Callable[[dict[str, Any]], None], str, type[zoo.ZooError]]] = {
    "file-outside": (edited("files", "../secret", value="0"), "lacks a file", StorageError),
    "absolute-file": (edited("files", "/etc/passwd", value="0"), "lacks a file", StorageError),
    "other-hash": (edited("files", "model.keras", value=7), "hash differs", StorageError),
    "no-files": (edited("files", value=[]), "files is missing", StorageError),
    "no-batch-size": (edited("about", value={}), "about.batch_size", StorageError),
    "batches-of-0": (edited("about", "batch_size", value=0), "about.batch_size", StorageError),
    "no-data": (edited("about", "data", value=None), "about.data", StorageError),
    "seed-of-text": (edited("about", "data", "seed", value="0"), "about.data.seed", StorageError),
    "seed-below-0": (edited("about", "data", "seed", value=-1), "about.data.seed", StorageError),
    "no-fingerprint": (
        edited("about", "data", value={"seed": 0}), "about.data.fingerprint", StorageError,
    ),
    "no-decision": (edited("decision", value=3), "decision", StorageError),
    "decision-of-text": (edited("decision", "threshold", value="0"), "decision", StorageError),
    "decision-of-nothing": (edited("decision", "threshold", value=None), "decision", StorageError),
    "decision-without-end": (
        edited("decision", "threshold", value=10**400), "decision", StorageError,
    ),
    "no-task": (edited("components", value={}), "components.task", StorageError),
    "no-address": (edited("components", "task", "address", value=[]), "task.address", StorageError),
    "other-plugin": (
        edited("components", "task", "address", value="absent/task"), "absent", UnknownNameError,
    ),
    "other-component": (
        edited("components", "task", "address", value="toy/../os"), "No task", UnknownNameError,
    ),
    "unknown-setting": (
        edited("components", "model", "settings", value={"__class__": 1}), "__class__", ConfigError,
    ),
    "setting-out-of-range": (
        edited("components", "model", "settings", value={"width": -1}), "width", ConfigError,
    ),
    "plugins-of-another-kind": (
        lambda content: (
            edited("about", "plugins", value=[1])(content),
            edited("components", "task", "address", value="absent/a")(content),
        ),
        "absent",
        UnknownNameError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", CONTENTS)
def test_description_is_refused(bundle: Path, attack: str) -> None:
    edit, reason, error = CONTENTS[attack]
    content = json.loads((bundle / "bundle.json").read_text())
    edit(content)
    (bundle / "bundle.json").write_text(json.dumps(content))
    refused(bundle, reason, error)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 70 + "1" + "}" * 70, '{"format": NaN}', "{}{}", "9" * 5000, "\udcff"],
)
def test_description_that_is_no_plain_json_is_refused(bundle: Path, text: str) -> None:
    (bundle / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(bundle, "JSON")


def test_description_without_end_is_refused(bundle: Path) -> None:
    with (bundle / "bundle.json").open("wb") as file:
        file.truncate(65 * 2**20)
    refused(bundle, "more than 64 MiB")


# Preprocessing, arrays and presets ---------------------------------------------------------------


@pytest.mark.parametrize("text", ["{}", '"text"', "[" * 5000])
def test_preprocessing_that_cannot_be_read_is_refused(bundle: Path, text: str) -> None:
    (bundle / "preprocessing" / "mean.json").write_text(text)
    sealed(bundle)
    refused(bundle, "cannot be read|nested")


def test_preprocessing_of_another_network_is_refused(bundle: Path) -> None:
    inputs = {"point": keras.Input((3,), name="point")}
    keras.Model(inputs, keras.layers.Dense(1)(inputs["point"])).save(bundle / "model.keras")
    sealed(bundle)
    refused(bundle, "the model takes")


def npz(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray, **header: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def large_npy() -> bytes:
    file = io.BytesIO()
    head = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_pickled_arrays_are_refused_and_not_unpickled(
    bundle: Path, canary: Path, suffix: str
) -> None:
    content = npy(np.array([Trap(canary)], object))
    pickle.loads(pickle.dumps(Trap(canary)))
    assert canary.exists(), "the trap itself works"
    canary.rmdir()
    path = bundle / "preprocessing" / f"more{suffix}"
    path.write_bytes(content) if suffix == ".npy" else npz(path, {"a.npy": content})
    sealed(bundle)
    refused(bundle, "pickled Python objects")
    assert not canary.exists()


def test_arrays_that_swell_are_refused(tmp_path: Path) -> None:
    zeros = npy(np.zeros(9 * 2**20))
    with pytest.raises(StorageError, match="far more than it holds"):
        check_arrays(npz(tmp_path / "a.npz", {"a.npy": zeros}, zipfile.ZIP_DEFLATED))
    with pytest.raises(StorageError, match="claims the shape"):
        check_arrays(npz(tmp_path / "b.npz", {"a.npy": large_npy()}))
    (tmp_path / "c.npy").write_bytes(large_npy())
    with pytest.raises(StorageError, match="claims the shape"):
        check_file(tmp_path / "c.npy")


def test_checkpoint_with_pickled_arrays_is_passed_over(tmp_path: Path, canary: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    folder = checkpoints.save(Checkpoint(Progress(step=1), {"a": np.zeros(2)}))
    npz(folder / "arrays.npz", {"0.npy": npy(np.array([Trap(canary)], object))})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = sha256(folder / "arrays.npz")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert checkpoints.latest() == (None, [folder])
    assert not canary.exists()


def test_weights_of_a_strangers_run_are_refused(bundle: Path, tmp_path: Path) -> None:
    content = parts(bundle)
    config = json.loads(content["config.json"])
    config["config"]["layers"][1] |= LAYERS["lambda-layer"][0]
    rewrite(bundle, {**content, "config.json": json.dumps(config).encode()})
    with pytest.raises(StorageError, match="Lambda"):
        zoo.train("toy", runs=tmp_path / "runs", settings={"weights": str(bundle)})


def test_preset_is_refused(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "preset"
    folder.mkdir()
    content = parts(bundle)
    (folder / "config.json").write_bytes(content["config.json"])
    (folder / "model.weights.h5").write_bytes(content["model.weights.h5"])
    check_preset(folder)
    with h5py.File(folder / "model.weights.h5", "a") as weights:
        external_storage(weights, tmp_path / "secret")
    with pytest.raises(StorageError, match="another file"):
        check_preset(folder)
    (folder / "config.json").write_text(json.dumps(named("os", "system", {"command": "x"})))
    with pytest.raises(StorageError, match="system of os"):
        check_preset(folder)
