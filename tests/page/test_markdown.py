"""Messages as they are read: marked-up text drawn, and nothing in it that could act."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.page.conftest import Visit

DRAWN = {
    "**bold**": "<strong>bold</strong>",
    "*slant* and _slant_": "<em>slant</em> and <em>slant</em>",
    "***both***": "<strong><em>both</em></strong>",
    "*a **b** c*": "<em>a <strong>b</strong> c</em>",
    "__under__ ~~through~~": "<u>under</u> <s>through</s>",
    "snake_case_name": "snake_case_name",
    "2 * 3 * 4": "2 * 3 * 4",
    r"\*as it is\*": "*as it is*",
    "**open": "**open",
    "`a *b* c`": "<code>a *b* c</code>",
    "``a ` b``": "<code>a ` b</code>",
    "<:island:123>": ":island:",
}
BLOCKS = {
    "# One\n## Two\n### Three": ["h3 One", "h4 Two", "h5 Three"],
    "-# small\nlarge": ["p small", "p large"],
    "> one\n> two\nafter": ["blockquote one two", "p after"],
    ">>> all\nof it": ["blockquote all of it"],
    "- a\n  - b\n- c\n1. d\n2. e": ["ul a b c", "ol d e"],
    "before ```py\nx = '*y*'\n``` after": ["p before", "pre x = '*y*'", "p after"],
    "```no end": ["p ```no end"],
    "```\n\none\n\ntwo\n\n```\nafter": ["pre one two", "p after"],
    "````a````": ["pre `a`"],
    "```py\n```": ["pre py"],
}
MOMENTS = {
    "d": "11/14/23",
    "D": "November 14, 2023",
    "t": "10:13 PM",
    "F": "Tuesday, November 14, 2023 at 10:13 PM",
}
HOSTILE = [
    "<img src=x onerror='window.hit = 1'>",
    "<script>window.hit = 1</script>",
    "**<b onclick='window.hit = 1'>bold</b>**",
    "`<svg onload='window.hit = 1'>`",
    "```html\n<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>\n```",
    "[click](javascript:window.hit=1)",
    "<javascript:window.hit=1>",
    "# <a href='javascript:window.hit=1'>x</a>",
]


async def test_marks_become_elements(visit: Visit) -> None:
    for source, drawn in DRAWN.items():
        await visit.say(source)
        assert await visit.messages.last.locator(".prose p").inner_html() == drawn, source


async def test_blocks(visit: Visit) -> None:
    for source, expected in BLOCKS.items():
        await visit.say(source)
        drawn = await visit.messages.last.locator(".prose").evaluate(
            r"""node => [...node.children].map(child =>
                `${child.tagName.toLowerCase()} ${child.innerText.replace(/\s+/g, " ").trim()}`)"""
        )
        assert drawn == expected, source


async def test_lines_stay_lines(visit: Visit) -> None:
    await visit.text.fill("First")
    await visit.text.press("Shift+Enter")
    await visit.page.keyboard.type("   second")
    await visit.text.press("Enter")
    await expect(visit.messages).to_have_count(1)
    assert await visit.messages.last.locator(".prose p").inner_text() == "First\n   second"


async def test_hostile_text_stays_text(visit: Visit) -> None:
    for source in HOSTILE:
        await visit.say(source)
        prose = visit.messages.last.locator(".prose")
        assert await prose.locator("img, script, iframe, svg, b, a").count() == 0, source
    assert await visit.page.evaluate("window.hit") is None
    await expect(visit.messages.first).to_contain_text("<img src=x onerror='window.hit = 1'>")


async def test_links_lead_to_the_web_and_nowhere_else(visit: Visit) -> None:
    await visit.say("[a book](https://example.com/book) and https://example.com/a_b. <http://example.com/c>")
    links = visit.messages.last.locator(".prose a")
    assert await links.evaluate_all("nodes => nodes.map(node => [node.href, node.textContent, node.rel])") == [
        ["https://example.com/book", "a book", "noopener noreferrer"],
        ["https://example.com/a_b", "https://example.com/a_b", "noopener noreferrer"],
        ["http://example.com/c", "http://example.com/c", "noopener noreferrer"],
    ]


async def test_mentions_have_names_and_lead_on(visit: Visit) -> None:
    session = await visit.page.evaluate("fetch('/sandbox/session').then(answer => answer.json())")
    miranda = next(user["id"] for user in session["users"] if user["username"] == "miranda")
    gallery = next(channel["id"] for channel in session["channels"] if channel["name"] == "gallery")
    await visit.say(f"<@{miranda}> <#{gallery}> </recite:1> <@1> @everyone")
    prose = visit.messages.last.locator(".prose")
    await expect(prose).to_have_text("@Miranda #gallery /recite @unknown @everyone")
    await prose.get_by_role("button", name="/recite").click()
    await expect(visit.field("opening")).to_be_focused()
    await prose.get_by_role("button", name="#gallery").click()
    await expect(visit.page.get_by_role("heading", name="gallery", exact=True)).to_be_visible()


async def test_moments(visit: Visit) -> None:
    await visit.say(" ".join(f"<t:1700000000:{style}>" for style in MOMENTS) + " <t:0:R>")
    shown = await visit.messages.last.locator(".prose time").all_inner_texts()
    assert [text.replace("\u202f", " ") for text in shown[:-1]] == list(MOMENTS.values())
    assert re.fullmatch(r"\d+ years ago", shown[-1])


async def test_a_spoiler_opens_by_mouse_and_by_keyboard(visit: Visit) -> None:
    await visit.say("||his bones|| and ||coral||")
    first, second = (visit.messages.last.get_by_text(words, exact=True) for words in ("his bones", "coral"))
    await expect(first).to_be_hidden()
    await visit.messages.last.locator(".spoiler").first.click()
    await expect(first).to_be_visible()
    await expect(second).to_be_hidden()
    await visit.messages.last.get_by_role("checkbox", name="Show the spoiler").last.focus()
    await visit.page.keyboard.press("Space")
    await expect(second).to_be_visible()


async def test_a_flood_of_marks_is_drawn_at_once(visit: Visit) -> None:
    for mark in ("*_", "`", "[", "_*~~"):
        await visit.say((mark * 2000)[:1999] + ".")


async def test_a_fence_that_nothing_closes_is_read_in_passing(visit: Visit) -> None:
    await visit.say("```" + "\n" * 990 + "x" + "\n" * 990 + "y")
    await expect(visit.messages.last.locator(".prose p")).to_have_text("``` x y")
    parsed = "source => import('/page/markdown.js').then(({ parse }) => parse(source))"
    source = "```" + "\n" * 10_000 + "x" + "\n" * 10_000  # so long that more than a few passes would take minutes
    assert await visit.page.evaluate(parsed, source) == [
        {"type": "paragraph", "children": [{"type": "text", "text": source}]}
    ]
