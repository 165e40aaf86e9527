/** Who is typing in the open channel. */

import { h } from "./dom.js";
import { bubbles } from "./message.js";
import { displayName } from "./session.js";

const LASTS = 10_000; // milliseconds; Discord repeats the event sooner while someone goes on typing

export class Typing {
  #timers = new Map(); // user id -> timer

  constructor(root, session) {
    Object.assign(this, { root, session });
    this.clear();
  }

  start(userId) {
    clearTimeout(this.#timers.get(userId));
    this.#timers.set(
      userId,
      setTimeout(() => this.stop(userId), LASTS),
    );
    this.#draw();
  }

  stop(userId) {
    clearTimeout(this.#timers.get(userId));
    if (this.#timers.delete(userId)) this.#draw();
  }

  clear() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#draw();
  }

  #draw() {
    const names = [...this.#timers.keys()]
      .map((id) => this.session.user(id))
      .filter(Boolean)
      .map(displayName);
    if (!names.length) return this.root.replaceChildren();
    const list = new Intl.ListFormat("en").format(names);
    const verb = names.length > 1 ? "are" : "is";
    return this.root.replaceChildren(bubbles(), h("b", {}, list), ` ${verb} typing…`);
  }
}
