/** Dark, light, or whatever the system prefers: the choice is kept in this browser and put on the root element. */

import { icon } from "./icons.js";

const KEY = "fathom-theme";
const CHOICES = { system: "twilight", dark: "moon", light: "sun" };

function chosen() {
  const kept = localStorage.getItem(KEY);
  return kept in CHOICES ? kept : "system";
}

function apply(choice) {
  document.documentElement.dataset.theme = choice;
}

/** Let `button` go round the three themes, showing the present one. */
export function themeToggle(button) {
  const names = Object.keys(CHOICES);
  const show = () => {
    const now = chosen();
    button.replaceChildren(icon(CHOICES[now]));
    button.setAttribute("aria-label", `Theme: ${now}. Change it`);
    button.title = `Theme: ${now}`;
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, names[(names.indexOf(chosen()) + 1) % names.length]);
    apply(chosen());
    show();
  });
  show();
}

apply(chosen());
