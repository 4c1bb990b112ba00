"""`zoo evaluate`, `zoo predict` and `zoo report`: what is done with a trained model."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo.cli.options import add_set, trained_settings
from zoo.cli.output import Output
from zoo.cli.parser import Commands, Parser, count
from zoo.cli.results import results
from zoo.components import Finding, Task


def register(commands: Commands) -> None:
    """Declare the commands."""
    evaluate = commands.add(
        "evaluate",
        _evaluate,
        "Measure a trained model on labelled data.",
        examples=[
            "zoo evaluate runs/fraud-finetune-20260101-120000",
            "zoo evaluate runs/fraud-finetune-20260101-120000 --data september.parquet --json",
            "zoo evaluate runs/translation-gru-20260102-120000 "
            "--against runs/translation-finetune-20260101-120000 --report both.html",
        ],
        details="Without --data: on the test split of the data it was trained on. With --against\n"
        "both are measured on the same examples and the same bootstrap samples; without --data\n"
        "both must have been trained on the same data.",
    )
    _add_trained(evaluate)
    evaluate.add_argument("--data", default="", metavar="PATH", help="labelled files")
    evaluate.add_argument(
        "--against",
        default="",
        metavar="OTHER",
        help="another run or bundle of the same task, to compare it with",
    )
    evaluate.add_argument(
        "--samples",
        type=count,
        default=300,
        metavar="N",
        help="bootstrap samples for the intervals (default: 300)",
    )
    evaluate.add_argument(
        "--report", default="", metavar="FILE", help="write the results as an HTML page too"
    )
    add_set(evaluate, "a setting of the dataset or the task, such as data.time=TX_DATETIME")
    predict = commands.add(
        "predict",
        _predict,
        "Predict on new files with a trained model.",
        examples=[
            "zoo predict runs/fraud-finetune-20260101-120000 today.parquet --out alerts.csv",
            "zoo predict bundle today.parquet --explain | head -3",
            "zoo predict bundle pictures/ -o found --set task.tile=640",
            "zoo predict bundle letters.en -o letters.de",
        ],
        details="One JSON object a line on standard output, unless --out says where to write. A\n"
        "folder also gets the formats of the field, such as drawn pictures. What cannot be\n"
        "read is named on standard error, with the cause. Models that write text, such as\n"
        "translators, write it alone into files of other suffixes, and with --text.",
    )
    _add_trained(predict)
    predict.add_argument("data", metavar="DATA", help="file, folder or glob to predict on")
    output = predict.add_mutually_exclusive_group()
    output.add_argument(
        "-o",
        "--out",
        metavar="PATH",
        help="a .jsonl, .json or .csv file to write, or a new folder",
    )
    output.add_argument(
        "--text", action="store_true", help="of models that write text, print that alone"
    )
    predict.add_argument("--explain", action="store_true", help="add why, where the task can say")
    add_set(predict, "a setting of the dataset or the task, such as data.time=TX_DATETIME")
    report = commands.add(
        "report",
        _report,
        "Write the report of a run again and print its path.",
        examples=["zoo report runs/fraud-finetune-20260101-120000"],
    )
    report.add_argument("path", metavar="RUN", help="folder of a run")


def _add_trained(parser: Parser) -> None:
    parser.add_argument("path", metavar="RUN_OR_BUNDLE", help="folder of a run or a bundle")


def _evaluate(arguments: argparse.Namespace, out: Output) -> None:
    from zoo import api
    from zoo.startup import load_tensorflow

    out.mute_unless_chief()
    settings = trained_settings(arguments.settings)
    load_tensorflow()
    evaluation = api.evaluate(
        arguments.path,
        data=arguments.data,
        against=arguments.against,
        settings=settings,
        samples=arguments.samples,
        report=arguments.report,
    )
    if out.muted:
        return
    for finding in evaluation["findings"]:
        out.warn(_line(Finding(**finding)))
    out.data(evaluation, *results(evaluation))


def _predict(arguments: argparse.Namespace, out: Output) -> None:
    from zoo.startup import load_tensorflow

    out.mute_unless_chief()
    settings = trained_settings(arguments.settings)
    load_tensorflow()
    from zoo.actions.predict import check_target, check_text, is_folder, predict

    def check(task: Task) -> None:
        if arguments.out:
            check_target(Path(arguments.out), task)
        elif arguments.text:
            check_text(task)

    found = predict(
        arguments.path, arguments.data, settings=settings, explain=arguments.explain, check=check
    )
    if out.muted:
        return
    for finding in found.findings:
        out.warn(_line(finding))
    value: dict[str, Any] = {"findings": [asdict(finding) for finding in found.findings]}
    if not arguments.out:
        lines = "\n".join(found.texts() if arguments.text else found.lines())
        shown = [lines] if found.records else []
        out.data({"predictions": found.records, **value}, *shown)
        return
    path = found.write(Path(arguments.out))
    kind = "folder" if is_folder(path) else "file"
    out.data({kind: path, "predictions": len(found.records), **value})
    out.note(f"{len(found.records):,} predictions: {path}")


def _report(arguments: argparse.Namespace, out: Output) -> None:
    from zoo import api

    path = api.report(arguments.path)
    out.data({"report": path}, str(path))


def _line(finding: Finding) -> str:
    """Return a finding as one line: level, place, message and advice, as far as given."""
    said = f"{finding.message} {finding.hint}".rstrip()
    return ": ".join(part for part in (finding.level, finding.where, said) if part)
