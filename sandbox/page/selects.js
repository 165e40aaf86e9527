/** Selects: a button that opens a list in place; one value is sent at once, several when confirmed. */

import { h, uniqueId } from "./dom.js";
import { emoji } from "./emoji.js";
import { icon } from "./icons.js";

const KINDS = { 5: "user", 6: "role", 7: "mentionable", 8: "channel" }; // by a select's type

const COMPOSER = 140; // pixels at the window's foot that the composer may take

/** The options of a select of any kind: `{label, value, description?, emoji?, default?}`. */
function optionsOf(component, session) {
  const kind = KINDS[component.type];
  if (!kind) return component.options;
  return session.candidates(kind, component.channel_types).map(({ name, value }) => ({ label: name, value }));
}

export function select(component, session, press) {
  const options = optionsOf(component, session);
  const [least, most] = [component.min_values ?? 1, component.max_values ?? 1];
  const proposed = (component.default_values ?? []).map((one) => one.id);
  const kept = new Set([...options.filter((option) => option.default).map((option) => option.value), ...proposed]);
  let chosen = new Set(kept);
  let active = 0;

  const label = h("span", { class: "select-label" });
  const opener = h(
    "button",
    {
      type: "button",
      class: "select-button",
      disabled: Boolean(component.disabled),
      "data-custom-id": component.custom_id,
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
    },
    label,
    icon("chevron"),
  );
  const listbox = h("ul", {
    role: "listbox",
    tabindex: -1,
    "aria-label": component.placeholder ?? "Choose",
    "aria-multiselectable": most > 1 ? "true" : null,
  });
  const confirm =
    most > 1 && h("button", { type: "button", class: "button primary", onclick: () => send() }, "Confirm");
  const popup = h("div", { class: "select-popup", hidden: true }, listbox, confirm);
  const root = h("div", { class: "select" }, opener, popup);

  const items = options.map((option, index) => {
    const text = h(
      "span",
      { class: "option-text" },
      option.label,
      option.description && h("small", {}, option.description),
    );
    const item = h(
      "li",
      { role: "option", id: uniqueId("option") },
      option.emoji && emoji(option.emoji),
      text,
      icon("check"),
    );
    item.addEventListener("click", () => choose(index));
    item.addEventListener("pointermove", () => activate(index));
    return item;
  });
  listbox.append(...items);

  function show() {
    const names = options.filter((option) => chosen.has(option.value)).map((option) => option.label);
    label.textContent = names.join(", ") || (component.placeholder ?? "Make a selection");
    label.classList.toggle("placeholder", !names.length);
    items.forEach((item, index) => item.setAttribute("aria-selected", String(chosen.has(options[index].value))));
    if (confirm) confirm.disabled = chosen.size < least || chosen.size > most;
  }
  function activate(index) {
    active = (index + items.length) % items.length;
    items.forEach((item, at) => item.classList.toggle("active", at === active));
    listbox.setAttribute("aria-activedescendant", items[active].id);
  }
  function open() {
    if (opener.getAttribute("aria-disabled") === "true") return;
    popup.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    const { top, bottom } = opener.getBoundingClientRect();
    const room = innerHeight - bottom - COMPOSER;
    popup.classList.toggle("above", room < popup.offsetHeight && top > room);
    activate(
      Math.max(
        0,
        options.findIndex((option) => chosen.has(option.value)),
      ),
    );
    listbox.focus();
  }
  function shut(returnFocus) {
    if (popup.hidden) return;
    popup.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (returnFocus) opener.focus();
  }
  function choose(index) {
    const { value } = options[index];
    if (most === 1) {
      chosen = new Set([value]);
      send();
    } else {
      if (chosen.has(value)) chosen.delete(value);
      else if (chosen.size < most) chosen.add(value);
      show();
    }
  }
  function send() {
    show();
    shut(true);
    press(
      component,
      options.map((option) => option.value).filter((value) => chosen.has(value)),
    );
  }
  function cancel(returnFocus) {
    chosen = new Set(kept);
    show();
    shut(returnFocus);
  }

  opener.addEventListener("click", () => (popup.hidden ? open() : cancel(true)));
  root.addEventListener("focusout", (event) => !root.contains(event.relatedTarget) && !popup.hidden && cancel(false));
  root.addEventListener("keydown", (event) => {
    if (event.target === opener && ["ArrowDown", "ArrowUp"].includes(event.key)) open();
    else if (event.key === "Escape" && !popup.hidden) cancel(true);
    else if (event.target !== listbox) return;
    else if (event.key === "ArrowDown") activate(active + 1);
    else if (event.key === "ArrowUp") activate(active - 1);
    else if (event.key === "Home") activate(0);
    else if (event.key === "End") activate(items.length - 1);
    else if (event.key === " " || event.key === "Enter") choose(active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  show();
  return root;
}
