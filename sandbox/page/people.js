/** Who is on the island, and the switch for who of them one is. */

import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menus.js";
import { appBadge } from "./message.js";
import { displayName } from "./session.js";

/** Draw the list of people into `root`; `menu(user, place, opener)` opens what can be done with one. */
export function drawPeople(root, session, menu) {
  const person = (user) => {
    const operator = user.role === "operator";
    const button = h(
      "button",
      { type: "button", class: "person", "aria-haspopup": "menu" },
      h("span", { class: "with-presence" }, avatar(user), h("i", { class: user.bot ? "presence" : "presence online" })),
      h(
        "span",
        { class: "person-text" },
        h(
          "span",
          { class: operator ? "person-name operator" : "person-name" },
          displayName(user),
          user.bot && appBadge(),
        ),
        h(
          "small",
          {},
          user.bot ? h("span", { class: "bot-state" }) : operator ? "operator" : "member",
          user.id === session.me.id && ", you",
        ),
      ),
    );
    button.addEventListener("click", () => menu(user, button, button));
    button.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      menu(user, { x: event.clientX, y: event.clientY }, button);
    });
    return h("li", {}, button);
  };
  root.replaceChildren(
    h("h2", {}, "On the island"),
    h("ul", {}, session.people.map(person)),
    h("h2", {}, "Application"),
    h("ul", {}, person(session.bot)),
  );
}

/** The button that shows who one is and lets one be somebody else. */
export function drawIdentity(button, session, become) {
  const { me } = session;
  const role = me.role === "operator" ? "Operator" : "Member";
  button.replaceChildren(
    avatar(me),
    h(
      "span",
      { class: "person-text" },
      h("span", { class: "person-name" }, displayName(me)),
      h("small", {}, `${role} · ${me.locale}`),
    ),
    icon("swap"),
  );
  button.setAttribute("aria-label", `You are ${displayName(me)}, ${role.toLowerCase()}. Be somebody else`);
  button.onclick = () =>
    openMenu({
      label: "Who you are",
      heading: "Be somebody else",
      items: session.people.map((user) => ({
        label: displayName(user),
        hint: `${user.role} · ${user.locale}`,
        icon: avatar(user),
        checked: user.id === me.id,
        choose: () => user.id !== me.id && become(user.id),
      })),
      place: button,
      opener: button,
    });
}
