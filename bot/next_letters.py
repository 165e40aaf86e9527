"""What a model would write next, and how sure it is: a chart under a text, and the button that asks for it."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import discord

from bot import markdown
from bot.draft import Attached, Draft
from bot.live_message import LiveMessage
from bot.locale import number, translate
from bot.recipes import Recipe, as_command, as_line
from bot.replaced import sentence
from bot.result import Result
from bot.views import Delete, RecipeButton, ShowRecipe, Stop, TryAgain, end_of
from bot.worker_api import Finished, Piece, Queued, WorkerAPI
from worker.schemas.completions import CompletionRequest

if TYPE_CHECKING:
    from bot.client import Bot

OPERATION = "letters"
SHOWN = 10  # letters: fewer would hide how unsure the model is, more could not be read
LEAST = 0.001  # of a letter's share; what is rarer would stand there with 0.0%
SHOWN_PROMPT = 32  # characters of the text's end above the chart: a line of it
NAMES = {  # of letters that could not be told apart in a chart, or not be seen
    " ": "letters.space",
    "\n": "letters.new_line",
    ",": "letters.comma",
    ".": "letters.full_stop",
    "'": "letters.apostrophe",
    ":": "letters.colon",
    ";": "letters.semicolon",
    "-": "letters.hyphen",
}

WIDTH = 6.4  # inches at 100 pixels each; a telephone shows half of them
BAR, HEAD = 0.46, 1.2  # inches of a bar's line, and of what is above all of them
MARGIN = 0.2  # inches around a chart, whose corners are rounded where it is shown
TYPE = 20  # points, which can still be read at half the size
VIOLET, GREY = "#5b4b8a", "#9a9a9a"


@dataclass
class NextLetters(Result):
    """One chart from its place in the queue to its file."""

    shares: Mapping[str, float] = field(default_factory=dict)  # of the likeliest letters, the likeliest first
    content: bytes | None = None
    replaced: str = ""  # the prompt's characters that the model never saw

    async def foresee(self, worker: WorkerAPI, message: LiveMessage) -> None:
        """Asks the worker and draws the chart; ends early when its message is gone."""
        recipe = self.recipe
        request = CompletionRequest(
            model=recipe.pinned_model,
            prompt=recipe.parameters["prompt"],
            max_tokens=1,
            temperature=0,
            logprobs=SHOWN,
            user=str(recipe.owner),
        )
        async with aclosing(worker.complete(request)) as events:
            async for event in events:
                match event:
                    case Queued(position):
                        self.position = position
                        message.touch()
                    case Piece(version=version, logprobs=logprobs) if logprobs is not None and logprobs.top_logprobs:
                        self.recipe, self.replaced = replace(recipe, version=version), event.replaced
                        self.shares = _ranked(logprobs.top_logprobs[0] or {})
                    case Finished():
                        break
                if message.gone:
                    return
        self.content = await asyncio.to_thread(chart, self._bars(), self._title(), self.locale)
        self.finished = True

    def draft(self) -> Draft:
        lines = self.news() if self.content is None else [self.recipe.pinned_model]
        if self.replaced:
            lines.insert(0, sentence(self.replaced, self.locale))
        return Draft(["\n".join(map(markdown.small, lines))], self._buttons(), self._file())

    def _buttons(self) -> Sequence[RecipeButton]:
        kinds: list[type[RecipeButton]] = [Stop]
        if self.ended:
            kinds = [TryAgain] * self.repeatable if self.content is None else [ShowRecipe, Delete]
        return [kind(self.recipe.id, self.locale) for kind in kinds]

    def _file(self) -> Attached | None:
        if self.content is None:
            return None
        shares = ", ".join(f"{name} {_percent(share, self.locale)}" for name, share in self._bars())
        description = translate(self.locale, "letters.shows", model=self.recipe.model, shares=shares)
        return Attached("next-letters.png", self.content, description)

    def _bars(self) -> list[tuple[str, float]]:
        """Each letter's name and share, and at the end what all others have together."""
        bars = [(self._name(letter), share) for letter, share in self.shares.items()]
        others = max(0.0, 1 - sum(self.shares.values()))
        return [*bars, (translate(self.locale, "letters.others"), others)]

    def _name(self, letter: str) -> str:
        if letter in NAMES:
            return translate(self.locale, NAMES[letter])
        return letter if letter.isprintable() else f"U+{ord(letter):04X}"

    def _title(self) -> str:
        prompt: str = self.recipe.parameters["prompt"]
        end = prompt[-SHOWN_PROMPT:].replace("\n", "⏎")
        return translate(self.locale, "letters.after", text="…" * (len(prompt) > SHOWN_PROMPT) + end)


def chart(bars: Sequence[tuple[str, float]], title: str, locale: discord.Locale) -> bytes:
    """A PNG file of horizontal bars, each with its name and share (of 1); the last one, of all others, is grey."""
    from matplotlib.figure import Figure  # takes a second to load, which only those who want a chart shall wait

    figure = Figure(figsize=(WIDTH, HEAD + BAR * len(bars)), dpi=100)
    figure.set_layout_engine("constrained", w_pad=MARGIN, h_pad=MARGIN)
    axes = figure.add_subplot()
    names, shares = [name for name, _ in bars], [share for _, share in bars]
    colours = [VIOLET] * (len(bars) - 1) + [GREY]
    drawn = axes.barh(range(len(bars)), shares, color=colours)
    axes.bar_label(drawn, [_percent(share, locale) for share in shares], padding=6, fontsize=TYPE)
    axes.set_yticks(range(len(bars)), names, fontsize=TYPE, parse_math=False)
    axes.tick_params(length=0)
    axes.margins(y=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max(shares))  # room for the longest bar's figure
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, x=MARGIN / WIDTH, ha="left", fontsize=TYPE, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def command(recipe: Recipe, locale: discord.Locale) -> str:
    """The command that draws the same chart, as people of that language type it."""
    prompt = as_line(recipe.parameters["prompt"])
    options = {"option.prompt.name": prompt, "option.model.name": recipe.pinned_model}
    return as_command(locale, translate(locale, "command.letters.name"), options)


class ShowLetters(
    RecipeButton, action="letters", label_key="button.letters", style=discord.ButtonStyle.secondary, rank=2
):
    """Shows what the model would write where a text ended."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        asked = recipe.again(
            interaction.user.id,
            operation=OPERATION,
            parameters={"prompt": end_of(recipe)},
            seed=None,
            parent=recipe.id,
        )
        await interaction.client.perform(interaction, asked)


def _ranked(logprobs: Mapping[str, float]) -> dict[str, float]:
    """The likeliest letters' shares, the likeliest first."""
    ranked = sorted(logprobs.items(), key=lambda item: -item[1])[:SHOWN]
    return {letter: share for letter, logprob in ranked if (share := math.exp(logprob)) >= LEAST}


def _percent(share: float, locale: discord.Locale) -> str:
    return f"{number(locale, 100 * share, '.1f')}%"
