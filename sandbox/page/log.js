/** The messages of one channel, in order, grouped, with days between them; and the commands that still wait. */

import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { appBadge, hasContext, isEphemeral, MessageView, thinking, usedLine } from "./message.js";
import { displayName } from "./session.js";
import { snowflakeDate } from "./time.js";

const GROUP_MINUTES = 7; // as Discord groups what one author writes in a row

export class Log {
  #views = new Map(); // message id -> MessageView, in the order of the page
  #pending = []; // {element, after: the id of the message it stands below}

  /** `greeting` is shown while there are no messages. */
  constructor(greeting, session, acts) {
    Object.assign(this, { greeting, session, acts });
    this.list = h("div", { role: "log", "aria-label": "Messages", "aria-live": "off" }); // the announcer speaks for it
    this.element = h("div", { class: "log" }, greeting, this.list);
    greeting.hidden = true;
  }

  get oldest() {
    return this.#views.keys().next().value;
  }

  get messages() {
    return [...this.#views.values()].map((view) => view.message);
  }

  view(id) {
    return this.#views.get(id);
  }

  /** Show exactly `messages` (oldest first); those already on the page keep their nodes. */
  reset(messages) {
    const kept = this.#views;
    this.#views = new Map();
    for (const message of messages.filter(({ id }) => !this.session.dismissed.has(id))) {
      const view = kept.get(message.id);
      view?.update(message);
      this.#views.set(message.id, view ?? this.#make(message));
    }
    this.#arrange();
  }

  /** Messages older than all others. */
  prepend(messages) {
    this.reset([...messages, ...this.messages]);
  }

  /** A new message, if it is not shown already. Says whether it is new. */
  add(message) {
    if (this.#views.has(message.id) || this.session.dismissed.has(message.id)) return false;
    this.#views.set(message.id, this.#make(message));
    this.#arrange();
    return true;
  }

  /** A new state of a message; one that is not shown will be fetched as it is then. */
  update(message) {
    this.#views.get(message.id)?.update(message);
  }

  remove(id) {
    if (this.#views.delete(id)) this.#arrange();
  }

  /** Take a message that only one person sees off their page. */
  dismiss(id) {
    this.session.dismissed.add(id);
    this.remove(id);
  }

  /**
   * Show a command (`name` with its slash) that was sent and not yet answered. Of what this gives back, `done()` takes
   * it away and `fail(sentence, retry)` says what went wrong.
   */
  pending(name) {
    const bot = this.session.bot;
    const body = h(
      "div",
      { class: "body" },
      h("header", {}, h("span", { class: "name" }, displayName(bot)), appBadge()),
      thinking("Sending the command…"),
    );
    const entry = h(
      "article",
      { class: "message pending" },
      h("div", { class: "context-slot" }, usedLine(this.session.me, name)),
      h("div", { class: "gutter" }, avatar(bot)),
      body,
    );
    const waiting = { element: entry, after: [...this.#views.keys()].at(-1) };
    this.#pending.push(waiting);
    this.#arrange();
    const done = () => {
      this.#pending = this.#pending.filter((other) => other !== waiting);
      this.#arrange();
    };
    const fail = (sentence, retry) => {
      const again = h(
        "button",
        { type: "button", class: "text-button", onclick: () => (done(), retry()) },
        "Try again",
      );
      const dismiss = h(
        "button",
        { type: "button", class: "text-button", onclick: () => (done(), this.acts.focusComposer()) },
        "Dismiss",
      );
      entry
        .querySelector(".thinking")
        .replaceWith(h("p", { class: "notice", role: "alert" }, icon("warning"), sentence, again, dismiss));
    };
    return { done, fail };
  }

  #make(message) {
    return new MessageView(message, this.session, this.acts);
  }

  /** Put the views in order of their ids and decide where groups and days begin. */
  #arrange() {
    this.#views = new Map([...this.#views].sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1)));
    const below = (id) => this.#pending.filter(({ after }) => after === id).map(({ element }) => element);
    const wanted = below(undefined);
    let above = null;
    for (const view of this.#views.values()) {
      const { message } = view;
      if (above && dayOf(above) !== dayOf(message)) wanted.push(this.#dayLine(message));
      view.group(above !== null && joins(message, above));
      const commands = below(message.id);
      wanted.push(view.element, ...commands);
      above = commands.length ? null : message;
    }
    const stays = new Set(wanted);
    for (const node of [...this.list.childNodes]) if (!stays.has(node)) node.remove();
    wanted.forEach((node, index) => {
      if (this.list.childNodes[index] !== node) this.list.insertBefore(node, this.list.childNodes[index] ?? null);
    });
    this.#greet();
  }

  #dayLine(message) {
    const date = snowflakeDate(message.id);
    const text = new Intl.DateTimeFormat(this.session.locale, { dateStyle: "long" }).format(date);
    return h("div", { class: "day", role: "separator" }, h("span", {}, text));
  }

  #greet() {
    this.greeting.hidden = this.#views.size > 0 || this.#pending.length > 0;
  }
}

function dayOf(message) {
  return snowflakeDate(message.id).toDateString();
}

/** Whether `message` stands in one group with the one `above` it. */
function joins(message, above) {
  const minutes = (snowflakeDate(message.id) - snowflakeDate(above.id)) / 60000;
  return (
    message.author.id === above.author.id &&
    minutes < GROUP_MINUTES &&
    dayOf(message) === dayOf(above) &&
    isEphemeral(message) === isEphemeral(above) &&
    !hasContext(message)
  );
}
