"""A small real bot for the page's tests: one command for each thing that a page can be asked to show or to do."""

import asyncio
import io
from typing import ClassVar

import discord
from discord import app_commands
from discord.app_commands import Choice
from PIL import Image

Interaction = discord.Interaction["Players"]

CITIES = ["Milan", "Naples", "Tunis", "Mantua"]


def picture(size: tuple[int, int], colour: str) -> bytes:
    """A PNG of one colour."""
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


class LineForm(discord.ui.Modal, title="A line of your own"):
    """A form with a short field, a long one and a select."""

    line: discord.ui.TextInput["LineForm"] = discord.ui.TextInput(
        label="Line", placeholder="O brave new world", max_length=40
    )
    reason: discord.ui.TextInput["LineForm"] = discord.ui.TextInput(
        label="Why", style=discord.TextStyle.paragraph, required=False
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"You wrote: {self.line.value}")


class Controls(discord.ui.View):
    """A button of each style, two that do something, and a select."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.presses = 0
        self.add_item(discord.ui.Button(label="The source", url="https://example.com/source"))

    @discord.ui.button(label="Continue", style=discord.ButtonStyle.primary, custom_id="continue")
    async def go_on(self, interaction: discord.Interaction, _: discord.ui.Button["Controls"]) -> None:
        self.presses += 1
        await interaction.response.edit_message(content=f"Continued {self.presses}")

    @discord.ui.button(label="Form", style=discord.ButtonStyle.secondary, custom_id="form")
    async def form(self, interaction: discord.Interaction, _: discord.ui.Button["Controls"]) -> None:
        await interaction.response.send_modal(LineForm())

    @discord.ui.button(label="Silence", style=discord.ButtonStyle.danger, custom_id="silence")
    async def silence(self, interaction: discord.Interaction, _: discord.ui.Button["Controls"]) -> None:
        """Never answers."""

    @discord.ui.button(label="Never", style=discord.ButtonStyle.success, custom_id="never", disabled=True, emoji="🌊")
    async def never(self, interaction: discord.Interaction, _: discord.ui.Button["Controls"]) -> None:
        """Cannot be pressed."""

    @discord.ui.select(
        custom_id="spirit",
        placeholder="Which spirit?",
        options=[
            discord.SelectOption(label="Ariel", description="of the air", emoji="🌬"),
            discord.SelectOption(label="Caliban", description="of the earth"),
        ],
    )
    async def spirit(self, interaction: discord.Interaction, select: discord.ui.Select["Controls"]) -> None:
        await interaction.response.send_message(f"You chose {select.values[0]}", ephemeral=True)


class Places(discord.ui.View):
    """A select of text channels."""

    @discord.ui.select(
        cls=discord.ui.ChannelSelect, channel_types=[discord.ChannelType.text], placeholder="Where?", custom_id="where"
    )
    async def where(self, interaction: discord.Interaction, select: discord.ui.ChannelSelect["Places"]) -> None:
        await interaction.response.send_message(f"In {select.values[0].name}")


class Brazilian(app_commands.Translator):
    """Translates the little that the tests look at."""

    WORDS: ClassVar = {
        "recite": "recitar",
        "Say a line, growing.": "Diz um verso que cresce.",
        "opening": "abertura",
        "silence": "silêncio",
    }

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        return self.WORDS.get(string.message) if locale is discord.Locale.brazil_portuguese else None


class Players(discord.Client):
    """The bot. A test feeds `lines`; `/recite` shows them as they come and ends with buttons at an empty one."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.1,  # seconds to wait for further guilds; there is only one
        )
        self.tree = app_commands.CommandTree(self)
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        for make in (_speaking, _filling_in, _showing, _menus):
            make(self, self.tree)

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Brazilian())
        await self.tree.sync()


def _speaking(bot: Players, tree: app_commands.CommandTree[Players]) -> None:
    @tree.command(name=app_commands.locale_str("recite"), description=app_commands.locale_str("Say a line, growing."))
    @app_commands.rename(opening=app_commands.locale_str("opening"))
    @app_commands.describe(opening="How it begins")
    async def recite(interaction: Interaction, opening: app_commands.Range[str, 1, 20]) -> None:
        await interaction.response.defer()
        text = opening
        while line := await bot.lines.get():
            text += f"\n{line}"
            await interaction.edit_original_response(content=text)
        await interaction.edit_original_response(content=text, view=Controls())

    @tree.command(name=app_commands.locale_str("silence"), description="Say nothing at all.")
    async def silence(interaction: Interaction) -> None:
        """Never answers."""

    @tree.command(description="Whisper something.")
    async def whisper(interaction: Interaction) -> None:
        await interaction.response.send_message("Between the two of us.", ephemeral=True)

    @tree.command(description="For the operator alone.")
    @app_commands.default_permissions(administrator=True)
    async def command_spirits(interaction: Interaction) -> None:
        await interaction.response.send_message("They obey.")


def _filling_in(bot: Players, tree: app_commands.CommandTree[Players]) -> None:
    @tree.command(description="Every kind of option.")
    @app_commands.describe(heat="How wild", times="How often", place="Where")
    @app_commands.choices(
        place=[Choice(name="On the beach", value="beach"), Choice(name="In the cell", value="cell")],
    )
    async def everything(
        interaction: Interaction,
        heat: app_commands.Range[float, 0, 2],
        times: app_commands.Range[int, 1, 5] | None = None,
        place: str | None = None,
        loud: bool | None = None,
        who: discord.User | None = None,
        where: discord.TextChannel | None = None,
    ) -> None:
        told: dict[str, object] = {"heat": heat, "times": times, "place": place, "loud": loud}
        told |= {"who": who and who.name, "where": where and where.name}
        given = [f"{key}={value}" for key, value in told.items() if value is not None]
        await interaction.response.send_message(" ".join(given))

    @tree.command(description="Set sail for a city.")
    async def sail(interaction: Interaction, city: str) -> None:
        await interaction.response.send_message(f"To {city}!")

    @sail.autocomplete("city")
    async def cities(interaction: Interaction, current: str) -> list[Choice[str]]:
        return [Choice(name=f"{city}, Italy", value=city) for city in CITIES if current.lower() in city.lower()]

    @tree.command(description="Look at a picture.")
    async def look(interaction: Interaction, image: discord.Attachment, title: str | None = None) -> None:
        await interaction.response.send_message(f"{image.filename}: {image.size} bytes, {title}")

    gan = app_commands.Group(name="gan", description="What never existed.")

    @gan.command(description="One that never existed.")
    async def sample(interaction: Interaction, seed: int | None = None) -> None:
        await interaction.response.send_message(f"seed {seed}")

    tree.add_command(gan)


def _showing(bot: Players, tree: app_commands.CommandTree[Players]) -> None:
    @tree.command(description="Pictures, files and an embed.")
    async def gallery(interaction: Interaction) -> None:
        embed = discord.Embed(
            title="A storm", description="*Full* fathom **five**", colour=0xE0A458, url="https://example.com/storm"
        )
        embed.add_field(name="Ship", value="lost").add_field(name="Crew", value="safe")
        embed.set_image(url="attachment://storm.png").set_footer(text="Act I").set_thumbnail(
            url="attachment://small.png"
        )
        await interaction.response.send_message(
            embed=embed,
            files=[
                discord.File(io.BytesIO(picture((320, 160), "#1b6f8c")), "storm.png", description="The sea, rising"),
                discord.File(io.BytesIO(picture((96, 96), "#e0a458")), "small.png"),
            ],
        )
        digits = [
            discord.File(io.BytesIO(picture((28, 28), colour)), f"digit-{n}.png", description=f"The digit {n}")
            for n, colour in enumerate(("#c33", "#3c3", "#33c", "#c9c"))
        ]
        await interaction.followup.send(files=digits[:3])
        await interaction.followup.send(file=digits[3])
        await interaction.followup.send(file=discord.File(io.BytesIO(b"words" * 500), "verse.txt"))

    @tree.command(description="Choose a channel.")
    async def places(interaction: Interaction) -> None:
        await interaction.response.send_message("Choose.", view=Places())

    @tree.command(description="Show the buttons.")
    async def controls(interaction: Interaction) -> None:
        await interaction.response.send_message("Press something.", view=Controls())


def _menus(bot: Players, tree: app_commands.CommandTree[Players]) -> None:
    @tree.context_menu(name="Count the letters")
    async def count(interaction: Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.content)} letters")

    @tree.context_menu(name="Greet")
    async def greet(interaction: Interaction, user: discord.User) -> None:
        await interaction.response.send_message(f"Hail, {user.display_name}!")
