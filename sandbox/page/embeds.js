/** Embeds: the framed cards an application puts under its text. */

import { h } from "./dom.js";
import { picture } from "./pictures.js";
import { prose } from "./prose.js";
import { messageTime } from "./time.js";

export function embed(data, session) {
  const card = h("article", { class: "embed" });
  if (data.color != null) card.style.setProperty("--stripe", `#${data.color.toString(16).padStart(6, "0")}`);
  const link = (url) =>
    /^https?:/.test(url ?? "") ? { href: url, target: "_blank", rel: "noopener noreferrer" } : null;
  const titled = (className, text, url) =>
    h("div", { class: className }, link(url) ? h("a", link(url), prose(text, session)) : prose(text, session));
  const footer = [data.footer?.text, data.timestamp && messageTime(new Date(data.timestamp), session.locale)].filter(
    Boolean,
  );
  const text = h(
    "div",
    { class: "embed-text" },
    data.author && titled("embed-author", data.author.name, data.author.url),
    data.title && titled("embed-title", data.title, data.url),
    data.description && h("div", { class: "embed-description prose" }, prose(data.description, session)),
    data.fields?.length > 0 &&
      h(
        "dl",
        { class: "embed-fields" },
        data.fields.map((field) =>
          h(
            "div",
            { class: field.inline ? "inline" : null },
            h("dt", {}, prose(field.name, session)),
            h("dd", { class: "prose" }, prose(field.value, session)),
          ),
        ),
      ),
  );
  card.append(text);
  if (data.thumbnail) card.append(h("div", { class: "embed-thumbnail" }, picture(data.thumbnail, { alone: false })));
  if (data.image) card.append(h("div", { class: "pictures alone embed-image" }, picture(data.image, { alone: true })));
  if (footer.length) card.append(h("footer", {}, footer.join(" · ")));
  return card;
}
