"""The decoders against the whole network: the same logits, with a cache that slides, whatever else is in the batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from models import gpt, native
from models.decoder import CHUNK, Decoder, TorchDecoder
from models.native import NativeDecoder, NativeError, shares
from tests.worker.conftest import TINY, tiny_gpt
from worker.engine import hardware

Make = Callable[[gpt.GPT, int, torch.dtype], Decoder]
DECODERS: dict[str, Make] = {
    "torch": TorchDecoder,
    "native": partial(NativeDecoder, threads=1),
    "native on two threads": partial(NativeDecoder, threads=2),
}
ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.int8: 0.5}  # 8 bits of a number, 7 of a row's largest
NATIVE = [torch.float32, torch.int8]
EVERY = [
    *(("torch", precision) for precision in (torch.float32, torch.bfloat16)),
    *((name, precision) for name in DECODERS if name != "torch" for precision in NATIVE),
]
SHAPES = [
    TINY,
    replace(
        TINY, heads=4, kv_heads=2, width=64, hidden=32, context=33
    ),  # neither a power of two nor of a vector's length
    replace(TINY, heads=1, kv_heads=1, width=48, hidden=160, layers=1, vocabulary="ab c" * 9),
]


def build(name: str, network: gpt.GPT, slots: int, precision: torch.dtype) -> Decoder:
    try:
        return DECODERS[name](network, slots, precision)
    except NativeError as error:
        pytest.skip(f"no native step here: {error}")


def rounded(config: gpt.Config) -> gpt.GPT:
    """A random network with weights that bfloat16 holds exactly, as those of a checkpoint are."""
    network = tiny_gpt(1, config)
    for parameter in network.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return network


def write(decoder: Decoder, slot: int, tokens: list[int], read: int, chunk: int = CHUNK) -> torch.Tensor:
    """Logits (T, V) of a text: the first ``read`` characters in chunks, the others one by one."""
    cuts = [*range(0, read, chunk), *range(read, len(tokens) + 1)]
    parts = [
        decoder.advance([slot] * (end - begin), tokens[begin:end], list(range(begin, end)))
        for begin, end in pairwise(cuts)
    ]
    return torch.cat(parts)


@pytest.mark.parametrize(("name", "precision"), EVERY)
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_whole_network(name: str, shape: gpt.Config, precision: torch.dtype) -> None:
    network = rounded(shape)
    decoder = build(name, network, 3, precision)
    tokens = torch.randint(len(shape.vocabulary), (4 * shape.context,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(tokens[None])[0]  # (T, V)
    error = (write(decoder, 1, tokens.tolist(), read=3 * shape.context - 5) - expected).abs().max() / expected.std()
    assert error < ROUNDING[precision]


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_a_gate_that_is_shut_tight_lets_nothing_through(name: str, precision: torch.dtype) -> None:
    network = rounded(TINY)
    for block in network.blocks:
        block.feed.gate_up.weight.data[: TINY.hidden] *= 128  # gates of a few hundred, of either sign
    decoder = build(name, network, 1, precision)
    tokens = list(range(len(TINY.vocabulary)))
    with torch.inference_mode():
        expected = network(torch.tensor([tokens]))[0]  # (T, V)
    error = (write(decoder, 0, tokens, read=len(tokens)) - expected).abs().max() / expected.std()
    assert error < ROUNDING[precision]


@pytest.mark.parametrize(("name", "precision"), EVERY)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_a_text_in_company_is_the_text_alone_to_the_bit(name: str, precision: torch.dtype, data: st.DataObject) -> None:
    network = tiny_gpt(2)
    slots = 40
    decoder = build(name, network, slots, precision)
    letters = st.integers(0, len(TINY.vocabulary) - 1)
    tokens = data.draw(st.lists(letters, min_size=2, max_size=50), label="the text")
    read = data.draw(st.integers(0, len(tokens)), label="of which are read in chunks")
    alone = write(decoder, 0, tokens, read)
    slot = data.draw(st.integers(0, slots - 1), label="its slot")
    others = [i for i in data.draw(st.permutations(range(slots)), label="the others") if i != slot]
    others = others[: data.draw(st.integers(1, slots - 1), label="how many others")]
    before = data.draw(st.integers(0, len(others)), label="how many of them before it")
    company = []
    cuts = [*range(0, read, CHUNK), *range(read, len(tokens) + 1)]
    for step, (begin, end) in enumerate(pairwise(cuts)):
        noise = [(other, (other + step) % len(TINY.vocabulary), step) for other in others]
        own = [(slot, tokens[i], i) for i in range(begin, end)]
        rows = [*noise[:before], *own, *noise[before:]]
        logits = decoder.advance(*map(list, zip(*rows, strict=True)))
        company.append(logits[before : before + len(own)])
    assert torch.equal(torch.cat(company), alone)


@pytest.mark.parametrize("precision", NATIVE)
def test_the_native_step_does_not_depend_on_how_a_prompt_is_cut(precision: torch.dtype) -> None:
    decoder = build("native", rounded(TINY), 1, precision)
    tokens = [i % len(TINY.vocabulary) for i in range(100)]
    whole = write(decoder, 0, tokens, read=100)
    for chunk in (1, 5, 31):
        assert torch.equal(write(decoder, 0, tokens, read=100, chunk=chunk), whole)


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_nothing_is_left_of_the_text_that_had_a_slot_before(name: str, precision: torch.dtype) -> None:
    decoder = build(name, rounded(TINY), 2, precision)
    tokens = [(7 * i) % len(TINY.vocabulary) for i in range(2 * TINY.context)]
    fresh = write(decoder, 0, tokens, read=1)
    write(decoder, 1, tokens[::-1] * 2, read=1)  # past the end of the ring
    assert torch.equal(write(decoder, 1, tokens, read=1), fresh)


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_a_cleared_slot_forgets_what_was_no_number(name: str, precision: torch.dtype) -> None:
    network = rounded(TINY)
    decoder = build(name, network, 2, precision)
    expected = write(decoder, 0, [1, 2, 3], read=3)
    poisoned = rounded(TINY)
    poisoned.embedding.weight.data[5] = torch.nan
    decoder = build(name, poisoned, 2, precision)
    assert write(decoder, 0, [5] * TINY.context, read=TINY.context).isnan().all()
    decoder.clear(0)
    assert torch.equal(write(decoder, 0, [1, 2, 3], read=3), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_recorded_steps_are_those_of_the_whole_network() -> None:
    network = tiny_gpt(1).cuda()
    decoder = TorchDecoder(network, 100)
    letters = torch.arange(100 * 2 * TINY.context).view(100, -1) % len(TINY.vocabulary)  # (S, T)
    with torch.inference_mode():
        expected = network(letters.cuda())  # (S, T, V)
    for texts in (range(64), range(3, 97)):  # in the order of the slots, and not
        for position in range(letters.shape[1]):
            found = decoder.advance(list(texts), letters[texts, position].tolist(), [position] * len(texts))
            assert torch.allclose(found, expected[texts, position], atol=1e-3)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, CHUNK)), min_size=1, max_size=99, unique_by=lambda t: t[0])
)
def test_shares_cover_all_rows_and_cut_no_text(groups: list[tuple[int, int]]) -> None:
    slots = [slot for slot, length in groups for _ in range(length)]
    cuts = shares(slots, threads=2)
    assert cuts[0] == 0
    assert cuts[-1] == len(slots)
    assert all(0 < end - begin <= 64 + CHUNK for begin, end in pairwise(cuts))
    for begin in cuts[1:-1]:
        assert slots[begin] != slots[begin - 1]


def test_the_fastest_precision_is_measured_once_for_a_processor_and_a_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "NativeDecoder", native_without(*hardware.PRECISIONS.values()))
    balance = {torch.bfloat16: 1.0, torch.float32: 2.0}
    monkeypatch.setattr(hardware, "seconds_of_a_step", lambda decoder: balance[decoder.precision])

    def precision(shape: gpt.Config = TINY) -> torch.dtype:
        return hardware.build_decoder(tiny_gpt(config=shape), 1, "auto", 1, tmp_path).precision

    assert precision() == torch.bfloat16
    balance[torch.bfloat16] = 3.0
    assert precision() == torch.bfloat16  # remembered: texts stay what they are
    assert precision(SHAPES[1]) == torch.float32
    monkeypatch.setattr(hardware, "processor", lambda: "another")
    assert precision() == torch.float32
    for note in (tmp_path / "precision").iterdir():
        note.write_text("{")
    balance[torch.float32] = 4.0
    assert precision() == torch.bfloat16
    assert hardware.build_decoder(tiny_gpt(), 1, "float32", 1, tmp_path).precision == torch.float32


def test_what_was_measured_without_a_native_step_serves_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {torch.int8: 1.0, torch.float32: 2.0, torch.bfloat16: 1.5}
    monkeypatch.setattr(hardware, "seconds_of_a_step", lambda decoder: seconds[decoder.precision])

    def precision(*lacking: torch.dtype) -> torch.dtype:
        monkeypatch.setattr(hardware, "NativeDecoder", native_without(*lacking, torch.bfloat16))
        return hardware.fastest_precision(tiny_gpt(), tmp_path)

    with capture_logs() as logs:
        assert precision(torch.int8, torch.float32) == torch.bfloat16
    reasons = [(line["precision"], line["reason"]) for line in logs if line["event"] == "no native step"]
    assert reasons == [("int8", "no torch.int8 here"), ("float32", "no torch.float32 here")]
    assert precision() == torch.int8  # a compiler is there now
    seconds[torch.int8] = 3.0
    assert precision() == torch.int8
    seconds[torch.bfloat16] = 4.0
    assert precision(torch.int8, torch.float32) == torch.int8  # known to be the fastest, and perhaps there again


def test_of_the_native_precisions_those_that_the_processor_has_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {torch.bfloat16: 1.0, torch.float32: 2.0}
    monkeypatch.setattr(hardware, "seconds_of_a_step", lambda decoder: seconds[decoder.precision])
    monkeypatch.setattr(hardware, "NativeDecoder", native_without(torch.int8, torch.bfloat16))
    assert hardware.build_decoder(tiny_gpt(), 1, "auto", 1, tmp_path).precision == torch.float32
    assert hardware.build_decoder(tiny_gpt(), 1, "int8", 1, tmp_path).precision == torch.float32


def native_without(*lacking: torch.dtype) -> Callable[[gpt.GPT, int, torch.dtype, int], Decoder]:
    """A native step of a processor that lacks some precisions."""

    def build(network: gpt.GPT, slots: int, precision: torch.dtype, threads: int) -> Decoder:
        if precision in lacking:
            raise NativeError(f"no {precision} here")
        return TorchDecoder(network, slots, precision)

    return build


@pytest.mark.parametrize("why", ["no home", "a home that cannot be entered"])
def test_without_a_place_for_the_step_there_is_none(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("no home") if why == "no home" else PermissionError(13, "Permission denied")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(native.Path, "home" if why == "no home" else "exists", refuse)
    with pytest.raises(NativeError, match="set XDG_CACHE_HOME"):
        native.NativeDecoder(tiny_gpt(), 1, torch.float32, 1)


def test_a_step_is_on_the_disk_before_it_has_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def compile_it(command: list[str], **_: object) -> None:
        Path(command[command.index("-o") + 1]).write_bytes(b"compiled")

    written: set[int] = set()
    monkeypatch.setattr(native.shutil, "which", lambda name: name)
    monkeypatch.setattr(native.subprocess, "run", compile_it)
    monkeypatch.setattr(native.os, "fsync", lambda file: written.add(os.fstat(file).st_ino))
    made = tmp_path / "prospero" / "step.so"
    native.compile_step([], made)
    assert made.stat().st_ino in written


def test_a_damaged_step_is_removed_to_be_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native, "compile_step", lambda options, made: made.write_bytes(b""))
    (tmp_path / "prospero").mkdir()
    with pytest.raises(NativeError, match="cannot be loaded"):
        native.NativeDecoder(tiny_gpt(), 1, torch.float32, 1)
    assert not list((tmp_path / "prospero").iterdir())
