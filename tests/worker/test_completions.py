"""Completions over real HTTP: every parameter, every error, plain and streamed."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from tests.worker.conftest import TINY, Start, Worker
from worker import streaming
from worker.replies import reply
from worker.schemas.completions import CompletionRequest
from worker.schemas.contract import Contract


async def test_a_text_has_the_asked_length_and_counts_its_characters(worker: Worker) -> None:
    answer = await worker.complete(max_tokens=30)
    choice = answer["choices"][0]
    assert len(choice["text"]) == 30
    assert choice["finish_reason"] == "length"
    assert set(choice["text"]) <= set(TINY.vocabulary)
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 30, "total_tokens": 35}
    assert answer["object"] == "text_completion"
    assert answer["system_fingerprint"] == "gpt-shakespeare@1"
    assert answer["replaced"] == ""


async def test_the_seed_decides_the_text_and_the_answer_names_it(worker: Worker) -> None:
    first = await worker.complete(max_tokens=40)
    seed = first["choices"][0]["seed"]
    assert seed < 2**32  # short enough to be typed
    assert await worker.text(max_tokens=40, seed=seed) == first["choices"][0]["text"]
    assert await worker.text(max_tokens=40, seed=seed + 1) != first["choices"][0]["text"]


async def test_greedy_is_the_likeliest_character_whatever_the_seed(worker: Worker) -> None:
    answer = await worker.complete(max_tokens=20, temperature=0, logprobs=1)
    for chosen, best in zip(
        answer["choices"][0]["logprobs"]["token_logprobs"],
        answer["choices"][0]["logprobs"]["top_logprobs"],
        strict=True,
    ):
        assert chosen == max(best.values())
    assert await worker.text(max_tokens=20, temperature=0, seed=9) == answer["choices"][0]["text"]


async def test_top_k_and_top_p_leave_only_the_likeliest(worker: Worker) -> None:
    greedy = await worker.text(max_tokens=20, temperature=0)
    assert await worker.text(max_tokens=20, temperature=2, top_k=1) == greedy
    assert await worker.text(max_tokens=20, temperature=2, top_p=1e-6) == greedy
    answer = await worker.complete(max_tokens=60, temperature=2, top_k=3, logprobs=3)
    logprobs = answer["choices"][0]["logprobs"]
    assert all(len(best) == 3 for best in logprobs["top_logprobs"])  # the chosen one is always among the best three


async def test_numbers_beyond_all_measure_end_no_text(worker: Worker) -> None:
    greedy = await worker.text(max_tokens=20, temperature=0)
    other, huge, cold = await asyncio.gather(
        worker.text(max_tokens=20, temperature=0),
        worker.text(max_tokens=20, temperature=0, top_k=2**70),
        worker.text(max_tokens=20, temperature=1e-40),
    )
    assert other == huge == cold == greedy


async def test_choices_differ_and_each_one_s_seed_writes_it_alone(worker: Worker) -> None:
    answer = await worker.complete(max_tokens=25, n=4, seed=7)
    texts = [choice["text"] for choice in answer["choices"]]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert len(set(texts)) == 4
    for choice in answer["choices"]:
        assert await worker.text(max_tokens=25, seed=choice["seed"]) == choice["text"]


async def test_several_prompts_are_answered_prompt_by_prompt(worker: Worker) -> None:
    answer = await worker.complete(prompt=["hello", "farewell"], n=2, max_tokens=10, seed=3)
    texts = [choice["text"] for choice in answer["choices"]]
    assert texts[0] == await worker.text(prompt="hello", max_tokens=10, seed=3)
    assert texts[2] == await worker.text(prompt="farewell", max_tokens=10, seed=3)
    assert answer["usage"]["prompt_tokens"] == 13
    assert answer["usage"]["completion_tokens"] == 40


async def test_a_stop_string_ends_the_text_before_it(worker: Worker) -> None:
    text = await worker.text(max_tokens=60, seed=5)
    for length in (1, 2, 5):
        stop = text[20 : 20 + length]
        answer = await worker.complete(max_tokens=60, seed=5, stop=["never here", stop])
        assert answer["choices"][0]["text"] == text[: text.index(stop)]
        assert answer["choices"][0]["finish_reason"] == "stop"
    answer = await worker.complete(max_tokens=60, seed=5, stop=text[-3:] + "z")  # only begun when the text ends
    assert answer["choices"][0]["text"] == text


async def test_echo_repeats_the_prompt_as_it_was_read(worker: Worker) -> None:
    plain = await worker.text(prompt="hello Wörld", max_tokens=5, seed=1)
    answer = await worker.complete(prompt="hello Wörld", max_tokens=5, seed=1, echo=True)
    assert answer["choices"][0]["text"] == "hello  " + " rld" + plain
    assert answer["replaced"] == "Wö"


async def test_echo_with_logprobs_scores_the_prompt(worker: Worker) -> None:
    prompt = "the quick brown fox jumps over the lazy dog and runs away"  # longer than the context
    answer = await worker.complete(prompt=prompt, max_tokens=1, temperature=0, echo=True, logprobs=1)
    logprobs = answer["choices"][0]["logprobs"]
    assert "".join(logprobs["tokens"]) == answer["choices"][0]["text"]
    assert "".join(logprobs["tokens"][:-1]) == prompt
    assert logprobs["token_logprobs"][0] is None
    assert all(value < 0 for value in logprobs["token_logprobs"][1:])
    assert logprobs["text_offset"] == list(range(len(prompt) + 1))
    nothing_more = await worker.complete(prompt=prompt, max_tokens=0, echo=True, logprobs=1)
    assert nothing_more["choices"][0]["text"] == prompt
    assert nothing_more["choices"][0]["logprobs"]["token_logprobs"] == logprobs["token_logprobs"][:-1]


async def test_the_streamed_pieces_are_the_plain_text(worker: Worker) -> None:
    wanted = {"max_tokens": 200, "seed": 11, "n": 3, "stop": "zz", "echo": True}
    plain = await worker.complete(**wanted)
    chunks = [chunk async for chunk in worker.stream(**wanted, stream_options={"include_usage": True})]
    assert chunks.pop() == "[DONE]"
    texts, reasons = [""] * 3, [None] * 3
    for chunk in chunks:
        assert isinstance(chunk, dict)
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["text"]
        reasons[choice["index"]] = choice["finish_reason"]
    assert texts == [choice["text"] for choice in plain["choices"]]
    assert reasons == [choice["finish_reason"] for choice in plain["choices"]]
    assert [chunk["usage"] for chunk in chunks][-1] == plain["usage"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_token_ids_are_prompts_like_the_text_that_they_stand_for(worker: Worker) -> None:
    ids = [TINY.vocabulary.index(character) for character in "hello"]
    scoring = {"max_tokens": 1, "logprobs": 1, "echo": True, "seed": 1}  # what evaluation harnesses ask for
    scored = await worker.complete(prompt=ids, **scoring)
    assert scored["choices"] == (await worker.complete(**scoring))["choices"]
    first, second = (await worker.complete(prompt=[ids, [0]], max_tokens=10, seed=3))["choices"]
    assert first["text"] == await worker.text(max_tokens=10, seed=3)
    assert second["text"] == await worker.text(prompt=TINY.vocabulary[0], max_tokens=10, seed=3)
    for wrong in ([0, 99], [[0], [-1]]):
        error = await worker.error(400, prompt=wrong)
        assert error["param"] == "prompt"
        assert f"0 to {len(TINY.vocabulary) - 1}" in error["message"]


async def test_evaluation_harnesses_find_the_tokenizer_here(worker: Worker) -> None:
    async def ask(path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        method = "POST" if body else "GET"
        async with worker.session.request(method, path, json=body or None) as response:
            assert response.status == status, await response.text()
            return await response.json()

    info = await ask("/tokenizer_info")
    ids = (await ask("/tokenize", prompt="hello ☃", add_special_tokens=False))["tokens"]
    assert (await ask("/detokenize", tokens=ids))["prompt"] == "hello  "
    for special in (info["bos_token"], info["eos_token"]):
        assert (await ask("/tokenize", prompt=special))["count"] == len(special)
    error = (await ask("/detokenize", 400, tokens=[99]))["error"]
    assert error["param"] == "tokens"


async def test_a_request_for_more_texts_than_ever_fit_is_told_how_many_do(start: Start) -> None:
    worker = await start(slots=2, queue=3)
    error = await worker.error(400, n=6)
    assert error["param"] == "n"
    assert "5" in error["message"]
    assert len((await worker.complete(n=5, max_tokens=1))["choices"]) == 5


async def test_more_log_probabilities_than_one_answer_holds_are_refused(worker: Worker) -> None:
    for fields in (
        {"prompt": ["x" * 20_000] * 50, "n": 6, "echo": True, "logprobs": 1, "max_tokens": 0},
        {"n": 16, "max_tokens": 8_192, "logprobs": 20},
    ):
        error = await worker.error(400, **fields)
        assert "at most 600,000 at once" in error["message"]
    for fields in (
        {"prompt": ["x" * 2_047] * 128, "echo": True, "logprobs": 1, "max_tokens": 1},  # a harness's batch
        {"prompt": "x" * 20_000, "echo": True, "logprobs": 20, "max_tokens": 8_192},  # the longest text
        {"prompt": ["x"] * 128, "n": 16, "echo": True, "max_tokens": 8_192},
    ):
        CompletionRequest(**fields)


async def test_while_an_answer_is_put_together_others_are_answered(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = threading.Event(), threading.Event()

    def hold(message: Contract) -> web.Response:
        begun.set()
        assert release.wait(30)
        return reply(message)

    monkeypatch.setattr("worker.routes.text.reply", hold)
    long = asyncio.create_task(worker.complete(echo=True, logprobs=20))
    assert await asyncio.to_thread(begun.wait, 30)
    async with worker.session.get("/healthz") as response:
        assert response.status == 200
    release.set()
    assert (await long)["choices"][0]["text"].startswith("hello")


@pytest.mark.parametrize(
    "prompt", ["Привет", "你好，世界", "مرحبا", "🎭🐈‍⬛", "a\x00\x1b[31m", "नमस्ते", "\u202eabc", "\r\n\t"]
)
async def test_prompts_of_any_script_are_read_and_what_was_unknown_is_told(worker: Worker, prompt: str) -> None:
    answer = await worker.complete(prompt=prompt, max_tokens=5)
    assert set(answer["replaced"]) == set(prompt) - set(TINY.vocabulary)
    assert len(answer["choices"][0]["text"]) == 5


async def test_a_text_runs_past_the_context(worker: Worker) -> None:
    assert len(await worker.text(max_tokens=10 * TINY.context)) == 10 * TINY.context


async def test_of_a_long_prompt_the_end_is_read(worker: Worker) -> None:
    prompt = "the quick brown fox jumps over the lazy dog and runs away"
    assert await worker.text(prompt=prompt, seed=1) == await worker.text(prompt=prompt[-TINY.context :], seed=1)


async def test_what_asks_for_nothing_may_as_well_be_left_out(worker: Worker) -> None:
    """The JSON of OpenAI's own client, of arguments that are None or the API's defaults."""
    fields = ("max_tokens", "temperature", "top_p", "stop", "n", "echo", "logprobs", "user", "stream", "stream_options")
    nothing = dict.fromkeys((*fields, "best_of", "suffix", "logit_bias"))
    defaults = {"best_of": 1, "frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}}
    plain = await worker.text(seed=1)
    assert [await worker.text(seed=1, **said) for said in (nothing, defaults)] == [plain, plain]
    assert (await worker.error(400, prompt=None))["message"] == "prompt is missing; add it."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", []),
        ("prompt", ["fine", ""]),
        ("prompt", 5),
        ("prompt", [[0], []]),
        ("prompt", [0, "a"]),
        ("prompt", "x" * 20_001),
        ("prompt", ["x"] * 129),
        ("max_tokens", -1),
        ("max_tokens", 1_000_000),
        ("max_tokens", "many"),
        ("temperature", 99),
        ("temperature", -0.1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.5),
        ("top_k", -1),
        ("seed", "abc"),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", 1.5),
        ("stop", ""),
        ("stop", ["x"] * 17),
        ("stop", "x" * 65),
        ("stop", 5),
        ("n", 0),
        ("n", 17),
        ("echo", "perhaps"),
        ("logprobs", 21),
        ("user", "x" * 129),
        ("stream", 3),
        ("best_of", 2),
        ("frequency_penalty", 0.5),
        ("logit_bias", {"5": 1}),
        ("suffix", "Exeunt."),
    ],
)
async def test_a_bad_value_is_refused_in_one_sentence_that_names_the_field(
    worker: Worker, field: str, value: Any
) -> None:
    error = await worker.error(400, **{field: value})
    assert error["param"] == field
    assert error["type"] == "invalid_request_error"
    assert field in error["message"]
    assert error["message"].endswith(".")
    assert len(error["message"]) < 150


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"prompt": "\\ud800"}', b"\xff\xfe"])
async def test_a_body_that_is_no_json_object_is_refused(worker: Worker, body: bytes) -> None:
    async with worker.session.post("/v1/completions", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"].endswith(".")


async def test_an_unknown_model_or_version_is_named(worker: Worker) -> None:
    error = await worker.error(404, model="gpt-milton")
    assert error["param"] == "model"
    assert "gpt-milton" in error["message"]
    error = await worker.error(404, model="gpt-shakespeare@77")
    assert "77" in error["message"]


async def test_a_deadline_ends_a_text_that_takes_too_long(start: Start) -> None:
    worker = await start(deadline=0.05)
    error = await worker.error(504, max_tokens=8_192)
    assert error["code"] == "deadline_exceeded"
    await worker.until(lambda: worker.engine.running == 0)


async def test_a_full_queue_answers_429_with_the_position(start: Start) -> None:
    worker = await start(slots=1, queue=1)
    streams = [worker.stream(max_tokens=8_192) for _ in range(2)]
    assert isinstance(await anext(streams[0]), dict)
    assert await anext(streams[1]) == "queued 1"
    async with worker.session.post("/v1/completions", json={"prompt": "hello"}) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) >= 1
        error = (await response.json())["error"]
    assert error["position"] == 2
    assert error["type"] == "rate_limit_error"
    for stream in streams:
        await stream.aclose()
    await worker.until(lambda: worker.engine.running == 0)
    assert len(await worker.text(max_tokens=3)) == 3


async def test_turns_go_round_among_those_who_ask(start: Start) -> None:
    worker = await start(slots=1)
    streams = [worker.stream(max_tokens=8_192, user=user) for user in ("holder", "first", "first", "other")]
    assert isinstance(await anext(streams[0]), dict)
    assert [await anext(stream) for stream in streams[1:]] == ["queued 1", "queued 2", "queued 2"]
    for stream in streams:
        await stream.aclose()


async def test_a_full_queue_tells_when_to_come_again_by_what_texts_took_lately(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.text.time", SimpleNamespace(monotonic=lambda: 0.0))  # so they take no time
    worker = await start(slots=1, queue=1)
    for _ in range(12):
        await worker.text(max_tokens=1)
    streams = [worker.stream(max_tokens=8_192) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    async with worker.session.post("/v1/completions", json={"prompt": "hello"}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
    for stream in streams:
        await stream.aclose()


async def test_a_stream_whose_place_stays_the_same_is_not_silent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PULSE", 0.01)
    worker = await start(slots=1)
    first, second = worker.stream(max_tokens=8_192), worker.stream(max_tokens=5)
    await anext(first)
    assert [await anext(second) for _ in range(3)] == ["queued 1", "waiting", "waiting"]
    await first.aclose()
    assert [part async for part in second][-1] == "[DONE]"


async def test_a_closed_connection_frees_its_slot_and_its_place(start: Start) -> None:
    worker = await start(slots=2)
    streams = [worker.stream(max_tokens=8_192) for _ in range(4)]
    for stream in streams:
        await anext(stream)
    assert (worker.engine.running, worker.engine.waiting) == (2, 2)
    await streams[3].aclose()
    await worker.until(lambda: worker.engine.waiting == 1)
    await streams[0].aclose()
    await worker.until(lambda: worker.engine.waiting == 0)
    assert worker.engine.running == 2
    plain = asyncio.create_task(worker.text(max_tokens=8_192))
    await worker.until(lambda: worker.engine.waiting == 1)
    plain.cancel()
    await worker.until(lambda: worker.engine.waiting == 0)
    for stream in streams[1:3]:
        await stream.aclose()
    await worker.until(lambda: worker.engine.running == 0)
