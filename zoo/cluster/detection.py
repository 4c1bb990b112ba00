"""Which workers a run has, as the launcher of a cluster says by the environment."""

from __future__ import annotations

import json
import os
import re
import socket
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.errors import ConfigError

PORT = 5757
"""Where worker 0 listens unless the environment says otherwise."""


@dataclass(frozen=True)
class Cluster:
    """The processes that carry out one run together, and which of them this one is.

    Attributes:
        size: how many workers there are, 2 or more.
        index: this one's number; worker 0 is the chief, which alone writes.
        host: where the chief is.
        port: on which the chief listens for the others.
        source: who says so, such as `Slurm`.
    """

    size: int
    index: int
    host: str
    port: int
    source: str

    @property
    def is_chief(self) -> bool:
        """Whether this process is worker 0."""
        return self.index == 0


def detect(environ: Mapping[str, str] | None = None) -> Cluster | None:
    """Return the cluster that this process is a worker of; None where it is alone.

    The first of these that is set counts:

    | set by | variables |
    | --- | --- |
    | `zoo launch`, a user | `ZOO_COORDINATOR` (`host:port`) or `ZOO_HOSTS` (a list of them), with `ZOO_WORKER` and, beside the former, `ZOO_WORKERS` |
    | TFJob and others | `TF_CONFIG` |
    | an indexed Job of Kubernetes | `JOB_COMPLETION_INDEX`, with `ZOO_WORKERS` |
    | `srun` of Slurm | `SLURM_STEP_NUM_TASKS`, `SLURM_PROCID`, `SLURM_STEP_NODELIST` |
    | `mpirun` of Open MPI | `OMPI_COMM_WORLD_SIZE`, `OMPI_COMM_WORLD_RANK` |

    `ZOO_PORT` sets the chief's port, and `ZOO_COORDINATOR` the chief's address, for any of them.

    Raises:
        ConfigError: the variables contradict one another, or one that is needed is missing.
    """  # noqa: E501
    environ = os.environ if environ is None else environ
    for found in (_own, _tf_config, _kubernetes, _slurm, _open_mpi):
        cluster = found(environ)
        if cluster is not None:
            return _checked(cluster) if cluster.size > 1 else None
    return None


def _checked(cluster: Cluster) -> Cluster:
    if not 0 <= cluster.index < cluster.size:
        raise ConfigError(
            f"{cluster.source} says that this is worker {cluster.index} of {cluster.size}; "
            f"workers are numbered from 0 to {cluster.size - 1}.",
            hint="Give each worker a number of its own.",
        )
    return cluster


def _own(environ: Mapping[str, str]) -> Cluster | None:
    if environ.get("ZOO_HOSTS"):
        hosts = [each.strip() for each in environ["ZOO_HOSTS"].split(",") if each.strip()]
        host, port = _address(hosts[0], _port(environ))
        return Cluster(len(hosts), _place_among(hosts, environ), host, port, "ZOO_HOSTS")
    if not environ.get("ZOO_COORDINATOR") or "ZOO_WORKER" not in environ:
        return None
    size, index = _number(environ, "ZOO_WORKERS"), _number(environ, "ZOO_WORKER")
    return _cluster(environ, "ZOO_COORDINATOR", size=size, index=index, chief="")


def _place_among(hosts: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the number of this worker: the one that is set, or the place of this host's name."""
    if "ZOO_WORKER" in environ:
        return _number(environ, "ZOO_WORKER")
    names = {socket.gethostname(), socket.getfqdn(), socket.gethostname().partition(".")[0]}
    places = [place for place, each in enumerate(hosts) if _address(each, 0)[0] in names]
    if len(places) != 1:
        raise ConfigError(
            f"ZOO_HOSTS is {','.join(hosts)}, where this host's name, {socket.gethostname()}, "
            f"stands {len(places)} times.",
            hint="Set ZOO_WORKER to this worker's place in the list, from 0.",
        )
    return places[0]


def _tf_config(environ: Mapping[str, str]) -> Cluster | None:
    if not environ.get("TF_CONFIG"):
        return None
    try:
        config = json.loads(environ["TF_CONFIG"])
        groups, task = config.get("cluster", {}), config.get("task", {})
        chiefs, workers = list(groups.get("chief", ())), list(groups.get("worker", ()))
        kind, index = task.get("type", "worker"), int(task.get("index", 0))
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"TF_CONFIG cannot be read: {error}.",
            hint='It is JSON such as {"cluster": {"worker": ["a:2222", "b:2222"]}, '
            '"task": {"type": "worker", "index": 0}}.',
        ) from error
    if not chiefs and not workers:
        return None
    if groups.get("ps") or kind not in ("chief", "worker"):
        raise ConfigError(
            f"TF_CONFIG has parameter servers, or this task is of the type {kind!r}.",
            hint="All tasks train alike here: name them all `worker`, of which one may be `chief`.",
        )
    place = index + (len(chiefs) if kind == "worker" else 0)
    host, port = _address([*chiefs, *workers][0], _port(environ))
    return Cluster(len(chiefs) + len(workers), place, host, port, "TF_CONFIG")


def _kubernetes(environ: Mapping[str, str]) -> Cluster | None:
    if "JOB_COMPLETION_INDEX" not in environ or "ZOO_WORKERS" not in environ:
        return None
    index = _number(environ, "JOB_COMPLETION_INDEX")
    pod, _, domain = socket.getfqdn().partition(".")
    chief = ".".join(filter(None, [re.sub(r"-\d+$", "-0", pod), domain]))
    size = _number(environ, "ZOO_WORKERS")
    return _cluster(environ, "a Job of Kubernetes", size=size, index=index, chief=chief)


def _slurm(environ: Mapping[str, str]) -> Cluster | None:
    if "SLURM_STEP_NUM_TASKS" not in environ:
        return None
    size, index = _number(environ, "SLURM_STEP_NUM_TASKS"), _number(environ, "SLURM_PROCID")
    nodes = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST", "")
    job = f"{environ.get('SLURM_JOB_ID')}.{environ.get('SLURM_STEP_ID')}"
    chief, port = first_node(nodes), _port_of(job)
    return _cluster(environ, "Slurm", size=size, index=index, chief=chief, port=port)


def first_node(nodes: str) -> str:
    """Return the first of a list of nodes as Slurm writes it: `n07` for `n[07-09,12],gpu1`."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first.group() if first else "")


def _open_mpi(environ: Mapping[str, str]) -> Cluster | None:
    if "OMPI_COMM_WORLD_SIZE" not in environ:
        return None
    size, index = (
        _number(environ, "OMPI_COMM_WORLD_SIZE"),
        _number(environ, "OMPI_COMM_WORLD_RANK"),
    )
    launcher = environ.get("OMPI_MCA_orte_hnp_uri", "")
    address = re.search(r"tcp://([^,:;]+)", launcher)
    if environ.get("OMPI_COMM_WORLD_LOCAL_SIZE") == str(size):
        chief = "127.0.0.1"
    else:
        chief = address.group(1) if address else ""
    job = environ.get("PMIX_NAMESPACE") or launcher.partition(";")[0]
    port = _port_of(job)
    return _cluster(environ, "Open MPI", size=size, index=index, chief=chief, port=port)


def _cluster(
    environ: Mapping[str, str], source: str, *, size: int, index: int, chief: str, port: int = PORT
) -> Cluster:
    """Return a cluster whose chief is where ZOO_COORDINATOR says, or else at `chief`."""
    host, port = _address(environ.get("ZOO_COORDINATOR") or chief, _port(environ, port))
    if not host:
        raise ConfigError(
            f"{source} does not say on which host worker 0 is.",
            hint="Set ZOO_COORDINATOR to its name or address, the same for all workers.",
        )
    return Cluster(size, index, host, port, source)


def _address(text: str, port: int) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port` or a host alone."""
    match = re.fullmatch(r"\[?([^\[\]]*?)\]?(?::(\d+))?", text)
    if match is None or match.group(1).count(":") == 1:
        raise ConfigError(f"{text!r} is not an address.", hint="Write host:port.")
    return match.group(1), int(match.group(2) or port)


def _port(environ: Mapping[str, str], default: int = PORT) -> int:
    return _number(environ, "ZOO_PORT") if environ.get("ZOO_PORT") else default


def _port_of(job: str) -> int:
    """Return a port for a job, so that two jobs on one host seldom take the same."""
    return 10_000 + zlib.crc32(job.encode()) % 20_000


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    if not text.strip().isdecimal():
        given = f"is {text!r}, which is no whole number" if text else "is not set"
        raise ConfigError(f"{name} {given}.", hint="Set it to the same kind of number everywhere.")
    return int(text)
