"""The peers' side of `translation.py`; runs in the peers' own environment, started by that script.

    python benchmarks/translation_peer.py REQUEST.json

Says in a line of JSON how large its network is, as soon as it is ready, and then answers each
line of its standard input with another. One system is `torch`, our Transformer in plain
PyTorch: the same weights under the same names, so it computes the same logits. The other is
`joeynmt`, that toolkit's own network and loss, of the same size, and its search.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch._inductor.config
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

PAD, UNKNOWN, START, END = range(4)
"""As in `zoo_translation.tokeniser`, which this environment does not have."""
NEVER = -1e9
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
Request = dict[str, Any]


def main(request: Request) -> None:
    torch.manual_seed(request["seed"])
    torch.set_num_threads(request["threads"])
    answer = {"train": trainer, "decode": decoder}[request["what"]](request)
    for line in sys.stdin:
        print(json.dumps(answer(*map(int, line.split()))), flush=True)


def tell(model: nn.Module) -> None:
    """Say that all is ready, and how large the network is."""
    print(json.dumps({"parameters": sum(each.numel() for each in model.parameters())}), flush=True)


def precision(request: Request) -> Any:
    """Return the context in which the network computes."""
    if request["precision"] == "float32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


def compiled(function: Callable[..., Any], request: Request) -> Callable[..., Any]:
    if not request["compile"]:
        return function
    # Its own random numbers, for dropout, come one by one on a CPU.
    torch._inductor.config.fallback_random = True
    return torch.compile(function, dynamic=True, mode=request["compile"])


# Training


def trainer(request: Request) -> Callable[[int, int], dict[str, float]]:
    """Return what trains on the batches from one number up to another, and times it."""
    model, loss = {"torch": torch_loss, "joeynmt": joeynmt_loss}[request["system"]](request)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=request["learning_rate"],
        weight_decay=request["weight_decay"],
        fused=True,
    )
    batches = read_batches(request["batches"], ("source", "target", "labels"))
    clock = CLOCKS[request["clock"]]
    forward = compiled(loss, request)

    def step(batch: tuple[Tensor, ...]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with precision(request):
            value = forward(*batch)
        value.backward()
        if request["clip_norm"]:
            nn.utils.clip_grad_norm_(model.parameters(), request["clip_norm"])
        optimizer.step()
        return value.detach()

    def train(first: int, last: int) -> dict[str, float]:
        began = clock()
        losses = [step(batch) for batch in batches[first:last]]
        seconds = clock() - began
        return {"seconds": seconds, "loss": float(torch.stack(losses).float().mean())}

    tell(model)
    return train


def read_batches(file: str, names: tuple[str, ...]) -> list[tuple[Tensor, ...]]:
    """Return the batches of a file, int64 tensors."""
    arrays = np.load(file)
    count = len(arrays.files) // len(names)
    return [
        tuple(torch.from_numpy(arrays[f"{name}{number}"].astype(np.int64)) for name in names)
        for number in range(count)
    ]


def torch_loss(request: Request) -> tuple[nn.Module, Callable[..., Tensor]]:
    model = Transformer(**request["sizes"])
    model.copy(request["weights"])

    def loss(source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        logits = model(source, target)
        return F.cross_entropy(
            logits.flatten(0, 1),
            labels.flatten(),
            ignore_index=PAD,
            label_smoothing=request["smoothing"],
        )

    return model, loss


def joeynmt_loss(request: Request) -> tuple[nn.Module, Callable[..., Tensor]]:
    """Return JoeyNMT's network and its own loss, per token.

    The loss takes a `log_softmax` and a target distribution as large as the logits.
    """
    from joeynmt.model import build_model
    from joeynmt.vocabulary import Vocabulary

    sizes = request["sizes"]
    names = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "bos", "eos")}
    numbers = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3}
    special = SimpleNamespace(**names, **numbers, sep_token=None, lang_tags=[])
    vocabulary = Vocabulary([f"p{number}" for number in range(4, sizes["pieces"])], special)
    side = {
        "type": "transformer",
        "num_layers": sizes["layers"],
        "num_heads": sizes["heads"],
        "hidden_size": sizes["width"],
        "ff_size": sizes["hidden"],
        "dropout": sizes["dropout"],
        "layer_norm": "pre",
        "embeddings": {"embedding_dim": sizes["width"], "scale": True},
    }
    tied = {"tied_embeddings": True, "tied_softmax": True}
    model = build_model({"encoder": side, "decoder": side, **tied}, vocabulary, vocabulary)
    model.loss_function = ("crossentropy", request["smoothing"])

    def loss(*batch: Tensor) -> Tensor:
        # There the unknown piece is 0 and padding 1.
        source, target, labels = (torch.where(each < 2, 1 - each, each) for each in batch)
        total, *_ = model(
            return_type="loss",
            src=source,
            trg_input=target,
            trg=labels,
            src_length=None,
            src_mask=(source != 1)[:, None],
            trg_mask=(target != 1)[:, None],
        )
        return total / (labels != 1).sum()

    return model, loss


# The network


class Transformer(nn.Module):
    """Our Transformer with rotary positions: pre-norm, one matrix of pieces."""

    def __init__(
        self, *, pieces: int, layers: int, width: int, hidden: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.size = width // heads
        self.embedding = nn.Embedding(pieces, width)
        settings = {"width": width, "hidden": hidden, "heads": heads}
        self.encoder = Stack(layers, dropout, **settings, cross=False)
        self.decoder = Stack(layers, dropout, **settings, cross=True)

    def copy(self, file: str) -> None:
        """Take our weights, of which a file holds arrays by path."""
        found = {}
        for path, array in np.load(file).items():
            name = path.replace("/", ".").replace("vectors", "weight")
            value = torch.from_numpy(array.T if name.endswith("kernel") else array)
            found[name.replace("kernel", "weight")] = value.contiguous()
        self.load_state_dict(found)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = (source != PAD)[:, None, None]
        states = self.encoder(self.embed(source), self.angles(0, source.shape[1]), mask)
        turns = self.angles(0, target.shape[1])
        return self.scores(self.decoder(self.embed(target), turns, mask, states))

    def embed(self, pieces: Tensor) -> Tensor:
        return self.embedding(pieces) * self.embedding.embedding_dim**0.5

    def scores(self, states: Tensor) -> Tensor:
        return F.linear(states, self.embedding.weight)

    def angles(self, first: int, length: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of places, each [length, size]."""
        half = self.size // 2
        rates = torch.exp(torch.arange(half) * (-math.log(10_000.0) / half))
        angles = torch.arange(first, first + length)[:, None] * rates
        angles = torch.cat([angles, angles], dim=1)
        return angles.cos(), angles.sin()


class Stack(nn.Module):
    """Encoder or, with `cross`, decoder."""

    def __init__(self, layers: int, dropout: float, **settings: Any) -> None:
        super().__init__()
        self.names = [f"layer{number}" for number in range(1, layers + 1)]
        for name in self.names:
            self.add_module(name, Layer(dropout=dropout, **settings))
        self.dropout = nn.Dropout(dropout)

    @property
    def layers(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self.names)

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor, states: Tensor | None = None
    ) -> Tensor:
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, turns, mask, states)
        return norm(x)


class Layer(nn.Module):
    """One layer of encoder or decoder."""

    def __init__(self, *, width: int, hidden: int, heads: int, dropout: float, cross: bool) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width, heads)
        if cross:
            self.cross_attention = CrossAttention(width, heads)
        self.feed_forward = nn.ModuleDict(
            {
                "first": nn.Linear(width, hidden, bias=False),
                "second": nn.Linear(hidden, width, bias=False),
            }
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor, states: Tensor | None
    ) -> Tensor:
        own = None if states is not None else mask
        x = x + self.dropout(self.self_attention(norm(x), turns, own))
        if states is not None:
            memory = self.cross_attention.memory(states)
            x = x + self.dropout(self.cross_attention(norm(x), memory, mask))
        return self.feed(x)

    def step(
        self, x: Tensor, turns: tuple[Tensor, Tensor], past: Tensor, memory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return one place's features [batch, beams, width], and `past` with this place.

        Args:
            x: [batch, beams, width].
            turns: of this place.
            past: keys and values so far, [2, batch * beams, heads, places, size].
            memory: of the source, [2, batch, heads, S, size].
            mask: of the source, [batch, 1, 1, S].
        """
        found, past = self.self_attention.step(norm(x).flatten(0, 1)[:, None], turns, past)
        x = x + found.view_as(x)
        # The beams of a sentence look at the same source, like places of one target.
        x = x + self.cross_attention(norm(x), memory, mask)
        return self.feed(x), past

    def feed(self, x: Tensor) -> Tensor:
        found = self.feed_forward["second"](F.relu(self.feed_forward["first"](norm(x))))
        return x + self.dropout(found)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        if mask is None:
            mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return self.output(merge(attend(*self.project(x, turns), mask)))

    def step(self, x: Tensor, turns: tuple[Tensor, Tensor], past: Tensor) -> tuple[Tensor, Tensor]:
        queries, *new = self.project(x, turns)
        past = torch.cat([past, torch.stack(new).to(past.dtype)], dim=3)
        return self.output(merge(attend(queries, *past.to(queries.dtype)))), past

    def project(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> list[Tensor]:
        queries, keys, values = split(self.projection(x), 3, self.heads)
        return [rotate(queries, turns), rotate(keys, turns), values]


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.projection = nn.Linear(width, 2 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def memory(self, states: Tensor) -> Tensor:
        return split(self.projection(states), 2, self.heads)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        queries = split(self.query(x), 1, self.heads)[0]
        return self.output(merge(attend(queries, *memory, mask)))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return what queries find, where `mask` is true, [rows, heads, T, size].

    Not by `scaled_dot_product_attention`: on a CPU its gradient takes as long as all else
    together where sentences are short.
    """
    scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -30_000.0)
    return scores.softmax(dim=-1).to(values.dtype) @ values


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=1e-6)


def split(x: Tensor, parts: int, heads: int) -> Tensor:
    """Return [rows, T, parts * heads * size] as [parts, rows, heads, T, size]."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4)


def merge(x: Tensor) -> Tensor:
    """Return [rows, heads, T, size] as [rows, T, heads * size]."""
    return x.transpose(1, 2).flatten(2)


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (each.to(x.dtype) for each in turns)
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-right, left], dim=-1) * sine


# Decoding


def decoder(request: Request) -> Callable[[], dict[str, Any]]:
    """Return what translates all batches and times it."""
    model = Transformer(**request["sizes"])
    model.copy(request["weights"])
    model.eval()
    batches = read_batches(request["batches"], ("source",))
    clock = CLOCKS[request["clock"]]
    search = {"torch": beam_search, "joeynmt": joeynmt_search}[request["system"]]
    step = compiled(lambda *arguments: next_scores(model, *arguments), request)

    @torch.inference_mode()
    def decode() -> dict[str, Any]:
        found = []
        began = clock()
        with precision(request):
            for (source,) in batches:
                found.extend(search(model, step, source, request))
        return {"seconds": clock() - began, "pieces": found}

    tell(model)
    return decode


def next_scores(
    model: Transformer,
    pieces: Tensor,
    turns: tuple[Tensor, Tensor],
    past: list[Tensor],
    source: tuple[list[Tensor], Tensor],
) -> tuple[Tensor, list[Tensor]]:
    """Return log probabilities of what follows [batch, beams, pieces], and the new cache.

    Args:
        model: the network.
        pieces: the last of each translation, [batch, beams].
        turns: of their place.
        past: of each layer; see :meth:`Layer.step`.
        source: memory of each layer, and the mask.
    """
    x, new = model.embed(pieces), []
    memory, mask = source
    for layer, before, states in zip(model.decoder.layers, past, memory, strict=True):
        x, now = layer.step(x, turns, before, states, mask)
        new.append(now)
    return model.scores(norm(x)).float().log_softmax(-1), new


def beam_search(
    model: Transformer, step: Callable[..., Any], source: Tensor, request: Request
) -> list[list[int]]:
    """Return the best translation of each sentence.

    With a cache, and without the sentences that are done: as fairseq has it, by the same
    rules as our own search.
    """
    beams, penalty = request["beams"], request["length_penalty"]
    mask = (source != PAD)[:, None, None]
    states = model.encoder(model.embed(source), model.angles(0, source.shape[1]), mask)
    memory = [layer.cross_attention.memory(states) for layer in model.decoder.layers]
    limits = (2 * (source != PAD).sum(1) + 10).clamp(max=request["longest"])
    rows = len(source)
    heads = model.decoder.layer1.self_attention.heads
    past = [states.new_zeros(2, rows * beams, heads, 0, model.size) for _ in memory]
    sentence = torch.arange(rows)
    pieces = torch.full((rows, beams, 1), START)
    totals = torch.full((rows, beams), NEVER)
    totals[:, 0] = 0
    ended = torch.zeros((rows, beams, 0), dtype=torch.int64)
    scores = torch.full((rows, beams), NEVER)
    best: list[list[int]] = [[]] * rows
    for place in range(int(limits.max())):
        found, past = step(pieces[..., -1], model.angles(place, 1), past, (memory, mask))
        found[..., [PAD, START]] = NEVER
        last = place + 1 >= limits
        found[last, :, :END] = found[last, :, END + 1 :] = NEVER
        every = (totals[..., None] + found).flatten(1)
        totals, places = every.topk(2 * beams)
        parents, new = places // found.shape[-1], places % found.shape[-1]
        grown = torch.cat([pick(pieces, parents), new[..., None]], dim=-1)
        ends = new == END
        # A sequence ends only if it is among as many best ones as there are beams.
        length = ((6.0 + place) / 6.0) ** penalty
        ending = torch.where(ends, totals / length, NEVER)[:, :beams]
        scores, order = torch.cat([scores, ending], dim=1).topk(beams)
        ended = pick(torch.cat([F.pad(ended, (0, 1)), grown[:, :beams, 1:]], dim=1), order)
        totals, order = torch.where(ends, NEVER, totals).topk(beams)
        pieces, parents = pick(grown, order), parents.gather(1, order)
        done = totals[:, 0] / length <= scores[:, -1]
        for row in done.nonzero()[:, 0].tolist():
            best[int(sentence[row])] = before_end(ended[row, 0].tolist())
        (left,) = torch.where(~done)
        if not len(left):
            return best
        chosen = (left[:, None] * beams + parents[left]).flatten()
        past = [each.index_select(1, chosen) for each in past]
        if done.any():
            memory = [each.index_select(1, left) for each in memory]
            kept = (mask, limits, sentence, pieces, totals, ended, scores)
            mask, limits, sentence, pieces, totals, ended, scores = (each[left] for each in kept)
    for row, number in enumerate(sentence.tolist()):
        best[number] = before_end(ended[row, 0].tolist())
    return best


def pick(x: Tensor, places: Tensor) -> Tensor:
    """Return [batch, k, T] of `x` [batch, n, T]."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))


def before_end(pieces: list[int]) -> list[int]:
    return pieces[: pieces.index(END)] if END in pieces else [each for each in pieces if each]


def joeynmt_search(
    model: Transformer, step: Callable[..., Any], source: Tensor, request: Request
) -> list[list[int]]:
    """Return the best translation of each sentence by JoeyNMT's search, which has no cache."""
    from joeynmt.search import beam_search as search

    mask = (source != PAD)[:, None]
    states = model.encoder(model.embed(source), model.angles(0, source.shape[1]), mask[:, None])
    found, *_ = search(
        model=joeynmt_model(model),
        beam_size=request["beams"],
        encoder_output=states,
        encoder_hidden=None,
        src_mask=mask,
        max_output_length=min(2 * source.shape[1] + 10, request["longest"]),
        alpha=request["length_penalty"],
    )
    return [before_end(each) for each in found.tolist()]


def joeynmt_model(model: Transformer) -> Any:
    """Return our network as JoeyNMT's search calls one."""
    from joeynmt.decoders import TransformerDecoder

    class Adapter:
        pad_index, unk_index, bos_index, eos_index, sep_index = PAD, UNKNOWN, START, END, None
        specials, lang_tags = list(range(4)), []
        # It asks for the type of the decoder and for its number of pieces.
        decoder = TransformerDecoder.__new__(TransformerDecoder)

        def __call__(
            self, trg_input: Tensor, encoder_output: Tensor, src_mask: Tensor, **_: Any
        ) -> tuple[Any, ...]:
            turns = model.angles(0, trg_input.shape[1])
            x = model.embed(trg_input)
            states = model.decoder(x, turns, src_mask[:, None], encoder_output)
            return model.scores(states), None, None, None

    nn.Module.__init__(Adapter.decoder)
    Adapter.decoder._output_size = model.embedding.num_embeddings
    return Adapter()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
