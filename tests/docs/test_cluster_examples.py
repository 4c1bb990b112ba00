"""The examples for clusters start workers that find one another."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from zoo.cli.app import build_parser
from zoo.cluster import Cluster, detect

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_pods_of_the_job_are_workers() -> None:
    service, job = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    name, pods = job["metadata"]["name"], job["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert job["spec"]["completionMode"] == "Indexed"
    size = job["spec"]["completions"]
    assert job["spec"]["parallelism"] == size  # all have to run at once
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["spec"]["clusterIP"] == "None"
    assert pods["subdomain"] == service["metadata"]["name"]
    for index in range(size):
        cluster = detect({**environ, "JOB_COMPLETION_INDEX": str(index)})
        first = f"{name}-0.{pods['subdomain']}"
        assert cluster == Cluster(size, index, first, 5757, "a Job of Kubernetes")
    assert container["command"][0] == "zoo"
    build_parser().parse_args(container["command"][1:])


def test_tasks_of_the_step_are_workers() -> None:
    script = (EXAMPLES / "slurm.sh").read_text()
    nodes, tasks = (
        int(re.search(rf"--{name}=(\d+)", script)[1])  # type: ignore[index]
        for name in ("nodes", "ntasks-per-node")
    )
    environ = {
        "SLURM_STEP_NUM_TASKS": str(nodes * tasks),
        "SLURM_PROCID": "9",
        "SLURM_STEP_NODELIST": "gpu[1-4]",
        "ZOO_PORT": "1",
    }
    assert detect(environ) == Cluster(nodes * tasks, 9, "gpu1", 1, "Slurm")
    commands = re.findall(r"srun (zoo .*)", script)
    assert len(commands) == 2
    for command in commands:
        build_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.skipif(shutil.which("bash") is None, reason="There is no bash.")
def test_the_script_begins_a_run_and_goes_on_after_a_requeue(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "srun").write_text('#!/bin/sh\necho "$@"\n')
    (tools / "srun").chmod(0o755)
    environ = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "7",
    }

    def said() -> str:
        command = ["bash", str(EXAMPLES / "slurm.sh")]
        return subprocess.run(
            command, env=environ, capture_output=True, text=True, check=True
        ).stdout

    assert said().startswith("zoo train vision --data")
    run = tmp_path / "runs-7" / "vision-finetune-1"
    run.mkdir(parents=True)
    assert said().split() == ["zoo", "train", "--resume", f"{run}/"]
