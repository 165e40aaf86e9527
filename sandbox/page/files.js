/** The files that wait to be sent with an ordinary message. */

import { h } from "./dom.js";
import { formatSize } from "./attachments.js";
import { icon } from "./icons.js";
import { OptionError } from "./options.js";

const LARGEST = 10 * 1024 * 1024; // bytes of one upload, Discord's limit for everyone
const MOST = 10; // files of one message, Discord's limit

/** Throws a sentence when `file` is larger than Discord would take. */
export function checkSize(file) {
  if (file.size > LARGEST) {
    throw new OptionError(
      `${file.name} has ${formatSize(file.size)}; choose a file of at most ${formatSize(LARGEST)}.`,
    );
  }
}

export class Files {
  #files = [];

  constructor(element) {
    this.element = element;
    this.#draw();
  }

  get all() {
    return [...this.#files];
  }

  /** Throws a sentence when one is too large or there are too many. */
  add(files) {
    files.forEach(checkSize);
    if (this.#files.length + files.length > MOST)
      throw new OptionError(`A message carries at most ${MOST} files; take some away.`);
    this.#files.push(...files);
    this.#draw();
  }

  clear() {
    this.#files = [];
    this.#draw();
  }

  #remove(file) {
    this.#files = this.#files.filter((other) => other !== file);
    this.#draw();
  }

  #draw() {
    this.element.hidden = this.#files.length === 0;
    this.element.replaceChildren(...this.#files.map((file) => this.#card(file)));
  }

  #card(file) {
    return h(
      "li",
      {},
      file.type.startsWith("image/") ? thumbnail(file) : icon("file"),
      h("span", { class: "file-name" }, file.name),
      h("span", { class: "file-size" }, formatSize(file.size)),
      h(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": `Take ${file.name} away`,
          onclick: () => this.#remove(file),
        },
        icon("close"),
      ),
    );
  }
}

function thumbnail(file) {
  const image = h("img", { src: URL.createObjectURL(file), alt: "" });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  return image;
}
