"""Files on their way in: chosen, dropped, pasted; for a command's option or with an ordinary message."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from playwright.async_api import expect

from tests.page.conftest import Visit
from tests.page.players import picture

CAT = picture((64, 48), "#808080")
GIVE = """([kind, name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], name, { type }));
    const target = document.activeElement;
    if (kind === "paste") {
        target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true }));
        return;
    }
    for (const name of ["dragover", "drop"])
        target.dispatchEvent(new DragEvent(name, { dataTransfer: given, bubbles: true, cancelable: true }));
}"""


async def give(visit: Visit, kind: str, name: str = "cat.png", content: bytes = CAT) -> None:
    """Drop a file on the page, or paste it."""
    media_type = "image/png" if name.endswith(".png") else "text/plain"
    await visit.page.evaluate(GIVE, [kind, name, media_type, b64encode(content).decode()])


async def test_a_file_dropped_on_a_command(visit: Visit) -> None:
    await visit.page.keyboard.type("/look ")
    await expect(visit.field("image")).to_be_focused()
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.type("Portrait")
    await visit.page.keyboard.press("Enter")
    await expect(visit.hint).to_have_text("Fill in image: the command needs it.")
    await give(visit, "drop")
    await expect(visit.field("image")).to_have_accessible_name("image: cat.png")
    await visit.field("title").press("Enter")
    await expect(visit.last.locator(".prose")).to_have_text(f"cat.png: {len(CAT)} bytes, Portrait")


async def test_a_file_chosen_for_a_command(visit: Visit) -> None:
    async with visit.page.expect_file_chooser() as chooser:
        await visit.page.keyboard.type("/look ")
        await expect(visit.field("image")).to_be_focused()
        await visit.page.keyboard.press("Enter")
    await (await chooser.value).set_files({"name": "dog.png", "mimeType": "image/png", "buffer": CAT})
    await expect(visit.field("image")).to_have_accessible_name("image: dog.png")
    await visit.page.get_by_role("button", name="Send").click()
    await expect(visit.last.locator(".prose")).to_have_text(f"dog.png: {len(CAT)} bytes, None")


async def test_files_with_an_ordinary_message(visit: Visit) -> None:
    await visit.text.fill("Look!")
    await give(visit, "paste")
    await give(visit, "drop", "notes.txt", b"notes")
    waiting = visit.page.get_by_role("list", name="Files to send").get_by_role("listitem")
    await expect(waiting).to_have_count(2)
    await visit.text.press("Enter")
    await expect(visit.last.locator("button.picture img")).to_have_count(1)
    await expect(visit.last.get_by_role("link")).to_contain_text("notes.txt")
    await expect(waiting).to_have_count(0)


async def test_a_waiting_file_is_taken_away_again(visit: Visit) -> None:
    await give(visit, "paste")
    await visit.page.get_by_role("button", name="Take cat.png away").click()
    await expect(visit.page.get_by_role("list", name="Files to send")).to_have_count(0)


async def test_waiting_files_go_to_the_command_that_takes_them(visit: Visit) -> None:
    waiting = visit.page.get_by_role("list", name="Files to send").get_by_role("listitem")
    await give(visit, "paste")
    await give(visit, "paste", "dog.png")
    await visit.page.keyboard.type("/recite ")
    await expect(visit.field("opening")).to_be_focused()
    await expect(waiting).to_have_count(2)
    await visit.page.keyboard.press("Escape")
    await visit.page.keyboard.type("/look ")
    await expect(visit.field("image")).to_have_accessible_name("image: cat.png")
    await expect(waiting).to_contain_text(["dog.png"])


async def test_a_file_that_was_removed_can_be_chosen_again(visit: Visit, tmp_path: Path) -> None:
    cat = tmp_path / "cat.png"
    cat.write_bytes(CAT)
    await visit.page.keyboard.type("/look ")
    image = visit.field("image")
    for _ in range(2):
        async with visit.page.expect_file_chooser() as chooser:
            await image.click()
        await (await chooser.value).set_files(cat)
        await expect(image).to_have_accessible_name("image: cat.png")
        assert await visit.page.locator(".file-field input").input_value() == "", "a browser tells only of a change"
        await image.press("Delete")
        await expect(image).to_have_accessible_name("image: choose a file")


async def test_too_large_a_file_is_refused_with_a_sentence(visit: Visit) -> None:
    await visit.page.evaluate(
        """() => {
            const given = new DataTransfer();
            given.items.add(new File([new Uint8Array(10 * 1024 * 1024 + 1)], "sea.png"));
            document.activeElement.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true }));
        }"""
    )
    await expect(visit.hint).to_have_text("sea.png has 10 MB; choose a file of at most 10 MB.")


async def test_a_command_without_files_says_so(visit: Visit) -> None:
    await visit.page.keyboard.type("/recite ")
    await give(visit, "drop")
    await expect(visit.hint).to_have_text("/recite takes no file.")
