/** Tells a screen reader of new messages, politely: once a message has come to rest, not at each of its edits. */

import { isLoading } from "./message.js";
import { excerpt } from "./prose.js";
import { displayName } from "./session.js";

const REST = 2000; // milliseconds without an edit that make a message finished; the bot edits about once a second
const LENGTH = 240; // characters read aloud; the rest can be read in the channel

export class Announcer {
  #timers = new Map(); // message id -> the wait for it to rest, over or not, until it is announced

  /** Speak through `root`, with the names that `session` knows. */
  constructor(root, session) {
    Object.assign(this, { root, session });
  }

  /** Say a sentence now. */
  say(sentence) {
    this.root.textContent = sentence;
  }

  /** Announce `message` when it rests. */
  message(message) {
    clearTimeout(this.#timers.get(message.id));
    this.#timers.set(
      message.id,
      setTimeout(() => {
        if (isLoading(message)) return; // its first edit will wait anew
        this.#timers.delete(message.id);
        this.say(`${displayName(message.author)}: ${excerpt(message, LENGTH, this.session)}`);
      }, REST),
    );
  }

  /** An edit of a message that is not announced yet. */
  edited(message) {
    if (this.#timers.has(message.id)) this.message(message);
  }

  clear() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
