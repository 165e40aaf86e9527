/** A person's round picture: their own, or a small sea in a colour that is theirs, with their initial above it. */

import { h } from "./dom.js";
import { displayName } from "./session.js";

/** Decorative: the name always stands beside it. */
export function avatar(user) {
  const face = h("span", { class: "avatar", "aria-hidden": "true" });
  if (user.avatar) {
    face.append(h("img", { src: `/cdn/avatars/${user.id}/${user.avatar}.png?size=128`, alt: "", draggable: "false" }));
  } else {
    face.textContent = displayName(user).slice(0, 1).toUpperCase();
    face.style.setProperty("--hue", hue(displayName(user)));
  }
  return face;
}

/** Degrees on the colour circle, the same for the same name. */
function hue(name) {
  return [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
}
