"""``/tokenize``, ``/detokenize`` and ``/tokenizer_info``: what a model's token ids mean.

The shapes are vLLM's, which evaluation harnesses ask for when they have no tokenizer of their own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from worker.schemas.completions import MAX_PROMPT, MODEL
from worker.schemas.contract import Contract

LONGEST = 1_000_000  # characters; a whole book is turned into tokens before it is cut into prompts


class TokenizeRequest(Contract):
    """``POST /tokenize``."""

    model: str = MODEL
    prompt: Annotated[str, Field(max_length=LONGEST)]
    add_special_tokens: bool = False  # there are none, so it makes no difference


class Tokens(Contract):
    """A text as token ids; a character that the model never saw has the id of a space."""

    tokens: list[int]
    count: int
    max_model_len: int = MAX_PROMPT  # ids that a prompt may have


class DetokenizeRequest(Contract):
    """``POST /detokenize``."""

    model: str = MODEL
    tokens: Annotated[list[int], Field(max_length=LONGEST)]


class Detokenized(Contract):
    prompt: str


class TokenizerInfo(Contract):
    """``GET /tokenizer_info``: one id for each character, its place in the model's vocabulary."""

    tokenizer_class: Literal["characters"] = "characters"
    bos_token: str = "\n"  # what stands before a text's first character
    eos_token: str = "\n\n"  # what ends a speech
