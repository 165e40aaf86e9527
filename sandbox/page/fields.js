/** The fields of a command: one per option, typed or chosen from suggestions; a file field for attachments. */

import { descriptionOf, nameOf } from "./commands.js";
import { h, uniqueId } from "./dom.js";
import { icon } from "./icons.js";
import {
  ATTACHMENT,
  candidates,
  INTEGER,
  kindOf,
  NUMBER,
  OptionError,
  readCandidate,
  readText,
  STRING,
} from "./options.js";
import { checkSize } from "./files.js";

const PAUSE = 150; // milliseconds of not typing after which the bot is asked for suggestions

/** A field for `option`; `form` is the CommandForm it belongs to. */
export function fieldFor(option, form) {
  return option.type === ATTACHMENT ? new FileField(option, form) : new TextField(option, form);
}

class Field {
  constructor(option, form) {
    this.option = option;
    this.form = form;
    this.name = nameOf(option);
    this.description = descriptionOf(option);
    this.id = uniqueId("field");
  }

  /** The field's name, with a mark when it must be filled in. */
  label() {
    const mark =
      this.option.required && h("span", { class: "required", title: "required", "aria-hidden": "true" }, "*");
    return h("span", { class: "field-name" }, h("span", {}, this.name), mark);
  }

  get hint() {
    return {
      name: this.name,
      kind: kindOf(this.option),
      required: Boolean(this.option.required),
      description: this.description,
    };
  }

  /** Throws when an option that must be filled in is empty. */
  demand() {
    if (this.option.required) throw new OptionError(`Fill in ${this.name}: the command needs it.`);
  }

  /** Mark the field right or wrong. */
  mark(error) {
    this.control.setAttribute("aria-invalid", String(Boolean(error)));
    this.element.classList.toggle("invalid", Boolean(error));
    this.error = error;
  }
}

class TextField extends Field {
  #offered; // candidates: fixed ones, or those of the bot's latest answer that still fit; null where one types freely
  #chosen; // the candidate that was taken last
  #timer;
  #question = 0;

  constructor(option, form) {
    super(option, form);
    this.#offered = candidates(option, form.session);
    this.control = h("input", {
      id: this.id,
      type: "text",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: option.type === STRING && !this.#offered ? "true" : "false",
      inputmode: { [INTEGER]: "numeric", [NUMBER]: "decimal" }[option.type] ?? "text",
      placeholder: kindOf(option),
      "aria-required": String(Boolean(option.required)),
      "aria-describedby": form.hintId,
      ...(this.suggests && { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false" }),
    });
    const wide = option.type === STRING && option.required && !this.suggests; // what the command is about
    this.element = h("label", { class: wide ? "field wide" : "field", for: this.id }, this.label(), this.control);
    this.control.addEventListener("focus", () => this.#onFocus());
    this.control.addEventListener("blur", () => this.#onBlur());
    this.control.addEventListener("input", () => this.#onInput());
  }

  get suggests() {
    return Boolean(this.#offered) || Boolean(this.option.autocomplete);
  }

  get text() {
    return this.control.value;
  }

  set text(text) {
    this.control.value = text;
  }

  get empty() {
    return this.text === "";
  }

  /** The option's value, or undefined when left out. Throws OptionError. */
  read() {
    if (this.empty) return this.demand();
    if (this.option.autocomplete) {
      const exact = [this.#chosen, ...(this.#offered ?? [])].find((candidate) => candidate?.name === this.text);
      return exact ? exact.value : readText(this.option, this.name, this.text);
    }
    return this.#offered
      ? readCandidate(this.#offered, this.name, this.text)
      : readText(this.option, this.name, this.text);
  }

  #onFocus() {
    this.form.describe(this);
    this.#suggest();
  }

  #onBlur() {
    this.#forget();
    this.form.suggestions.hide();
    if (!this.empty) this.form.check(this);
  }

  #onInput() {
    const moved = this.form.spread(this);
    if (this.error) this.form.check(this);
    if (moved) return;
    if (this.option.autocomplete) this.#show((this.#offered = this.#fitting()), ""); // until the bot answers anew
    this.#suggest();
  }

  #suggest() {
    if (this.option.autocomplete) this.#ask();
    else if (this.#offered) this.#show(this.#fitting());
  }

  /** Those of the candidates whose name has in it what was typed. */
  #fitting() {
    const typed = this.text.trim().toLowerCase();
    return (this.#offered ?? []).filter(({ name }) => name.toLowerCase().includes(typed));
  }

  #show(offered, empty = "Nothing in the list fits.") {
    const items = offered.map((candidate) => ({ label: candidate.name, choose: () => this.#choose(candidate) }));
    this.form.suggestions.show(this.control, items, { heading: this.name, eager: !this.empty, empty });
  }

  #choose(candidate) {
    this.#forget();
    this.#chosen = candidate;
    this.text = candidate.name;
    this.form.suggestions.hide();
    this.form.check(this);
  }

  /** Ask the bot, once typing pauses; only the answer to the latest question counts. */
  #ask() {
    this.#forget();
    const question = this.#question;
    this.#timer = setTimeout(async () => {
      const answer = await this.form.autocomplete(this);
      if (question !== this.#question || document.activeElement !== this.control) return;
      this.#offered = answer.choices ?? [];
      this.#show(this.#offered, answer.failure ?? (this.empty ? "" : "The bot has no suggestion for this."));
    }, PAUSE);
  }

  /** Let go of the question to the bot that is under way. */
  #forget() {
    clearTimeout(this.#timer);
    this.#question += 1;
  }
}

class FileField extends Field {
  constructor(option, form) {
    super(option, form);
    this.picker = h("input", { type: "file", class: "visually-hidden", tabindex: -1, "aria-hidden": "true" });
    this.control = h("button", { type: "button", id: this.id, "aria-describedby": form.hintId });
    this.element = h("div", { class: "field file-field" }, this.label(), this.control, this.picker);
    this.control.addEventListener("focus", () => form.describe(this));
    this.control.addEventListener("click", () => this.picker.click());
    this.control.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" || event.key === "Delete") this.file = null;
    });
    this.picker.addEventListener("change", () => {
      if (this.picker.files.length) this.file = this.picker.files[0];
      this.picker.value = ""; // so that the same file can be chosen again
      this.control.focus();
    });
    this.file = null;
  }

  get file() {
    return this.chosen;
  }

  set file(file) {
    this.chosen = file;
    this.control.replaceChildren(icon("file"), file ? file.name : "Choose, paste or drop a file");
    this.control.setAttribute("aria-label", `${this.name}: ${file ? file.name : "choose a file"}`);
    this.form.check(this);
  }

  get empty() {
    return !this.file;
  }

  /** The chosen File, or undefined when left out. Throws OptionError. */
  read() {
    if (this.empty) return this.demand();
    checkSize(this.file);
    return this.file;
  }
}
