"""Every command that the pages show works; each failure names its page and line."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import soundfile
from detection_files import Shot, Thing, paint, save, write_coco
from documents import PAGES, ROOT, Block, Command, blocks, commands, inline_code
from medical_files import save_scan
from packaging.requirements import Requirement
from zoo_fraud.simulator import Portfolio, simulate
from zoo_speech.generator.datasets import Voices
from zoo_translation.generator.dataset import Numbers

import zoo
from zoo.cli import main
from zoo.cli.app import build_parser
from zoo.registry import registry

ELSEWHERE = {"write-a-plugin.md"}
"""Pages whose commands belong together and have a test of their own."""

NOT_CARRIED_OUT = {
    ("train", "leaves"): "needs what `zoo new` makes, which tests/scaffold installs and trains",
    ("launch", "--workers", "2", "--"): "tests/zoo/test_multiworker.py launches training",
    ("plugins", "check"): "runs the contract suite, as tests/testing does for each plugin",
    ("prefetch",): "needs a network; tests/zoo/test_prefetch.py has the like without one",
}
"""Commands of which only the arguments are read, and why."""

SMALL: dict[str, Any] = {"evaluation.baselines": False, "evaluation.samples": 5}
SMALL_OF = {
    "fraud": {"model.width": 16, "train.stages": [{"steps": 4}]},
    "medical": {"model.size": "tiny", "train.stages": [{"steps": 2}]},
    "speech": {"model.size": "tiny", "train.stages": [{"steps": 2}]},
    "translation": {"task.beams": 1, "task.pieces": 400, "train.stages": [{"steps": 2}]},
    "vision": {
        "model.size": "nano",
        "task.mosaic": 0,
        "task.size": 64,
        "train.stages": [{"steps": 2}],
    },
}
"""Settings over a recipe's trial: here it has to run, not to learn."""

DATA = {
    "fraud": "transactions.parquet",
    "medical": "scans/",
    "speech": "recordings/",
    "translation": "pairs.tsv",
    "vision": "pictures/",
}
"""What a run is trained on that a page speaks of without having made it."""


def _shown() -> list[Command]:
    """The commands of all pages in order, each at the first place where it stands."""
    first: dict[str, Command] = {}
    for page in PAGES:
        if page.name not in ELSEWHERE:
            for command in commands(page):
                first.setdefault(str(command), command)
    return list(first.values())


ZOO = [command for command in _shown() if command.words[0] == "zoo"]
OTHERS = [command for command in _shown() if command.words[0] != "zoo"]


# The files that the pages speak of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files that the pages name, and a home of its own for what is kept."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "runs").mkdir()
    _write_transactions(folder)
    _write_pictures(folder)
    _write_recordings(folder)
    _write_scans(folder)
    _write_texts(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("home")))
        registry.cache_clear()
        yield folder
    registry.cache_clear()


def _write_transactions(folder: Path) -> None:
    portfolio = Portfolio(cards=400, terminals=200, terminals_compromised=40, days=60)
    table = pa.concat_tables(simulate(portfolio, 0)).drop_columns(["TX_FRAUD_SCENARIO"])
    age = pc.days_between(table["TX_DATETIME"], pc.max(table["TX_DATETIME"]))
    for name, part in {
        "transactions": table,
        "mine": table,
        "last-month": table.filter(pc.less(age, 30)),
        "september": table.filter(pc.less(age, 10)),
        "new": table.filter(pc.less(age, 10)),
        "today": table.filter(pc.equal(age, 0)),
    }.items():
        pq.write_table(part, folder / f"{name}.parquet")
        pyarrow.csv.write_csv(part, folder / f"{name}.csv")


def _write_pictures(folder: Path) -> None:
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    boxes = [Thing(4, 6, 24, 28), Thing(30, 10, 50, 34, "dog")]
    write_coco(folder / "pictures", [Shot(f"p{k}", split, boxes) for k, split in enumerate(splits)])
    for name in ("new", "new-pictures", "aerial"):
        save(folder / name / "one.png", seed=50)
    video = cv2.VideoWriter(
        str(folder / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48)
    )
    for seed in range(6):
        video.write(np.asarray(paint(seed))[..., ::-1].copy())
    video.release()


def _write_recordings(folder: Path) -> None:
    data = Voices(count=60, voices=10, words=("yes", "no"), rate=8000).load(seed=0, cache=folder)
    for split in data.splits.values():
        columns = zoo.all_rows(split)
        for row, (label, recording) in enumerate(
            zip(columns["label"], columns["recording"], strict=True)
        ):
            voice = recording.voice.name.replace(" ", "-")
            name = f"{voice}-{row}.wav"
            for place in (f"recordings/{label}", "new-recordings", f"new-speakers/{voice}"):
                (folder / place).mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / place / name, recording.read(), recording.rate)


def _write_scans(folder: Path) -> None:
    for place in ("scans", "slides", "labelled", "all-scans", "new-scans"):
        for row in range(24):
            kind = "lesion" if row % 2 else "normal"
            save_scan(folder / place / kind / f"patient{row}.png", row, lesion=kind == "lesion")


def _write_texts(folder: Path) -> None:
    data = Numbers(count=200).load(seed=0, cache=folder)
    (folder / "texts").mkdir()
    for name, split in data.splits.items():
        columns = zoo.all_rows(split)
        for side, language in (("source", "en"), ("target", "de")):
            text = "".join(f"{line}\n" for line in columns[side])
            (folder / "texts" / f"{name}.{language}").write_text(text, encoding="utf-8")
    pairs = zip(columns["source"], columns["target"], strict=True)
    rows = "".join(f"{source}\t{target}\n" for source, target in pairs)
    (folder / "pairs.tsv").write_text(rows, encoding="utf-8")
    (folder / "letters.en").write_text("\n".join(columns["source"][:5]), encoding="utf-8")


# Carrying commands out


class Desk:
    """Where commands are carried out: the current folder, with the files of the pages."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs

    def carry_out(self, words: tuple[str, ...]) -> int:
        """Run `zoo` in this process, with quick settings, and return its exit code."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in _quick_settings(words).items():
                patch.setenv(f"ZOO_SET_{name.replace('.', '__')}", _as_toml(value))
            return main([self.fill(word) for word in words[1:]])

    def fill(self, text: str) -> str:
        """Return text with real runs for `runs/NAME` and the like of `runs/fraud-finetune-...`."""
        if "runs/OTHER" in text:
            text = text.replace("runs/OTHER", self._run("fraud", "finetune", number=1))
        text = text.replace("runs/NAME", "runs/fraud-finetune-...")
        return re.sub(r"runs/(\w+)-(\w+)-\.\.\.", lambda found: self._run(*found.groups()), text)

    def _run(self, plugin: str, recipe: str, number: int = 0) -> str:
        """Return one of the first runs of a recipe, trained if there are not so many."""
        spec = registry().spec("recipe", f"{plugin}/{recipe}")
        files = () if spec.dataset == spec.sample else ("--data", DATA[plugin])
        command = ("zoo", "train", f"{plugin}/{recipe}", *files)
        while len(found := sorted(self.runs.glob(f"{plugin}-{recipe}-*"))) <= number:
            assert self.carry_out(command) == 0
        return f"runs/{found[number].name}"


def _quick_settings(words: tuple[str, ...]) -> dict[str, Any]:
    """Return what makes a recipe quick, if the command runs one; data of one's own stay whole."""
    if words[1] != "train" or words[2].startswith("-"):
        return {}
    address = registry().resolve("recipe", words[2])
    small = SMALL | SMALL_OF.get(address.split("/")[0], {})
    trial = registry().spec("recipe", address).trial | small
    own = "--data" in words
    return {name: value for name, value in trial.items() if not (own and name.startswith("data."))}


def _as_toml(value: Any) -> str:
    """Return a value as one line of TOML, in which `none` stands for None."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_as_toml(each)}' for name, each in value.items())}}}"
    return json.dumps(value)


@pytest.fixture
def desk(files: Path, two_blocks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A new current folder with the files of the pages, the runs so far and no user settings."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "user.toml").touch()
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "user.toml"))
    monkeypatch.chdir(tmp_path)
    registry.cache_clear()
    return Desk(files / "runs")


@pytest.mark.parametrize("command", ZOO, ids=lambda command: command.place)
def test_command_works(command: Command, request: pytest.FixtureRequest) -> None:
    words = list(command.words[1:])
    for beginning, reason in NOT_CARRIED_OUT.items():
        if tuple(words[: len(beginning)]) == beginning:
            _, unknown = build_parser().parse_known_args(words)
            assert not unknown, f"{command.place}: {command} ({reason})"
            return
    desk: Desk = request.getfixturevalue("desk")
    assert desk.carry_out(command.words) == 0, f"{command.place}: {command}"


@pytest.mark.parametrize("block", blocks(ROOT / "README.md", "python"), ids=lambda b: str(b.line))
def test_python_of_the_readme_runs(block: Block, desk: Desk, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(desk.fill(block.text))
    runpy.run_path(str(script))


# What is not carried out


def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


@pytest.mark.parametrize("command", OTHERS, ids=lambda command: command.place)
def test_other_command_names_what_there_is(command: Command) -> None:
    program, *words = command.words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(targets), f"{command.place}: no such target: {command}"
    elif program == "pip":
        action, *what = (word for word in words if not word.startswith("-"))
        assert action == "install", f"{command.place}: {command}"
        for requirement in (Requirement(each) for each in what if not _is_folder(each)):
            if requirement.name == "keras-domain-zoo":
                assert requirement.extras <= _extras(), f"{command.place}: {command}"
    elif program == "pytest" and "--pyargs" in words:
        module = words[words.index("--pyargs") + 1]
        assert importlib.util.find_spec(module), f"{command.place}: no such module: {command}"
    else:
        pytest.fail(f"{command.place}: no test knows what {program!r} is: {command}")


def _is_folder(word: str) -> bool:
    return word == "." or "/" in word or word.startswith("zoo-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_exist(page: Path) -> None:
    (actions,) = (each for each in build_parser()._actions if isinstance(each.choices, dict))
    for place, code in inline_code(page):
        program, _, rest = code.partition(" ")
        first = rest.split(" ")[0]
        if program == "zoo" and first and not first.startswith("-"):
            assert first in {*actions.choices, "COMMAND"}, f"{place}: no such command: {code}"
        if program == "python" and first.endswith(".py"):
            assert (ROOT / first).is_file(), f"{place}: no such script: {code}"


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
