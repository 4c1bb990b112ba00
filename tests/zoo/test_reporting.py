"""The report, the model card and the notebook summary of a run, and the charts in them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from zoo.components import Figure
from zoo.errors import StorageError
from zoo.reporting import card, charts, render, summary_html

NASTY = "<script>alert('x')</script> & | `tick` *star*"
DASH = "\N{EN DASH}"


class Page(HTMLParser):
    """Collects tags, addresses and text of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += " " + data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def write(run: Path, name: str, value: Any) -> None:
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def edit(run: Path, name: str, change: Callable[[Any], Any]) -> None:
    value = json.loads((run / name).read_text())
    change(value)
    write(run, name, value)


def estimate(value: float, margin: float) -> dict[str, float]:
    return {"value": value, "low": value - margin, "high": value + margin}


def epoch(stage: int, number: float, step: int, loss: float, score: float) -> str:
    event = {
        "event": "epoch",
        "stage": ["heads", "all"][stage],
        "stage_index": stage,
        "epoch": number,
        "step": step,
        "loss": loss,
        "validation": {"loss": loss + 0.01, "average_precision": score},
        "learning_rate": 0.001,
        "seconds": 2.0,
        "examples_per_second": 5000.0,
    }
    return json.dumps(event)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose model is clearly better than its baselines."""
    run = tmp_path / "digits-run"
    write(
        run,
        "run.json",
        {
            "recipe": "digits/finetune",
            "name": "digits-1",
            "status": "finished",
            "started": "2026-03-14T10:15:02+00:00",
            "finished": "2026-03-14T10:19:40+00:00",
            "seed": 7,
            "seconds": {"data": 4.2, "training": 151.0, "evaluation": 33.0},
            "device": {"kind": "single", "device": "CPU", "xla": "off", "why": ""},
            "components": {"model": "digits/net"},
            "weights": "none",
            "command": "zoo train digits --data digits.csv",
            "notice": "For research only.",
            "plugin": {"name": "digits", "distribution": "zoo-digits", "version": "1.2"},
            "parameters": 412345,
            "summary": "Reads digits.",
            "monitor": "average_precision",
        },
    )
    write(run, "config.toml", "[train]\nbatch_size = 256\n")
    write(
        run,
        "lock.json",
        {
            "python": "3.11.9",
            "platform": "Linux",
            "packages": {"keras": "3.15.1", "zoo-digits": "1.2"},
            "git": "0d3fbc61c2",
            "data_fingerprint": "b3f1d2a4c5",
            "seed": 7,
        },
    )
    write(
        run,
        "data.json",
        {
            "name": "digits.csv",
            "source": "digits.csv",
            "fingerprint": "b3f1d2a4c5",
            "counts": {"train": 8000, "validation": 1000, "test": 1000},
            "classes": {"train": {"one": 7900, "two": 100}, "test": {"one": 988, "two": 12}},
            "facts": {"writers": 43, "pen_widths": [1, 2]},
            "findings": [
                {
                    "level": "warning",
                    "code": "shared-writers",
                    "message": "12 writers are in two splits.",
                    "where": "splits train and test",
                    "hint": "Split by writer.",
                },
                {
                    "level": "note",
                    "code": "constant",
                    "message": "Column ink is constant.",
                    "where": "",
                    "hint": "",
                },
            ],
        },
    )
    events = [
        json.dumps({"event": "stage", "stage": "heads", "stage_index": 0}),
        epoch(0, 1, 10, 0.9, 0.3),
        epoch(0, 2, 20, 0.7, 0.5),
        epoch(1, 0.5, 30, 0.4, 0.67),
        epoch(1, 1.5, 40, 0.3, 0.66),
    ]
    write(run, "metrics.jsonl", "\n".join(events) + "\n")
    write(
        run,
        "evaluation.json",
        {
            "split": "test",
            "examples": 1000,
            "units": 43,
            "bootstrap": {"samples": 500, "level": 0.95},
            "metrics": [
                {"name": "average_precision", "title": "Average precision"},
                {"name": "cost", "title": "Cost a day", "higher_is_better": False},
            ],
            "systems": [
                {
                    "name": "digits/net",
                    "kind": "model",
                    "values": {
                        "average_precision": estimate(0.681, 0.02),
                        "cost": estimate(1200, 50),
                    },
                },
                {
                    "name": "Trees",
                    "kind": "baseline",
                    "values": {
                        "average_precision": estimate(0.601, 0.02),
                        "cost": estimate(1100, 50),
                    },
                    "lead": {"average_precision": estimate(0.08, 0.03)},
                },
                {
                    "name": "Always one",
                    "kind": "baseline",
                    "values": {
                        "average_precision": estimate(0.1, 0.01),
                        "cost": estimate(9000, 50),
                    },
                },
            ],
            "decision": {"threshold": 0.37, "temperature": 1.32},
            "calibration": {"before": 0.0131, "after": 0.0042},
            "seeds": None,
            "by_split": {"validation": {"average_precision": estimate(0.7, 0.03)}},
        },
    )
    curve = charts.line_chart("Ink", "How much.", {"ink": ([0, 1], [0, 1])})
    write(run, "figures/ink.html", curve.html)
    write(run, "figures/index.json", [{"title": "Ink", "caption": "Much.", "file": "ink.html"}])
    (run / "bundle").mkdir()
    return run


def page(run: Path) -> Page:
    return Page(render(run).read_text(encoding="utf-8"))


def set_estimates(run: Path, ours: Any, trees: Any, lead: Any = None) -> None:
    def change(evaluation: dict[str, Any]) -> None:
        evaluation["systems"][0]["values"]["average_precision"] = ours
        evaluation["systems"][1]["values"]["average_precision"] = trees
        evaluation["systems"][1]["lead"] = {"average_precision": lead}

    edit(run, "evaluation.json", change)


def assert_self_contained(html: str) -> None:
    found = Page(html)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "base"}
    loading = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}
    addresses = [value for name, value in found.attributes if name in loading]
    addresses += re.findall(r"url\(\s*['\"]?([^)'\"]*)", html)
    assert all(address.startswith(("#", "data:")) for address in addresses), addresses
    assert "@import" not in html
    assert not [name for name, _ in found.attributes if name.startswith("on")]


class TestReport:
    def test_is_one_file_that_loads_nothing_and_runs_nothing(self, run: Path) -> None:
        report = render(run)
        html = report.read_text(encoding="utf-8")
        assert report == run / "report.html"
        assert_self_contained(html)
        assert "default-src 'none'" in html

    def test_shows_all_that_the_run_holds(self, run: Path) -> None:
        expected = [
            "digits/finetune",
            "digits-1",
            "14 March 2026, 10:19 UTC",
            "For research only.",
            "0.681",
            "95% interval 0.661 to 0.701",
            "The model is 0.080 better than the best baseline, Trees (0.601); the 95% interval "
            "of the difference is 0.050 to 0.110.",
            "Always one",
            "500 bootstrap samples of 43 groups",
            "Threshold 0.37",
            "Before 0.0131 After 0.0042",
            "0.700 (0.670 to 0.730)",
            "heads 2 20",
            "12 writers are in two splits.",
            "Split by writer.",
            "Column ink is constant.",
            "Pen widths 1, 2",
            "2 min 31 s",
            "5,000 examples per second",
            "412,345",
            "Strategy single",
            "XLA off",
            "Plugin digits from zoo-digits 1.2",
            "Initial weights none",
            "batch_size = 256",
            "zoo train digits --data digits.csv",
            "zoo train digits/finetune --config config.toml",
            "python -m pip install 'zoo-digits[digits]==1.2' keras==3.15.1",
            "b3f1d2a4c5",
            "0d3fbc61c2",
            "only 12 examples of class “two”",
            "Ink",
        ]
        words = page(run).words
        assert [content for content in expected if content not in words] == []

    def test_marks_the_best_of_each_metric_in_its_direction(self, run: Path) -> None:
        html = render(run).read_text(encoding="utf-8")
        best = [Page(cell).words for cell in re.findall(r'<td class="number best">.*?</td>', html)]
        assert best == [f"0.681 0.661 {DASH} 0.701", f"1,100 1,050 {DASH} 1,150"]

    def test_shows_the_spread_over_seeds(self, run: Path) -> None:
        seeds = [
            {"seed": n, "values": {"average_precision": v}} for n, v in enumerate([0.6, 0.7, 0.8])
        ]
        edit(run, "evaluation.json", lambda evaluation: evaluation.update(seeds=seeds))
        assert "Average precision 3 0.700 0.100 0.600 0.800" in page(run).words
        assert "another seed" not in page(run).words

    def test_an_epoch_repeated_after_a_resume_counts_once(self, run: Path) -> None:
        events = (run / "metrics.jsonl").read_text()
        write(run, "metrics.jsonl", events + epoch(1, 1.5, 40, 0.2, 0.69) + "\n")
        assert "all 1.5 40 0.001 0.2 0.21 0.690" in page(run).words

    def test_only_figures_beside_the_index_are_read(self, run: Path) -> None:
        write(run, "secret.html", "a secret")
        write(
            run,
            "figures/index.json",
            [{"title": "Ink", "caption": "", "file": "../secret.html"}],
        )
        assert "a secret" not in page(run).words

    def test_simulated_data_are_said_to_be(self, run: Path) -> None:
        edit(run, "data.json", lambda data: data.update(source="generator"))
        assert "The data were simulated." in page(run).words


class TestVerdict:
    @pytest.mark.parametrize(
        ("ours", "trees", "lead", "sentence"),
        [
            (
                0.681,
                0.671,
                estimate(0.01, 0.02),
                "The model is 0.010 better than the best baseline, Trees (0.671), but the 95% "
                "interval of the difference includes 0: it may be chance.",
            ),
            (
                0.601,
                0.701,
                estimate(-0.1, 0.02),
                "The baseline wins: Trees (0.701) is 0.100 better than the model; the 95% "
                "interval of the difference is 0.080 to 0.120.",
            ),
            (
                0.69,
                0.7,
                estimate(-0.01, 0.02),
                "The baseline wins: Trees (0.700) is 0.010 better than the model, but the 95% "
                "interval of the difference includes 0: it may be chance.",
            ),
            (
                0.70001,
                0.7,
                estimate(0.00001, 0.02),
                "The model is less than 0.001 better than the best baseline, Trees (0.700), but "
                "the 95% interval of the difference includes 0: it may be chance.",
            ),
            (0.7, 0.7, None, "The model only equals the best baseline, Trees (0.700)."),
            (
                0.8,
                0.7,
                {"value": 0.1, "low": math.nan, "high": None},
                "The model is 0.100 better than the best baseline, Trees (0.700); without an "
                "interval nobody can say whether that is chance.",
            ),
            (0.8, 0.7, None, "without an interval nobody can say whether that is chance."),
            (
                {"value": math.nan, "low": math.nan, "high": math.nan},
                0.7,
                None,
                "Average precision is undefined for the model on the test split",
            ),
            (
                0.7,
                {"value": None, "low": None, "high": None},
                None,
                "better than the best baseline, Always one (0.100)",
            ),
        ],
    )
    def test_says_honestly_how_the_model_stands(
        self, run: Path, ours: Any, trees: Any, lead: Any, sentence: str
    ) -> None:
        set_estimates(run, ours, trees, lead)
        assert sentence in " ".join(card(run).split())

    def test_is_the_same_everywhere(self, run: Path) -> None:
        set_estimates(run, estimate(0.601, 0.02), estimate(0.701, 0.02))
        assert "The baseline wins" in page(run).words
        assert "The baseline wins" in Page(summary_html(run)).words

    def test_follows_the_direction_of_the_metric(self, run: Path) -> None:
        edit(run, "run.json", lambda about: about.update(monitor="cost"))
        assert "The baseline wins: Trees (1,100) is 100 better than the model" in card(run)

    def test_without_baselines(self, run: Path) -> None:
        edit(run, "evaluation.json", lambda e: e.update(systems=e["systems"][:1]))
        assert "There is no baseline to compare with." in page(run).words

    def test_an_undefined_value_is_a_dash(self, run: Path) -> None:
        set_estimates(run, {"value": math.nan}, 0.5)
        words = page(run).words
        assert f"digits/net model {DASH} " in words
        assert "nan" not in words.lower().split()


class TestIncompleteRun:
    @pytest.mark.parametrize(
        "part",
        [
            "run.json",
            "config.toml",
            "lock.json",
            "data.json",
            "metrics.jsonl",
            "evaluation.json",
            "figures/index.json",
        ],
    )
    @pytest.mark.parametrize("damaged", [False, True])
    def test_says_what_is_missing(self, run: Path, part: str, damaged: bool) -> None:
        if damaged:
            (run / part).write_bytes(b"\xff{]\n\xff\n")
        else:
            (run / part).unlink()
        words = page(run).words
        assert "This report is not complete" in words
        assert f"{part} (" in words
        assert ("which is damaged" in words) == damaged
        assert card(run)

    def test_a_killed_run_shows_what_there_is(self, run: Path) -> None:
        for part in ("evaluation.json", "figures/index.json"):
            (run / part).unlink()
        (run / "bundle").rmdir()
        edit(run, "run.json", lambda about: about.update(status="running", finished=None))
        write(run, "metrics.jsonl", epoch(0, 1, 10, 0.9, 0.3) + '\n{"event": "epo')
        words = page(run).words
        assert "The run has no evaluation, so nothing is known of its quality yet." in words
        assert "zoo train --resume" in words
        assert "not finished" in words
        assert "heads 1 10" in words
        assert "12 writers are in two splits." in words
        assert "nothing is known of its quality" in card(run)
        assert "not finished" in Page(summary_html(run)).words

    def test_one_part_is_enough(self, run: Path) -> None:
        for part in list(run.iterdir()):
            if part.name != "metrics.jsonl":
                shutil.rmtree(part) if part.is_dir() else part.unlink()
        assert "heads 2 20" in page(run).words

    def test_a_diverged_loss_leaves_a_gap(self, run: Path) -> None:
        write(run, "metrics.jsonl", epoch(0, 1, 1, 0.9, 0.3) + "\n" + epoch(0, 2, 2, math.nan, 0.1))
        edit(run, "run.json", lambda about: about.update(status="diverged"))
        words = page(run).words
        assert "its status is “diverged”" in words

    def test_an_empty_folder_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="is not a run folder"):
            render(tmp_path)


class TestEscaping:
    @pytest.fixture
    def nasty(self, run: Path) -> Path:
        """A run in which every text that comes from data tries to be markup."""
        about = dict.fromkeys(("recipe", "name", "status", "command", "notice", "summary"), NASTY)
        edit(run, "run.json", lambda value: value.update(about))
        write(run, "config.toml", f"# {NASTY}\n```\n")
        edit(run, "lock.json", lambda lock: lock.update(packages={NASTY: NASTY}, git=NASTY))

        def spoil_data(data: dict[str, Any]) -> None:
            data.update(name=NASTY, source=NASTY, facts={NASTY: NASTY})
            data["classes"]["test"] = {NASTY: 3}
            data["findings"][0].update(message=NASTY, where=NASTY, hint=NASTY)

        def spoil_evaluation(evaluation: dict[str, Any]) -> None:
            evaluation["metrics"][0]["title"] = NASTY
            evaluation["systems"][0]["name"] = NASTY
            evaluation["systems"][1]["name"] = NASTY + "2"
            evaluation["decision"] = {NASTY: NASTY}

        edit(run, "data.json", spoil_data)
        edit(run, "evaluation.json", spoil_evaluation)
        write(run, "metrics.jsonl", epoch(0, 1, 1, 1.0, 0.1).replace("heads", NASTY) + "\n")
        edit(run, "figures/index.json", lambda index: index[0].update(title=NASTY, caption=NASTY))
        return run

    def test_markup_in_data_is_inert_in_the_report(self, nasty: Path) -> None:
        html = render(nasty).read_text(encoding="utf-8")
        assert_self_contained(html)
        assert "<script>alert('x')</script>" in Page(html).text

    def test_markup_in_data_is_inert_in_the_summary(self, nasty: Path) -> None:
        assert_self_contained(summary_html(nasty))

    def test_markup_in_data_is_inert_in_the_card(self, nasty: Path) -> None:
        text = re.sub(r"^(```+)\w*\n.*?\n\1$", "", card(nasty), flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"`[^`\n]*`(?!`)", "", text.replace("\\`", ""))
        assert "<" not in text
        assert "&lt;script&gt;" in text
        rows = [line for line in text.splitlines() if line.startswith("| &lt;script")]
        assert rows
        assert all(len(re.findall(r"(?<!\\)\|", row)) in {3, 5, 6} for row in rows)

    def test_data_cannot_close_a_block_of_code_in_the_card(self, run: Path) -> None:
        edit(run, "run.json", lambda about: about.update(command="zoo\n```\n<b>out</b>"))
        assert "````sh\nzoo\n```\n<b>out</b>\n````" in card(run)


class TestCard:
    def test_holds_all_that_a_user_of_the_model_needs(self, run: Path) -> None:
        expected = [
            "# digits/finetune: digits-1",
            "## Intended use",
            "> **For research only.**",
            "| Examples, test | 1,000 (one: 988, two: 12) |",
            "- Warning: 12 writers are in two splits. (splits train and test) Split by writer.\n",
            "| heads | 2 | 0.7 | 0.71 | 0.500 |",
            "| digits/net | model | 0.681 (0.661 to 0.701) | 1,200 (1,150 to 1,250) |",
            "- Threshold: 0.37",
            "- Expected calibration error, after: 0.0042",
            "## Limits",
            'zoo.load("path/to/this/folder")',
            "- Data fingerprint: `b3f1d2a4c5`",
            "zoo train digits --data digits.csv",
        ]
        text = card(run)
        assert [content for content in expected if content not in text] == []

    def test_every_table_row_has_as_many_cells_as_its_head(self, run: Path) -> None:
        for block in re.findall(r"(?:^\|.*\n)+", card(run), flags=re.MULTILINE):
            assert len({line.count("|") for line in block.splitlines()}) == 1, block


class TestCharts:
    FIGURES: tuple[tuple[str, Callable[[str], Figure]], ...] = (
        (
            "line",
            lambda name: charts.line_chart(
                name,
                name,
                {name: ([1, 2, 3], [1, math.nan, 3]), "b": ([1, 2], [2, 1])},
                x_label=name,
                references={"chance": ([1, 3], [1, 1])},
                bands={"b": ([1, 0], [3, 2])},
                marks={name: 2},
                log_y=True,
            ),
        ),
        (
            "bars",
            lambda name: charts.bar_chart(
                name, name, [name, "b"], {name: [1, 2], "y": [2, 1]}, horizontal=True
            ),
        ),
        (
            "intervals",
            lambda name: charts.interval_chart(
                name, name, {name: (1.0, 0.5, 1.5), "b": (2.0, None, math.nan)}, highlight=[name]
            ),
        ),
        (
            "heat map",
            lambda name: charts.heat_map(
                name, name, [[1, 2], [math.nan, 4]], rows=[name, "b"], columns=["c", name]
            ),
        ),
        (
            "large heat map",
            lambda name: charts.heat_map(
                name, name, np.eye(50), rows=[name] * 50, columns=[name] * 50
            ),
        ),
        (
            "confusion matrix",
            lambda name: charts.confusion_matrix(name, name, [[5, 1], [0, 0]], [name, "b"]),
        ),
        (
            "table",
            lambda name: charts.table(
                name, name, [name, "n"], [[name, 1.5], ["b", None], ["c", np.float32(2)]]
            ),
        ),
        (
            "images",
            lambda name: charts.image_grid(
                name,
                name,
                [np.zeros((8, 12), np.uint8), np.ones((8, 8, 3))],
                [name],
            ),
        ),
        ("drawing", lambda name: charts.draw(name, name, lambda axes: axes.set_title(name))),
    )

    @pytest.mark.parametrize("make", [make for _, make in FIGURES], ids=[n for n, _ in FIGURES])
    def test_is_self_contained_inert_and_repeatable(self, make: Callable[[str], Figure]) -> None:
        figure = make(NASTY)
        assert (figure.title, figure.caption) == (NASTY, NASTY)
        assert_self_contained(figure.html)
        assert figure.html == make(NASTY).html
        assert figure.html.startswith(("<svg", "<table", "<div"))
        assert "<script>alert('x')" in Page(figure.html).text

    def test_text_stays_text_and_dollars_stay_dollars(self) -> None:
        figure = charts.bar_chart("Cost", "", ["$1 to $2", "中文"], {"cost": [1, 2]})
        assert "$1 to $2" in Page(figure.html).text
        assert "中文" in Page(figure.html).text

    def test_a_logarithmic_axis_has_plain_numbers(self) -> None:
        figure = charts.line_chart("Loss", "", {"loss": ([1, 2], [0.1, 1000])}, log_y=True)
        assert {"0.1", "1000"} <= set(Page(figure.html).text.split())

    def test_a_page_can_recolour_it(self) -> None:
        figure = charts.line_chart("Loss", "", {"loss": ([1, 2], [1, 2])})
        assert "stroke: var(--zoo-series-1, #0072b2)" in figure.html

    def test_the_users_matplotlib_settings_neither_matter_nor_change(self) -> None:
        expected = charts.line_chart("Loss", "", {"loss": ([1, 2], [1, 2])}).html
        with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
            assert charts.line_chart("Loss", "", {"loss": ([1, 2], [1, 2])}).html == expected
            assert matplotlib.rcParams["font.size"] == 30

    def test_a_table_aligns_numbers_and_shows_the_missing_as_a_dash(self) -> None:
        html = charts.table("T", "", ["name", "value"], [["a", 12.345], ["b", math.nan]]).html
        assert '<td>a</td><td class="number">12.35</td>' in html.replace("12.34", "12.35")
        assert f'<td class="number">{DASH}</td>' in html

    def test_an_empty_table_keeps_its_head(self) -> None:
        assert "name" in Page(charts.table("T", "", ["name"], []).html).text


def test_needs_neither_tensorflow_nor_keras_nor_pyplot() -> None:
    code = (
        "import sys, zoo.reporting\n"
        "print({'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
