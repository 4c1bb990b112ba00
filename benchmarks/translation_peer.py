"""The peers' side of `translation.py`; runs in the peers' own environment, started by that script.

    python benchmarks/translation_peer.py REQUEST.json

Says in a line of JSON what it is, as soon as it is ready, and then answers each line of its
standard input with another. One system is `torch`, our Transformer in plain PyTorch: the same
weights under the same names, so it computes the same logits. The other is `joeynmt`: to train,
that toolkit's own network and loss, of the same size; to translate, its search over `torch`.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch._dynamo.config
import torch._inductor.config
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

PAD, UNKNOWN, START, END = range(4)
"""As in `zoo_translation.tokeniser`, which this environment does not have."""
NEVER = -1e9
Request = dict[str, Any]
Answer = Callable[..., dict[str, Any]]


def main(request: Request) -> None:
    torch.manual_seed(request["seed"])
    torch.set_num_threads(request["threads"])
    model, answer = {"train": trainer, "decode": translator}[request["what"]](request)
    size = sum(each.numel() for each in model.parameters())
    tell({"parameters": size, "torch": torch.__version__})
    for line in sys.stdin:
        tell(answer(*map(int, line.split())))


def tell(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)


def precision(request: Request) -> Any:
    """Return the context in which the network computes."""
    if request["compiled"]:
        return torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext()


def compiled(function: Callable[..., Any], request: Request) -> Callable[..., Any]:
    """Return a function as it is or, if that is asked for, compiled for shapes that vary."""
    if not request["compiled"]:
        return function
    # Random numbers of the compiler's own, for dropout, come one by one on a CPU.
    torch._inductor.config.fallback_random = True
    # A few sizes, such as 1, are compiled apart; at the limit it would compile no more.
    torch._dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=True)


def read_batches(file: str, names: tuple[str, ...]) -> list[list[Tensor]]:
    """Return the batches of a file, int64 tensors."""
    arrays = np.load(file)
    count = len(arrays.files) // len(names)
    return [
        [torch.from_numpy(arrays[f"{name}{number}"].astype(np.int64)) for name in names]
        for number in range(count)
    ]


# Training


def trainer(request: Request) -> tuple[nn.Module, Answer]:
    """Return a network, and what trains it on the batches from a number up to another."""
    model, loss = {"torch": torch_loss, "joeynmt": joeynmt_loss}[request["system"]](request)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=request["learning_rate"],
        weight_decay=request["weight_decay"],
        fused=True,
    )
    batches = read_batches(request["batches"], ("source", "target", "labels"))
    forward = compiled(loss, request)

    def step(batch: list[Tensor]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with precision(request):
            value = forward(*batch)
        value.backward()
        if request["clip_norm"]:
            nn.utils.clip_grad_norm_(model.parameters(), request["clip_norm"])
        optimizer.step()
        return value.detach()

    def train(first: int, last: int) -> dict[str, Any]:
        began = time.perf_counter()
        losses = [step(batch) for batch in batches[first:last]]
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "loss": float(torch.stack(losses).float().mean())}

    return model, train


def torch_loss(request: Request) -> tuple[nn.Module, Callable[..., Tensor]]:
    """Return our network and its loss, per token."""
    model = Transformer.with_weights(request)

    def loss(source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            model(source, target).flatten(0, 1),
            labels.flatten(),
            ignore_index=PAD,
            label_smoothing=request["smoothing"],
        )

    return model, loss


def joeynmt_loss(request: Request) -> tuple[nn.Module, Callable[..., Tensor]]:
    """Return JoeyNMT's network and its own loss, per token."""
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
        self.dropout = nn.Dropout(dropout)

        def stack(*, cross: bool) -> nn.ModuleDict:
            names = (f"layer{number}" for number in range(1, layers + 1))
            return nn.ModuleDict(
                {name: Layer(width, hidden, heads, dropout, cross) for name in names}
            )

        self.encoder, self.decoder = stack(cross=False), stack(cross=True)

    @classmethod
    def with_weights(cls, request: Request) -> Transformer:
        """Return a network with our weights, of which a file holds arrays by path."""
        found = {}
        for path, array in np.load(request["weights"]).items():
            name = path.replace("/", ".").replace("vectors", "weight")
            value = torch.from_numpy(array.T if name.endswith("kernel") else array)
            found[name.replace("kernel", "weight")] = value.contiguous()
        model = cls(**request["sizes"])
        model.load_state_dict(found)
        return model

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decode(target, *self.encode(source))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return states [batch, S, width] and the mask of the source [batch, 1, 1, S]."""
        mask = (source != PAD)[:, None, None]
        x, turns = self.dropout(self.embed(source)), self.angles(0, source.shape[1])
        for layer in self.encoder.values():
            x = layer(x, turns, mask)
        return norm(x), mask

    def decode(self, target: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Return logits [batch, T, pieces], given what :meth:`encode` returned."""
        x, turns = self.dropout(self.embed(target)), self.angles(0, target.shape[1])
        past = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).tril()
        for layer in self.decoder.values():
            x = layer(x, turns, past, states, mask)
        return self.scores(x)

    def start(self, source: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return keys and values of the source in each layer, and its mask."""
        states, mask = self.encode(source)
        layers = self.decoder.values()
        return [layer.cross_attention.memory(states).contiguous() for layer in layers], mask

    def step(
        self,
        pieces: Tensor,
        turns: tuple[Tensor, Tensor],
        past: list[Tensor],
        memory: list[Tensor],
        mask: Tensor,
    ) -> tuple[Tensor, list[Tensor]]:
        """Return log probabilities of what follows [batch, beams, pieces], and the new cache.

        Args:
            pieces: the last of each translation, [batch, beams].
            turns: of their place.
            past: the cache of each layer; see :meth:`Layer.step`.
            memory: as :meth:`start` returned it, and so is `mask`.
        """
        x, new = self.embed(pieces), []
        for layer, before, states in zip(self.decoder.values(), past, memory, strict=True):
            x, now = layer.step(x, turns, before, states, mask)
            new.append(now)
        return self.scores(x).float().log_softmax(-1), new

    def embed(self, pieces: Tensor) -> Tensor:
        return self.embedding(pieces) * self.embedding.embedding_dim**0.5

    def scores(self, x: Tensor) -> Tensor:
        return F.linear(norm(x), self.embedding.weight)

    def angles(self, first: int, length: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of places, each [length, size]."""
        half = self.size // 2
        rates = torch.exp(torch.arange(half) * (-math.log(10_000.0) / half))
        angles = torch.arange(first, first + length)[:, None] * rates
        angles = torch.cat([angles, angles], dim=1)
        return angles.cos(), angles.sin()


class Layer(nn.Module):
    """One layer of encoder or, with `cross`, decoder."""

    def __init__(self, width: int, hidden: int, heads: int, dropout: float, cross: bool) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width, heads)
        if cross:
            self.cross_attention = CrossAttention(width, heads)
        first, second = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.feed_forward = nn.ModuleDict({"first": first, "second": second})
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        turns: tuple[Tensor, Tensor],
        own: Tensor,
        states: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return features [batch, T, width].

        Args:
            x: [batch, T, width].
            turns: of the places.
            own: which of them each place may look at.
            states: of the source, for a decoder.
            mask: of the source, for a decoder.
        """
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

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        return self.output(attend(*self.project(x, turns), mask))

    def step(self, x: Tensor, turns: tuple[Tensor, Tensor], past: Tensor) -> tuple[Tensor, Tensor]:
        queries, *new = self.project(x, turns)
        past = torch.cat([past, torch.stack(new).to(past.dtype)], dim=3)
        return self.output(attend(queries, *past.to(queries.dtype))), past

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

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        return self.output(attend(split(self.query(x), 1, self.heads)[0], *memory, mask))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return what queries find, where `mask` is true, [rows, T, heads * size].

    Not by `scaled_dot_product_attention`: on a CPU its gradient takes as long as all else
    together where sentences are short.
    """
    scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -30_000.0)
    found = scores.softmax(dim=-1).to(values.dtype) @ values
    return found.transpose(1, 2).flatten(2)


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=1e-6)


def split(x: Tensor, parts: int, heads: int) -> Tensor:
    """Return [rows, T, parts * heads * size] as [parts, rows, heads, T, size]."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4)


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (each.to(x.dtype) for each in turns)
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-right, left], dim=-1) * sine


# Decoding


def translator(request: Request) -> tuple[nn.Module, Answer]:
    """Return our network, and what translates all batches with it."""
    model = Transformer.with_weights(request).eval()
    batches = read_batches(request["batches"], ("source",))
    search = {"torch": torch_search, "joeynmt": joeynmt_search}[request["system"]](model, request)

    @torch.inference_mode()
    def translate() -> dict[str, Any]:
        began = time.perf_counter()
        with precision(request):
            found = [each for (source,) in batches for each in search(source)]
        return {"seconds": time.perf_counter() - began, "pieces": found}

    return model, translate


def torch_search(model: Transformer, request: Request) -> Callable[[Tensor], list[list[int]]]:
    """Return a beam search with a cache, by the same rules as ours.

    Sentences that are done leave the batch, as in fairseq.
    """
    start, step = compiled(model.start, request), compiled(model.step, request)

    def search(source: Tensor) -> list[list[int]]:
        beams = Beams(source, *start(source), request["beams"], request["length_penalty"])
        best: list[list[int]] = [[]] * len(source)
        for place in range(int(beams.limits.max())):
            turns = model.angles(place, 1)
            last = beams.pieces[..., -1].contiguous()
            found, beams.past = step(last, turns, beams.past, beams.memory, beams.mask)
            done = beams.extend(found, place)
            for row in done.nonzero()[:, 0].tolist():
                best[int(beams.sentence[row])] = before_end(beams.ended[row, 0].tolist())
            if done.all():
                break
            beams.keep((~done).nonzero()[:, 0])
        return best

    return search


class Beams:
    """The translations of those sentences of a batch that are not done.

    Attributes:
        sentence: numbers of the sentences, [rows].
        limits: most pieces of a translation, [rows].
        mask: of the source; see :meth:`Transformer.start`, and so is `memory`.
        past: the cache; see :meth:`Transformer.step`.
        pieces: of each translation, START among them, [rows, beams, places].
        totals: their log probabilities, the best first, [rows, beams].
        ended: the best translations that have ended, [rows, beams, places].
        scores: of these, the best first; `NEVER` where there is none, [rows, beams].
    """

    def __init__(
        self, source: Tensor, memory: list[Tensor], mask: Tensor, beams: int, penalty: float
    ) -> None:
        rows = len(source)
        _, _, heads, _, size = memory[0].shape
        self.beams, self.penalty = beams, penalty
        self.sentence = torch.arange(rows)
        self.limits = 2 * (source != PAD).sum(1) + 10
        self.mask, self.memory = mask, memory
        self.past = [each.new_zeros(2, rows * beams, heads, 0, size) for each in memory]
        self.pieces = torch.full((rows, beams, 1), START)
        self.totals = torch.full((rows, beams), NEVER)
        self.totals[:, 0] = 0
        self.ended = torch.zeros((rows, beams, 0), dtype=torch.int64)
        self.scores = torch.full((rows, beams), NEVER)

    def extend(self, found: Tensor, place: int) -> Tensor:
        """Add a piece to each translation, and return which sentences are done, [rows].

        Args:
            found: log probabilities of the pieces, [rows, beams, pieces]; is overwritten.
            place: how many pieces there were.
        """
        last = place + 1 >= self.limits
        found[..., [PAD, START]] = NEVER
        found[last, :, :END] = found[last, :, END + 1 :] = NEVER
        totals, places = (self.totals[..., None] + found).flatten(1).topk(2 * self.beams)
        parents, new = places // found.shape[-1], places % found.shape[-1]
        grown = torch.cat([pick(self.pieces, parents), new[..., None]], dim=-1)
        ends = new == END
        # A sequence ends only if it is among as many best ones as there are beams.
        length = ((6.0 + place) / 6.0) ** self.penalty
        scores = torch.where(ends, totals / length, NEVER)[:, : self.beams]
        self.scores, order = torch.cat([self.scores, scores], dim=1).topk(self.beams)
        ended = torch.cat([F.pad(self.ended, (0, 1)), grown[:, : self.beams, 1:]], dim=1)
        self.ended = pick(ended, order)
        self.totals, order = torch.where(ends, NEVER, totals).topk(self.beams)
        self.pieces, self.parents = pick(grown, order), parents.gather(1, order)
        return last | (self.totals[:, 0] / length <= self.scores[:, -1])

    def keep(self, rows: Tensor) -> None:
        """Leave out all sentences but some, and let the cache follow the beams."""
        chosen = (rows[:, None] * self.beams + self.parents[rows]).flatten()
        self.past = [each.index_select(1, chosen) for each in self.past]
        if len(rows) == len(self.sentence):
            return
        self.memory = [each.index_select(1, rows) for each in self.memory]
        for name in ("sentence", "limits", "mask", "pieces", "totals", "ended", "scores"):
            setattr(self, name, getattr(self, name)[rows])


def pick(x: Tensor, places: Tensor) -> Tensor:
    """Return [rows, k, T] of `x` [rows, n, T]."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))


def before_end(pieces: list[int]) -> list[int]:
    return pieces[: pieces.index(END)] if END in pieces else [each for each in pieces if each]


def joeynmt_search(model: Transformer, request: Request) -> Callable[[Tensor], list[list[int]]]:
    """Return JoeyNMT's beam search, which has no cache, with our network."""
    from joeynmt.decoders import TransformerDecoder
    from joeynmt.search import beam_search

    encode, decode = compiled(model.encode, request), compiled(model.decode, request)

    class Adapter:
        """Our network as that search calls one; it looks at the decoder's type and size."""

        pad_index, unk_index, bos_index, eos_index, sep_index = PAD, UNKNOWN, START, END, None
        specials, lang_tags = list(range(4)), []
        decoder = TransformerDecoder.__new__(TransformerDecoder)
        nn.Module.__init__(decoder)
        decoder._output_size = model.embedding.num_embeddings

        def __call__(
            self, trg_input: Tensor, encoder_output: Tensor, src_mask: Tensor, **_: Any
        ) -> tuple[Any, ...]:
            return decode(trg_input, encoder_output, src_mask[:, None]), None, None, None

    def search(source: Tensor) -> list[list[int]]:
        states, mask = encode(source)
        found, *_ = beam_search(
            model=Adapter(),
            beam_size=request["beams"],
            encoder_output=states,
            encoder_hidden=None,
            src_mask=mask[:, 0],
            max_output_length=2 * source.shape[1] + 10,
            alpha=request["length_penalty"],
        )
        return [before_end(each) for each in found.tolist()]

    return search


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
