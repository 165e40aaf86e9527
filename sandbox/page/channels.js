/** The list of channels and the conversation with the bot; what has not been read yet carries a mark. */

import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { CHANNEL_DM } from "./session.js";

export class Channels {
  #buttons = new Map();

  constructor(root, session, open) {
    const button = (channel) => {
      const dm = channel.type === CHANNEL_DM;
      const unread = h("span", { class: "unread", hidden: true }, h("span", { class: "visually-hidden" }, "unread"));
      const lead = dm
        ? h("span", { class: "with-presence" }, avatar(session.bot), h("i", { class: "presence" }))
        : icon("hash");
      const node = h(
        "button",
        { type: "button", class: "channel", onclick: () => open(channel.id) },
        lead,
        h("span", { class: "channel-name" }, channel.name),
        unread,
      );
      this.#buttons.set(channel.id, { node, unread });
      return h("li", {}, node);
    };
    const [direct, open_] = [
      session.channels.filter(({ type }) => type === CHANNEL_DM),
      session.channels.filter(({ type }) => type !== CHANNEL_DM),
    ];
    root.replaceChildren(
      h("h2", {}, "Channels"),
      h("ul", {}, open_.map(button)),
      direct.length > 0 && h("h2", {}, "Direct messages"),
      direct.length > 0 && h("ul", {}, direct.map(button)),
    );
  }

  /** Mark which channel is open; opening one means reading it. */
  select(id) {
    for (const [channel, { node, unread }] of this.#buttons) {
      if (channel === id) {
        node.setAttribute("aria-current", "page");
        unread.hidden = true;
      } else {
        node.removeAttribute("aria-current");
      }
    }
  }

  markUnread(id) {
    const channel = this.#buttons.get(id);
    if (channel && channel.node.getAttribute("aria-current") !== "page") channel.unread.hidden = false;
  }
}
