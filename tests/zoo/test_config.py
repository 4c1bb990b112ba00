"""Settings: what is read from where, what is refused and in which words."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, strategies as st

from zoo.components import setting
from zoo.config import (
    assignments,
    describe,
    dump,
    from_environment,
    from_file,
    from_options,
    from_settings,
    parse,
    parse_text,
    resolve,
    to_toml,
)
from zoo.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: str = setting("all", "Name in logs.")
    epochs: float = setting(10.0, "Passes over the data.", minimum=0)
    learning_rate: float | None = setting(None, "Peak learning rate.", minimum=0)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    kind: Literal["adam", "sgd"] = setting("adam", "Update rule.")
    decay: float | None = setting(0.1, "Weight decay.", minimum=0, maximum=1)


@dataclass(frozen=True, kw_only=True)
class Train:
    batch_size: int = setting(32, "Examples in a step.", minimum=1)
    learning_rate: float = setting(1e-3, "Peak learning rate.", minimum=0)
    ema: float | None = setting(None, "Momentum of the average.")
    shuffle: bool = setting(True, "Draw examples in a new order each epoch.")
    precision: Literal["auto", "float32", 16] = setting("auto", "Compute type.")
    optimizer: Optimizer = setting(Optimizer(decay=0.2), "How weights are updated.")
    stages: tuple[Stage, ...] = setting((Stage(), Stage(name="head")), "In order.")

    def build(self) -> keras.Model:
        """A method may name types that are imported for type checkers alone."""


@dataclass(frozen=True, kw_only=True)
class Data:
    path: Path = setting(Path("data"), "Where the files are.")
    time: str = setting("time", "Column of times.")
    cache: Path | None = setting(None, "Folder for derived files.")
    columns: tuple[str, ...] = setting(("amount",), "Columns to read.")
    limits: tuple[int, ...] = setting((), "Largest counts.", minimum=0)
    bounds: tuple[float, float] = setting((0.0, 1.0), "Smallest and largest value.")
    types: dict[str, str] = setting({"card": "int"}, "Types of columns.")
    costs: Mapping[str, float] = setting({}, "Cost of each class.", minimum=0)
    rows: int | Literal["all"] = setting("all", "Rows to read.", minimum=1)


SECTIONS = {"train": Train, "data": Data, "seed": int, "recipe": str | None}
BASE = from_settings({"seed": 0}, "default")


def set_options(*options: str) -> Any:
    return resolve(SECTIONS, [BASE, from_options(options)])


def refusal(*options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        set_options(*options)
    return str(caught.value)


# parse


def test_what_is_not_given_keeps_its_default():
    assert parse(Train, {}, where="a.toml") == Train()
    assert parse(Train, {"batch_size": 8}, where="a.toml") == Train(batch_size=8)


def test_values_become_what_the_fields_declare():
    values = {
        "path": "x/y",
        "columns": ["a", "b"],
        "limits": [1, 2],
        "bounds": [0, 3],
        "costs": {"fraud": 5},
        "rows": 10,
    }
    data = parse(Data, values, where="a.toml")
    assert data == Data(
        path=Path("x/y"),
        columns=("a", "b"),
        limits=(1, 2),
        bounds=(0.0, 3.0),
        costs={"fraud": 5.0},
        rows=10,
    )
    assert isinstance(data.bounds[1], float)


def test_a_group_changes_only_what_it_names():
    train = parse(Train, {"optimizer": {"kind": "sgd"}}, where="a.toml")
    assert train.optimizer == Optimizer(kind="sgd", decay=0.2)


def test_python_values_are_taken_as_they_are():
    stages = (Stage(epochs=1), Stage(epochs=2))
    assert parse(Train, {"stages": stages, "ema": None}, where="call").stages == stages
    assert parse(Data, {"path": Path("x")}, where="call").path == Path("x")


@pytest.mark.parametrize(
    ("cls", "name", "value", "expected"),
    [
        (Train, "batch_size", True, "whole number of at least 1"),
        (Train, "batch_size", 2.0, "whole number of at least 1"),
        (Train, "batch_size", "8", "whole number of at least 1"),
        (Train, "batch_size", 0, "whole number of at least 1"),
        (Train, "learning_rate", -1.0, "number of at least 0"),
        (Train, "learning_rate", float("nan"), "number of at least 0"),
        (Train, "learning_rate", float("inf"), "number of at least 0"),
        (Train, "learning_rate", 10**400, "number of at least 0"),
        (Train, "ema", "high", "number or none"),
        (Train, "shuffle", 1, "true or false"),
        (Train, "precision", "float64", "one of auto, float32, 16"),
        (Train, "precision", True, "one of auto, float32, 16"),
        (Train, "optimizer", 3, "table"),
        (Train, "stages", "all", "list, each table"),
        (Data, "time", 1.5, "text"),
        (Data, "time", None, "text"),
        (Data, "columns", "amount", "list, each text"),
        (Data, "bounds", [1.0], "list of number, number"),
        (Data, "types", ["a"], "table, each text"),
    ],
)
def test_a_misfit_names_setting_value_source_and_what_fits(cls, name, value, expected):
    with pytest.raises(ConfigError) as caught:
        parse(cls, {name: value}, where="my.toml")
    message = caught.value.message
    assert message.startswith(f"{name} = ")
    assert "(from my.toml)" in message
    assert message.endswith(f": expected {expected}.")


def test_limits_hold_for_each_number_inside():
    with pytest.raises(ConfigError, match=r"limits\.1 = -2 .*of at least 0"):
        parse(Data, {"limits": [1, -2]}, where="my.toml")
    with pytest.raises(ConfigError, match=r"costs\.fraud = -1 .*of at least 0"):
        parse(Data, {"costs": {"fraud": -1}}, where="my.toml")
    with pytest.raises(ConfigError, match=r"optimizer\.decay = 2 .*from 0 to 1"):
        parse(Train, {"optimizer": {"decay": 2}}, where="my.toml")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'batchsize' \(from my.toml\)") as caught:
        parse(Train, {"batchsize": 3}, where="my.toml")
    assert "Did you mean 'batch_size'?" in caught.value.hint
    with pytest.raises(ConfigError, match=r"stages\.1\.epocs") as caught:
        parse(Train, {"stages": [{}, {"epocs": 3}]}, where="my.toml")
    assert "'stages.1.epochs'" in caught.value.hint


def test_a_check_of_the_group_itself_is_a_config_error():
    with pytest.raises(ConfigError, match="low is above high"):
        parse(Ordered, {"low": 3, "high": 2}, where="my.toml")


def test_a_setting_without_default_must_be_given():
    with pytest.raises(ConfigError, match="high is not set") as caught:
        parse(Ordered, {"low": 3}, where="my.toml")
    assert "--set high=VALUE" in caught.value.hint
    assert parse(Ordered, {"low": 1, "high": 2}, where="my.toml").other is None


@dataclass(frozen=True, kw_only=True)
class Ordered:
    low: int
    high: int
    other: int | None

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


# text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("1e-4", 1e-4),
        ("-3", -3),
        ("[1, 2]", [1, 2]),
        ('"x"', "x"),
        ("{a = 1}", {"a": 1}),
        ("2018-04-01", datetime.date(2018, 4, 1)),
        ("adamw", "adamw"),
        ("True", "True"),
        ("007", "007"),
        ("", ""),
        ("a=b", "a=b"),
        ("1\nother = 2", "1\nother = 2"),
        ("1\n[other]", "1\n[other]"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_text_is_read_as_toml_or_kept(text, value):
    assert parse_text(text) == value
    assert type(parse_text(text)) is type(value)


def test_options_are_split_at_the_first_equals_sign():
    assert assignments(["a.b=1e-4", "c = x=y "]) == [("a.b", "1e-4"), ("c", "x=y")]


@pytest.mark.parametrize("option", ["train.batch_size", "=3", ""])
def test_an_option_that_sets_nothing_is_refused(option):
    with pytest.raises(ConfigError, match="expected name=value"):
        assignments([option])


@pytest.mark.parametrize(
    "typed", ["2018", "1.10", "1e5", "true", "007", "2018-04-01", "[a]", "a b", "0x1F"]
)
def test_typed_text_keeps_every_character(typed):
    settings = set_options(f"data.time={typed}", f"data.path={typed}")
    assert settings["data"].time == typed
    assert settings["data"].path == Path(typed)


def test_quotes_around_typed_text_are_dropped():
    assert set_options('data.time="a b"')["data"].time == "a b"


def test_a_file_may_give_a_year_or_a_date_for_text():
    assert parse(Data, {"time": 2018}, where="a.toml").time == "2018"
    assert parse(Data, tomllib.loads("time = 2018-04-01"), where="a.toml").time == "2018-04-01"


def test_typed_values_of_each_kind():
    settings = set_options(
        "train.batch_size=64",
        "train.learning_rate=1",
        "train.shuffle=false",
        "train.precision=16",
        "train.ema=0.99",
        'data.columns=["a", "b"]',
        "data.types={card = 'str'}",
        "data.rows=5",
        "recipe=fraud/finetune",
    )
    train, data = settings["train"], settings["data"]
    assert (train.batch_size, train.learning_rate, train.shuffle) == (64, 1.0, False)
    assert (train.precision, train.ema, data.columns) == (16, 0.99, ("a", "b"))
    assert (data.types, data.rows, settings["recipe"]) == ({"card": "str"}, 5, "fraud/finetune")


def test_none_empties_what_may_be_empty_and_nothing_else():
    settings = set_options("train.optimizer.decay=none", "data.time=none", "recipe=None")
    assert settings["train"].optimizer.decay is None
    assert settings["data"].time == "none"
    assert settings["recipe"] is None
    assert "train.batch_size = none" in refusal("train.batch_size=none")


def test_a_misfit_shows_what_was_typed():
    assert "train.learning_rate = 1e-4x (from --set): expected number" in refusal(
        "train.learning_rate=1e-4x"
    )
    assert "train.batch_size = '' (from --set)" in refusal("train.batch_size=")


def test_a_choice_is_refused_with_the_nearest():
    message = refusal("train.optimizer.kind=adma")
    assert "one of adam, sgd" in message
    assert "Did you mean 'adam'?" in message


def test_a_list_without_quotes_is_refused_with_an_example():
    assert 'Write a list as ["a", "b"]' in refusal("data.columns=[a, b]")


# layers


def test_later_layers_win_and_each_value_knows_its_origin(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 3\n[train]\nbatch_size = 2\nlearning_rate = 2\n[data]\ntime = 't'\n")
    environ = {"ZOO_SET_train__learning_rate": "3", "ZOO_SET_data__path": "p", "HOME": "/"}
    settings = resolve(
        SECTIONS,
        [
            BASE,
            from_settings({"train.batch_size": 1, "train": {"ema": 0.5}}, "recipe fraud/x"),
            from_file(file),
            from_environment(environ),
            from_options(["data.path=q"]),
        ],
    )
    train, data = settings["train"], settings["data"]
    assert (train.ema, train.batch_size, train.learning_rate) == (0.5, 2, 3.0)
    assert (data.time, data.path, settings["seed"], settings["recipe"]) == ("t", Path("q"), 3, None)
    assert settings.origin("train.ema") == "recipe fraud/x"
    assert settings.origin("train.batch_size") == str(file)
    assert settings.origin("train.learning_rate").endswith("ZOO_SET_train__learning_rate")
    assert settings.origin("data.path") == "--set"
    assert settings.origin("train.shuffle") == "default"


def test_later_options_win():
    assert set_options("train.batch_size=2", "train.batch_size=3")["train"].batch_size == 3


def test_a_dotted_name_reaches_into_lists_dicts_and_groups():
    settings = set_options(
        "train.stages.1.learning_rate=1e-3",
        "train.stages.2={name = 'tail', epochs = 3}",
        "train.optimizer.kind=sgd",
        "data.types.amount=float",
        "data.columns.0=cost",
        "data.bounds.1=2",
    )
    assert settings["train"].stages == (
        Stage(),
        Stage(name="head", learning_rate=1e-3),
        Stage(name="tail", epochs=3.0),
    )
    assert settings["train"].optimizer == Optimizer(kind="sgd", decay=0.2)
    assert settings["data"].types == {"card": "int", "amount": "float"}
    assert settings["data"].columns == ("cost",)
    assert settings["data"].bounds == (0.0, 2.0)
    assert settings.origin("train.stages.1.learning_rate") == "--set"
    assert settings.origin("train.stages.1.epochs") == "default"


def test_a_list_or_dict_given_whole_replaces_the_one_below():
    layers = [
        BASE,
        from_settings({"train.stages.0.epochs": 5}, "recipe"),
        from_settings({"train": {"stages": [{"name": "one"}]}, "data": {"types": {}}}, "file"),
        from_options(["train.stages.0.learning_rate=1"]),
    ]
    settings = resolve(SECTIONS, layers)
    assert settings["train"].stages == (Stage(name="one", learning_rate=1.0),)
    assert settings["data"].types == {}
    assert settings.origin("train.stages.0.epochs") == "file"
    assert settings.origin("train.stages.0.learning_rate") == "--set"


def test_items_are_added_one_after_the_other():
    message = refusal("train.stages.3.epochs=1")
    assert "'train.stages.3.epochs'" in message
    assert "2 items" in message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("train.lerning_rate", "Did you mean 'train.learning_rate'?"),
        ("learning_rate", "'train.learning_rate'"),
        ("data.batch_size", "'train.batch_size'"),
        ("train.stages.1.epocs", "Did you mean 'train.stages.1.epochs'?"),
        ("trian.momentum", "'train'"),
        ("trian", "'train'"),
        ("train.momentum", "Known: batch_size, ema"),
        ("x", "Known: data, recipe, seed, train."),
        ("train.batch_size.x", "Did you mean"),
        ("train.stages.first.epochs", "'train.stages.0.epochs'"),
        ("data.bounds.2", "Did you mean"),
        ("", "Known: "),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_of_all(name, nearest):
    with pytest.raises(ConfigError) as caught:
        resolve(SECTIONS, [BASE, [*from_settings({name: 1}, "--set")]])
    assert f"There is no setting {name!r} (from --set)." == caught.value.message
    assert nearest in caught.value.hint


def test_a_wrong_value_names_the_layer_it_came_from(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[train]\nstages = [{epochs = -1}]\n")
    with pytest.raises(ConfigError, match=r"train\.stages\.0\.epochs = -1 \(from .*mine\.toml\)"):
        resolve(SECTIONS, [BASE, from_file(file)])
    with pytest.raises(ConfigError, match="from environment variable ZOO_SET_train__batch_size"):
        resolve(SECTIONS, [BASE, from_environment({"ZOO_SET_train__batch_size": "many"})])


def test_a_top_level_value_without_default_must_be_given():
    with pytest.raises(ConfigError, match="seed is not set"):
        resolve(SECTIONS, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed = 1\n[train\n", "line 2"),
        (b"seed = 1\nseed = 2\n", "line 2"),
        (b"seed = 1\nname = '\xff'\n", "line 2: the settings file is not UTF-8"),
    ],
)
def test_a_malformed_file_is_named_with_the_line(tmp_path, content, message):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        from_file(file)
    assert str(file) in caught.value.message
    assert message in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError, match="Cannot read the settings file") as caught:
            from_file(path)
        assert str(path) in caught.value.message


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 1\n", encoding="utf-8-sig")
    assert [(name, value) for name, value, _ in from_file(file)] == [("seed", 1)]


# writing

texts = st.text(st.characters(codec="utf-8"), max_size=12)
optional_texts = texts.filter(lambda text: text.lower() != "none") | st.none()
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, max_value=1e300)
paths = texts.map(Path)


@dataclass(frozen=True, kw_only=True)
class Everything:
    switch: bool = setting(False, "A switch.")
    whole: int = setting(1, "A whole number.")
    number: float = setting(0.5, "A number.")
    text: str = setting("", "A text.")
    path: Path = setting(Path("x"), "A path.")
    choice: Literal["a", "b", 3] = setting("a", "A choice.")
    empty: str | None = setting("full", "Full by default.")
    optional: int | None = setting(None, "Empty by default.")
    texts: tuple[str, ...] = setting((), "Texts.")
    holes: tuple[int | None, ...] = setting((), "Whole numbers and none.")
    nested: tuple[tuple[int, ...], ...] = setting((), "Lists of lists.")
    table: dict[str, float | None] = setting({"x": 1.0}, "Numbers by name.")
    tables: dict[str, tuple[str, ...]] = setting({}, "Texts by name.")
    optimizer: Optimizer = setting(Optimizer(decay=None), "A group.")
    maybe: Optimizer | None = setting(None, "A group or none.")
    stages: tuple[Stage, ...] = setting((Stage(),), "Groups.")


optimizers = st.builds(
    Optimizer,
    kind=st.sampled_from(["adam", "sgd"]),
    decay=st.none() | st.floats(min_value=0, max_value=1),
)
stages = st.builds(Stage, name=texts, epochs=positive, learning_rate=st.none() | positive)
everything = st.builds(
    Everything,
    switch=st.booleans(),
    whole=st.integers(),
    number=numbers,
    text=texts,
    path=paths,
    choice=st.sampled_from(["a", "b", 3]),
    empty=optional_texts,
    optional=st.none() | st.integers(),
    texts=st.lists(texts, max_size=3).map(tuple),
    holes=st.lists(st.none() | st.integers(), max_size=3).map(tuple),
    nested=st.lists(st.lists(st.integers(), max_size=2).map(tuple), max_size=2).map(tuple),
    table=st.dictionaries(texts, st.none() | numbers, max_size=3),
    tables=st.dictionaries(texts, st.lists(texts, max_size=2).map(tuple), max_size=2),
    optimizer=optimizers,
    maybe=st.none() | optimizers,
    stages=st.lists(stages, max_size=3).map(tuple),
)
HELP = {row.name: row.help for row in describe(Everything)}


@given(everything)
def test_what_is_saved_reads_back_equal(settings):
    saved = dump(settings)
    read = tomllib.loads(to_toml(saved, HELP))
    assert read == saved
    assert parse(Everything, read, where="config.toml") == settings
    assert parse(Everything, json.loads(json.dumps(saved)), where="config.json") == settings


@given(everything)
def test_a_saved_file_is_a_layer_that_restores_everything(settings):
    saved = tomllib.loads(to_toml({"all": dump(settings)}))
    resolved = resolve({"all": Everything}, [from_settings(saved, "config.toml")])
    assert resolved["all"] == settings


def test_what_is_none_by_default_is_left_out():
    assert "ema" not in dump(Train())
    assert dump(Train(optimizer=Optimizer(decay=None)))["optimizer"]["decay"] == "none"


def test_a_resolved_config_is_written_with_comments():
    settings = set_options("train.batch_size=8", "recipe=fraud/x")
    text = to_toml(settings.dump(), settings.origins)
    assert "# --set\nbatch_size = 8\n" in text
    layers = [from_settings(tomllib.loads(text), "config.toml")]
    assert resolve(SECTIONS, layers).values == settings.values


def test_settings_are_described_in_order():
    rows = describe(Train, "train")
    assert rows[0] == ("train.batch_size", "whole number of at least 1", 32, "Examples in a step.")
    described = {row.name: row for row in rows}
    assert described["train.ema"].type == "number or none"
    assert described["train.precision"].type == "one of auto, float32, 16"
    assert described["train.optimizer.decay"].type == "number from 0 to 1 or none"
    assert described["train.optimizer.decay"].default == 0.2
    assert described["train.stages"].type == "list, each table"
    assert described["train.stages.0.epochs"].default == 10.0
    assert "train.optimizer" not in described
    assert {row.name: row.type for row in describe(Data)}["rows"] == (
        "whole number of at least 1 or one of all"
    )


def test_a_plain_field_is_a_setting_without_help():
    @dataclass(frozen=True)
    class Plain:
        items: list[int] = field(default_factory=list)

    assert describe(Plain) == [("items", "list, each whole number", [], "")]
    assert parse(Plain, {"items": [1]}, where="call").items == [1]


def test_reading_settings_loads_no_heavy_library():
    code = (
        "import sys, zoo.config, zoo.storage\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'rich', 'tomlkit'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
