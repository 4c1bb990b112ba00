"""The peer's side of `speech.py speed`; runs in the peer's own environment, started by that script.

    python benchmarks/speech_peer.py REQUEST.json

Says in a line of JSON what it is, as soon as it is ready, and then trains on the batches whose
numbers a line of its standard input gives. It is our residual network for keywords in plain
PyTorch: the same front end, layers and sizes, with weights of its own.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Request = dict[str, Any]
STRIDES = ((1, 1), (2, 2), (1, 2))
"""As in `zoo_speech.models.resnet`, which this environment does not have."""


def main(request: Request) -> None:
    torch.manual_seed(request["seed"])
    torch.set_num_threads(request["threads"])
    model = Network(request)
    train = trainer(model, request)
    tell(
        {"parameters": sum(each.numel() for each in model.parameters()), "torch": torch.__version__}
    )
    for line in sys.stdin:
        tell(train(*map(int, line.split())))


def tell(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)


def trainer(model: nn.Module, request: Request) -> Any:
    """Return what trains on the batches from a number up to another."""
    arrays = np.load(request["batches"])
    names = ("sound", "length", "labels")
    batches = [
        [torch.from_numpy(arrays[f"{name}{number}"]) for name in names]
        for number in range(request["count"])
    ]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=request["learning_rate"],
        weight_decay=request["weight_decay"],
        fused=True,
    )
    forward = torch.compile(model) if request["compiled"] else model
    model.train()

    def step(sound: Tensor, length: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        compiled = request["compiled"]
        with torch.autocast("cpu", torch.bfloat16) if compiled else contextlib.nullcontext():
            loss = F.cross_entropy(forward(sound, length).float(), labels.long())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), request["clip_norm"])
        optimizer.step()
        return loss.detach()

    def train(first: int, last: int) -> dict[str, Any]:
        began = time.perf_counter()
        losses = [step(*batch) for batch in batches[first:last]]
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "loss": float(torch.stack(losses).mean())}

    return train


class Network(nn.Module):
    """From samples [batch, samples] and lengths [batch] to logits [batch, classes]."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        encoder, frontend = request["encoder"], request["frontend"]
        self.window, self.hop = frontend["window"], frontend["hop"]
        self.register_buffer("hann", torch.hann_window(self.window))
        self.register_buffer("filters", mel_filters(frontend))
        channels, width = encoder["channels"], encoder["width"]
        self.stem = unit(1, channels[0], 3, (2, 2))
        before, blocks = channels[0], []
        for count, strides in zip(channels, STRIDES, strict=True):
            for number in range(encoder["blocks"]):
                blocks.append(Block(before, count, strides if number == 0 else (1, 1)))
                before = count
        self.blocks = nn.ModuleList(blocks)
        bands = math.ceil(math.ceil(math.ceil(frontend["bands"] / 2) / 2) / 2)
        self.flatten = nn.Linear(before * bands, width)
        self.inner, self.scores = nn.Linear(width, 64), nn.Linear(64, width, bias=False)
        self.embedding = nn.Linear(2 * width, request["embedding"])
        self.head = nn.Linear(request["embedding"], request["classes"])

    def forward(self, sound: Tensor, length: Tensor) -> Tensor:
        x, mask = self.features(sound, length)
        mask = mask[:, ::2]
        x = shown(F.relu(self.stem(x[:, None])), mask)
        for block in self.blocks:
            mask = mask[:, :: block.strides[0]]
            x = block(x, mask)
        states = self.flatten(x.permute(0, 2, 1, 3).flatten(2)).float()
        scores = self.scores(torch.tanh(self.inner(states))).float()
        shares = scores.masked_fill(~mask[..., None], -1e9).softmax(dim=1)
        mean = (shares * states).sum(dim=1)
        deviation = ((shares * (states - mean[:, None]).square()).sum(dim=1) + 1e-5).sqrt()
        return self.head(self.embedding(torch.cat([mean, deviation], dim=1)))

    def features(self, sound: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised log-mel spectrogram [batch, frames, bands], and its mask."""
        frames = -(-sound.shape[1] // self.hop)
        padded = F.pad(sound, (self.window // 2, self.window))
        cut = padded.unfold(1, self.window, self.hop)[:, :frames]
        with torch.autocast("cpu", enabled=False):
            power = torch.fft.rfft(cut * self.hann).abs().square()
            x = torch.log(power @ self.filters + 1e-6)
        mask = torch.arange(frames) < (-(-length // self.hop))[:, None]
        known = mask[..., None].float()
        count = known.sum(dim=1, keepdim=True)
        x = (x - (x * known).sum(dim=1, keepdim=True) / count) * known
        return x * ((x * x).sum(dim=1, keepdim=True) / count + 1e-2).rsqrt(), mask


class Block(nn.Module):
    """Two convolutions, whose result is added to what they were given."""

    def __init__(self, before: int, channels: int, strides: tuple[int, int]) -> None:
        super().__init__()
        self.strides = strides
        self.first, self.second = unit(before, channels, 3, strides), unit(channels, channels, 3)
        same = before == channels and strides == (1, 1)
        self.shortcut = nn.Identity() if same else unit(before, channels, 1, strides)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.second(shown(F.relu(self.first(x)), mask))
        return shown(F.relu(self.shortcut(x) + y), mask)


def unit(before: int, channels: int, kernel: int, strides: tuple[int, int] = (1, 1)) -> nn.Module:
    convolution = nn.Conv2d(before, channels, kernel, strides, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03))


def shown(x: Tensor, mask: Tensor) -> Tensor:
    """Return `x` [batch, channels, frames, bands] with 0 in frames that the mask hides."""
    return x * mask[:, None, :, None]


def mel_filters(frontend: dict[str, int]) -> Tensor:
    """Return triangles on the mel scale, float32 [frequencies, bands]; their speed counts alone."""
    rate, window, bands = frontend["rate"], frontend["window"], frontend["bands"]
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    frequencies = torch.arange(window // 2 + 1)[:, None] * (rate / window)
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return torch.clamp(torch.minimum(rising, falling), min=0)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
