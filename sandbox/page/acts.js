/** What a person does: writing, running commands, using components and forms, and the menus that offer all this. */

import { ApiError } from "./api.js";
import { MESSAGE, nameOf, targetData, USER } from "./commands.js";
import { icon } from "./icons.js";
import { AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT } from "./interactions.js";
import { openMenu } from "./menus.js";
import { openModal } from "./modal.js";
import { displayName } from "./session.js";

export class Acts {
  /** `app` says what is open: its `session`, `channel`, `commands`, `log`, `scroll` and `composer`. */
  constructor(app, api, interactions) {
    Object.assign(this, { app, api, interactions });
  }

  send(content, files) {
    return this.api.send(this.app.channel.id, content, files);
  }

  /**
   * Run a command; `name` is shown while it waits, `retry` brings it back after it failed.
   * Throws ApiError when the sandbox refuses it.
   */
  async run(name, data, files, retry) {
    const { channel, log, scroll } = this.app;
    const pending = log.pending(name);
    scroll.toBottom();
    try {
      const outcome = await this.interactions.start({ channel: channel.id, type: COMMAND, data }, files);
      if (outcome.message) return pending.fail(outcome.message, retry);
      pending.done();
      return this.#openIfModal(outcome, channel.id);
    } catch (error) {
      pending.done();
      throw error;
    }
  }

  /** What the bot suggests: `{choices}`, or `{failure}` with a sentence. */
  async autocomplete(data) {
    try {
      const outcome = await this.interactions.start({ channel: this.app.channel.id, type: AUTOCOMPLETE, data });
      return outcome.kind === "choices" ? { choices: outcome.choices } : { failure: "The bot gave no suggestions." };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { failure: error.message };
    }
  }

  /** Use a component of a message; resolves with a sentence when that failed. */
  press(message, component, values) {
    const data = { custom_id: component.custom_id, component_type: component.type, ...(values && { values }) };
    return this.#settle({ channel: message.channel_id, type: COMPONENT, data, message: message.id });
  }

  dismiss(id) {
    this.app.log.dismiss(id);
    this.focusComposer();
  }

  jumpTo(id) {
    const element = this.app.log.view(id)?.element;
    element?.scrollIntoView({ block: "center" });
    element?.focus({ preventScroll: true });
  }

  focusComposer() {
    this.app.composer.focus();
  }

  messageMenu(message, place, opener) {
    const copies = [
      message.content && copyItem("Copy the text", message.content),
      copyItem("Copy the message's id", message.id),
    ];
    openMenu({
      label: "Message",
      items: [...this.#commandItems(MESSAGE, message.id), ...copies.filter(Boolean)],
      place,
      opener,
    });
  }

  userMenu(user, place, opener) {
    const mention = { label: "Mention", icon: icon("mention"), choose: () => this.app.composer.mention(user.id) };
    const others = [mention, copyItem("Copy the person's id", user.id)];
    const items = [...this.#commandItems(USER, user.id), ...others.filter(Boolean)];
    openMenu({ label: displayName(user), heading: displayName(user), items, place, opener });
  }

  /** The application's commands on a message or a user, and a line below them. */
  #commandItems(type, target) {
    const commands = this.app.commands.filter((command) => command.type === type);
    const item = (command) => ({
      label: nameOf(command),
      icon: icon("apps"),
      choose: () => this.#runOn(command, target),
    });
    return commands.length ? [...commands.map(item), null] : [];
  }

  async #runOn(command, target) {
    try {
      await this.run(command.name, targetData(command, target), [], () => this.#runOn(command, target));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.app.composer.say(null, error.message);
    }
  }

  /** Start an interaction; resolves with a sentence when it failed. */
  async #settle(interaction) {
    try {
      const outcome = await this.interactions.start(interaction);
      this.#openIfModal(outcome, interaction.channel);
      return outcome.message;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.message;
    }
  }

  #openIfModal({ kind, modal }, channel) {
    if (kind !== "modal") return;
    openModal(modal, this.app.session, (data) => this.#settle({ channel, type: MODAL_SUBMIT, data }));
  }
}

/** Browsers give the clipboard only to pages from this machine or over https. */
function copyItem(label, text) {
  return navigator.clipboard && { label, icon: icon("copy"), choose: () => navigator.clipboard.writeText(text) };
}
