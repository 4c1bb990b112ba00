"""`zoo bench`: where the time of a training step goes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from zoo.cli.commands.train import resolve
from zoo.cli.options import add_recipe_options, add_strategy
from zoo.cli.output import Output, Table
from zoo.cli.parser import Commands, count

if TYPE_CHECKING:
    from zoo.actions.bench import Bench


def register(commands: Commands) -> None:
    """Declare the command."""
    bench = commands.add(
        "bench",
        _bench,
        "Show where the time of a training step goes, and what limits it.",
        examples=[
            "zoo bench fraud",
            "zoo bench vision --data pictures/ --strategy mirrored",
            "zoo launch --workers 2 -- bench fraud",
        ],
        details="Trains for a few steps and keeps nothing.",
    )
    add_recipe_options(bench)
    add_strategy(bench)
    bench.add_argument("--model", metavar="ADDRESS", help="model instead of the recipe's")
    bench.add_argument("--steps", type=count, default=30, metavar="N", help="steps that are timed")
    bench.add_argument("--trial", action="store_true", help="the recipe's trial settings")


def _bench(arguments: argparse.Namespace, out: Output) -> None:
    out.mute_unless_chief()
    recipe = resolve(arguments)
    from zoo.actions.bench import bench

    found = bench(recipe, arguments.steps)
    out.note(f"Device: {found.why}")
    times = Table(("Of a step", "Milliseconds", "Share"), _times(found))
    out.data(vars(found), times, Table((), _rates(found)), f"Limit: {found.limit}")


def _times(found: Bench) -> list[tuple[str, str, str]]:
    parts = {
        "Waiting for input": found.input,
        "Computing": found.compute,
        "Communicating": found.communication,
        "Whole": found.step,
    }
    return [
        (name, f"{1000 * seconds:,.2f}", f"{seconds / found.step:.1%}")
        for name, seconds in parts.items()
    ]


def _rates(found: Bench) -> list[tuple[str, str]]:
    rates = [
        ("Examples a second", f"{found.examples_per_second:,.1f}"),
        ("Examples a second and replica", f"{found.examples_per_second / found.replicas:,.1f}"),
        ("Scaling efficiency", f"{found.efficiency:.1%}"),
    ]
    if found.operations is not None:
        rate = found.operations / found.compute / 1e9
        rates.append(("GFLOP a second and replica", f"{rate:,.1f}"))
    if found.utilisation is not None:
        rates.append(("Model FLOPs utilisation", f"{found.utilisation:.1%}"))
    return rates
