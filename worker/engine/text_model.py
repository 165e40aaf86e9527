"""Text model: a loaded GPT, as the text engine writes with it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from models.decoder import BlockDecoder, Decoder
from worker.engine.sampling import Sampler
from worker.engine.sequence import Sequence
from worker.engine.stream import Token
from worker.errors import BadRequest


class TextModel:
    """A loaded GPT: its decoder, what its token ids mean, and who holds the slots of its cache."""

    def __init__(self, name: str, decoder: Decoder | BlockDecoder) -> None:
        """``name`` is "model@version"."""
        self.name = name
        self.decoder = decoder
        self.in_blocks = decoder if isinstance(decoder, BlockDecoder) else None  # asked once: it takes 8 microseconds
        self.vocabulary = decoder.config.vocabulary
        self.context = decoder.config.context
        self.running: list[Sequence] = []  # in the order of their admission
        self.free = list(range(decoder.slots))  # a heap: low slots first keeps the steps compact
        self._ids = {character: i for i, character in enumerate(self.vocabulary)}
        self._blank = self._ids.get(" ", 0)
        self._tokens = [Token(character) for character in self.vocabulary]
        self._sampled: list[Sequence] = []
        self._sampler: Sampler | None = None

    def encode(self, text: str) -> tuple[list[int], str]:
        """Token ids of a text, and the characters the model never saw, each of which is read as a space."""
        ids = [self._ids.get(character, self._blank) for character in text]
        return ids, "".join(dict.fromkeys(character for character in text if character not in self._ids))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of token ids."""
        return "".join(self.vocabulary[token] for token in tokens)

    def check(self, tokens: Iterable[int], param: str) -> None:
        """BadRequest, naming the field, unless all token ids are the model's."""
        for token in tokens:
            if not 0 <= token < len(self.vocabulary):
                last = len(self.vocabulary) - 1
                raise BadRequest(f"{param} holds {token}, but {self.name} has the token ids 0 to {last}.", param=param)

    def sampler(self, rows: list[Sequence]) -> Sampler:
        """The sampler of these texts, kept for as long as they stay the same."""
        if self._sampler is None or self._sampled != rows:
            self._sampled = rows
            sampling = [sequence.sampling for sequence in rows]
            self._sampler = Sampler(sampling, len(self.vocabulary), self.decoder.device)
        return self._sampler

    def tokens(self, sequence: Sequence, ids: list[int], logits: Tensor | None, row: int = 0) -> list[Token]:
        """Characters that follow each other, with what was asked for about them.

        Log-probabilities are the model's own, before temperature: ``logits`` (T, V) hold them from that row on, where
        they were asked for.
        """
        if sequence.logprobs is None:
            return [self._tokens[token] for token in ids]
        assert logits is not None
        logprobs = logits[row : row + len(ids)].log_softmax(-1)  # (T, V)
        return [self._likely(token, sequence.logprobs, of) for token, of in zip(ids, logprobs, strict=True)]

    def _likely(self, token: int, count: int, logprobs: Tensor) -> Token:
        """A character with its log-probability and the most likely ones instead; ``logprobs`` is (V,)."""
        character = self.vocabulary[token]
        best = logprobs.topk(min(count, len(self.vocabulary)))
        alternatives = {self.vocabulary[i]: p for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)}
        logprob = logprobs[token].item()
        return Token(character, logprob, {**alternatives, character: logprob})
