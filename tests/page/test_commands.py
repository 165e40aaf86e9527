"""Commands as people type them: found, filled in, refused with a sentence, sent, answered."""

import asyncio
import re

from playwright.async_api import Route, expect

from tests.page.conftest import Open, Visit
from tests.page.players import Players


async def test_by_keyboard_alone_then_the_text_grows_and_the_mouse_goes_on(visit: Visit, players: Players) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/rec")
    await expect(visit.suggestions).to_have_count(1)
    await expect(visit.suggestions.first).to_contain_text("Say a line, growing.")
    await keyboard.press("Enter")
    await expect(visit.field("opening")).to_be_focused()
    await keyboard.type("Full fathom five")
    await keyboard.press("Enter")
    await expect(visit.last).to_contain_text("Prospero is thinking…")
    await expect(visit.last.locator(".used")).to_have_text(re.compile("Ariel used /recite"))
    await expect(visit.text).to_be_focused()

    await players.lines.put("thy father lies;")
    await expect(visit.last.locator(".prose p")).to_have_text("Full fathom five\nthy father lies;", use_inner_text=True)
    select = "node => { node.mine = true; getSelection().setBaseAndExtent(node.firstChild, 0, node.firstChild, 11); }"
    await visit.last.locator(".prose p").evaluate(select)
    await players.lines.put("Of his bones are coral made.")
    await expect(visit.last.locator(".prose")).to_contain_text("coral made.")
    kept = await visit.last.locator(".prose p").evaluate("node => [node.mine, String(getSelection())]")
    assert kept == [True, "Full fathom"], "the node was replaced, or the selection lost"

    await players.lines.put("")
    await visit.last.get_by_role("button", name="Continue").click()
    await expect(visit.last.locator(".prose")).to_have_text(re.compile("Continued 1"))
    await expect(visit.last.locator(".edited")).to_be_visible()


async def test_the_list_filters_moves_and_closes(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/")
    await expect(visit.suggestions.filter(has_text="/gan sample")).to_be_visible()
    everything = await visit.suggestions.count()
    assert everything > 5
    first = await visit.suggestions.first.get_attribute("id")
    await expect(visit.text).to_have_attribute("aria-activedescendant", str(first))
    await keyboard.press("ArrowDown")
    await expect(visit.suggestions.nth(1)).to_have_attribute("aria-selected", "true")
    await keyboard.press("ArrowUp")
    await keyboard.press("ArrowUp")
    await expect(visit.suggestions.last).to_have_attribute("aria-selected", "true")
    await keyboard.type("never existed")
    await expect(visit.suggestions).to_have_count(1)
    await keyboard.press("Escape")
    await expect(visit.suggestions).to_have_count(0)
    await expect(visit.text).to_have_value("/never existed")
    await visit.text.fill("/nothing like this")
    await expect(visit.page.get_by_text("No command is called that.")).to_be_visible()


async def test_a_subcommand_is_completed_with_tab(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/gan")
    await keyboard.press("Tab")
    await expect(visit.field("seed")).to_be_focused()
    await keyboard.type("7")
    await keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("seed 7")
    await expect(visit.last.locator(".used")).to_contain_text("/gan sample")


async def test_leaving_a_command(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/recite ")
    await expect(visit.field("opening")).to_be_focused()
    await keyboard.press("Backspace")
    await expect(visit.text).to_have_value("/recite")
    await keyboard.press("Enter")
    await keyboard.type("some words")
    await keyboard.press("Escape")
    await expect(visit.text).to_be_focused()
    await expect(visit.text).to_have_value("")


async def test_wrong_values_are_named_in_one_sentence(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/everything ")
    heat = visit.field("heat")
    await expect(heat).to_have_attribute("aria-required", "true")
    await expect(visit.hint).to_contain_text("number, 0 to 2, required")
    await keyboard.press("Enter")
    await expect(visit.hint).to_have_text("Fill in heat: the command needs it.")
    await heat.fill("99")
    await heat.press("Enter")
    await expect(visit.hint).to_have_text("heat takes a number, 0 to 2; 99 lies outside.")
    await expect(heat).to_have_attribute("aria-invalid", "true")
    await heat.fill("0.8")
    await expect(heat).to_have_attribute("aria-invalid", "false")
    for wrong, sentence in (
        ("2.5", "times takes a whole number, such as 7."),
        ("6", "times takes a whole number, 1 to 5; 6 lies outside."),
        ("many", "times takes a whole number, such as 7."),
    ):
        await visit.field("times").fill(wrong)
        await visit.field("times").press("Enter")
        await expect(visit.hint).to_have_text(sentence)
    await visit.field("times").fill("5")
    await visit.field("place").fill("nowhere")
    await visit.field("place").press("Enter")
    await expect(visit.hint).to_have_text("Choose one of the list for place, such as On the beach or In the cell.")
    await expect(visit.messages).to_have_count(0)
    await keyboard.press("Escape")
    await keyboard.press("Escape")
    await keyboard.type("/recite ")
    await keyboard.type("a" * 21)
    await keyboard.press("Enter")
    await expect(visit.hint).to_have_text("opening takes 1 to 20 characters; this has 21.")


async def test_options_of_every_kind(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/everything ")
    await keyboard.type("0.8")
    await keyboard.press("Tab")
    await keyboard.type("3")
    await keyboard.press("Tab")
    await expect(visit.suggestions).to_have_text(["On the beach", "In the cell"])
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await keyboard.press("Tab")
    await expect(visit.field("place")).to_have_value("In the cell")
    await keyboard.type("tr")
    await keyboard.press("Tab")
    await expect(visit.field("loud")).to_have_value("True")
    await keyboard.type("mir")
    await keyboard.press("Enter")
    await expect(visit.field("who")).to_have_value("Miranda")
    await keyboard.press("Tab")
    await expect(visit.suggestions).to_have_text(["#the-stage", "#gallery", "#workshop"])
    await visit.suggestions.filter(has_text="#gallery").click()
    await expect(visit.field("where")).to_be_focused()
    await keyboard.press("Enter")
    told = "heat=0.8 times=3 place=cell loud=True who=miranda where=gallery"
    await expect(visit.last.locator(".prose")).to_have_text(told)


async def test_a_pasted_command_fills_the_fields_it_names(visit: Visit) -> None:
    await visit.page.keyboard.insert_text("/everything heat:0.8 times:3 place:In the cell who:Miranda")
    await expect(visit.field("place")).to_have_value("In the cell")
    await visit.field("heat").press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("heat=0.8 times=3 place=cell who=miranda")
    await visit.page.keyboard.insert_text("/everything heat:0,8")  # as people write it where the comma is decimal
    await visit.field("heat").press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("heat=0.8")
    await visit.page.keyboard.insert_text("/recite opening:ROMEO: seed:7")
    await expect(visit.field("opening")).to_have_value("ROMEO: seed:7")
    await visit.field("opening").fill("Mind the opening: it creaks")  # a text's own colon
    await expect(visit.field("opening")).to_have_value("Mind the opening: it creaks")


async def test_an_options_name_and_a_colon_lead_to_its_field(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/everything ")
    await expect(visit.field("heat")).to_be_focused()
    await keyboard.type("heat:0.8 loud:true times:3")
    await expect(visit.field("times")).to_be_focused()
    await keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("heat=0.8 times=3 loud=True")


async def test_options_are_named_in_the_persons_language_too(visit: Visit) -> None:
    await visit.become("Caliban")
    for line in ("/recitar abertura:Ban, Ban", "/recite opening:Ban, Ban"):
        await visit.page.keyboard.insert_text(line)
        await expect(visit.field("abertura")).to_have_value("Ban, Ban")
        await visit.page.keyboard.press("Escape")


async def test_tab_passes_through_optional_fields_without_filling_them(visit: Visit) -> None:
    await visit.page.keyboard.type("/everything ")
    await visit.page.keyboard.type("1")
    for _ in range(5):
        await visit.page.keyboard.press("Tab")
    await expect(visit.field("where")).to_be_focused()
    await visit.page.keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("heat=1.0")


async def test_the_bot_suggests_while_one_types(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/sail ")
    await expect(visit.suggestions).to_have_count(4)
    await keyboard.type("na")
    await expect(visit.suggestions).to_have_text(["Naples, Italy"])
    await keyboard.press("Enter")
    await expect(visit.field("city")).to_have_value("Naples, Italy")
    await keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("To Naples!")


async def test_a_suggestion_for_an_earlier_text_is_not_taken(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    free = asyncio.Event()

    async def hold(route: Route) -> None:
        """Let no question for suggestions through."""
        if (route.request.post_data_json or {}).get("type") == 4:
            await free.wait()
        await route.continue_()

    await keyboard.type("/sail ")
    await expect(visit.suggestions).to_have_count(4)
    await visit.page.route("**/sandbox/interactions", hold)
    await keyboard.type("Na")
    await expect(visit.suggestions).to_have_text(["Naples, Italy"])
    await keyboard.type("z")
    await expect(visit.suggestions).to_have_count(0)
    await keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("To Naz!")
    free.set()


async def test_a_suggestion_that_was_taken_outlives_later_questions(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.type("/sail na")
    await expect(visit.suggestions).to_have_text(["Naples, Italy"])
    await keyboard.press("Enter")
    await visit.field("city").blur()
    await visit.field("city").focus()
    await expect(visit.page.get_by_text("The bot has no suggestion for this.")).to_be_visible()
    await keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("To Naples!")


async def test_free_text_beside_suggestions(visit: Visit) -> None:
    await visit.page.keyboard.type("/sail Bermuda")
    await expect(visit.page.get_by_text("The bot has no suggestion for this.")).to_be_visible()
    await visit.page.keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("To Bermuda!")


async def test_silence_is_reported_and_can_be_tried_again(visit: Visit) -> None:
    await visit.command("silence")
    await expect(visit.last).to_contain_text("Sending the command…")
    await expect(visit.last.get_by_role("alert")).to_contain_text("The application did not respond")
    await visit.say("Meanwhile.")
    await visit.page.get_by_role("button", name="Try again").click()
    await expect(visit.page.locator(".command-chip")).to_have_text("/silence")
    await expect(visit.page.locator(".pending")).to_have_count(0)


async def test_only_the_operator_is_offered_what_is_the_operators(visit: Visit) -> None:
    await visit.page.keyboard.type("/command")
    await expect(visit.suggestions).to_have_count(1)
    await visit.become("Miranda")
    await visit.page.keyboard.type("/command")
    await expect(visit.page.get_by_text("No command is called that.")).to_be_visible()


async def test_commands_speak_the_persons_language(visit: Visit) -> None:
    await visit.become("Caliban")
    await visit.page.keyboard.type("/reci")
    await expect(visit.suggestions).to_have_text([re.compile("/recitar.*abertura.*Diz um verso que cresce.")])
    await visit.page.keyboard.press("Enter")
    await expect(visit.field("abertura")).to_be_focused()


async def test_a_command_on_a_message_and_on_a_person(visit: Visit) -> None:
    await visit.say("Ban, Ban, Caliban")
    await visit.messages.last.click(button="right")
    await visit.page.get_by_role("menuitem", name="Count the letters").click()
    await expect(visit.last.locator(".prose")).to_have_text("17 letters")
    await expect(visit.last.locator(".used")).to_contain_text("Count the letters")
    await visit.page.get_by_role("complementary", name="People").get_by_role("button", name="Miranda").focus()
    await visit.page.keyboard.press("Enter")
    await visit.page.keyboard.press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text("Hail, Miranda!")


async def test_commands_are_found_whatever_their_accents(visit: Visit) -> None:
    await visit.become("Caliban")
    for typed in ("/silencio", "/SILÊNCIO", "/sílencïo"):
        await visit.text.fill(typed)
        await expect(visit.suggestions).to_have_text([re.compile("/silêncio")])


async def test_the_examples_of_empty_channels_open_commands(open_page: Open) -> None:
    visit = await open_page()
    for channel, example in (("the-stage", "/shakespeare"), ("gallery", "/gan sample"), ("workshop", "/model list")):
        await visit.page.get_by_role("button", name=channel).click()
        await expect(visit.page.get_by_role("heading", name=f"This is #{channel}")).to_be_visible()
        await expect(visit.page.locator(".welcome code")).to_have_text(example)
        await visit.page.get_by_role("button", name=example).click()
        await expect(visit.text).to_have_value(example)  # without a bot there is no such command to fill in
        await expect(visit.page.get_by_text("There are no commands yet")).to_be_visible()
    await visit.text.fill("")
    await visit.become("Caliban")
    await expect(visit.page.get_by_role("heading", name="This is #workshop")).to_be_visible()
    await expect(visit.page.locator(".welcome code")).to_have_text("/shakespeare")  # models are the operators'
