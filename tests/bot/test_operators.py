"""Who is an operator, wherever they act: the owner, a team, people and roles of the settings, in the home server."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.cogs.dataset import DeleteDataset
from bot.cogs.model import DeleteVersion, RollBackSurely
from bot.confirmation import Leave
from bot.operators import NotForYou, OperatorCog, Operators
from bot.settings import Settings, SettingsError, load
from bot.switching import RollBack
from bot.training_buttons import TRAINING_BUTTONS
from sandbox.interactions import COMPONENT
from sandbox.permissions import Permission
from tests.bot.conftest import Island, said
from tests.bot.trainer import Trainer
from tests.person import JSON, Answer, File, Person, controls, labels

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
    "retrain": {"model": "gan-digits"},
    "training status": {},
    "training history": {},
    "training cancel": {"training": "ftjob-1"},
    "dataset add": {"file": File("plays.txt", b"ROMEO:"), "name": "plays"},
    "dataset list": {},
    "dataset delete": {"name": "plays"},
}
SUGGESTED = ("model", "version", "training")


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
        for option in set(SUGGESTED) & set(options):
            assert await miranda.autocomplete(name, option, **options | {option: ""}) == []
    assert (trainer.history, trainer.jobs, trainer.files) == (["v1", "v2"], {}, {})


async def test_every_command_for_operators_is_among_them(island: Island, trainer: Trainer) -> None:
    bot = await island.start_bot(trainer.url)
    commands = [one for one in bot.tree.walk_commands() if isinstance(one, discord.app_commands.Command)]
    theirs = [command for command in commands if isinstance(command.binding, OperatorCog)]
    assert {command.qualified_name for command in theirs} == set(COMMANDS)
    roots = {command.root_parent or command for command in theirs}
    assert all(root.to_dict(bot.tree)["integration_types"] == [0] for root in roots)  # of servers, never of a person
    assert all(root.to_dict(bot.tree)["contexts"] == [0] for root in roots)
    async with island.person("Caliban") as caliban:
        offered = {command["name"] for command in await caliban.commands()}
    assert not offered & {command.qualified_name.split()[0] for command in theirs}


async def test_operators_of_the_settings(island: Island, trainer: Trainer, miranda: Person) -> None:
    await island.start_bot(trainer.url, operators=miranda.id)
    assert (await said(miranda, "model list"))["content"].startswith("`gan-digits@v2` · ")


async def test_operators_by_role(island: Island, trainer: Trainer, miranda: Person) -> None:
    role = island.sandbox.state.guild.members[miranda.id].roles[0]
    await island.start_bot(trainer.url, operator_roles=f"5, {role.id}")
    assert (await said(miranda, "model list"))["content"].startswith("`gan-digits@v2` · ")
    island.expel_bot()  # it knows no roles there any more
    assert (await said(miranda, "model list"))["content"].startswith("`gan-digits@v2` · ")


async def test_nowhere_but_in_the_home_server(island: Island, trainer: Trainer) -> None:
    await island.start_bot(trainer.url, home_guild=1)
    async with island.person("Ariel") as ariel:
        refused = await (await ariel.slash("model list")).message()
        assert refused["content"] == "Models are trained and switched in this bot's home server only."
        ariel.go("direct")
        assert not {"model", "audit"} & {command["name"] for command in await ariel.commands()}


async def test_a_stranger_tries_every_button(island: Island, trainer: Trainer, miranda: Person) -> None:
    """Each button that the trainings have is on one of these messages."""
    await island.start_bot(trainer.url)

    async def refuses(message: JSON) -> set[str]:
        """Has the stranger press every button; the actions they stand for."""
        for button in controls(message):
            refused = await (await miranda.press(message, button["custom_id"])).message()
            assert (refused["content"], refused["flags"] & EPHEMERAL) == (REFUSED, EPHEMERAL)
        return {button["custom_id"].partition(":")[0] for button in controls(message)}

    async def told(words: str) -> JSON:
        return (await miranda.wait_for(lambda event: words in event["d"].get("content", "")))["d"]

    async with island.person("Ariel") as ariel:
        begun = []
        for _ in range(4):
            asked = await (await ariel.slash("retrain", model="gan-digits")).message(labels)
            await ariel.press(asked, "Start training")
            begun.append(await trainer.started())
        pressed = await refuses(await told("in line…"))
        trainer.succeed(begun[0], "v3", 1.0)
        trainer.succeed(begun[2], "v4", 9.0)
        trainer.succeed(begun[3], "v5", 1.0, problems=["It could not be read."])
        trainer.fail(begun[1], "The disk is full.")
        for version in ("v3", "v4", "v5"):
            pressed |= await refuses(await told(f"**gan-digits@{version}** is ready"))
        pressed |= await refuses(await told("** failed: The disk is full."))
        answer = await ariel.slash("model promote", model="gan-digits", version="v1")
        promoted = await answer.message(labels)
        pressed |= await refuses(promoted)
        await ariel.slash("dataset add", file=File("plays.txt", b"ROMEO:"), name="plays")
        questions = [
            await ariel.slash("retrain", model="gan-digits"),
            await ariel.slash("training cancel", training=begun[1]),
            await ariel.press(await told("**gan-digits@v3** is ready"), "Discard"),
            await ariel.press(await told("**gan-digits@v4** is ready"), "Promote"),
            await ariel.slash("model delete", model="gan-digits", version="v3"),
            await ariel.slash("model rollback", model="gan-digits"),
            await ariel.slash("dataset delete", name="plays"),
        ]
        state = island.sandbox.state
        person, channel = state.named("Miranda").user, state.channel(miranda.channel)
        for question in questions:
            hidden = await question.message(labels)
            message = state.messages.find(channel, hidden["id"])
            for button in controls(hidden):  # she cannot see these, but someone could who is an operator no more
                data = {"custom_id": button["custom_id"], "component_type": 2}
                press = state.interactions.begin(COMPONENT, person, channel, data, "nonce", source=message)
                assert (await Answer(miranda, press.id).message())["content"] == REFUSED
            pressed |= {button["custom_id"].partition(":")[0] for button in controls(hidden)}
    assert pressed == {
        button.action for button in (*TRAINING_BUTTONS, Leave, RollBack, RollBackSurely, DeleteVersion, DeleteDataset)
    } | {"again"}
    assert (trainer.history, len(trainer.jobs), len(trainer.files)) == (["v1", "v2", "v1"], 4, 1)
    assert sorted(trainer.versions) == ["v1", "v2", "v3", "v4", "v5"]


async def test_whoever_owns_the_application_no_more_is_no_operator(
    island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.client.HOUR", 0.02)
    await island.start_bot(trainer.url)
    state = island.sandbox.state
    state.grant(state.operator, Permission.MANAGE_GUILD)  # so that Discord still offers him operators' commands
    state.guild.owner = state.named("Miranda").user
    async with island.person("Ariel") as ariel, asyncio.timeout(30):
        while (await said(ariel, "model list"))["content"] != REFUSED:
            pass


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
