"""The graphics card's decoder: blocks of steps that are those of the network, whatever else is in them.

Without a graphics card its kernels run in Triton's interpreter (tests/conftest.py), on a GPT that is smaller still.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import fused, gpt
from models.decoder import Block, Draws, TorchDecoder
from models.fused import FusedDecoder, FusedError
from tests.worker.conftest import TINY, tiny_gpt
from worker.engine.device import Device
from worker.engine.sampling import Sampler, Sampling
from worker.engine.stream import Piece, Token
from worker.engine.text import TextEngine, TextRequest
from worker.engine.text_model import TextModel

pytest.importorskip("triton", reason="needs Triton")

CARD = torch.cuda.is_available()
SHAPES = [
    replace(TINY, width=64, hidden=48, context=9),  # two query heads that share one of keys and values
    replace(TINY, heads=3, kv_heads=3, width=96, hidden=40, context=5, layers=1),  # no powers of two
]
V = len(TINY.vocabulary)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    if not CARD:
        monkeypatch.setattr(FusedDecoder, "steps", 3)


def network(config: gpt.Config = SHAPES[0], seed: int = 1) -> gpt.GPT:
    return tiny_gpt(seed, config).to("cuda" if CARD else "cpu")


def free(count: int, steps: int, seed: int = 0) -> Draws:
    """Texts drawn from the model's own distribution."""
    return Sampler([Sampling(seed=seed + i) for i in range(count)], V, torch.device("cpu")).draws([0] * count, steps)


def forced(decoder: FusedDecoder, slots: list[int], tokens: torch.Tensor) -> torch.Tensor:
    """Logits (B, T, V) of texts (B, T) that are read in blocks."""
    found = []
    for begin in range(0, tokens.shape[1], decoder.steps):
        part = np.full((decoder.steps, len(slots)), -1, np.int32)
        given = tokens[:, begin : begin + decoder.steps].T
        part[: len(given)] = given
        block = decoder.write(slots, [begin] * len(slots), part, free(len(slots), decoder.steps))
        found.append(block.logits[: len(given)].transpose(0, 1).clone())
    return torch.cat(found, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_whole_network(shape: gpt.Config) -> None:
    whole = network(shape)
    tokens = torch.randint(V, (3, 14), generator=torch.Generator().manual_seed(0))  # past the context
    with torch.inference_mode():
        expected = whole(tokens.to(whole.head.weight.device))  # (B, T, V)
    found = forced(FusedDecoder(whole, 9, torch.float32), [4, 0, 8], tokens)
    assert (found - expected).abs().max() / expected.std() < 1e-4


def test_characters_are_drawn_as_the_sampler_draws_them() -> None:
    kinds = [
        Sampling(),
        Sampling(temperature=0),
        Sampling(temperature=0.7, top_k=3, seed=5),
        Sampling(top_p=0.6, seed=6),
        Sampling(temperature=2.0, top_k=9, top_p=0.9, seed=7),
        Sampling(top_k=1, seed=8),
    ]
    decoder = FusedDecoder(network(), len(kinds), torch.float32)
    sampler = Sampler(kinds, V, torch.device("cpu"))
    rows = list(range(len(kinds)))
    newest = [3] * len(kinds)
    for position in range(0, 4 * decoder.steps, decoder.steps):
        tokens = np.full((decoder.steps, len(kinds)), -1, np.int32)
        tokens[0] = newest
        counters = [position] * len(kinds)
        block = decoder.write(rows, counters, tokens, sampler.draws(counters, decoder.steps))
        for step, (drawn, logits) in enumerate(zip(block.drawn.tolist(), block.logits.cpu(), strict=True)):
            assert drawn == sampler.draw(logits, [position + step] * len(kinds))
        newest = block.drawn[-1].tolist()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_text_in_company_is_the_text_alone_to_the_bit(precision: torch.dtype) -> None:
    whole = network()
    slots = 70 if CARD else 18
    tokens = torch.randint(V, (slots, 30 if CARD else 6), generator=torch.Generator().manual_seed(2))
    crowd = torch.randperm(slots, generator=torch.Generator().manual_seed(3)).tolist()
    together = forced(FusedDecoder(whole, slots, precision), crowd, tokens)
    for row in (0, slots - 1):
        alone = forced(FusedDecoder(whole, slots, precision), [5], tokens[[row]])
        if CARD:
            assert torch.equal(alone[0], together[row])
        else:  # the interpreter multiplies with NumPy, which rounds a row by its place
            assert torch.allclose(alone[0], together[row], atol=0.1 if precision == torch.bfloat16 else 1e-4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, in the interpreter
def test_what_is_no_number_draws_nothing_and_harms_no_other() -> None:
    whole = network()
    with torch.no_grad():
        whole.embedding.weight[5] = torch.nan
    decoder = FusedDecoder(whole, 2, torch.float32)
    tokens = np.full((decoder.steps, 2), -1, np.int32)
    tokens[0] = 5, 6
    block: Block = decoder.write([0, 1], [0, 0], tokens, free(2, decoder.steps))
    assert (block.drawn[:, 0] == -1).all()
    assert torch.isfinite(block.logits[0, 1]).all()
    decoder.clear(0)
    tokens[0] = 6
    again = decoder.write([0, 1], [0, 0], tokens, free(2, decoder.steps))
    assert torch.equal(again.logits[0, 0], again.logits[0, 1])
    assert torch.isfinite(again.logits[0]).all()


def test_what_the_kernels_cannot_compute_is_refused() -> None:
    with pytest.raises(FusedError, match="heads of 16 numbers"):
        FusedDecoder(tiny_gpt(), 1)


async def texts(model: TextModel, requests: list[TextRequest]) -> list[list[Token]]:
    """What an engine writes for requests that arrive together."""

    async def tokens(engine: TextEngine, request: TextRequest) -> list[Token]:
        async with aclosing(engine.complete(request)) as events:
            return [token async for event in events if isinstance(event, Piece) for token in event.tokens]

    device = Device()
    try:
        engine = TextEngine(device, slots=model.decoder.slots, queue=9, deadline=60.0)
        return await asyncio.gather(*(tokens(engine, request) for request in requests))
    finally:
        await asyncio.to_thread(device.close)


async def test_the_engine_writes_the_same_texts_in_blocks_as_step_by_step() -> None:
    """Prompts of every length, stop strings, log-probabilities of prompts: most end within a block."""
    whole = network(seed=2)
    slots = 5
    blocks = TextModel("tiny@1", FusedDecoder(whole, slots, torch.float32))
    steps = TextModel("tiny@1", TorchDecoder(whole, slots, torch.float32))
    wanted: list[tuple[str, int, dict[str, object]]] = [
        ("a", 1, {}),
        ("hello", 9, {"logprobs": 2}),
        ("the quick brown fox jumps over", 7, {}),
        ("stop", 20, {"stop": ("e", "ab")}),
        ("score me", 0, {"logprobs": 1, "score_prompt": True}),
        ("xy", 8, {"logprobs": 1, "score_prompt": True}),
        ("greedy", 8, {}),  # waits for a slot
    ]
    requests = [
        [
            TextRequest(model, [model.encode(prompt)[0]], length, Sampling(temperature=0.8, seed=i), **more)  # type: ignore[arg-type]
            for i, (prompt, length, more) in enumerate(wanted)
        ]
        for model in (blocks, steps)
    ]
    found, expected = await texts(blocks, requests[0]), await texts(steps, requests[1])
    for own, other in zip(found, expected, strict=True):
        assert [token.text for token in own] == [token.text for token in other]
        assert [token.logprob for token in own] == pytest.approx([token.logprob for token in other], abs=1e-3)
        assert [sorted(token.alternatives or {}) for token in own] == [
            sorted(token.alternatives or {}) for token in other
        ]
    assert sorted(blocks.free) == list(range(slots))


def test_a_number_of_texts_is_rounded_up_to_a_power_of_two() -> None:
    assert [fused.power(count) for count in (1, 2, 3, 17, 64)] == [1, 2, 4, 32, 64]
