/** Draws a markdown tree as DOM nodes. What people wrote becomes text nodes; links only ever lead to http(s). */

import { h } from "./dom.js";
import { parse } from "./markdown.js";
import { displayName } from "./session.js";
import { formatStyle, fullTime } from "./time.js";

const DRAW = {
  text: (node) => node.text,
  paragraph: (node, session) => h("p", {}, draw(node.children, session)),
  quote: (node, session) => h("blockquote", {}, draw(node.children, session)),
  heading: (node, session) => h(`h${node.level + 2}`, { class: `heading-${node.level}` }, draw(node.children, session)),
  subtext: (node, session) => h("p", { class: "subtext" }, draw(node.children, session)),
  codeblock: (node) => h("pre", { tabindex: 0, "data-language": node.language || null }, h("code", {}, node.text)),
  list: (node, session) =>
    h(node.ordered ? "ol" : "ul", { start: node.start === 1 ? null : node.start }, draw(node.children, session)),
  item: (node, session) => h("li", {}, draw(node.children, session)),
  bold: (node, session) => h("strong", {}, draw(node.children, session)),
  italic: (node, session) => h("em", {}, draw(node.children, session)),
  underline: (node, session) => h("u", {}, draw(node.children, session)),
  strike: (node, session) => h("s", {}, draw(node.children, session)),
  code: (node) => h("code", {}, node.text),
  link: (node, session) =>
    h("a", { href: node.url, target: "_blank", rel: "noopener noreferrer" }, draw(node.children, session)),
  // A checkbox keeps its state while the text around it is patched.
  spoiler: (node, session) =>
    h(
      "label",
      { class: "spoiler" },
      h("input", { type: "checkbox", class: "visually-hidden", "aria-label": "Show the spoiler" }),
      h("span", {}, draw(node.children, session)),
    ),
  time: (node, session) => {
    const date = new Date(node.seconds * 1000);
    return h(
      "time",
      { datetime: date.toISOString(), title: fullTime(date, session.locale), "data-relative": node.style === "R" },
      formatStyle(date, node.style, session.locale),
    );
  },
  user: (node, session) => {
    const user = session.user(node.id);
    return h("span", { class: "mention" }, `@${user ? displayName(user) : "unknown"}`);
  },
  role: (node, session) => h("span", { class: "mention" }, session.role(node.id)?.name ?? "@unknown role"),
  everyone: (node) => h("span", { class: "mention" }, node.text),
  channel: (node, session) => {
    const channel = session.channel(node.id);
    if (!channel) return h("span", { class: "mention" }, "#unknown");
    return h("button", { type: "button", class: "mention", "data-channel": channel.id }, `#${channel.name}`);
  },
  command: (node) => h("button", { type: "button", class: "mention", "data-command": node.name }, `/${node.name}`),
};

function draw(nodes, session) {
  return nodes.map((node) => DRAW[node.type](node, session));
}

/** Markdown as nodes, with the names and the locale of `session`. */
export function prose(source, session) {
  return draw(parse(source), session);
}

/** A line of plain text of a message: what a reply or an announcement quotes, with the names that `session` knows. */
export function excerpt(message, length, session) {
  const lines = parse(message.content).map((node) => plain(node, session));
  const text = lines.join(" ").replace(/\s+/g, " ").trim();
  if (text) return text.length > length ? `${text.slice(0, length).trimEnd()}…` : text;
  const files = message.attachments.length;
  if (files) return files === 1 ? "a file" : `${files} files`;
  return message.embeds[0]?.title ?? "";
}

function plain(node, session) {
  if (node.children) return node.children.map((child) => plain(child, session)).join("");
  return node.text ?? DRAW[node.type](node, session).textContent; // a mention or a time, said as it is drawn
}
