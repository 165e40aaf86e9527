"""A text as it grows, and how a message shows it: the prompt in bold, the text, small print about how it was made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot import markdown
from bot.draft import Attached, Draft
from bot.locale import number, translate
from bot.next_letters import ShowLetters
from bot.recipes import Recipe
from bot.replaced import sentence
from bot.result import Result
from bot.views import Continue, Delete, RecipeButton, Retry, ShowRecipe, Stop, TryAgain
from bot.worker_api import Piece

MESSAGE = 2_000  # characters that Discord allows in a message
SMALL_PRINT = 500  # of them kept free under the text on every page, so that pages never depend on what is said there
MOST_PAGES = 3  # messages that one text may fill; more would flood the channel, so a longer one ends as a file
SHOWN_PROMPT = 300  # characters of a long prompt that are repeated above the text: its end, where the text goes on
LINE_ENDS = (".", "!", "?", "\n")  # a text with another end has ended by its length in the middle of a line
SHOWN_CONTINUED = 80  # the same for a text that is continued: its readers have the rest above


@dataclass
class Passage(Result):
    """One text from its first place in the queue to its last character."""

    text: str = ""
    replaced: str = ""  # the prompt's characters that the model never saw
    seconds: float = 0.0  # from the request to the newest character

    def grow(self, piece: Piece, seconds: float) -> None:
        """Takes in some more of the text, ``seconds`` after it was asked for."""
        self.text += piece.text
        self.replaced = piece.replaced or self.replaced
        self.position = None
        self.seconds = seconds
        self.recipe = replace(self.recipe, seed=piece.seed, version=piece.version)

    @property
    def begun(self) -> bool:
        return bool(self.text)

    def outcome(self) -> Recipe:
        """The recipe with what was written."""
        return replace(self.recipe, result=self.text)

    def draft(self) -> Draft:
        """What the message shall show now."""
        head = self._prompt()
        room = MESSAGE - SMALL_PRINT
        pages = markdown.pages(self.text, room - len(head), room)
        pages[0] = head + pages[0]
        file = None
        if too_long := len(pages) > MOST_PAGES:
            del pages[MOST_PAGES:]
            if self.ended:
                file = Attached("shakespeare.txt", (self.recipe.parameters["prompt"] + self.text).encode())
        lines = self._small_print(too_long)
        if self.finished and not self.text.rstrip(" ").endswith(LINE_ENDS):
            pages[-1] += "…"
        if lines:
            foot = "\n".join(markdown.small(line) for line in lines)
            pages[-1] = f"{pages[-1].rstrip()}\n{foot[: SMALL_PRINT - 2]}"  # the rest is the "…" and the line break
        return Draft(pages, self._buttons(), file)

    def _prompt(self) -> str:
        prompt: str = self.recipe.parameters["prompt"]
        shown = SHOWN_CONTINUED if self.recipe.parent else SHOWN_PROMPT
        if len(prompt) <= shown:
            return markdown.bold(prompt)
        end = prompt[-shown:]
        return "… " + markdown.bold(re.split(r"\s", end, maxsplit=1)[-1] or end)  # from a whole word on

    def _small_print(self, too_long: bool) -> list[str]:
        lines = []
        if too_long:
            key = "text.in_file" if self.ended else "text.will_be_file"
            lines.append(translate(self.locale, key, count=number(self.locale, len(self.text))))
        lines += self.news()
        if self.replaced:
            lines.append(sentence(self.replaced, self.locale))
        if self.ended and self.text:
            lines.append(self._how_it_was_made())
        return lines

    def _how_it_was_made(self) -> str:
        parameters = self.recipe.parameters
        parts = [self.recipe.pinned_model]
        if parameters["temperature"]:
            parts.append(translate(self.locale, "text.seed", seed=self.recipe.seed))
            parts.append(translate(self.locale, "text.temperature", temperature=f"{parameters['temperature']:g}"))
        else:
            parts.append(translate(self.locale, "text.greedy"))  # whatever the seed
        if parameters["top_k"]:
            parts.append(f"top_k {parameters['top_k']}")
        if parameters["top_p"] < 1:
            parts.append(f"top_p {parameters['top_p']:g}")
        key = "text.speed_one" if len(self.text) == 1 else "text.speed"
        count, seconds = number(self.locale, len(self.text)), number(self.locale, self.seconds, ".1f")
        parts.append(translate(self.locale, key, count=count, seconds=seconds))
        return " · ".join(parts)

    def _buttons(self) -> Sequence[RecipeButton]:
        if not self.ended:
            return [Stop(self.recipe.id, self.locale)]
        if not self.repeatable:
            return []
        retry = Retry if self.failure is None else TryAgain
        kinds = [Continue, retry, ShowLetters, ShowRecipe, Delete] if self.text else [retry]
        return [kind(self.recipe.id, self.locale) for kind in kinds]
