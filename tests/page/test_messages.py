"""Messages as people see them: who and when, in groups; pictures, files and embeds; those for one person only."""

from __future__ import annotations

import io
import re

import discord
from playwright.async_api import expect

from sandbox.app import Sandbox
from tests.page.conftest import Open, Visit
from tests.page.players import Players, picture
from tests.page.test_files import give
from tests.person import Person


async def test_one_author_in_a_row_makes_one_group(visit: Visit, sandbox: Sandbox) -> None:
    await visit.say("One")
    await visit.say("Two")
    async with Person(sandbox.url, "Miranda") as miranda:
        await miranda.say("Three")
    await expect(visit.messages).to_have_count(3)
    assert await visit.messages.locator("header .name:visible").all_inner_texts() == ["Ariel", "Miranda"]
    await expect(visit.messages.first.locator("header time")).to_have_text(re.compile(r"^\d+:\d\d\s[AP]M$"))
    await expect(visit.messages.first.locator(".badge")).to_have_count(0)


async def test_another_page_sees_the_same_and_not_the_whispers(visit: Visit, open_page: Open) -> None:
    other = await open_page()
    await other.become("Miranda")
    await visit.command("whisper")
    await expect(visit.last).to_contain_text("Only you can see this")
    await visit.say("Aloud")
    await expect(other.messages).to_have_count(1)
    await expect(other.messages).to_contain_text(["Aloud"])


async def test_a_whisper_is_dismissed_for_good(visit: Visit) -> None:
    await visit.say("Aloud")
    await visit.command("whisper")
    await expect(visit.last.locator(".prose")).to_have_text("Between the two of us.")
    await expect(visit.last.locator(".badge")).to_have_text("APP")
    await visit.page.get_by_role("button", name="Dismiss message").click()
    await expect(visit.messages).to_have_count(1)
    await expect(visit.text).to_be_focused()
    for channel in ("gallery", "the-stage"):
        await visit.page.get_by_role("button", name=channel).click()
        await visit.settled()
    await expect(visit.messages).to_have_text([re.compile("Aloud")])


async def test_embeds_pictures_and_files(visit: Visit) -> None:
    await visit.command("gallery")
    await expect(visit.messages).to_have_count(4)
    embedded, grid, alone, text = (visit.messages.nth(n) for n in range(4))

    card = embedded.locator(".embed")
    await expect(card.get_by_role("link", name="A storm")).to_have_attribute("href", "https://example.com/storm")
    await expect(card.locator("em")).to_have_text("Full")
    await expect(card.locator("dt")).to_have_text(["Ship", "Crew"])
    await expect(card.locator("footer")).to_have_text("Act I")
    await expect(card.get_by_alt_text("The sea, rising")).to_be_visible()
    assert await card.evaluate("node => node.style.getPropertyValue('--stripe')") == "#e0a458"
    await expect(embedded.locator(".attachments img")).to_have_count(0)

    await expect(grid.locator(".pictures.grid img")).to_have_count(3)
    await expect(grid.get_by_alt_text("The digit 1")).to_be_visible()
    one = alone.get_by_alt_text("The digit 3")
    await expect(one).to_have_class("crisp")
    assert await one.evaluate("image => [image.clientWidth, image.naturalWidth]") == [252, 28]
    await expect(card.get_by_alt_text("The sea, rising")).not_to_have_class("crisp")

    await expect(text.get_by_role("link")).to_have_text(re.compile("verse.txt.*2.4 KB"))
    await expect(text.get_by_role("link")).to_have_attribute("href", re.compile("^/cdn/attachments/"))


async def test_a_large_picture_keeps_its_proportions(visit: Visit, players: Players) -> None:
    square = discord.File(io.BytesIO(picture((800, 800), "teal")), "square.png", description="A square")
    await players.guilds[0].text_channels[0].send(file=square)
    image = visit.last.get_by_alt_text("A square")
    await expect(image).to_be_visible()
    width, height = await image.evaluate("image => [image.clientWidth, image.clientHeight]")
    assert width == height > 400


async def test_a_picture_opens_large_and_closes_again(visit: Visit) -> None:
    await visit.command("gallery")
    small = visit.messages.nth(2).locator("button.picture")
    await small.click()
    large = visit.page.get_by_role("dialog", name="Picture")
    await expect(large.get_by_role("img", name="The digit 3")).to_have_class("crisp")
    await visit.page.keyboard.press("Escape")
    await expect(large).to_have_count(0)
    await expect(small).to_be_focused()


async def test_an_answer_quotes_and_leads_to_its_question(visit: Visit) -> None:
    await visit.command("gallery")
    quoted = visit.messages.nth(3).locator(".quoted")
    await expect(quoted).to_have_text("A storm")
    await quoted.click()
    await expect(visit.messages.first).to_be_focused()


async def test_a_quote_names_whom_its_message_mentions(visit: Visit, players: Players) -> None:
    channel = players.guilds[0].text_channels[0]
    asked = await channel.send(f"Asked for by <@{players.guilds[0].owner_id}>, **at last**")
    await asked.reply("Here it is")
    await expect(visit.last.locator(".quoted")).to_have_text("Asked for by @Ariel, at last")


async def test_a_deleted_message_goes(visit: Visit, players: Players) -> None:
    message = await players.guilds[0].text_channels[0].send("Such stuff as dreams are made on")
    await expect(visit.messages).to_have_count(1)
    await message.delete()
    await expect(visit.messages).to_have_count(0)
    await expect(visit.page.get_by_role("heading", name="This is #the-stage")).to_be_visible()


async def test_an_edit_far_above_leaves_no_gap(sandbox: Sandbox, players: Players, open_page: Open) -> None:
    oldest = await players.guilds[0].text_channels[0].send("Once")
    async with Person(sandbox.url, "Miranda") as miranda:
        for n in range(59):
            await miranda.say(f"Line {n}")
        visit = await open_page()
        await expect(visit.messages).to_have_count(50)
        await oldest.edit(content="Once more")
        await miranda.say("And then?")
    await expect(visit.last.locator(".prose")).to_have_text("And then?")
    await expect(visit.messages.first.locator(".prose")).to_have_text("Line 9")
    await visit.page.locator("#scroller").evaluate("node => { node.scrollTop = 0; }")
    await expect(visit.messages).to_have_count(61)
    await expect(visit.messages.first.locator(".prose")).to_have_text("Once more (edited)")


async def test_typing_is_shown_until_the_message_comes(visit: Visit, players: Players) -> None:
    channel = players.guilds[0].text_channels[0]
    await channel.typing()
    await expect(visit.page.locator("#typing")).to_contain_text("Prospero is typing…")
    await channel.send("Here it is.")
    await expect(visit.page.locator("#typing")).to_be_empty(timeout=5_000)  # after ten seconds it is forgotten anyway


async def test_a_message_elsewhere_marks_its_channel(visit: Visit, players: Players) -> None:
    await players.guilds[0].text_channels[1].send("A picture, soon.")
    gallery = visit.page.get_by_role("button", name="gallery")
    await expect(gallery).to_have_accessible_name("gallery unread")
    await gallery.click()
    await expect(visit.messages).to_have_count(1)
    await expect(gallery).to_have_accessible_name("gallery")
    await expect(gallery).to_have_attribute("aria-current", "page")


async def test_a_new_message_is_announced_once_it_rests(visit: Visit, players: Players) -> None:
    message = await players.guilds[0].text_channels[0].send("Be not")
    await message.edit(content="Be not **afeard**")
    await expect(visit.page.locator("#announcements")).to_have_text("Prospero: Be not afeard")


async def test_an_answer_that_takes_long_is_announced_when_it_is_there(visit: Visit, players: Players) -> None:
    said = visit.page.locator("#announcements")
    await visit.page.clock.install()
    await visit.command("recite Full fathom five")
    await expect(visit.last).to_contain_text("Prospero is thinking…")
    await visit.page.clock.run_for(5000)
    await expect(said).to_be_empty()
    await players.lines.put("thy father lies;")
    await expect(visit.last.locator(".prose")).to_contain_text("thy father lies;")
    await visit.page.clock.run_for(5000)
    await expect(said).to_have_text("Prospero: Full fathom five thy father lies;")


async def test_a_mention_joins_what_was_written(visit: Visit, sandbox: Sandbox) -> None:
    miranda = visit.page.get_by_role("complementary", name="People").get_by_role("button", name="Miranda")
    mention = visit.page.get_by_role("menuitem", name="Mention")
    await visit.page.keyboard.type("Hark, !")
    await visit.page.keyboard.press("ArrowLeft")
    await miranda.click()
    await mention.click()
    await expect(visit.text).to_have_value(f"Hark, <@{sandbox.state.named('Miranda').user.id}> !")
    await expect(visit.text).to_be_focused()
    await visit.text.fill("/recite Be not")
    await miranda.click()
    await mention.click()
    await expect(visit.field("opening")).to_have_value("Be not")
    await expect(visit.hint).to_have_text("Send /recite or put it away before you mention anybody.")


async def test_what_was_begun_waits_in_its_channel(visit: Visit) -> None:
    stage, gallery, workshop = (
        visit.page.get_by_role("button", name=name) for name in ("the-stage", "gallery", "workshop")
    )
    waiting = visit.page.get_by_role("list", name="Files to send").get_by_role("listitem")
    await visit.text.fill("To be")
    await give(visit, "paste")
    await gallery.click()
    await expect(visit.text).to_have_value("")
    await expect(waiting).to_have_count(0)
    await visit.text.fill("/recite Be not")
    await expect(visit.field("opening")).to_be_focused()
    await workshop.click()
    await expect(visit.text).to_have_value("")
    await gallery.click()
    await expect(visit.field("opening")).to_have_value("Be not")
    await stage.click()
    await expect(visit.text).to_have_value("To be")
    await expect(waiting).to_have_count(1)


async def test_the_direct_conversation(visit: Visit) -> None:
    await visit.page.get_by_role("button", name="Prospero", exact=True).click()
    await expect(visit.page.get_by_role("heading", name="You and Prospero, alone")).to_be_visible()
    await visit.settled()
    await visit.command("whisper")
    await expect(visit.last.locator(".prose")).to_have_text("Between the two of us.")
