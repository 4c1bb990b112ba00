"""Writes a run's report, its model card, its summary for notebooks, and a page of results."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.components import Figure
from zoo.reporting import charts, templating, training, wording
from zoo.reporting.contents import Contents, read
from zoo.reporting.limits import COMPLETE, limits
from zoo.reporting.results import Measure, Results
from zoo.storage import write_text

_USAGE = """\
from pathlib import Path

import zoo

bundle = zoo.load("path/to/this/folder")
examples, problems = bundle.dataset.read("path/to/new/data", cache=Path("cache"))
predictions = bundle.predict(examples)
"""
_DEVICE = {"kind": "Strategy", "xla": "XLA", "cpus": "CPU cores", "memory_gb": "Memory, GB"}
_LEVELS = ("error", "warning", "note")


def render(run: Path) -> Path:
    """Write `report.html` into a run folder: one file that needs no other.

    A run that was interrupted gives a report that says what is missing.

    Args:
        run: the run folder.

    Returns:
        the path of the report.

    Raises:
        StorageError: `run` is not a run folder, or the report cannot be written.
    """
    report = run / "report.html"
    context = _context(read(run))
    template = templating.html().get_template("report.html.j2")
    write_text(report, template.render(context, **_drawings(context)))
    return report


def render_evaluation(evaluation: Mapping[str, Any], figures: Sequence[Figure], page: Path) -> None:
    """Write results alone, such as of two models on the same examples, as one HTML file.

    Args:
        evaluation: the content of an `evaluation.json`.
        figures: of the domain.
        page: the file.

    Raises:
        StorageError: it cannot be written.
    """
    results = Results.parse(evaluation, str(evaluation.get("monitor") or ""))
    findings = sorted(evaluation.get("findings") or [], key=_severity)
    template = templating.html().get_template("evaluation.html.j2")
    context = {
        "results": results,
        "verdict": results.verdict(),
        "basis": _basis(results),
        "comparison": _comparison(results),
        "findings": findings,
        "figures": figures,
    }
    write_text(page, template.render(context))


def card(run: Path) -> str:
    """Return the model card of a run as Markdown.

    Raises:
        StorageError: `run` is not a run folder.
    """
    template = templating.markdown().get_template("card.md.j2")
    return template.render(_context(read(run)), usage=_USAGE)


def summary_html(run: Path) -> str:
    """Return a compact HTML fragment about a run, for notebooks.

    Raises:
        StorageError: `run` is not a run folder.
    """
    context = _context(read(run))
    template = templating.html().get_template("summary.html.j2")
    return template.render(context, **_drawings(context))


def _context(contents: Contents) -> dict[str, Any]:
    """Return what the templates show."""
    run, lock, data = contents.run, contents.lock, contents.data
    fingerprint = lock.get("data_fingerprint") or data.get("fingerprint")
    results = Results.parse(contents.evaluation, str(run.get("monitor") or ""))
    course = training.epochs(contents.events)
    return {
        "folder": contents.folder.resolve().name,
        "run": run,
        "status": _status(run),
        "complete": run.get("status") in COMPLETE,
        "missing": contents.missing,
        "results": results,
        "verdict": results.verdict(),
        "basis": _basis(results),
        "course": course,
        "stages": training.stages(course, results.monitor),
        "figures": contents.figures,
        "data": data,
        "class_names": _class_names(data),
        "findings": sorted(data.get("findings") or [], key=_severity),
        "execution": _execution(run, training.speed(course)),
        "config": contents.config,
        "install": _install(run, lock),
        "fingerprint": fingerprint,
        "versions": _versions(run, lock, fingerprint, contents.events),
        "limits": limits(contents, results),
    }


def _drawings(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the charts that the report makes itself; they take most of its time."""
    results = context["results"]
    monitor = results.monitor or _unmeasured(context["run"])
    return {
        "comparison": _comparison(results),
        "curves": training.curves(context["course"], monitor),
    }


def _status(run: Mapping[str, Any]) -> str:
    """Return the status in words; nobody can tell from files whether a run still goes on."""
    status = str(run.get("status") or "unknown")
    return "not finished" if status == "running" else status


def _unmeasured(run: Mapping[str, Any]) -> Measure | None:
    """Return the monitored metric of a run that has no evaluation to describe it."""
    name = run.get("monitor")
    return Measure(name, wording.title(name), higher_is_better=True) if name else None


def _basis(results: Results) -> str:
    """Say on what the results rest, in one or two sentences."""
    if not results.systems:
        return ""
    amount = "" if results.examples is None else f" ({results.examples:,} examples)"
    text = f"Measured on the {results.split} split{amount}."
    if results.samples:
        groups = f" of {results.units:,} groups that belong together" if results.units else ""
        kind = results.interval_name
        text += f" Each {kind} comes from {results.samples:,} bootstrap samples{groups}."
    return text


def _comparison(results: Results) -> Figure | None:
    """Return the monitored metric of all systems as a chart, if there is one to compare."""
    measure = results.monitor
    if measure is None or len(results.systems) < 2:
        return None
    estimates = {system.name: system.on(measure) for system in results.systems}
    return charts.interval_chart(
        f"{measure.title} of {'both models' if results.rival else 'the model and the baselines'}",
        f"Dots are values, bars their {results.interval_name}s.",
        {name: (each.value, each.low, each.high) for name, each in estimates.items()},
        highlight=[system.name for system in results.systems if system.is_model],
    )


def _severity(finding: Mapping[str, Any]) -> int:
    """Return a sorting key that puts errors first and notes last."""
    level = finding.get("level")
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def _class_names(data: Mapping[str, Any]) -> list[str]:
    """Return the classes that occur in any split, in the order of their first occurrence."""
    splits = (data.get("classes") or {}).values()
    return list(dict.fromkeys(name for split in splits for name in split))


def _execution(run: Mapping[str, Any], speed: float | None) -> list[tuple[str, str]]:
    """Return device and run time as label and text; what is not known is left out."""
    device, seconds = run.get("device") or {}, run.get("seconds") or {}
    total = sum(filter(None, map(wording.finite, seconds.values())))
    rows = [
        *((_DEVICE.get(key, wording.title(key)), value) for key, value in device.items()),
        ("Parameters of the model", run.get("parameters")),
        *((f"Model input, {name}", value) for name, value in (run.get("inputs") or {}).items()),
        *((f"Time for {wording.label(k)}", wording.duration(v)) for k, v in seconds.items()),
        ("Time in all", wording.duration(total) if seconds else None),
        ("Training speed", None if speed is None else wording.rate(speed)),
    ]
    return [(name, wording.plain(value)) for name, value in rows if value not in (None, "")]


def _install(run: Mapping[str, Any], lock: Mapping[str, Any]) -> str:
    """Return the command that installs the versions of a run, or nothing if none are known."""
    packages = dict(lock.get("packages") or {})
    plugin = run.get("plugin") or {}
    wanted = []
    if plugin.get("distribution") and plugin.get("version"):
        packages.pop(plugin["distribution"], None)
        # The requirements of a plugin may be an extra of its name; pip ignores one not there.
        wanted = [f"{plugin['distribution']}[{plugin.get('name')}]=={plugin['version']}"]
    wanted += [f"{name}=={version}" for name, version in packages.items()]
    return f"python -m pip install {shlex.join(wanted)}" if wanted else ""


def _versions(
    run: Mapping[str, Any],
    lock: Mapping[str, Any],
    fingerprint: str | None,
    events: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str]]:
    """Return what decides a run's outcome as label and text; what is not known is left out."""
    plugin = run.get("plugin") or {}
    origin = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    seed = lock.get("seed", run.get("seed"))
    name = plugin.get("name")
    transfers = [event for event in events if event.get("event") == "transfer"]
    rows = [
        ("Plugin", f"{name} from {origin}" if origin else name),
        *((wording.title(kind), each) for kind, each in (run.get("components") or {}).items()),
        ("Initial weights", run.get("weights")),
        *(("Of these", wording.carried_over(event)) for event in transfers[-1:]),
        ("Seed", None if seed is None else str(seed)),
        ("Data fingerprint", fingerprint),
        ("Git revision", lock.get("git")),
        ("Python", lock.get("python")),
        ("Platform", lock.get("platform")),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]
