"""What to compute in: the fast 16-bit type of the hardware, where it has one."""

from __future__ import annotations

from pathlib import Path

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
"""Keras' policies by compute type; variables are float32 under each."""

_CPU_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def choose(wanted: str, gpu: int | None) -> tuple[str, str]:
    """Return the compute type for a wish, and why.

    Args:
        wanted: `auto`, or the type.
        gpu: the major compute capability of this machine's GPUs; None without any.
    """
    if wanted != "auto":
        return wanted, "as set"
    if gpu is not None:
        if gpu >= 8:
            return "bfloat16", "this GPU computes in bfloat16"
        if gpu == 7:
            return "float16", "this GPU computes in float16 alone"
        return "float32", "this GPU has no fast 16-bit type"
    if _CPU_BFLOAT16 & cpu_flags():
        return "bfloat16", "this CPU computes in bfloat16"
    return "float32", "this CPU has no bfloat16"


def cpu_flags() -> set[str]:
    """Return the instruction sets of this CPU as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
