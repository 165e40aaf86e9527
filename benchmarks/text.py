"""Text benchmark: the engine against recomputation, Hugging Face's ``generate`` and the matrix products alone.

Run with ``python -m benchmarks text``. Hugging Face's column needs the package transformers, which is to be
installed for that; without it the table says so.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.table import medians, show
from models import gpt
from models.checkpoint import CheckpointError, Store
from models.decoder import BlockDecoder, Decoder
from models.recording import recorded
from worker.engine.device import Device
from worker.engine.hardware import build_decoder, pick_device, set_threads
from worker.engine.sampling import Sampler, Sampling
from worker.engine.stream import Piece
from worker.engine.text import TextEngine, TextRequest
from worker.engine.text_model import TextModel

STREAMS = {"cpu": (1, 8, 64), "mps": (1, 8, 64), "cuda": (1, 64, 1024)}
LENGTH = 400  # characters of each text: most of them beyond the context of 256, where a step costs most


def run(home: Path, rounds: int, threads: int) -> None:
    """Print characters per second, all streams together, and what the engine reaches of each."""
    set_threads(threads)
    device = pick_device("auto")
    network = load_network(home).to(device)
    crowds = STREAMS[device.type]
    decoder = build_decoder(network, max(crowds), "auto", torch.get_num_threads(), home)
    model = TextModel("benchmark", decoder)
    rows = []
    for streams in crowds:
        engine_rate(model, streams)  # the first steps for so many pay for what is made late
        measures: dict[str, Callable[[], float]] = {
            "engine": lambda streams=streams: engine_rate(model, streams),  # type: ignore[misc]
            "recompute": partial(recompute_rate, network, streams),
            "float32": partial(product_rate, network, streams, torch.float32),
            "bfloat16": partial(product_rate, network, streams, torch.bfloat16),
        }
        generate = huggingface(network)
        if generate is not None:
            measures["huggingface"] = partial(generate, streams)
        rate = medians(measures, rounds)
        limit = max(rate["float32"], rate["bfloat16"])
        others = [rate["recompute"], *([rate["huggingface"]] if "huggingface" in rate else []), limit]
        row = [str(streams), f"{rate['engine']:,.0f}", *(f"{r:,.0f} ({rate['engine'] / r:.2f}x)" for r in others)]
        rows.append(row if "huggingface" in rate else [*row[:3], "not installed", row[3]])
    where = f"{device}, {torch.get_num_threads()} threads, {type(decoder).__name__} in {decoder.precision}"
    heads = ["streams", "engine", "recomputing", "Hugging Face", "matrix products alone"]
    show(f"Characters/s ({where}); in brackets: the engine's multiple", heads, rows)
    print(f"Computing in {decoder.precision} costs {rounding(network, decoder):.5f} nats/char.")


def load_network(home: Path) -> gpt.GPT:
    """The GPT that serves, or where there is none, one of its shape with random weights."""
    try:
        return gpt.restore(Store(home).open("gpt-shakespeare"), torch.device("cpu"))
    except CheckpointError:
        network = gpt.GPT(gpt.Config())
        for parameter in network.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        return network.eval()


def engine_rate(model: TextModel, streams: int) -> float:
    """Characters/s of the engine, sampling and hand-over included."""

    async def measure() -> float:
        device = Device()
        engine = TextEngine(device, slots=model.decoder.slots, queue=0, deadline=600.0)
        begin = time.perf_counter()
        await asyncio.gather(*(write(engine, i) for i in range(streams)))
        seconds = time.perf_counter() - begin
        await asyncio.to_thread(device.close)
        return streams * LENGTH / seconds

    async def write(engine: TextEngine, seed: int) -> None:
        prompt, _ = model.encode("MIRANDA:\n")
        request = TextRequest(model, [prompt], LENGTH, Sampling(temperature=0.8, top_k=40, seed=seed))
        written = 0
        async for event in engine.complete(request):
            written += len(event.tokens) if isinstance(event, Piece) else 0
        assert written == LENGTH

    return asyncio.run(measure())


@torch.inference_mode()
def rounding(network: gpt.GPT, decoder: Decoder | BlockDecoder) -> float:
    """How much worse than the network the decoder predicts a text, in nats per character.

    That is the mean Kullback-Leibler divergence of the two predictions, over texts that the decoder writes.
    """
    texts, vocabulary = range(min(64, decoder.slots)), len(network.config.vocabulary)
    sampler = Sampler([Sampling(seed=seed) for seed in texts], vocabulary, decoder.device)
    newest = [0] * len(texts)
    tokens, found = [], []  # (S,) and (S, V) each
    for position in range(0, network.config.context, steps_of(decoder)):
        slots, positions = list(texts), [position] * len(texts)
        if isinstance(decoder, BlockDecoder):
            begun = np.full((decoder.steps, len(texts)), -1, np.int32)
            begun[0] = newest
            block = decoder.write(slots, positions, begun, sampler.draws(positions, decoder.steps))
            drawn, logits = block.drawn.tolist(), [*block.logits.clone()]
        else:
            logits = [decoder.advance(slots, newest, positions).clone()]
            drawn = [sampler.draw(logits[0], positions)]
        tokens += [newest, *drawn[:-1]]
        found += logits
        newest = drawn[-1]
    expected: Tensor = network(torch.tensor(tokens, device=decoder.device).T)  # (S, T, V)
    difference = F.kl_div(
        torch.stack(found, 1).log_softmax(-1), expected.log_softmax(-1), log_target=True, reduction="sum"
    )
    return float(difference) / expected[..., 0].numel()


def steps_of(decoder: Decoder | BlockDecoder) -> int:
    return decoder.steps if isinstance(decoder, BlockDecoder) else 1


@torch.inference_mode()
def recompute_rate(network: gpt.GPT, streams: int, steps: int = 2) -> float:
    """Characters/s of reading the whole context again for each character, float32."""
    context = torch.zeros(streams, network.config.context, dtype=torch.long, device=network.head.weight.device)
    return timed(lambda: network(context)[:, -1].argmax(-1), streams, steps)


@torch.inference_mode()
def product_rate(network: gpt.GPT, streams: int, precision: torch.dtype, steps: int = 20) -> float:
    """Characters/s of a step's matrix products and nothing else, by PyTorch's own kernels."""
    matrices = [p.detach().to(precision) for p in (*network.blocks.parameters(), network.head.weight) if p.ndim == 2]
    inputs = [torch.ones(streams, m.shape[1], dtype=precision, device=m.device) for m in matrices]

    def step() -> list[Tensor]:
        return [F.linear(x, m) for x, m in zip(inputs, matrices, strict=True)]

    return timed(recorded(step, inputs[0].device), streams, steps)


def timed(step: Callable[[], Any], streams: int, steps: int) -> float:
    step()
    _finish()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    _finish()
    return streams * steps / (time.perf_counter() - begin)


def _finish() -> None:
    """Wait for what the device was given to do."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def huggingface(network: gpt.GPT) -> Callable[[int], float] | None:
    """Characters/s of ``generate`` with its cache on a Llama of the same shape; None without transformers."""
    if importlib.util.find_spec("transformers") is None:
        return None
    import transformers  # type: ignore[import-not-found,unused-ignore]

    c = network.config
    config = transformers.LlamaConfig(
        vocab_size=len(c.vocabulary),
        hidden_size=c.width,
        intermediate_size=c.hidden,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads,
        max_position_embeddings=2 * LENGTH,
    )
    llama = transformers.LlamaForCausalLM(config).to(network.head.weight.device).eval()

    def rate(streams: int) -> float:
        prompt = torch.zeros(streams, 9, dtype=torch.long, device=llama.device)
        begin = time.perf_counter()
        llama.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            pad_token_id=0,
            do_sample=True,
            top_k=40,
            temperature=0.8,
            max_new_tokens=LENGTH,
            min_new_tokens=LENGTH,
        )
        return streams * LENGTH / (time.perf_counter() - begin)

    rate(1)  # the first text pays for what libraries load late
    return rate
