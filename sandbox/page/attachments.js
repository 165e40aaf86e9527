/** The files under a message: pictures in a grid, everything else as cards. */

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { mediaUrl, picture } from "./pictures.js";

/** A size in bytes as people write it: `1.4 MB`. */
export function formatSize(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 3);
  const size = bytes / 1024 ** power;
  return `${power && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[power]}`;
}

function isPicture(file) {
  return file.content_type?.startsWith("image/") ?? Boolean(file.width);
}

/** Nodes for `files` (Discord's attachment objects). */
export function attachments(files) {
  const pictures = files.filter(isPicture);
  const others = files.filter((file) => !isPicture(file));
  const alone = pictures.length === 1;
  return [
    pictures.length > 0 &&
      h(
        "div",
        { class: alone ? "pictures alone" : "pictures grid" },
        pictures.map((file) => picture(file, { alone })),
      ),
    others.map(card),
  ]
    .flat()
    .filter(Boolean);
}

function card(file) {
  return h(
    "a",
    { class: "file-card", href: mediaUrl(file.url), download: file.filename, title: file.description ?? null },
    icon("file"),
    h("span", { class: "file-name" }, file.filename),
    h("span", { class: "file-size" }, formatSize(file.size)),
    icon("download"),
  );
}
