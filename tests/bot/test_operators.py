"""Who is an operator, wherever they act: the owner, a team, people and roles of the settings, in the home server."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.operators import NotForYou, Operators
from bot.settings import Settings, SettingsError, load
from sandbox.permissions import Permission
from tests.bot.conftest import Island
from tests.bot.trainer import Trainer, serve
from tests.person import Person

EPHEMERAL = 1 << 6
REFUSED = "Only the operators of this bot may do that; ask whoever runs it."

COMMANDS: dict[str, dict[str, Any]] = {
    "model list": {},
    "model info": {"model": "gan-digits"},
    "model promote": {"model": "gan-digits", "version": "v1"},
    "model rollback": {"model": "gan-digits"},
    "model compare": {"model": "gan-digits", "version": "v1"},
    "model delete": {"model": "gan-digits", "version": "v1"},
    "audit": {},
}


@pytest.fixture
async def trainer() -> AsyncIterator[Trainer]:
    trainer = Trainer()
    async with serve(trainer):
        yield trainer


@pytest.fixture
async def miranda(island: Island) -> AsyncIterator[Person]:
    """A member who manages the server, so that Discord offers her operators' commands, and who is none."""
    state = island.sandbox.state
    state.grant(state.named("Miranda").user, Permission.MANAGE_GUILD)
    async with island.person("Miranda") as miranda:
        yield miranda


async def test_a_stranger_tries_every_command(island: Island, trainer: Trainer, miranda: Person) -> None:
    bot = await island.start_bot(trainer.url)
    await bot.catalogue.ask()
    for name, options in COMMANDS.items():
        refused = await (await miranda.slash(name, **options)).message()
        assert (refused["content"], refused["flags"] & EPHEMERAL) == (REFUSED, EPHEMERAL), name
        if "model" in options:
            assert await miranda.autocomplete(name, "model", **options | {"model": ""}) == []
    assert trainer.history == ["v1", "v2"]


async def test_every_command_for_operators_is_among_them(island: Island, trainer: Trainer) -> None:
    """So that no command escapes the test above: those with a hint for Discord are those that a stranger tries."""
    bot = await island.start_bot(trainer.url)
    async with island.person("Caliban") as caliban:
        for_everyone = {command["name"] for command in await caliban.commands()}
    every = {command.name for command in bot.tree.walk_commands()}
    names = {
        command.qualified_name
        for command in bot.tree.walk_commands()
        if isinstance(command, discord.app_commands.Command) and command.qualified_name.split()[0] not in for_everyone
    }
    assert every > for_everyone
    assert names == set(COMMANDS)


async def test_operators_of_the_settings(island: Island, trainer: Trainer, miranda: Person) -> None:
    await island.start_bot(trainer.url, operators=miranda.id)
    assert REFUSED not in (await (await miranda.slash("model list")).message())["content"]


async def test_operators_by_role(island: Island, trainer: Trainer, miranda: Person) -> None:
    role = island.sandbox.state.guild.members[miranda.id].roles[0]
    await island.start_bot(trainer.url, operator_roles=f"5, {role.id}")
    assert REFUSED not in (await (await miranda.slash("model list")).message())["content"]


async def test_nowhere_but_in_the_home_server(island: Island, trainer: Trainer) -> None:
    await island.start_bot(trainer.url, home_guild=1)
    async with island.person("Ariel") as ariel:
        refused = await (await ariel.slash("model list")).message()
        assert refused["content"] == "Models are trained and switched in this bot's home server only."
        ariel.go("direct")
        assert not {"model", "audit"} & {command["name"] for command in await ariel.commands()}


async def test_a_button_refuses_a_stranger(island: Island, trainer: Trainer, miranda: Person) -> None:
    await island.start_bot(trainer.url)
    async with island.person("Ariel") as ariel, island.person("Caliban") as caliban:
        promoted = await (await ariel.slash("model promote", model="gan-digits", version="v1")).message()
        refused = await (await miranda.press(promoted, "Roll back")).message()
        assert (refused["content"], refused["flags"] & EPHEMERAL) == (REFUSED, EPHEMERAL)
        refused = await (await caliban.press(promoted, "Roll back")).message()
        assert refused["content"] == "Só os operadores deste bot podem fazer isso; fale com quem cuida dele."
    assert trainer.history == ["v1", "v2", "v1"]


def member(number: int, role: str, state: discord.TeamMembershipState) -> SimpleNamespace:
    return SimpleNamespace(id=number, role=discord.TeamMemberRole(role), membership_state=state)


def test_a_team_works_on_its_application() -> None:
    accepted, invited = discord.TeamMembershipState.accepted, discord.TeamMembershipState.invited
    people = [
        member(1, "admin", accepted),
        member(2, "developer", accepted),
        member(3, "read_only", accepted),
        member(4, "admin", invited),
    ]
    application: Any = SimpleNamespace(owner=SimpleNamespace(id=9), team=SimpleNamespace(members=people))
    operators = Operators(Settings(_env_file=None), application)
    allowed = []
    for number in (1, 2, 3, 4, 9):
        interaction: Any = SimpleNamespace(guild_id=7, user=SimpleNamespace(id=number))
        try:
            operators.check(interaction)
        except NotForYou:
            continue
        allowed.append(number)
    assert allowed == [1, 2]


def test_ids_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROSPERO_OPERATORS", "12, 34 56")
    assert load().operators == {12, 34, 56}
    monkeypatch.setenv("PROSPERO_OPERATORS", "12,@ariel")
    with pytest.raises(SettingsError, match="PROSPERO_OPERATORS is '@ariel': write the ids of people"):
        load()
