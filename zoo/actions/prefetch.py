"""Brings what recipes take from the network, to be used where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.tfds import find_kept_tfds, find_tfds, prepare_tfds, tfds_address, tfds_name
from zoo.errors import ConfigError, DataError
from zoo.presets import fetch_preset, preset_address
from zoo.store import ARCHIVES, Kept, clean, fetching, find_whole, keep, pack, place, store_folder

if TYPE_CHECKING:
    from zoo.recipe import Recipe

_OTHER_ARCHIVES = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def needs(recipe: Recipe) -> list[str]:
    """Return the addresses of what a recipe takes from the network.

    Raises:
        ConfigError: the weights it starts from do not exist.
    """
    from zoo.bundle import is_bundle

    components = (
        *(recipe.task, recipe.model, recipe.dataset, recipe.strategy),
        *recipe.metrics.values(),
    )
    found = [address for each in components for address in each.downloads()]
    if recipe.weights != "none" and not is_bundle(recipe.weights):
        address = preset_address(recipe.weights, recipe.model.presets())
        found += [address] if address else []
    return found


def prefetch(addresses: Sequence[str], into: str, tell: Callable[[str], None]) -> list[Kept]:
    """Fetch what is not in the store yet, or damaged.

    Args:
        addresses: `kaggle://...`, `hf://...` or `tfds:NAME`.
        into: folder of a store, or an archive to write; empty for the user's store.
        tell: is told what is done.

    Raises:
        ConfigError: a preset cannot be fetched.
        DataError: a dataset cannot be fetched.
        StorageError: something cannot be written.
    """
    target = Path(into).expanduser()
    if target.suffix in _OTHER_ARCHIVES:
        raise ConfigError(
            f"{into} would be an archive of a kind that is not written.",
            hint=f"Give a folder or a name that ends in {' or '.join(ARCHIVES)}.",
        )
    is_archive = target.suffix in ARCHIVES
    store = store_folder() if is_archive or not into else target
    kept = [_bring(address, store, tell) for address in dict.fromkeys(map(_full, addresses))]
    if is_archive and kept:
        tell(f"Writing {target}")
        pack(kept, target)
    return kept


def _full(address: str) -> str:
    """Return an address with what its kind leaves out where there is a default.

    Raises:
        ConfigError: it is no address.
        DataError: there is no such dataset.
    """
    name = tfds_name(address)
    if name is None:
        place(address)
        return address
    try:
        return tfds_address(find_tfds(name))
    except DataError:
        builder = find_kept_tfds(name)
        if builder is None:
            raise
        return tfds_address(builder)


def _bring(address: str, store: Path, tell: Callable[[str], None]) -> Kept:
    """Return what an address names from a store, fetched if it is not there and whole."""
    with fetching(address):
        clean(address, store)
        kept = find_whole(address, store)
        if kept:
            tell(f"Here already: {address}")
            return kept
        if place(address, store).exists():
            tell(f"Damaged, so fetched again: {address}")
        else:
            tell(f"Fetching {address}")
        return keep(_source(address, store), address, store)


def _source(address: str, store: Path) -> Path:
    """Return a folder on this machine with what an address names."""
    own = find_whole(address) if store != store_folder() else None
    if own:
        return own.folder
    name = tfds_name(address)
    if name is None:
        return fetch_preset(address)
    builder = find_tfds(name)
    prepare_tfds(builder)
    return Path(builder.data_dir)
