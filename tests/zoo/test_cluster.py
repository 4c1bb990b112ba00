"""Workers that find one another, agree, and notice who is lost."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from workers import Ended, run_workers

from zoo.cluster import Cluster, detect, free_port
from zoo.cluster.detection import first_node
from zoo.errors import ConfigError

_TF_CONFIG = {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 1}}
_WITH_CHIEF = {
    "cluster": {"chief": ["c:1"], "worker": ["a:2"]},
    "task": {"type": "worker", "index": 0},
}
_SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "11",
    "SLURM_STEP_ID": "0",
    "ZOO_PORT": "5000",
}
_MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "ZOO_PORT": "5000"}
_UP = {"OMPI_MCA_orte_hnp_uri": "12.0;tcp://10.0.0.5,192.168.1.5:4000"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        (
            {"ZOO_COORDINATOR": "h:7", "ZOO_WORKERS": "3", "ZOO_WORKER": "2"},
            Cluster(3, 2, "h", 7, "ZOO_COORDINATOR"),
        ),
        ({"ZOO_COORDINATOR": "h:7", "ZOO_WORKERS": "1", "ZOO_WORKER": "0"}, None),
        ({"ZOO_HOSTS": "h:7,other", "ZOO_WORKER": "1"}, Cluster(2, 1, "h", 7, "ZOO_HOSTS")),
        (
            {"ZOO_HOSTS": f"h,{socket.gethostname()}"},
            Cluster(2, 1, "h", 5757, "ZOO_HOSTS"),
        ),
        (
            {"ZOO_HOSTS": "[fe80::1]:7,b", "ZOO_WORKER": "0"},
            Cluster(2, 0, "fe80::1", 7, "ZOO_HOSTS"),
        ),
        ({"TF_CONFIG": json.dumps(_TF_CONFIG)}, Cluster(2, 1, "a", 2222, "TF_CONFIG")),
        ({"TF_CONFIG": json.dumps(_WITH_CHIEF)}, Cluster(2, 1, "c", 1, "TF_CONFIG")),
        ({"TF_CONFIG": "{}"}, None),
        (_SLURM, Cluster(4, 3, "gpu07", 5000, "Slurm")),
        ({"SLURM_JOB_ID": "11", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        (
            {**_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            Cluster(2, 1, "127.0.0.1", 5000, "Open MPI"),
        ),
        (
            {**_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "1", **_UP},
            Cluster(2, 1, "10.0.0.5", 5000, "Open MPI"),
        ),
        ({"JOB_COMPLETION_INDEX": "1"}, None),
        (
            {"JOB_COMPLETION_INDEX": "1", "ZOO_WORKERS": "2", "ZOO_COORDINATOR": "train-0.train"},
            Cluster(2, 1, "train-0.train", 5757, "a Job of Kubernetes"),
        ),
    ],
)
def test_clusters_are_recognised(environ: Mapping[str, str], expected: Cluster | None) -> None:
    assert detect(environ) == expected


def test_a_job_of_kubernetes_finds_its_first_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "train-2.train.default.svc.cluster.local"
    monkeypatch.setattr("socket.getfqdn", lambda: name)
    cluster = detect({"JOB_COMPLETION_INDEX": "2", "ZOO_WORKERS": "3"})
    assert cluster is not None
    assert cluster.host == name.replace("train-2", "train-0")


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node7", "node7"),
        ("a1,b[2-3]", "a1"),
        ("gpu[07-09,12],x1", "gpu07"),
        ("r[1-2]n[03,05]-ib", "r1n03-ib"),
        ("", ""),
    ],
)
def test_the_first_node_of_a_list_of_slurm(nodes: str, first: str) -> None:
    assert first_node(nodes) == first


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ZOO_COORDINATOR": "h", "ZOO_WORKER": "0"}, "ZOO_WORKERS is not set"),
        (
            {"ZOO_COORDINATOR": "h", "ZOO_WORKERS": "two", "ZOO_WORKER": "0"},
            "ZOO_WORKERS is 'two', which is no whole number",
        ),
        (
            {"ZOO_COORDINATOR": "h", "ZOO_WORKERS": "2", "ZOO_WORKER": "2"},
            "this is worker 2 of 2; workers are numbered from 0 to 1",
        ),
        ({"ZOO_HOSTS": "nowhere,neither"}, "stands 0 times"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read"),
        (
            {"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}})},
            "parameter servers",
        ),
        ({**_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, "on which host worker 0 is"),
    ],
)
def test_what_contradicts_itself_is_refused(environ: Mapping[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        detect(environ)


def _run(what: str, **options: Any) -> list[Ended]:
    return run_workers(3, ["-m", "cluster_worker", what], **options)


def test_workers_share_what_they_have() -> None:
    ended = _run("exchange")
    assert [each.output for each in ended] == ["done\n"] * 3, ended


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("die", "worker 1 (process {pid} on {host}) ended without a word, after step 7."),
        ("fail", "worker 1 (process {pid} on {host}) failed (The folder does not exist)"),
        ("hang", "worker 1 (process {pid} on {host}) has given no sign of life for 2 seconds"),
    ],
)
def test_a_lost_worker_ends_all_and_is_named(what: str, told: str) -> None:
    first, one, last = _run(what, environment={"ZOO_WORKER_SECONDS": "2"})
    before, after = told.replace("{host}", socket.gethostname()).split("{pid}")
    for each in (first, last):
        assert before in each.output, each
        assert after in each.output, each
        assert "--resume" in each.output
    assert one.code == 0 if what == "fail" else one.code < 0


def test_a_process_that_nothing_can_wake_is_ended_with_the_reason() -> None:
    first, _, last = _run("block")
    for each in (first, last):
        assert each.code == 7
        assert each.output == "kept\n"
        assert "worker 1" in each.errors
        assert "ended without a word" in each.errors


def test_workers_with_other_versions_are_named() -> None:
    for each in _run("disagree"):
        assert each.output.startswith("ConfigError: The workers do not agree:\nkeras is 3 for")
        assert "and 4 for worker 2" in each.output
        assert "Install the same." in each.output


def test_a_clock_that_is_late_is_named() -> None:
    for each in _run("late_clock"):
        assert "The clock of worker 1" in each.output
        assert "100 seconds behind" in each.output


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _run("exchange", port=port, environment={"ZOO_JOIN_SECONDS": "1"}, seconds=60)
    assert f"Worker 0 cannot listen on port {port}" in ended[0].output
    assert "ZOO_PORT" in ended[0].output
    assert "is no worker 0 that goes on" in ended[1].output


def test_a_worker_that_does_not_come_is_named() -> None:
    ended = _run(
        "exchange",
        environment={"ZOO_JOIN_SECONDS": "2"},
        own={2: {"ZOO_COORDINATOR": f"127.0.0.1:{free_port()}"}},
    )
    assert "2 of 3 workers have come" in ended[0].output
    assert "missing: 2" in ended[0].output
    assert "2 of 3 workers have come" in ended[1].output
    assert "Worker 2 cannot reach worker 0" in ended[2].output


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({2: {"ZOO_WORKER": "1"}}, "Two are worker 1"),
        ({1: {"ZOO_WORKERS": "4"}}, "expects 4 workers, and worker 0 3"),
    ],
)
def test_workers_that_were_started_wrongly_are_named(
    own: Mapping[int, Mapping[str, str]], message: str
) -> None:
    ended = _run("exchange", own=own, environment={"ZOO_JOIN_SECONDS": "5"})
    assert message in ended[0].output
    assert any(message in each.output for each in ended[1:])
