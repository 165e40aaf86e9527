/** The rows under a message that people act on: buttons and selects. */

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { icon } from "./icons.js";
import { select } from "./selects.js";

const BUTTON = 2;
const LINK_STYLE = 5;
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", [LINK_STYLE]: "link" };

/** Nodes for a message's component rows; `press(component, values?)` is called when one is used. */
export function rows(components, session, press) {
  return components.map((row) =>
    h(
      "div",
      { class: "component-row" },
      row.components.map((component) =>
        component.type === BUTTON ? button(component, press) : select(component, session, press),
      ),
    ),
  );
}

function button(component, press) {
  const content = [component.emoji && emoji(component.emoji), component.label && h("span", {}, component.label)];
  const className = `button ${STYLES[component.style]}`;
  if (component.style === LINK_STYLE) {
    const href = /^https?:/.test(component.url) ? component.url : null;
    return h("a", { class: className, href, target: "_blank", rel: "noopener noreferrer" }, content, icon("external"));
  }
  return h(
    "button",
    {
      type: "button",
      class: className,
      disabled: Boolean(component.disabled),
      "data-custom-id": component.custom_id,
      "aria-label": component.label ? null : component.emoji?.name,
      onclick: () => press(component),
    },
    content,
  );
}
