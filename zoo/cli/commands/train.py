"""`zoo check-data` and `zoo train`: from a recipe and the user's files to a run."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.errors import StoppedError
from zoo.cli.options import (
    add_recipe_options,
    add_strategy,
    choose_backend,
    given_settings,
)
from zoo.cli.output import Output, Table
from zoo.cli.parser import Commands, count
from zoo.cli.results import results
from zoo.errors import ExitCode

if TYPE_CHECKING:
    from zoo.recipe import Recipe
    from zoo.runs import Run
    from zoo.training.listeners import Listener

_WITH_RESUME = {
    *("resume", "runs", "tensorboard", "mlflow"),
    *("json", "quiet", "no_plugins", "run", "parser", "command_line"),
}
"""What may stand beside --resume."""


def register(commands: Commands) -> None:
    """Declare the commands."""
    check = commands.add(
        "check-data",
        _check,
        "Look for what makes data unusable or a result dishonest.",
        examples=[
            "zoo check-data fraud --data transactions.parquet",
            "zoo check-data fraud --data transactions.csv --set data.time=TX_DATETIME",
        ],
        details="Ends with exit code 3 if it finds an error. Warnings do not stop training.",
    )
    add_recipe_options(check)
    train = commands.add(
        "train",
        _train,
        "Train a recipe, measure it and write its report.",
        examples=[
            "zoo train fraud",
            "zoo train fraud --trial",
            "zoo train fraud --data transactions.parquet --model mlp --seed 3",
            "zoo train fraud --config mine.toml --set train.learning_rate=1e-4",
            "zoo train fraud --data new.parquet --weights runs/fraud-finetune-20260101-120000",
            "zoo train --resume runs/fraud-finetune-20260101-120000",
        ],
        details="Settings are taken from the command line, then from variables such as\n"
        "ZOO_SET_train__learning_rate, then from --config, then from the recipe.",
    )
    add_recipe_options(train)
    train.add_argument("--model", metavar="ADDRESS", help="model instead of the recipe's")
    add_strategy(train)
    train.add_argument(
        "--weights", default="", metavar="FROM", help="a preset, or the folder of a run or bundle"
    )
    train.add_argument("--seed", type=int, metavar="N", help="decides every random choice")
    train.add_argument(
        "--seeds", type=count, default=1, metavar="N", help="train N times, to show the spread"
    )
    train.add_argument("--runs", default="runs", metavar="FOLDER", help="where runs are kept")
    train.add_argument(
        "--trial", action="store_true", help="a short run of every step, to see what comes of it"
    )
    train.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted")
    train.add_argument(
        "--print-config", action="store_true", help="show all settings as TOML, and stop"
    )
    train.add_argument("--tensorboard", action="store_true", help="log to RUN/tensorboard")
    train.add_argument("--mlflow", action="store_true", help="log to MLflow (extra mlflow)")


def resolve(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe that the options describe, ready to be carried out."""
    from zoo import api
    from zoo.registry import registry
    from zoo.startup import load_tensorflow

    settings = given_settings(arguments)
    choose_backend(arguments)
    if arguments.recipe:  # a slip in its name shows before TensorFlow is imported
        registry().resolve("recipe", arguments.recipe)
    load_tensorflow()
    return api.resolve(
        arguments.recipe,
        data=arguments.data,
        config=arguments.config,
        weights=getattr(arguments, "weights", ""),
        settings=settings,
        trial=getattr(arguments, "trial", False),
    )


# check-data


def _check(arguments: argparse.Namespace, out: Output) -> ExitCode:
    from zoo.settings import cache_folder

    recipe = resolve(arguments)
    findings = recipe.dataset.check(seed=recipe.seed, cache=cache_folder())
    if not findings:
        out.note("Nothing was found.")
    rows = [(each.level, each.code, each.where, each.message, each.hint) for each in findings]
    blocks = [Table(("Level", "Code", "Where", "Finding", "Advice"), rows)] if rows else []
    out.data([asdict(finding) for finding in findings], *blocks)
    wrong = any(finding.level == "error" for finding in findings)
    return ExitCode.DATA if wrong else ExitCode.OK


# train


def _train(arguments: argparse.Namespace, out: Output) -> None:
    out.mute_unless_chief()
    if arguments.resume:
        recipe = None
        _check_resume(arguments)
    else:
        recipe = resolve(arguments)
        if arguments.print_config:
            return _print_config(recipe, out)
        parts = [f"{kind} {address}" for kind, address in recipe.addresses.items()]
        out.note(f"Training {recipe.address}: {', '.join(parts)}")
    run = _carry_out(arguments, recipe, out)
    value = {
        "run": run.path,
        "report": run.report,
        "bundle": run.bundle,
        "evaluation": run.evaluation,
    }
    out.data(value, *results(run.evaluation))
    out.note(f"Report: {run.report}\nBundle: {run.bundle}")
    return None


def _check_resume(arguments: argparse.Namespace) -> None:
    """Raise unless there is a run to go on with, and no option that would change it."""
    from zoo.runs import Run
    from zoo.startup import load_tensorflow

    parser = arguments.parser
    changed = [
        name
        for name, value in vars(arguments).items()
        if name not in _WITH_RESUME and value != parser.get_default(name)
    ]
    if changed:
        raise parser.complaint(
            f"--resume goes on with a run as it was begun, so {', '.join(changed)} cannot be given",
            "Begin a new run to change something.",
        )
    Run(arguments.resume)
    load_tensorflow()


def _carry_out(arguments: argparse.Namespace, recipe: Recipe | None, out: Output) -> Run:
    """Train, or go on with a run if there is no recipe, and show how it gets on."""
    from zoo.actions import train as actions
    from zoo.cli.progress import progress_for
    from zoo.errors import DivergedError

    progress = progress_for(out)
    trackers = _trackers(arguments)
    options = actions.Options(command=arguments.command_line, listeners=[progress, *trackers])
    try:
        with ExitStack() as stack:
            for listener in (progress, *trackers):
                stack.enter_context(listener)
            if recipe is None:
                return actions.resume(Path(arguments.resume), options)
            return actions.train(recipe, Path(arguments.runs), options, seeds=arguments.seeds)
    except KeyboardInterrupt as stop:
        hint = f"Go on with: zoo train --resume {progress.run or 'RUN'}"
        raise StoppedError("Training was stopped.", hint=hint) from stop
    except DivergedError:
        if progress.run:
            out.warn(f"What there is of the run is in {progress.run}.")
        raise


def _trackers(arguments: argparse.Namespace) -> list[Listener]:
    from zoo.training.trackers import MLflow, TensorBoard

    chosen = [(arguments.tensorboard, TensorBoard), (arguments.mlflow, MLflow)]
    return [tracker() for wanted, tracker in chosen if wanted]


def _print_config(recipe: Recipe, out: Output) -> None:
    from zoo.config import to_toml

    values, origins = recipe.resolved.dump(), recipe.resolved.origins
    given = {name: where for name, where in origins.items() if where != "default"}
    comments = {name: f"from {where}" for name, where in given.items()}
    out.data(
        {"config": values, "origins": given},
        "# A comment says where a value was given; all others are defaults.\n"
        + to_toml(values, comments).rstrip(),
    )
