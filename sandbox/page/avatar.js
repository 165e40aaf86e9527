/** A person's round picture. */

import { h } from "./dom.js";

/** Decorative: the name always stands beside it. */
export function avatar(user) {
  const src = `/cdn/avatars/${user.id}/${user.avatar}.png?size=128`;
  return h("span", { class: "avatar", "aria-hidden": "true" }, h("img", { src, alt: "", draggable: "false" }));
}
