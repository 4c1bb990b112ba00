from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import ConfigError
from zoo.settings import (
    PluginSettings,
    cache_folder,
    config_path,
    home,
    offline,
    plugin_settings,
    plugin_timeout,
    set_plugin_enabled,
    user_config,
)


@pytest.fixture(autouse=True)
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ZOO_CONFIG", "ZOO_PLUGINS", "ZOO_PLUGIN_TIMEOUT", "ZOO_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    return tmp_path / "config.toml"


def disabled(settings: PluginSettings, *names: str) -> list[str]:
    return [name for name in names if settings.why_disabled(name)]


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == tmp_path
    assert cache_folder() == tmp_path / "cache"
    assert config_path() == tmp_path / "config.toml"
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "other.toml"))
    assert config_path() == tmp_path / "other.toml"
    monkeypatch.delenv("ZOO_HOME")
    assert home() == Path.home() / ".zoo"


@pytest.mark.parametrize(("given", "expected"), [("1", True), ("TRUE", True), ("0", False)])
def test_offline(given: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline() is False
    monkeypatch.setenv("ZOO_OFFLINE", given)
    assert offline() is expected


def test_offline_typo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "perhaps")
    with pytest.raises(ConfigError, match="ZOO_OFFLINE is 'perhaps'"):
        offline()


def test_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plugin_timeout() == 10
    monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", "0.5")
    assert plugin_timeout() == 0.5
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", wrong)
        with pytest.raises(ConfigError, match="ZOO_PLUGIN_TIMEOUT"):
            plugin_timeout()


def test_everything_is_loaded_without_settings() -> None:
    assert user_config() == {}
    assert plugin_settings() == PluginSettings(allowed_by=str(config_path()))
    assert disabled(plugin_settings(), "fraud", "ocr") == []


def test_file(config_file: Path) -> None:
    config_file.write_text(
        '[plugins]\nallow = ["fraud", "ocr"]\ndisable = ["ocr"]\nuse = {ocr = "acme-ocr"}\n'
    )
    settings = plugin_settings()
    assert disabled(settings, "fraud", "ocr", "vision") == ["ocr", "vision"]
    assert settings.use == {"ocr": "acme-ocr"}
    reason, remedy = settings.why_disabled("ocr") or ("", "")
    assert str(config_file) in reason
    assert remedy == "zoo plugins enable ocr"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("fraud,vision", ["ocr", "speech"]),
        ("-speech", ["ocr", "speech"]),
        ("ocr", ["fraud", "speech", "vision"]),
        ("ocr@acme-ocr", []),
        ("fraud, ocr@acme-ocr", ["speech", "vision"]),
        ("none", ["fraud", "ocr", "speech", "vision"]),
        ("", ["ocr"]),
    ],
)
def test_environment_is_over_the_file(
    given: str, expected: list[str], config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text('[plugins]\ndisable = ["ocr"]\n')
    monkeypatch.setenv("ZOO_PLUGINS", given)
    assert disabled(plugin_settings(), "fraud", "ocr", "speech", "vision") == expected


def test_environment_chooses_a_distribution(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text('[plugins]\nallow = ["fraud"]\nuse = {ocr = "a", chess = "b"}\n')
    monkeypatch.setenv("ZOO_PLUGINS", "ocr@acme-ocr")
    settings = plugin_settings()
    assert settings.use == {"ocr": "acme-ocr", "chess": "b"}
    assert disabled(settings, "fraud", "ocr", "vision") == ["vision"]


def test_reason_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "fraud,-ocr")
    settings = plugin_settings()
    assert settings.why_disabled("ocr") == (
        "It is disabled by ZOO_PLUGINS.",
        "Change or drop ZOO_PLUGINS.",
    )
    assert settings.why_disabled("vision") == (
        "ZOO_PLUGINS allows only fraud.",
        "Change or drop ZOO_PLUGINS.",
    )


@pytest.mark.parametrize("given", ["ocr@", "-ocr@acme", "Fraud", "fraud,,vision", "-"])
def test_malformed_variable(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", given)
    with pytest.raises(ConfigError, match="ZOO_PLUGINS"):
        plugin_settings()


def test_no_plugins_works_with_a_malformed_file(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text("[plugins")
    monkeypatch.setenv("ZOO_PLUGINS", "none")
    assert disabled(plugin_settings(), "fraud") == ["fraud"]


def test_malformed_file_is_named_with_the_line(config_file: Path) -> None:
    config_file.write_text("[plugins]\n\nallow = fraud\n")
    with pytest.raises(ConfigError, match=r"config\.toml .*line 3") as raised:
        plugin_settings()
    assert str(config_file) in raised.value.message
    with pytest.raises(ConfigError, match="line 3"):
        set_plugin_enabled("fraud", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plugins = 3\n", "plugins is 3"),
        ('[plugins]\nallow = "fraud"\n', "plugins.allow is 'fraud'"),
        ("[plugins]\ndisable = [1]\n", "plugins.disable: 1"),
        ('[plugins]\nuse = ["ocr"]\n', "plugins.use is"),
        ('[plugins]\nuse = {"Not A Name" = "x"}\n', "'Not A Name'"),
        ("[plugins]\ndisabel = []\n", "plugins.disabel is not a setting"),
    ],
)
def test_values_that_do_not_fit(text: str, expected: str, config_file: Path) -> None:
    config_file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        plugin_settings()
    assert expected in raised.value.message
    assert str(config_file) in raised.value.message


def test_file_that_is_not_text(config_file: Path) -> None:
    config_file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        plugin_settings()


def test_named_file_has_to_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigError, match=r"absent\.toml, which does not exist"):
        plugin_settings()


def test_disable_and_enable_keep_comments(config_file: Path) -> None:
    text = (
        "# my settings\n"
        '[recipes."fraud/finetune"]\n'
        "seed = 1  # lucky\n"
        "\n"
        "[plugins]\n"
        "disable = [\n"
        '    "speech",  # no microphone\n'
        "]\n"
    )
    config_file.write_text(text)
    assert set_plugin_enabled("vision", False) == config_file
    assert disabled(plugin_settings(), "vision", "speech") == ["vision", "speech"]
    assert "# no microphone" in config_file.read_text()
    set_plugin_enabled("vision", True)
    assert disabled(plugin_settings(), "vision", "speech") == ["speech"]
    kept = config_file.read_text()
    assert "# my settings" in kept
    assert "seed = 1  # lucky" in kept
    assert [path.name for path in config_file.parent.iterdir()] == ["config.toml"]


def test_disable_makes_the_file(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(config_file.parent / "new"))
    written = set_plugin_enabled("fraud", False)
    set_plugin_enabled("fraud", False)
    assert user_config() == {"plugins": {"disable": ["fraud"]}}
    assert written == config_path()


def test_enable_adds_to_what_is_allowed(config_file: Path) -> None:
    config_file.write_text('plugins = {allow = ["fraud"], disable = ["ocr"]}\n')
    set_plugin_enabled("ocr", True)
    assert disabled(plugin_settings(), "fraud", "ocr", "vision") == ["vision"]


def test_settings_reached_through_a_link_stay_a_link(config_file: Path) -> None:
    real = config_file.with_name("dotfiles.toml")
    real.write_text("# mine\n")
    config_file.symlink_to(real)
    set_plugin_enabled("fraud", False)
    assert config_file.is_symlink()
    assert "fraud" in real.read_text()


def test_name_has_to_be_a_plugin_name() -> None:
    with pytest.raises(ConfigError, match="'Fraud!' is not a plugin name"):
        set_plugin_enabled("Fraud!", False)
