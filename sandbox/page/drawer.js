/** A side panel: beside the conversation where there is room, else a drawer that slides over it. */

import { h } from "./dom.js";

export class Drawer {
  /** `narrow` is the media query under which `panel` is a drawer; `button` opens it. */
  constructor(panel, button, narrow) {
    this.backdrop = h("div", { class: "backdrop", onclick: () => this.close() });
    Object.assign(this, { panel, button, query: matchMedia(narrow) });
    panel.after(this.backdrop);
    button.addEventListener("click", () => this.#set(!this.open));
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    this.query.addEventListener("change", () => this.#set(false));
    this.#set(false);
  }

  get open() {
    return this.panel.classList.contains("open");
  }

  /** Close the drawer; the keyboard goes back to the button that opened it. */
  close() {
    if (!this.open) return;
    const inside = this.panel.contains(document.activeElement);
    this.#set(false);
    if (inside) this.button.focus();
  }

  #set(open) {
    this.panel.classList.toggle("open", open);
    this.panel.inert = this.query.matches && !open;
    this.backdrop.classList.toggle("open", open);
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.panel.querySelector("button")?.focus();
  }
}
