from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.requirements import Installed, install_command

Install = Callable[..., Path]


def problems(distribution: str, extra: str = "") -> list[str]:
    return [str(problem) for problem in Installed().problems(distribution, extra)]


def test_nothing_is_missing(install_distribution: Install) -> None:
    install_distribution("dep", version="2.0")
    install_distribution("acme", requires=["dep>=1.5,<3"], extras={"ocr": ["dep>=2"]})
    assert problems("acme", "ocr") == []


def test_missing_and_out_of_range(install_distribution: Install) -> None:
    install_distribution("old-dep", version="1.4.2")
    install_distribution("new-dep", version="3.0")
    install_distribution("acme", requires=["absent", "old.dep>=1.5", "new_dep>=1,<3"])
    assert problems("acme") == [
        "absent is not installed",
        "new-dep>=1,<3 is required but 3.0 is installed",
        "old-dep>=1.5 is required but 1.4.2 is installed",
    ]


def test_only_the_extra_of_the_plugin_counts(install_distribution: Install) -> None:
    extras = {"my-ocr": ["absent-a"], "chess": ["absent-b"]}
    install_distribution("acme", requires=["absent-c"], extras=extras)
    assert problems("acme", "my_ocr") == [
        "absent-a is not installed",
        "absent-c is not installed",
    ]
    assert problems("acme", "no-such-extra") == ["absent-c is not installed"]


def test_markers(install_distribution: Install) -> None:
    install_distribution(
        "acme",
        requires=[
            f'absent-here; sys_platform == "{sys.platform}"',
            'absent-elsewhere; sys_platform == "plan9"',
            f'absent-extra; extra == "ocr" and sys_platform == "{sys.platform}"',
            'absent-old; python_version < "3" and extra == "ocr"',
        ],
    )
    assert problems("acme", "ocr") == [
        "absent-extra is not installed",
        "absent-here is not installed",
    ]


def test_extras_within_extras(install_distribution: Install) -> None:
    install_distribution(
        "acme",
        extras={"ocr": ["acme[pdf]"], "pdf": ["acme[ocr]", "other[fast]>=1", "absent-a"]},
    )
    install_distribution("other", extras={"fast": ["absent-b"], "slow": ["absent-c"]})
    assert problems("acme", "ocr") == [
        "absent-a is not installed",
        "absent-b is not installed",
    ]


@pytest.mark.parametrize(
    ("version", "requirement", "met"),
    [
        ("2.0", "dep>=2", True),
        ("2", "dep>=2.0.0", True),
        ("2.10", "dep>=2.9", True),
        ("2.9", "dep>2.9", False),
        ("2.0rc1", "dep>=2.0", False),
        ("2.1.dev3", "dep>=2.0", True),
        ("2.0.post1", "dep>=2.0", True),
        ("1.4.5", "dep~=1.4.2", True),
        ("1.5", "dep~=1.4.2", False),
        ("1.5", "dep!=1.5", False),
        ("1.6", "dep!=1.5", True),
        ("1.5.0", "dep==1.5", True),
        ("1.5.1", "dep==1.5.*", True),
        ("1.5", "dep (>=1.0)", True),
        ("1.5", "dep @ https://example.org/dep.whl", True),
        ("nonsense", "dep>=1", False),
    ],
)
def test_versions(version: str, requirement: str, met: bool, install_distribution: Install) -> None:
    install_distribution("dep", version=version)
    install_distribution("acme", requires=[requirement])
    assert (problems("acme") == []) is met


def test_requirements_of_an_egg_info_folder(plugin_site: Path) -> None:
    folder = plugin_site / "acme.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.2\nName: acme\nVersion: 1.0\n")
    (folder / "requires.txt").write_text("absent-a\n\n[ocr]\nabsent-b\n")
    assert problems("acme", "ocr") == ["absent-a is not installed", "absent-b is not installed"]


def test_unreadable_requirement(install_distribution: Install) -> None:
    install_distribution("dep")
    install_distribution("acme", requires=["dep >>> 3"])
    install_distribution("best", requires=["dep and more"])
    with pytest.raises(ValueError, match=">>>"):
        problems("acme")
    with pytest.raises(ValueError, match="'dep and more' is not a requirement"):
        problems("best")


def test_usual_requirements_do_not_import_packaging(
    install_distribution: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_distribution("dep", version="2.0")
    extras = {"ocr": ["dep<3,>=2.0", "acme[train]"], "train": ["dep"], "all": ["acme[ocr]"]}
    install_distribution("acme", requires=["dep>=1"], extras=extras)
    monkeypatch.setitem(sys.modules, "packaging.markers", None)
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    assert problems("acme", "ocr") == []


def test_install_command() -> None:
    assert install_command("keras-domain-zoo", "fraud") == 'pip install "keras-domain-zoo[fraud]"'
    assert install_command("zoo-ocr") == 'pip install "zoo-ocr"'
