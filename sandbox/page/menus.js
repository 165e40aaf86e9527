/** Menus that open at a button or at the pointer: arrows move, Enter chooses, Escape closes, focus goes back. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const MARGIN = 8; // pixels kept between a menu and the window's edge

let close = () => {};

/**
 * Open a menu. `items` are `{label, icon, hint?, checked?, choose()}` or `null` for a line between groups; `place` is
 * an element to open at, or a point `{x, y}`; `opener` is what gets the focus back.
 */
export function openMenu({ label, heading, items, place, opener }) {
  close();
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label, tabindex: -1 });
  if (heading) menu.append(h("div", { class: "menu-heading" }, heading));
  for (const item of items) {
    if (!item) {
      menu.append(h("hr", {}));
      continue;
    }
    const role =
      "checked" in item ? { role: "menuitemradio", "aria-checked": String(item.checked) } : { role: "menuitem" };
    menu.append(
      h(
        "button",
        { ...role, type: "button", tabindex: -1, onclick: () => (shut(true), item.choose()) },
        item.icon,
        h("span", { class: "menu-label" }, item.label, item.hint && h("small", {}, item.hint)),
        item.checked && icon("check"),
      ),
    );
  }
  const outside = (event) => !menu.contains(event.target) && shut(false);
  function shut(returnFocus) {
    document.removeEventListener("pointerdown", outside, true);
    menu.remove();
    opener.removeAttribute("aria-expanded");
    if (returnFocus) opener.focus({ preventScroll: true });
    close = () => {};
  }
  close = () => shut(false);
  menu.addEventListener("keydown", (event) => onKey(event, menu, shut));
  document.addEventListener("pointerdown", outside, true);
  document.body.append(menu);
  position(menu, place);
  opener.setAttribute("aria-expanded", "true");
  menu.querySelector("[aria-checked=true], [role^=menuitem]")?.focus();
}

function onKey(event, menu, shut) {
  const buttons = [...menu.querySelectorAll("[role^=menuitem]")];
  const index = buttons.indexOf(document.activeElement);
  const target = {
    ArrowDown: buttons[(index + 1) % buttons.length],
    ArrowUp: buttons.at(index - 1),
    Home: buttons[0],
    End: buttons.at(-1),
  }[event.key];
  if (target) target.focus();
  else if (event.key === "Escape" || event.key === "Tab") shut(true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function position(menu, place) {
  const box = place.getBoundingClientRect?.() ?? { left: place.x, right: place.x, top: place.y, bottom: place.y };
  const left = Math.min(box.left, innerWidth - menu.offsetWidth - MARGIN);
  const below = box.bottom + 4;
  const top = below + menu.offsetHeight + MARGIN <= innerHeight ? below : box.top - menu.offsetHeight - 4;
  menu.style.left = `${Math.max(MARGIN, left)}px`;
  menu.style.top = `${Math.max(MARGIN, top)}px`;
}
