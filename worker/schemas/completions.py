"""``POST /v1/completions``: texts that are continued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from worker.schemas.contract import Contract, OpenAIRequest, Seed

MODEL = "gpt-shakespeare"  # where none is named
MAX_PROMPT = 20_000  # characters; far beyond the models' context, small enough to refuse a flood early
MAX_TOKENS = 8_192  # characters in one completion: four full Discord messages
MAX_PROMPTS = 128  # in one request; evaluation harnesses send them in batches
MAX_LOGPROBS = 600_000  # in one answer: 128 prompts of 2,047 characters fit, as harnesses score them, in 100 MB
MAX_STOPS = 16  # OpenAI's API takes 4
MAX_STOP = 64  # characters in one stop string


Prompt = str | list[int]


def one_by_one(prompt: Prompt | Sequence[Prompt]) -> Sequence[Prompt]:
    """The prompts that a request's ``prompt`` holds, which may be one text or one list of token ids."""
    alone = isinstance(prompt, str) or (prompt and isinstance(prompt[0], int))
    return [prompt] if alone else prompt  # type: ignore[list-item, return-value]


class StreamOptions(Contract):
    include_usage: bool = True  # it always comes, with the last chunk


class CompletionRequest(OpenAIRequest):
    """``POST /v1/completions``."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = {
        "best_of": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "logit_bias": {},
    }

    model: str = MODEL  # or "model@version" to pin a version
    prompt: str | list[str] | list[int] | list[list[int]]  # texts, or token ids: characters' places in the vocabulary
    max_tokens: int = Field(16, ge=0, le=MAX_TOKENS)
    temperature: float = Field(1.0, ge=0.0, le=2.0)  # 0 is greedy
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0)  # 0 keeps every character
    seed: Seed | None = None  # None lets the worker draw one; the answer names it
    stop: str | list[str] | None = None
    n: int = Field(1, ge=1, le=16)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)
    user: str | None = Field(None, max_length=128)  # the key by which turns are kept fair
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def prompts(self) -> Sequence[Prompt]:
        """The prompts one by one."""
        return one_by_one(self.prompt)

    @field_validator("prompt")
    @classmethod
    def check_prompt(cls, prompt: Prompt | list[Prompt]) -> Prompt | list[Prompt]:
        prompts = one_by_one(prompt)
        if not prompts or not all(map(len, prompts)):
            raise ValueError("prompt is empty; write at least one character.")
        if len(prompts) > MAX_PROMPTS:
            raise ValueError(f"prompt holds {len(prompts)} texts; send at most {MAX_PROMPTS} in one request.")
        longest = max(map(len, prompts))
        if longest > MAX_PROMPT:
            raise ValueError(f"prompt has {longest} characters; shorten it to {MAX_PROMPT}.")
        return prompt

    @model_validator(mode="after")
    def check_logprobs(self) -> CompletionRequest:
        """ValueError for more log-probabilities than one answer holds: a character's own and its alternatives'."""
        if self.logprobs is not None:
            read = sum(map(len, self.prompts)) if self.echo else 0
            characters = self.n * (read + len(self.prompts) * self.max_tokens)
            wanted = characters * (1 + self.logprobs)
            if wanted > MAX_LOGPROBS:
                raise ValueError(
                    f"The request asks for {wanted:,} log-probabilities; ask for at most {MAX_LOGPROBS:,} at once."
                )
        return self

    @field_validator("stop")
    @classmethod
    def check_stop(cls, stop: str | list[str] | None) -> str | list[str] | None:
        stops = [stop] if isinstance(stop, str) else stop or []
        if not all(stops):
            raise ValueError("stop holds an empty text; leave it out.")
        if len(stops) > MAX_STOPS or max(map(len, stops), default=0) > MAX_STOP:
            raise ValueError(f"stop takes at most {MAX_STOPS} texts of at most {MAX_STOP} characters each.")
        return stop


class Logprobs(Contract):
    """Per character: its log-probability in nats and the best alternatives."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


FinishReason = Literal["stop", "length"]


class CompletionChoice(Contract):
    text: str
    index: int
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None
    seed: int


class Usage(Contract):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Contract):
    """A whole answer, or one chunk of a streamed one (then ``usage`` comes with the last chunk only)."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int  # seconds since the epoch
    model: str
    system_fingerprint: str  # "model@version": the version that wrote this
    choices: list[CompletionChoice]
    usage: Usage | None = None
    replaced: str = ""  # the prompt's characters that the model never saw; each was read as a space
