/** What an empty channel says: where one is, and a first command that is one click away. */

import { h } from "./dom.js";
import { CHANNEL_DM, displayName } from "./session.js";

export function welcome(session, channel, composer) {
  const bot = displayName(session.bot);
  const scene = document.getElementById("scene").content.cloneNode(true);
  const direct = channel.type === CHANNEL_DM;
  const { command, options } = channel.example;
  return h(
    "section",
    { class: "welcome", "aria-label": "Welcome" },
    scene,
    h("h2", {}, direct ? `You and ${bot}, alone` : `This is #${channel.name}`),
    h("p", {}, direct ? `What you ask here, only you and ${bot} see.` : channel.topic || "Nobody has spoken here yet."),
    h(
      "p",
      {},
      "Commands begin with a slash. Type ",
      h("code", {}, `/${command}`),
      ", or let this write it for you:",
    ),
    h(
      "div",
      { class: "welcome-actions" },
      h(
        "button",
        { type: "button", class: "example", onclick: () => composer.begin(command, options) },
        h("b", {}, `/${command}`),
        Object.entries(options).map(([name, text]) => [
          h("span", { class: "example-option" }, name),
          h("span", {}, text),
        ]),
      ),
      h("button", { type: "button", class: "text-button", onclick: () => composer.type("/") }, "See every command"),
    ),
  );
}
