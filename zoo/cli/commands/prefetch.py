"""`zoo prefetch`: what recipes need of the network, for machines without one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.commands.catalogue import recipe_names
from zoo.cli.options import add_set, given_settings
from zoo.cli.output import Output, Table
from zoo.cli.parser import Commands, completed_by

if TYPE_CHECKING:
    from zoo.store import Kept

# Progress bars of the libraries that download; they read these when they are imported.
_NO_BARS = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "KAGGLEHUB_VERBOSITY": "error",
}


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add(
        "prefetch",
        _prefetch,
        "Fetch weights and datasets now, to train and predict without a network.",
        examples=[
            "zoo prefetch vision/retinanet --weights retinanet_resnet50_fpn_coco",
            "zoo prefetch vision --data tfds:voc --into voc.tar",
            "zoo prefetch hf://keras/dfine_nano_coco",
            "zoo prefetch --from voc.tar",
        ],
        details="What is there already and whole is not fetched again.",
    )
    addresses = parser.add_argument(
        "addresses",
        nargs="*",
        metavar="ADDRESS",
        help="a recipe, whose needs depend on the options below, or kaggle://..., hf://... "
        "or tfds:NAME itself",
    )
    completed_by(addresses, recipe_names)
    parser.add_argument("--weights", default="", metavar="PRESET", help="a preset to start from")
    parser.add_argument("--data", default="", metavar="tfds:NAME", help="a dataset of TFDS")
    parser.add_argument("--model", metavar="ADDRESS", help="model instead of the recipe's")
    parser.add_argument("--dataset", metavar="ADDRESS", help="loader instead of the recipe's")
    parser.add_argument("--config", default="", metavar="FILE", help="TOML file of settings")
    add_set(parser, "a setting, such as model.size=small; may be repeated")
    parser.add_argument(
        "--into",
        default="",
        metavar="PLACE",
        help="a folder, or an archive that ends in .tar or .zip; $ZOO_HOME/store without it",
    )
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="PLACE",
        help="take what is in this archive or folder, and fetch nothing",
    )


def _prefetch(arguments: argparse.Namespace, out: Output) -> None:
    parser = arguments.parser
    if bool(arguments.addresses) == bool(arguments.source):
        raise parser.complaint("expected either ADDRESS or --from")
    if arguments.source and (arguments.into or arguments.weights or arguments.data):
        raise parser.complaint("--from takes all that is in the archive, and nothing else")
    from zoo import api

    if arguments.source:
        kept = api.unpack(arguments.source)
        _show(kept, {}, out)
        return
    if out.quiet or not sys.stderr.isatty():
        os.environ.update(_NO_BARS)
    kept = api.prefetch(
        arguments.addresses,
        data=arguments.data,
        config=arguments.config,
        weights=arguments.weights,
        settings=given_settings(arguments),
        into=arguments.into,
        tell=out.note,
    )
    if not kept:
        out.note("With these settings nothing has to be fetched.")
    archive = _about_archive(Path(arguments.into).expanduser()) if kept else {}
    _show(kept, archive, out)


def _about_archive(path: Path) -> dict[str, Any]:
    """Return the hash of the archive that was written, to compare at the other machine."""
    from zoo.storage import sha256

    return {"archive": path, "sha256": sha256(path)} if path.is_file() else {}


def _show(kept: list[Kept], archive: dict[str, Any], out: Output) -> None:
    value = [{"address": each.address, "folder": each.folder, "bytes": each.size} for each in kept]
    rows = [(each.address, f"{each.size / 1e6:.1f} MB", str(each.folder)) for each in kept]
    blocks: list[Table | str] = [Table(("Address", "Size", "Folder"), rows)] if rows else []
    if archive:
        blocks.append(f"{archive['archive']}\nSHA-256 {archive['sha256']}")
    out.data({"kept": value, **archive}, *blocks)
