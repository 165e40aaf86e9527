/** An emoji on a button or in a select. */

import { h } from "./dom.js";

/** `data` is Discord's partial emoji; one that a server uploaded has no picture here, so its name stands for it. */
export function emoji(data) {
  return h("span", { class: "emoji", "aria-hidden": "true" }, data.id ? `:${data.name}:` : data.name);
}
