/** One message on the page. It is built once and afterwards only brought up to date, part by part. */

import { attachments } from "./attachments.js";
import { avatar } from "./avatar.js";
import { rows } from "./components.js";
import { h, reconcile } from "./dom.js";
import { embed } from "./embeds.js";
import { icon } from "./icons.js";
import { excerpt, prose } from "./prose.js";
import { displayName } from "./session.js";
import { fullTime, messageTime, snowflakeDate } from "./time.js";

const EPHEMERAL = 1 << 6;
const LOADING = 1 << 7;
const CONTEXT_REPLY = 23; // the message type of an answer to a command on a message or a user
const REPLY_LENGTH = 120; // characters of a message that a reply to it quotes
const GROWING_FOR = 1500; // milliseconds that a message glows after its text grew; the bot edits about once a second

export function isEphemeral(message) {
  return Boolean(message.flags & EPHEMERAL);
}

export function isLoading(message) {
  return Boolean(message.flags & LOADING);
}

/** The command a message answers: `{user, name}`, or null for every other message. */
function usedCommand({ type, interaction }) {
  if (!interaction) return null;
  return { user: interaction.user, name: type === CONTEXT_REPLY ? interaction.name : `/${interaction.name}` };
}

/** Messages that begin with a line of their own never join the group above. */
export function hasContext(message) {
  return Boolean(message.referenced_message || usedCommand(message));
}

/** "Ariel used /shakespeare"; `name` comes with its slash, if it has one. */
export function usedLine(user, name) {
  return h(
    "div",
    { class: "context used" },
    avatar(user),
    h("b", {}, displayName(user)),
    " used ",
    h("code", {}, name),
  );
}

/** Three that rise: something is on its way. */
export function bubbles() {
  return h("span", { class: "bubbles", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
}

/** Bubbles beside a sentence. */
export function thinking(sentence) {
  return h("div", { class: "thinking" }, bubbles(), sentence);
}

export function appBadge() {
  return h("span", { class: "badge" }, "APP");
}

export class MessageView {
  #parts = new Map(); // part -> what it was last drawn from
  #pressed = null; // the custom id of the component whose answer is awaited
  #growing;

  /** `acts` is what people can do with a message (acts.js). */
  constructor(message, session, acts) {
    this.session = session;
    this.acts = acts;
    this.context = h("div", { class: "context-slot" });
    this.gutter = h("div", { class: "gutter" });
    this.header = h("header");
    this.prose = h("div", { class: "prose" });
    this.attachments = h("div", { class: "attachments" });
    this.embeds = h("div", { class: "embeds" });
    this.components = h("div", { class: "components" });
    this.whisper = h("div", { class: "whisper-slot" });
    this.notice = h("p", { class: "notice", role: "alert", hidden: true });
    const body = h(
      "div",
      { class: "body" },
      this.header,
      this.prose,
      this.attachments,
      this.embeds,
      this.components,
      this.whisper,
      this.notice,
    );
    this.tools = h(
      "button",
      { type: "button", class: "tools", "aria-label": "Apps", title: "Apps", "aria-haspopup": "menu" },
      icon("apps"),
    );
    this.tools.addEventListener("click", () => acts.messageMenu(this.message, this.tools, this.tools));
    this.element = h(
      "article",
      { class: "message", id: `message-${message.id}`, tabindex: -1 },
      this.context,
      this.gutter,
      body,
      this.tools,
    );
    this.element.addEventListener("contextmenu", (event) => this.#onContextMenu(event));
    this.update(message);
  }

  /** Show what `message` says now. */
  update(message) {
    const grew = this.message && message.content.length > this.message.content.length;
    this.message = message;
    const { author, content, embeds, edited_timestamp: edited, components } = message;
    this.element.classList.toggle("ephemeral", isEphemeral(message));
    this.element.setAttribute("aria-busy", String(isLoading(message)));
    this.#part(
      "context",
      [message.referenced_message?.content, message.referenced_message?.id, usedCommand(message)],
      () => this.#drawContext(),
    );
    this.#part("header", [author], () => this.#drawHeader());
    this.#part("prose", [content, edited, isLoading(message)], () => reconcile(this.prose, this.#drawProse()));
    this.#part("attachments", [message.attachments], () =>
      this.attachments.replaceChildren(...attachments(message.attachments)),
    );
    this.#part("embeds", [embeds], () =>
      this.embeds.replaceChildren(...embeds.map((data) => embed(data, this.session))),
    );
    this.#part("components", [components], () => this.#drawComponents(components ?? []));
    this.#part("whisper", [isEphemeral(message)], () =>
      this.whisper.replaceChildren(...(isEphemeral(message) ? [this.#drawWhisper()] : [])),
    );
    if (grew) this.#glow();
  }

  /** Whether the message stands under the one above it, without a name of its own. */
  group(joined) {
    this.element.classList.toggle("joined", joined);
    this.#part("gutter", [joined, this.message.author], () => {
      this.gutter.replaceChildren(joined ? this.#clock() : this.#person("face", avatar(this.message.author)));
    });
  }

  /** Say under the message what went wrong with it. */
  fail(sentence) {
    this.notice.replaceChildren(icon("warning"), sentence);
    this.notice.hidden = false;
  }

  #part(name, inputs, draw) {
    const key = JSON.stringify(inputs);
    if (this.#parts.get(name) === key) return;
    this.#parts.set(name, key);
    draw();
  }

  /** When the message was written. */
  #clock() {
    const date = snowflakeDate(this.message.id);
    const { locale } = this.session;
    return h("time", { datetime: date.toISOString(), title: fullTime(date, locale) }, messageTime(date, locale));
  }

  /** A button that opens the menu about the author. */
  #person(className, ...content) {
    const label = `About ${displayName(this.message.author)}`;
    const button = h(
      "button",
      {
        type: "button",
        class: className,
        tabindex: className === "face" ? -1 : 0,
        "aria-haspopup": "menu",
        title: label,
      },
      content,
    );
    button.addEventListener("click", () => this.acts.userMenu(this.message.author, button, button));
    button.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.acts.userMenu(this.message.author, { x: event.clientX, y: event.clientY }, button);
    });
    return button;
  }

  #drawContext() {
    const { referenced_message: replied } = this.message;
    const used = usedCommand(this.message);
    this.context.replaceChildren();
    if (replied) {
      const jump = h(
        "button",
        { type: "button", class: "quoted", onclick: () => this.acts.jumpTo(replied.id) },
        excerpt(replied, REPLY_LENGTH, this.session) || "a message",
      );
      this.context.append(
        h("div", { class: "context" }, avatar(replied.author), h("b", {}, displayName(replied.author)), jump),
      );
    } else if (used) {
      this.context.append(usedLine(used.user, used.name));
    }
  }

  #drawHeader() {
    const { author } = this.message;
    const operator = this.session.user(author.id)?.role === "operator";
    this.header.replaceChildren(
      this.#person(operator ? "name operator" : "name", displayName(author)),
      ...(author.bot ? [appBadge()] : []),
      this.#clock(),
    );
  }

  #drawProse() {
    const { content, edited_timestamp: edited, author } = this.message;
    if (isLoading(this.message)) return [thinking(`${displayName(author)} is thinking…`)];
    const nodes = prose(content, this.session);
    if (edited) {
      const mark = h("span", { class: "edited", title: fullTime(new Date(edited), this.session.locale) }, " (edited)");
      const last = nodes.at(-1);
      if (last?.nodeName === "P") last.append(mark);
      else nodes.push(mark);
    }
    return nodes;
  }

  /** New components; the keyboard stays on the one it was on, or moves to the first that can be used. */
  #drawComponents(components) {
    const focused = this.components.contains(document.activeElement) ? document.activeElement.dataset.customId : null;
    this.components.replaceChildren(
      ...rows(components, this.session, (component, values) => this.#press(component, values)),
    );
    this.#showPressed();
    if (focused == null) return;
    const usable = [...this.components.querySelectorAll("button[data-custom-id]:enabled")];
    const next = usable.find((button) => button.dataset.customId === focused) ?? usable[0];
    if (next) next.focus({ preventScroll: true });
    else this.acts.focusComposer();
  }

  async #press(component, values) {
    if (this.#pressed !== null) return;
    this.notice.hidden = true;
    this.#pressed = component.custom_id;
    this.#showPressed();
    const failure = await this.acts.press(this.message, component, values);
    this.#pressed = null;
    this.#showPressed();
    if (failure) this.fail(failure);
  }

  /** While one component's answer is awaited, the others wait too; none is disabled, so that the keyboard stays. */
  #showPressed() {
    for (const button of this.components.querySelectorAll("button")) {
      button.setAttribute("aria-disabled", String(this.#pressed !== null));
      button.setAttribute("aria-busy", String(button.dataset.customId === this.#pressed));
    }
  }

  #drawWhisper() {
    const dismiss = h(
      "button",
      { type: "button", class: "text-button", onclick: () => this.acts.dismiss(this.message.id) },
      "Dismiss message",
    );
    return h(
      "p",
      { class: "whisper" },
      icon("eye"),
      "Only you can see this",
      h("span", { "aria-hidden": "true" }, " · "),
      dismiss,
    );
  }

  #glow() {
    clearTimeout(this.#growing);
    this.element.classList.add("growing");
    this.#growing = setTimeout(() => this.element.classList.remove("growing"), GROWING_FOR);
  }

  #onContextMenu(event) {
    if (event.target.closest("a, img, input")) return; // the browser's own menu is of more use there
    event.preventDefault();
    this.acts.messageMenu(this.message, { x: event.clientX, y: event.clientY }, this.tools);
  }
}
