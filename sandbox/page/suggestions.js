/** The list above the composer: commands, choices, people. It belongs to one input at a time, which keeps the focus. */

import { h, uniqueId } from "./dom.js";

export class Suggestions {
  #input = null;
  #items = [];
  #nodes = [];
  #active = -1;

  constructor(element) {
    this.element = element;
    this.heading = h("div", { class: "suggestions-heading" });
    this.listbox = h("ul", { role: "listbox", id: uniqueId("suggestions"), "aria-label": "Suggestions" });
    element.replaceChildren(this.heading, this.listbox);
    // The input must not lose the focus to a click on the list.
    element.addEventListener("mousedown", (event) => event.preventDefault());
    this.hide();
  }

  get open() {
    return !this.element.hidden;
  }

  /**
   * Show `items` (`{label, detail?, lead?, choose()}`) for `input`. With `eager` the first is marked, so that Enter
   * takes it; without, only an arrow marks one. `empty` is said when there are none.
   */
  show(input, items, { heading = "", eager = false, empty = "" }) {
    if (!items.length && !empty) return this.hide();
    this.#input?.setAttribute("aria-expanded", "false");
    this.#input = input;
    this.#items = items;
    this.heading.textContent = items.length ? heading : empty;
    this.heading.hidden = !this.heading.textContent;
    this.#nodes = items.map((item) => {
      const node = h(
        "li",
        { role: "option", id: uniqueId("suggestion"), "aria-selected": "false", onclick: () => item.choose() },
        item.lead,
        h("span", { class: "option-text" }, h("span", {}, item.label), item.detail && h("small", {}, item.detail)),
      );
      return node;
    });
    this.listbox.replaceChildren(...this.#nodes);
    this.element.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.setAttribute("aria-controls", this.listbox.id);
    this.#mark(eager && items.length ? 0 : -1);
    return undefined;
  }

  hide() {
    this.element.hidden = true;
    this.#input?.setAttribute("aria-expanded", "false");
    this.#input?.removeAttribute("aria-activedescendant");
    this.#input = null;
  }

  /** Take a key the input received; says whether it was meant for the list. */
  key(event) {
    if (!this.open) return false;
    const count = this.#items.length;
    if (event.key === "ArrowDown" && count) this.#mark((this.#active + 1) % count);
    else if (event.key === "ArrowUp" && count) this.#mark(this.#active <= 0 ? count - 1 : this.#active - 1);
    else if (event.key === "Escape") this.hide();
    else if (event.key === "Enter" && this.#active >= 0) this.#items[this.#active].choose();
    else if (event.key === "Tab" && !event.shiftKey && this.#active >= 0) {
      const focused = document.activeElement;
      this.#items[this.#active].choose();
      if (document.activeElement !== focused) event.preventDefault(); // choosing has moved on by itself
      return true;
    } else return false;
    event.preventDefault();
    return true;
  }

  #mark(index) {
    this.#active = index;
    this.#nodes.forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
    if (index < 0) {
      this.#input.removeAttribute("aria-activedescendant");
    } else {
      this.#input.setAttribute("aria-activedescendant", this.#nodes[index].id);
      this.#nodes[index].scrollIntoView({ block: "nearest" });
    }
  }
}
