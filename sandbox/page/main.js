/** Opens the page: asks the sandbox who is here and shows it as one of them. */

import { Api, ApiError } from "./api.js";
import { App } from "./app.js";
import { h } from "./dom.js";
import { Session } from "./session.js";

const KEPT_USER = "fathom-user"; // kept per tab, so that two tabs can be two people
const root = document.getElementById("app");
const announcements = document.getElementById("announcements");
let app = null;

/** Be the user with this id, or whom the sandbox suggests. */
async function become(user) {
  app?.close();
  try {
    const session = new Session(await knownSession(user));
    sessionStorage.setItem(KEPT_USER, session.me.id);
    app = new App(root, announcements, session, become);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const retry = h("button", { type: "button", class: "button primary", onclick: () => become(user) }, "Try again");
    root.replaceChildren(h("div", { class: "unreachable", role: "alert" }, h("p", {}, error.message), retry));
    retry.focus();
  }
}

/** The session of `user`; a user of an earlier sandbox is forgotten. */
async function knownSession(user) {
  try {
    return await Api.session(user);
  } catch (error) {
    if (!user || error.status !== 404) throw error;
    return Api.session();
  }
}

await become(sessionStorage.getItem(KEPT_USER));
