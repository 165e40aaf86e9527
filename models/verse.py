"""Verse: the family of GPTs, and texts written on the command line with the cached decoder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch

from models import texts
from models.checkpoint import Checkpoint
from models.decoder import CHUNK, TorchDecoder
from models.gpt import GPT, Config, encode, evaluate, restore, train
from models.registry import Family, Recipe
from models.roles import Writer

LENGTH = 500  # characters of each sampled text


@torch.inference_mode()
def complete(network: GPT, prompt: str, temperature: float = 0.8, seed: int = 0) -> Iterator[str]:
    """Yield one character after another for as long as they are asked for; temperature 0 takes the likeliest."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = network.config.vocabulary
    decoder = TorchDecoder(network, slots=1)
    tokens = encode(prompt, vocabulary)[-network.config.context :].tolist()
    position = 0
    while True:
        for chunk in (tokens[i : i + CHUNK] for i in range(0, len(tokens), CHUNK)):
            places = range(position, position + len(chunk))
            logits = decoder.advance([0] * len(chunk), chunk, places)[-1].cpu()  # (V,)
            position += len(chunk)
        if temperature == 0:
            tokens = [int(logits.argmax())]
        else:
            tokens = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator).tolist()
        yield vocabulary[tokens[0]]


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Write ``count`` texts, each begun by a line break, or where the model knows none by its first character."""
    network = restore(checkpoint, device)
    letters = network.config.vocabulary
    begin = "\n" if "\n" in letters else letters[0]
    texts = ("".join(islice(complete(network, begin, seed=seed + i), LENGTH)).strip() for i in range(count))
    out.write_text("\n\n---\n\n".join(texts) + "\n", encoding="utf-8")


ALONE = {  # the first 90 % of Tiny Shakespeare are soon learnt by heart
    "plays": 0.0,
    "dropout": 0.3,
    "noise": 0.1,
    "weight_decay": 0.3,
    "renamed": 0.75,  # the held-out scenes have other people
    "flat": 0.41,
}

FAMILY = Family(
    name="gpt",
    default="gpt-shakespeare",
    recipes={
        "gpt-shakespeare": Recipe("gpt-shakespeare", texts.TINY, minutes=90),
        "gpt-tiny-shakespeare": Recipe(
            "gpt-tiny-shakespeare", texts.TINY, ALONE, 90, gpu_config={"batch": 64}, gpu_minutes=3
        ),
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles={Writer: Writer},
    sheet="samples.txt",
    sheet_count=4,
    continues=True,
)
