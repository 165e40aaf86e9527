"""GPT: a character-level language model, its objective and its training.

Pre-normalised transformer with RMSNorm (Zhang & Sennrich 2019), rotary positions (Su et al. 2021), grouped key/value
heads (Ainslie et al. 2023), normalised queries and keys (Henry et al. 2020) and SwiGLU (Shazeer 2020). Every layer
looks back ``context`` characters and no further, so a text may run on past the trained length.

Shapes: B batch, T time (characters), C width, H query heads, G key/value heads, D head size, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import texts
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError
from models.data import DataError
from models.registry import Metric, Recipe
from models.scoring import calibrate, nats_per_character
from models.speakers import Speakers
from models.training import Progress, Run, Stateful, Trained, renew, renewal, warm_up

TELLING = 50_000  # characters to calibrate with, at most: more tell no more of a single number


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of a GPT and how it is trained; ``vocabulary`` holds its characters in the order of their token ids."""

    LEAST = dict.fromkeys(("layers", "width", "heads", "kv_heads", "hidden", "context", "batch", "average"), 1)

    vocabulary: str = texts.VOCABULARY
    layers: int = 6
    width: int = 320
    heads: int = 5
    kv_heads: int = 1  # one shared key/value head: the cache of a stream is a fifth as large
    hidden: int = 960  # three times the width, what the shared head saved is spent here
    context: int = 256
    rotary_base: float = 10_000.0
    dropout: float = 0.1  # every text is seen about ten times
    batch: int = 32
    plays: float = 0.75  # share of the batches drawn from the other plays
    noise: float = 0.0  # share of the characters before that are replaced, so that less is learnt by heart; falls, too
    renamed: float = 0.0  # share of the excerpts whose speakers are called something else; it makes names up, too
    matrix_rate: float = 0.02  # learning rate of the orthogonalised matrices (Muon)
    other_rate: float = 3e-3  # of embedding, head and norms (AdamW)
    weight_decay: float = 0.05
    warmup: int = 40  # steps; normalised queries and keys need little
    flat: float = 0.7  # share of the run at the full rate before it falls linearly to zero: at low rates it overfits
    average: float = 50.0  # steps after which half of the averaged weights, which are kept, is renewed
    calibration: float = 0.03  # share of the text, its beginning, that is not learnt but tells how sure to be

    def __post_init__(self) -> None:
        """ConfigurationError unless the numbers fit each other."""
        if self.width % (2 * self.heads):
            raise ConfigurationError(f"width must be a multiple of {2 * self.heads} (2 x heads), not {self.width}.")
        if self.heads % self.kv_heads:
            raise ConfigurationError(f"heads must be a multiple of kv_heads ({self.kv_heads}), not {self.heads}.")
        for name in ("dropout", "plays", "noise", "renamed", "flat", "calibration"):
            if getattr(self, name) > 1:
                raise ConfigurationError(f"{name} is a share, at most 1, not {getattr(self, name)}.")

    @property
    def head_size(self) -> int:
        return self.width // self.heads


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (normalise(x) * self.weight).to(x.dtype)


def normalise(x: Tensor) -> Tensor:
    """Divide by the root mean square of the last dimension; float32 whatever comes in."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def frequencies(head_size: int, base: float, device: torch.device | None = None) -> Tensor:
    """By how much the rotary angles grow with each position: (head_size / 2,)."""
    return base ** (-torch.arange(0, head_size, 2, device=device, dtype=torch.float32) / head_size)


def rotary(positions: Tensor, head_size: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the rotary angles at integer ``positions`` (...): two float32 tensors (..., head_size / 2)."""
    angles = positions.float()[..., None] * frequencies(head_size, base, positions.device)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (first half, second half) of the last dimension by its angle."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.width, (config.heads + 2 * config.kv_heads) * config.head_size, bias=False)
        self.out = nn.Linear(config.heads * config.head_size, config.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
        c = self.config
        heads = self.qkv(x).unflatten(-1, (-1, c.head_size)).transpose(1, 2)  # (B, H + 2G, T, D)
        q, k, v = heads.split((c.heads, c.kv_heads, c.kv_heads), 1)
        q = rotate(normalise(q), cosine, sine).to(v.dtype)  # (B, H, T, D)
        k = rotate(normalise(k), cosine, sine).to(v.dtype)  # (B, G, T, D)
        # The heads of a group are rows of one product; on a processor that is faster than PyTorch's fused attention.
        q = (q * c.head_size**-0.5).unflatten(1, (c.kv_heads, -1)).flatten(2, 3)  # (B, G, H / G x T, D)
        scores = (q @ k.transpose(-1, -2)).unflatten(2, (-1, x.shape[1]))  # (B, G, H / G, T, T)
        shares = (scores + mask.to(scores.dtype)).softmax(-1).to(v.dtype)  # (B, G, H / G, T, T)
        y = (shares.flatten(2, 3) @ v).unflatten(2, (-1, x.shape[1])).flatten(1, 2)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # (B, T, C)


class SwiGLU(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


class Dropout(nn.Module):
    """Silence a share of an excerpt's channels, over its whole length (as Gal & Ghahramani 2016 do).

    Random numbers for single values would take a fifth of a step on a processor.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * F.dropout(x.new_ones(len(x), 1, x.shape[-1]), self.share, self.training)  # (B, T, C)


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = Attention(config)
        self.feed_norm = RMSNorm(config.width)
        self.feed = SwiGLU(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), cosine, sine, mask))
        return x + self.dropout(self.feed(self.feed_norm(x)))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """The network: token ids (B, T) to logits (B, T, V)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(len(config.vocabulary), config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width)
        self.head = nn.Linear(config.width, len(config.vocabulary), bias=False)
        nn.init.normal_(self.embedding.weight, std=1.0)
        for block in self.blocks:  # every block starts as the identity
            nn.init.zeros_(block.attention.out.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(block.feed.down.weight)  # type: ignore[union-attr, arg-type]
        nn.init.zeros_(self.head.weight)  # the first prediction is uniform: a loss of ln V

    def forward(self, tokens: Tensor) -> Tensor:
        c = self.config
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        cosine, sine = rotary(positions, c.head_size, c.rotary_base)  # (T, D / 2)
        distance = positions[:, None] - positions[None, :]
        seen = (distance >= 0) & (distance < c.context)  # (T, T): each character sees itself and the context - 1 before
        mask = torch.zeros(seen.shape, device=tokens.device).masked_fill(~seen, -torch.inf)
        x = self.embedding(tokens)  # (B, T, C)
        for block in self.blocks:
            x = block(x, cosine, sine, mask)
        return self.head(self.norm(x)).float()  # type: ignore[no-any-return]  # (B, T, V)


def encode(text: str, vocabulary: str) -> Tensor:
    """Token ids (T,) of a text whose characters all occur in the vocabulary; ValueError names one that does not."""
    ids = {character: i for i, character in enumerate(vocabulary)}
    try:
        return torch.tensor([ids[character] for character in text], dtype=torch.long)
    except KeyError as missing:
        raise ValueError(f"The model never saw the character {missing.args[0]!r}; remove it.") from None


# Training


def encode_part(part: str, vocabulary: str) -> Tensor:
    """As :func:`encode`, of a data set: DataError when the vocabulary does not suffice."""
    try:
        return encode(part, vocabulary)
    except ValueError as error:
        raise DataError(f"{error} Or train a model of this text from scratch.") from error


def next_character_loss(network: nn.Module, tokens: Tensor, read: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of each character given those before it, in nats; ``tokens`` is (B, T + 1).

    The network sees those as ``read`` (B, T), where that is given.
    """
    logits = network(tokens[:, :-1] if read is None else read)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def noised(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Tokens (B, T) of which a share are replaced by others that stand among them (unigram noise, Xie et al. 2017)."""
    others = tokens.flatten()[torch.randperm(tokens.numel(), generator=generator)].view_as(tokens)
    return torch.where(torch.rand(tokens.shape, generator=generator) < share, others, tokens)  # (B, T)


def optimizers(network: GPT) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the blocks' matrices, AdamW for embedding, head and norms."""
    c = network.config
    matrices = [p for p in network.blocks.parameters() if p.ndim == 2]
    others = [p for p in network.parameters() if not any(p is m for m in matrices)]
    muon = torch.optim.Muon(matrices, lr=c.matrix_rate, weight_decay=c.weight_decay, momentum=0.95)
    adam = torch.optim.AdamW(others, lr=c.other_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return muon, adam


def falling(fraction: float, config: Config) -> float:
    """Multiplier of the learning rates and of the noise: flat, then linearly to zero at the end of the run."""
    return min(1.0, (1.0 - fraction) / (1.0 - config.flat)) if config.flat < 1 else 1.0


def draw(corpus: Tensor, count: int, length: int, generator: torch.Generator) -> Tensor:
    """``count`` random excerpts (count, length) of a corpus (N,)."""
    starts = torch.randint(len(corpus) - length + 1, (count,), generator=generator)
    return corpus[starts[:, None] + torch.arange(length)]


def batches(config: Config, text: Tensor, plays: Tensor | None, speakers: Speakers, run: Run) -> Tensor:
    """The batch of the run's step; every fourth has half as many excerpts of twice the length.

    The long ones teach the network what a window that slides past the first character looks like, and those whose
    ``speakers`` have other names to carry on a name that it never saw.
    """
    generator = run.generator()
    long = run.step % 4 == 3
    count, length = (max(1, config.batch // 2), 2 * config.context) if long else (config.batch, config.context)
    from_plays = int((torch.rand(count, generator=generator) < config.plays).sum()) if plays is not None else 0
    parts = [draw(text, count - from_plays, length + 1, generator)]
    if plays is not None:
        parts.append(draw(plays, from_plays, length + 1, generator))
    tokens = torch.cat(parts)  # (B, T + 1)
    for row in (torch.rand(count, generator=generator) < config.renamed).nonzero().flatten().tolist():
        excerpt = "".join(config.vocabulary[token] for token in tokens[row].tolist())
        tokens[row] = encode(speakers.renamed(excerpt, generator), config.vocabulary)
    return tokens


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's texts, yielding progress; returns the network with averaged weights."""
    config = Config.parse(recipe.config)
    parts = texts.split(recipe.dataset)
    if recipe.dataset != texts.TINY:  # another text has other characters, and Shakespeare's plays are no help to it
        config = replace(config, plays=0.0)
        if run.start is None:  # else it keeps the characters whose weights it begins with
            config = replace(config, vocabulary="".join(sorted({*parts[0], *parts[1]})))
    text, held_out = (encode_part(part, config.vocabulary) for part in parts)
    if run.start is not None and run.start.card.dataset["name"] == recipe.dataset:  # what it learnt tells nothing
        config = replace(config, calibration=min(config.calibration, run.start.card.config.get("calibration", 0.0)))
    left_out = min(int(config.calibration * len(text)), TELLING)
    if left_out <= config.context:  # too little to tell anything
        left_out = 0
    unseen, text = text[:left_out], text[left_out:]  # the end belongs to what is held out: often the same play
    if len(text) <= 2 * config.context:
        raise DataError(f"The text has {len(text):,} characters to learn from; set a context below half of that.")
    other_plays = texts.other_plays() if config.plays > 0 else None
    plays = encode(other_plays, config.vocabulary) if other_plays else None
    speakers = Speakers("\n".join([parts[0], other_plays or ""]))
    network = run.build(lambda: GPT(config))
    average = copy.deepcopy(network).requires_grad_(False).eval()
    matrices, others = optimizers(network)
    state: dict[str, Stateful] = {"network": network, "average": average, "matrices": matrices, "others": others}
    run.restore(**state)
    forward = run.compiled(network)
    for step in run:
        tokens = batches(config, text, plays, speakers, run)
        full = falling(run.fraction, config)
        read = noised(tokens[:, :-1], full * config.noise, run.generator("noise"))
        with run.autocast():
            loss = next_character_loss(forward, tokens.to(run.device), read.to(run.device))
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, rate in ((matrices, config.matrix_rate), (others, config.other_rate)):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(warm_up(step, config.warmup), full)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        renew(average, network, renewal(step, config.average))
        run.observe(loss=loss)
        if run.due():
            metrics = {"held-out nats/char (first 20,000)": nats_per_character(average, held_out[:20_000])}
            yield run.report(metrics, None, **state)
    if left_out:
        calibrate(average, unseen)
    return Trained(average, asdict(config))


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card, over the last 10 % of the text (``quick``: over the first 20,000 characters of that)."""
    network = restore(checkpoint, device)
    held_out = encode_part(texts.split(checkpoint.card.dataset["name"])[1], network.config.vocabulary)
    held_out = held_out[:20_000] if quick else held_out
    reference = "nanoGPT 1.4697 (its README); best public recipe known to us 1.39"
    half = network.config.context // 2
    return {
        "nats_per_character": Metric(nats_per_character(network, held_out), "nats/char", reference, "lower"),
        "nats_per_character_sliding": Metric(
            nats_per_character(network, held_out, before=half),
            "nats/char",
            f"windows of {network.config.context} with {half} characters before each",
            "lower",
        ),
    }


def restore(checkpoint: Checkpoint, device: torch.device) -> GPT:
    """The network of a checkpoint, float32, ready to be asked."""
    network = GPT(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()
