/** Pictures in messages, and the large view that opens from them. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const SMALL = 128; // pixels; a smaller picture is shown enlarged, by whole steps, with its pixels crisp
const ENLARGED = 256; // pixels that the longer side of an enlarged picture may reach
const ROOM = { width: 520, height: 440 }; // pixels that a picture on its own may take; as in media.css

/**
 * Where to fetch what the sandbox keeps: from the host that served the page, which this browser may know by another name
 * than the sandbox does (a phone, a tunnel).
 */
export function mediaUrl(url) {
  const address = new URL(url, location.href);
  return address.pathname.startsWith("/cdn/") ? address.pathname + address.search : address.href;
}

function altText(file) {
  return file.description ?? file.filename ?? "Picture";
}

/** Crisp pixels for a small picture shown above its natural size, smooth ones for everything else. */
const watcher = new ResizeObserver((entries) => entries.forEach(({ target }) => sharpen(target)));

function sharpen(image) {
  const small = Math.max(image.naturalWidth, image.naturalHeight) <= SMALL;
  image.classList.toggle("crisp", small && image.clientWidth > image.naturalWidth);
}

/**
 * A button that shows a picture and opens it large. `file` is an attachment or an embed's image: `{url, filename?,
 * description?, width?, height?}`; `alone` pictures have room to be enlarged.
 */
export function picture(file, { alone }) {
  const image = h("img", { src: mediaUrl(file.url), alt: altText(file), draggable: "false" });
  image.addEventListener("load", () => sharpen(image));
  watcher.observe(image);
  if (file.width && file.height) {
    const scale = alone ? scaleAlone(file) : 1;
    image.width = Math.round(file.width * scale);
    image.height = Math.round(file.height * scale);
    image.style.setProperty("aspect-ratio", `${file.width} / ${file.height}`);
  }
  const button = h("button", { type: "button", class: "picture", title: file.description }, image);
  button.addEventListener("click", () => enlarge(file));
  return button;
}

/** How much larger than it is a picture on its own is shown: a small one by whole steps, a large one to fit. */
function scaleAlone({ width, height }) {
  const longer = Math.max(width, height);
  if (longer <= SMALL) return Math.max(1, Math.floor(ENLARGED / longer));
  return Math.min(1, ROOM.width / width, ROOM.height / height);
}

/** The large view: closes with Escape, a click beside the picture, or its button; focus goes back by itself. */
function enlarge(file) {
  const image = h("img", { src: mediaUrl(file.url), alt: altText(file) });
  image.addEventListener("load", () => {
    const scale = Math.floor(
      Math.min(innerWidth * 0.8, innerHeight * 0.7) / Math.max(image.naturalWidth, image.naturalHeight),
    );
    if (Math.max(image.naturalWidth, image.naturalHeight) <= SMALL && scale > 1)
      image.width = image.naturalWidth * scale;
    sharpen(image);
  });
  const caption = h(
    "footer",
    {},
    h("span", {}, altText(file)),
    h(
      "a",
      { href: mediaUrl(file.url), target: "_blank", rel: "noopener noreferrer" },
      "Open the original",
      icon("external"),
    ),
    h(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Close the picture", onclick: () => dialog.close() },
      icon("close"),
    ),
  );
  const dialog = h("dialog", { class: "lightbox", "aria-label": "Picture" }, image, caption);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
