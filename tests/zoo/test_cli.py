"""The `zoo` command: what it writes where, and how it ends."""

from __future__ import annotations

import csv
import errno
import functools
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy

import zoo
from zoo.cli import main
from zoo.cli.output import Output, Table
from zoo.errors import DivergedError, ExitCode, StorageError
from zoo.isolation import HEAVY
from zoo.registry import Registry
from zoo.startup import hold_back_stderr

Install = Callable[..., None]
Capture = pytest.CaptureFixture[str]
COMMANDS = (
    "list",
    "info",
    "doctor",
    "check-data",
    "train",
    "evaluate",
    "predict",
    "report",
    "prefetch",
)


@pytest.fixture
def site(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without plugins, which is looked through afresh."""
    monkeypatch.setattr("zoo.registry.registry", functools.cache(Registry))
    return plugin_site


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def written(capsys: Capture) -> Any:
    """Return the JSON value on standard output."""
    return json.loads(capsys.readouterr().out)


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "zoo.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# Help


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [*COMMANDS, "plugins", "plugins enable", "completion"])
def test_every_command_has_help_with_examples(command: str, option: str, capsys: Capture) -> None:
    assert main([*command.split(), option]) == ExitCode.OK
    out = capsys.readouterr().out
    assert f"usage: zoo {command}" in out
    assert "examples:\n  " in out
    assert "--json" in out
    assert "--quiet" in out


def test_without_a_command_the_help_is_shown(capsys: Capture) -> None:
    assert main([]) == ExitCode.OK
    out = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n    {command} " not in out] == []


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"zoo {zoo.__version__}\n"


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("trian fraud", "COMMAND cannot be 'trian'", "'train'"),
        ("list modls", "WHAT cannot be 'modls'", "'models'"),
        ("train fraud --wieghts x", "there is no option --wieghts", "'--weights'"),
        ("train fraud extra", "unexpected argument 'extra'", "zoo train -h"),
        ("evaluate", "required: RUN_OR_BUNDLE", "zoo evaluate -h"),
        ("train fraud --seeds 0", "'0' is not a whole number of at least 1", "zoo train -h"),
        ("train fraud --seed x", "invalid int value: 'x'", "zoo train -h"),
        ("train fraud --set lr", "expected name=value", "--set train.learning_rate=1e-4"),
        ("train fraud --resume r", "recipe cannot be given", "Begin a new run"),
        ("train --resume r --trial", "trial cannot be given", "Begin a new run"),
        ("train --resume nowhere", "nowhere is not a run", "zoo train"),
        ("predict run data --set seed=1", "only settings of the dataset", "data.NAME"),
        ("plugins disable nothing", "No plugin is called 'nothing'", ""),
    ],
)
def test_a_wrong_argument_is_refused_with_what_would_be_right(
    arguments: str, message: str, hint: str, home: Path, capsys: Capture
) -> None:
    assert main(arguments.split()) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[0]
    assert hint in err
    assert "Traceback" not in err


def test_json_says_what_was_wrong_as_json_too(capsys: Capture) -> None:
    assert main(["lits", "--json"]) == ExitCode.USAGE
    error = written(capsys)["error"]
    assert error["type"] == "UsageError"
    assert error["exit_code"] == 2
    assert "'list'" in error["hint"]


# list, info, plugins and doctor


def test_list_shows_recipes_and_how_to_mend_what_cannot_be_used(
    site: Path, install_plugin: Install, capsys: Capture
) -> None:
    install_plugin("ocr")
    install_plugin("radar", requires=["nothing-like-it>=2"])
    assert main(["list"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "Plugin  Status                Recipe          Summary",
        "ocr     ok                    ocr/finetune    Fine-tunes.",
        "radar   missing-requirements  radar/finetune  Fine-tunes.",
        "",
        "radar: nothing-like-it>=2 is not installed.",
        '  pip install "zoo-radar"',
    ]


def test_list_of_one_kind_as_json(site: Path, install_plugin: Install, capsys: Capture) -> None:
    install_plugin("ocr")
    assert main(["--json", "list", "models"]) == ExitCode.OK
    assert written(capsys) == [{"address": "ocr/net", "status": "ok", "summary": "A network."}]


@pytest.mark.parametrize("arguments", ["list", "list plugins", "plugins list", "doctor"])
def test_nothing_installed_is_no_error(arguments: str, site: Path, capsys: Capture) -> None:
    assert main(arguments.split()) == ExitCode.OK
    assert "No plugin is installed." in capsys.readouterr().out


def test_info_of_an_address_shows_each_component_that_has_it(
    site: Path, install_plugin: Install, install_distribution: Install, capsys: Capture
) -> None:
    install_plugin("ocr")
    assert main(["info", "ocr/net", "--json"]) == ExitCode.OK
    (model,) = written(capsys)
    assert (model["kind"], model["summary"]) == ("model", "A network.")


def test_info_of_a_broken_plugin_shows_its_traceback(
    site: Path, install_plugin: Install, capsys: Capture
) -> None:
    install_plugin("ocr", "1 / 0")
    assert main(["plugins", "info", "ocr"]) == ExitCode.OK
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert main(["info", "ocr/net"]) == ExitCode.USAGE


def test_info_of_a_recipe_shows_its_settings_with_its_own_defaults(
    toy_plugin: None, capsys: Capture
) -> None:
    assert main(["info", "toy/train", "--json"]) == ExitCode.OK
    (recipe,) = written(capsys)
    settings = {row["name"]: row for row in recipe["settings"]}
    assert settings["train.batch_size"]["default"] == 16
    assert settings["model.width"] == {
        "name": "model.width",
        "type": "whole number of at least 1",
        "default": 8,
        "help": "Hidden units.",
    }
    assert main(["info", "toy/train"]) == ExitCode.OK
    assert "model.width    8        Hidden units." in capsys.readouterr().out


def test_a_plugin_is_disabled_and_enabled_again(
    site: Path, install_plugin: Install, home: Path, capsys: Capture
) -> None:
    install_plugin("ocr")
    assert main(["plugins", "disable", "ocr"]) == ExitCode.OK
    assert tomllib.loads((home / "config.toml").read_text()) == {"plugins": {"disable": ["ocr"]}}
    assert main(["plugins", "enable", "ocr", "--json"]) == ExitCode.OK
    assert "ocr is disabled" in capsys.readouterr().out
    assert tomllib.loads((home / "config.toml").read_text()) == {"plugins": {"disable": []}}


def test_no_plugins_rescues_from_settings_that_cannot_be_read(
    site: Path, install_plugin: Install, home: Path, capsys: Capture
) -> None:
    install_plugin("ocr")
    home.mkdir()
    (home / "config.toml").write_text("plugins = ")
    assert main(["list"]) == ExitCode.USAGE
    assert main(["list", "--no-plugins", "--json"]) == ExitCode.OK
    assert [plugin["status"] for plugin in written(capsys)] == ["disabled"]
    assert "ZOO_PLUGINS" not in os.environ


def test_doctor_names_what_is_missing_and_reports_a_fault_as_exit_code(
    site: Path, install_plugin: Install, capsys: Capture
) -> None:
    install_plugin("ocr", "1 / 0")
    assert main(["doctor", "--json"]) == ExitCode.PLUGIN
    found = written(capsys)
    assert found["plugins"][0]["status"] == "broken"
    assert found["system"]["python"]


def test_doctor_tells_the_versions_of_what_the_extras_need(capsys: Capture) -> None:
    main(["doctor", "--json"])
    packages = {each["name"]: each for each in written(capsys)["packages"]}
    assert packages["pluggy"]["status"] == "ok"
    assert "train" in packages["tensorflow"]["needed_by"]


# Data before training


def test_check_data_shows_findings_and_ends_with_the_code_for_data(
    toy_plugin: None, points: Path, capsys: Capture
) -> None:
    assert main(["check-data", "toy", "--data", str(points)]) == ExitCode.OK
    assert capsys.readouterr().out == ""
    points.write_text("[1, 2, 0]\nnot a point\n")
    assert main(["check-data", "toy", "--data", str(points), "--json"]) == ExitCode.DATA
    (finding,) = written(capsys)
    assert (finding["code"], finding["where"]) == ("bad-line", f"{points}, line 2")


# train


def test_print_config_shows_each_value_and_where_it_was_given(
    toy_plugin: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "mine.toml").write_text("[train]\nbatch_size = 4\npatience = 2\nwarmup = 0.5\n")
    monkeypatch.setenv("ZOO_SET_train__patience", "3")
    monkeypatch.setenv("ZOO_SET_train__warmup", "0.25")
    options = ["--config", str(tmp_path / "mine.toml"), "--set", "train.warmup=0", "--seed", "7"]
    assert main(["train", "toy", "--print-config", *options]) == ExitCode.OK
    text = capsys.readouterr().out
    config = tomllib.loads(text)
    assert config["seed"] == 7
    train = config["train"]
    assert (train["batch_size"], train["patience"], train["warmup"]) == (4, 3, 0.0)
    assert f"# from {tmp_path / 'mine.toml'}\nbatch_size = 4" in text
    assert "# from environment variable ZOO_SET_train__patience\npatience = 3" in text
    assert "# from --set\nwarmup = 0.0" in text
    assert "# from --seed\nseed = 7" in text
    assert "# from recipe toy/train\n" in text


def test_trial_is_shown_as_where_a_value_is_from(toy_plugin: None, capsys: Capture) -> None:
    options = ["--trial", "--print-config", "--json", "--set", "train.learning_rate=0.5"]
    assert main(["train", "toy", *options]) == ExitCode.OK
    printed = written(capsys)
    assert printed["config"]["train"]["stages"][0]["epochs"] == 4
    assert printed["origins"]["train.stages"] == "trial of toy/train"
    assert printed["origins"]["train.learning_rate"] == "--set"


def test_options_name_components(toy_plugin: None, capsys: Capture) -> None:
    options = ["--model", "net", "--dataset", "toy/points", "--strategy", "plain"]
    assert main(["train", "toy", "--print-config", "--json", *options]) == ExitCode.OK
    printed = written(capsys)
    assert printed["config"]["use"]["model"] == "net"
    assert printed["origins"]["use.model"] == "--model"


def test_training_shows_epochs_then_the_table_and_where_things_are(
    toy_plugin: None, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["train", "toy", "--runs", str(tmp_path), "--seed", "1"]
    assert main(arguments) == ExitCode.OK
    out, err = capsys.readouterr()
    (run,) = tmp_path.iterdir()
    assert out.splitlines()[1].split() == ["ROC", "AUC"]
    assert {line.split()[0] for line in out.splitlines()[2:4]} == {"toy/net", "Constant"}
    assert [line for line in err.splitlines() if line.startswith("all  epoch 2  loss ")]
    assert f"Report: {run}/report.html\nBundle: {run}/bundle" in err
    assert json.loads((run / "run.json").read_text())["command"] == f"zoo {' '.join(arguments)}"


def test_quiet_leaves_the_data_alone(toy_plugin: None, tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", "toy", "--runs", str(tmp_path), "--quiet", "--json"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    value = json.loads(out)
    assert Path(value["bundle"]).is_dir()
    assert value["evaluation"]["systems"][0]["name"] == "toy/net"


def replace_training(monkeypatch: pytest.MonkeyPatch, run: Path, error: BaseException) -> None:
    """Let training begin in the folder `run` and end with `error`."""

    def train(recipe: Any, runs: Path, options: Any, *, seeds: int) -> zoo.Run:
        for listener in options.listeners:
            listener.on_event({"event": "run", "path": str(run)})
        raise error

    monkeypatch.setattr("zoo.actions.train.train", train)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "zoo train --resume runs/this"),
        (DivergedError("No number.", hint="Slow down."), ExitCode.TRAINING, "Slow down."),
        (StorageError("Cannot write x: the disk is full."), ExitCode.STORAGE, "disk is full"),
        (OSError(errno.ENOSPC, "No space left", "x"), ExitCode.STORAGE, "x: No space left"),
        (PermissionError(errno.EACCES, "Denied", "x"), ExitCode.STORAGE, "x: Denied"),
    ],
)
@pytest.mark.usefixtures("toy_plugin")
def test_what_ends_training_is_said_without_a_traceback(
    error: BaseException,
    code: ExitCode,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    replace_training(monkeypatch, Path("runs/this"), error)
    assert main(["train", "toy", "--json"]) == code
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    assert json.loads(out)["error"]["exit_code"] == code


def test_a_bug_shows_its_traceback_and_asks_for_a_report(
    toy_plugin: None, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    replace_training(monkeypatch, Path("runs/this"), ZeroDivisionError("by nothing"))
    assert main(["train", "toy"]) == ExitCode.BUG
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: by nothing" in err
    assert "This is a bug. Please report it" in err


def test_a_bug_of_a_plugin_shows_its_own_traceback(
    site: Path, install_plugin: Install, capsys: Capture
) -> None:
    install_plugin("ocr", parts="class Net: ...\nimport zoo_never_was")
    assert main(["info", "ocr/net"]) == ExitCode.PLUGIN
    err = capsys.readouterr().err
    assert "ModuleNotFoundError: No module named 'zoo_never_was'" in err
    assert "bug in zoo-ocr 1.0" in err


def test_resume_goes_on_with_a_run(toy_run: zoo.Run, capsys: Capture) -> None:
    assert main(["train", "--resume", str(toy_run.path), "--json"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert json.loads(out)["run"] == str(toy_run.path)
    assert f"{toy_run.path} is finished: there was nothing left to do." in err


# With a trained model


def test_evaluate_measures_on_labelled_files(
    toy_run: zoo.Run, points: Path, capsys: Capture
) -> None:
    assert main(["evaluate", str(toy_run.path), "--data", str(points)]) == ExitCode.OK
    title, heading, row, *_ = capsys.readouterr().out.splitlines()
    assert title.startswith(f"{points} split, 16 examples")
    assert heading.split() == ["ROC", "AUC"]
    assert row.startswith("toy/net")


def test_predict_writes_a_line_for_each_example_and_names_what_is_bad(
    toy_run: zoo.Run, points: Path, capsys: Capture
) -> None:
    points.write_text("[1, 2, 0]\nnot a point\n[3, 4, 1]\n")
    assert main(["predict", str(toy_run.bundle), str(points), "--quiet"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert [list(json.loads(line)) for line in out.splitlines()] == [["score"], ["score"]]
    assert err == f"error: {points}, line 2: not [x, y, label]\n"


@pytest.mark.parametrize("name", ["", "none.csv", "none.jsonl", "none"])
def test_predict_on_an_empty_file_writes_nothing_and_says_so(
    toy_run: zoo.Run, points: Path, capsys: Capture, name: str
) -> None:
    points.write_text("")
    target = points.with_name(name) if name else None
    arguments = ["predict", str(toy_run.path), str(points), *(["-o", str(target)] if name else [])]
    assert main(arguments) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing in it to predict on" in err
    if target:
        written = target / "predictions.jsonl" if target.is_dir() else target
        assert written.read_bytes() == b""


def test_predict_writes_a_file(toy_run: zoo.Run, points: Path, capsys: Capture) -> None:
    target = points.with_name("scores.csv")
    arguments = ["predict", str(toy_run.path), str(points), "--out", str(target), "--json"]
    assert main(arguments) == ExitCode.OK
    assert written(capsys) == {"file": str(target), "predictions": 16, "findings": []}
    assert len(list(csv.DictReader(target.open()))) == 16


def test_predict_writes_a_folder(toy_run: zoo.Run, points: Path, capsys: Capture) -> None:
    target = points.with_name("found")
    arguments = ["predict", str(toy_run.path), str(points), "-o", str(target), "--json"]
    assert main([*arguments, "--set", "task.unit=2"]) == ExitCode.OK
    assert written(capsys) == {"folder": str(target), "predictions": 16, "findings": []}
    names = {"predictions.jsonl", "findings.jsonl", "points.txt"}
    assert {path.name for path in target.iterdir()} == names
    assert main(arguments) == ExitCode.USAGE
    assert "not empty" in capsys.readouterr().err


def test_predict_writes_plain_text_of_a_task_that_has_it(
    toy_run: zoo.Run, points: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def records(task: object, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[Any]:
        yield from ({"said": f"point\n{row}"} for row in range(len(batch["point"])))

    target = points.with_name("said.de")
    arguments = ["predict", str(toy_run.path), str(points)]
    for further, message in (["--text"], "are no text"), (["-o", str(target)], "as .de"):
        assert main([*arguments, *further]) == ExitCode.USAGE
        assert message in capsys.readouterr().err
    monkeypatch.setattr(toy.Classify, "plain_text", "said")
    monkeypatch.setattr(toy.Classify, "records", records)
    assert main([*arguments, "--text"]) == ExitCode.OK
    lines = capsys.readouterr().out
    assert lines == "".join(f"point {row}\n" for row in range(16))
    assert main([*arguments, "-o", str(target)]) == ExitCode.OK
    assert target.read_text() == lines
    assert main([*arguments, "-o", str(target.with_suffix(""))]) == ExitCode.OK
    assert (target.with_suffix("") / "predictions.txt").read_text() == lines


def test_the_settings_of_the_dataset_can_be_changed(
    toy_run: zoo.Run, points: Path, capsys: Capture
) -> None:
    arguments = ["predict", str(toy_run.path), str(points)]
    assert main([*arguments, "--set", "data.count=5"]) == ExitCode.OK
    assert main([*arguments, "--set", "data.cuont=5"]) == ExitCode.USAGE
    assert "'data.count'" in capsys.readouterr().err


def test_report_prints_its_path(toy_run: zoo.Run, capsys: Capture) -> None:
    assert main(["report", str(toy_run.path)]) == ExitCode.OK
    assert capsys.readouterr().out == f"{toy_run.report}\n"


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_without_a_model_is_refused(command: str, tmp_path: Path, capsys: Capture) -> None:
    assert main([command, str(tmp_path), "x"][: 2 + (command == "predict")]) == ExitCode.STORAGE
    assert "is not a bundle" in capsys.readouterr().err


# Output


def test_a_table_is_drawn_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    table = Table(("Name", "Status"), [("a [red]", "ok")], title="Things")
    Output().data([], table)
    assert capsys.readouterr().out == "Things\nName     Status\na [red]  ok\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Output().data([], table)
    assert "a [red]" in (drawn := capsys.readouterr().out)
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" in drawn


def test_json_has_no_words_for_what_is_not_finite(capsys: Capture) -> None:
    Output(json=True).data({"value": float("nan"), "path": Path("a/b")})
    assert written(capsys) == {"value": None, "path": "a/b"}


def fail_to_import() -> None:
    os.write(2, b"cannot open shared object\n")
    raise ImportError


def test_what_is_held_back_is_shown_if_an_import_fails(capfd: Capture) -> None:
    with hold_back_stderr():
        os.write(2, b"noise\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), hold_back_stderr():
        fail_to_import()
    assert capfd.readouterr().err == "cannot open shared object\n"


# As processes


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["doctor"], ["info", "fraud"]])
def test_looking_around_imports_no_heavy_library(arguments: list[str], home: Path) -> None:
    code = (
        "import sys; from zoo.cli import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert not (HEAVY | {"rich", "typer", "tensorboard"}) & set(done.stderr.split())


def test_exit_codes_reach_the_shell() -> None:
    assert process("list").returncode == 0
    assert process("lits").returncode == 2


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "zoo.cli", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as zoo_doctor:
        assert zoo_doctor.stdout is not None
        assert zoo_doctor.stderr is not None
        zoo_doctor.stdout.close()
        assert zoo_doctor.stderr.read() == b""
    assert zoo_doctor.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zoo.cli", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == ExitCode.STORAGE
    assert done.stderr.startswith("error: Cannot read or write")


def test_the_shell_is_told_what_could_come_next() -> None:
    assert "_ARGCOMPLETE" in process("completion", "bash").stdout
    line = "zoo tra"
    asked = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": "/dev/stdout",
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    assert process(env=asked).stdout.split() == ["train"]


def test_every_exit_code_is_documented() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "cli.md").read_text()
    assert [code.name for code in ExitCode if f"| {code.value} | `{code.name}` |" not in text] == []
