"""The peer's side of `medical.py segment`; runs in the peer's own environment, started by it.

    python benchmarks/medical_peer.py REQUEST.json

Says in a line of JSON what it is, as soon as it is ready. A line of its standard input with two
numbers has it train on the batches from the one up to the other; an empty line has it write what
it finds in the scans to test on. It is MONAI's residual U-Net with MONAI's loss, and PyTorch's
AdamW.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import monai
import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import Tensor, nn

Request = dict[str, Any]
_AT_ONCE = 8
"""Scans that are tested at once."""


def main(request: Request) -> None:
    torch.manual_seed(request["seed"])
    torch.set_num_threads(request["threads"])
    model = network(request)
    train = trainer(model, request)
    tell(
        {
            "parameters": sum(each.numel() for each in model.parameters()),
            "torch": f"{torch.__version__}, MONAI {monai.__version__}",
        }
    )
    for line in sys.stdin:
        tell(train(*map(int, line.split())) if line.strip() else test(model, request))


def tell(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)


def network(request: Request) -> nn.Module:
    """Return the network; of the choices of MONAI those that ours has too."""
    return UNet(
        spatial_dims=request["dimensions"],
        in_channels=request["inputs"],
        out_channels=request["classes"],
        **request["layout"],
        norm="BATCH",
        act="RELU",
    )


def trainer(model: nn.Module, request: Request) -> Callable[[int, int], dict[str, Any]]:
    """Return what trains on the batches from a number up to another."""
    arrays = np.load(request["batches"])
    mean, deviation = request["mean"], request["deviation"]
    scans = [channels_first((each - mean) / deviation) for each in arrays["scans"]]
    labels = [torch.from_numpy(each.astype(np.int64))[:, None] for each in arrays["labels"]]
    loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
    optimizer, schedule = optimizer_of(model, request, len(scans))

    def step(scan: Tensor, label: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with autocast(request):
            logits = model(scan)
        value = loss(logits.float(), label)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), request["clip_norm"])
        optimizer.step()
        schedule.step()
        return value.detach()

    def train(first: int, last: int) -> dict[str, Any]:
        model.train()
        began = time.perf_counter()
        losses = [step(*pair) for pair in zip(scans[first:last], labels[first:last], strict=True)]
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "loss": float(torch.stack(losses).mean())}

    return train


def optimizer_of(model: nn.Module, request: Request, steps: int) -> tuple[Any, Any]:
    """Return AdamW, with no decay of vectors, and its schedule: a rise, and half a cosine."""
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim <= 1]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=request["learning_rate"], weight_decay=request["weight_decay"], fused=True
    )
    warmup = int(request["warmup"] * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def test(model: nn.Module, request: Request) -> dict[str, Any]:
    """Write the probabilities of all classes but background, float16 [scans, *tile, classes]."""
    scans = np.load(request["test"])
    scans = (scans - request["mean"]) / request["deviation"]
    model.eval()
    began, found = time.perf_counter(), []
    with torch.inference_mode(), autocast(request):
        for start in range(0, len(scans), _AT_ONCE):
            logits = model(channels_first(scans[start : start + _AT_ONCE])).float()
            found.append(logits.softmax(dim=1)[:, 1:].movedim(1, -1).half().numpy())
    np.save(request["found"], np.concatenate(found))
    return {"seconds": time.perf_counter() - began}


def channels_first(scans: np.ndarray) -> Tensor:
    """Return scans [batch, *sizes, channels] as PyTorch takes them."""
    return torch.from_numpy(np.moveaxis(scans, -1, 1).astype(np.float32).copy())


def autocast(request: Request) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=request["bfloat16"])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
