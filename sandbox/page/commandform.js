/** A command being filled in: its name as a chip, a field for every option, and what is wrong with them. */

import { commandData, takeApart } from "./commands.js";
import { h } from "./dom.js";
import { fieldFor } from "./fields.js";
import { icon } from "./icons.js";
import { OptionError } from "./options.js";

export class CommandForm {
  /**
   * `entry` is one of typedCommands; `host` gives `suggestions`, `hintId`, `describe(hint, error)`,
   * `autocomplete(data) -> outcome` and `cancel()`.
   */
  constructor(entry, session, host) {
    Object.assign(this, { entry, session, host });
    this.suggestions = host.suggestions;
    this.hintId = host.hintId;
    const cancel = h(
      "button",
      {
        type: "button",
        class: "command-chip",
        title: "Put the command away",
        "aria-label": `Put /${entry.title} away`,
        onclick: () => host.cancel(),
      },
      `/${entry.title}`,
      icon("close"),
    );
    this.fields = [];
    this.fields = entry.options.map((option) => fieldFor(option, this));
    this.element = h(
      "div",
      { class: "command-form", role: "group", "aria-label": `/${entry.title}` },
      cancel,
      this.fields.map((field) => field.element),
    );
  }

  /** Write `texts` (option name -> what one would type) into the fields. */
  fill(texts) {
    for (const field of this.fields) if (texts[field.option.name]) field.text = texts[field.option.name];
  }

  /** Hand on what `field` holds behind the `name:` of an option, and the keyboard with it; says whether that moved. */
  spread(field) {
    const own = field.option.name;
    const { texts, last } = takeApart(field.text, own, this.entry.options);
    field.text = texts[own];
    this.fill(texts);
    if (last !== own) this.fields.find(({ option }) => option.name === last).control.focus();
    return last !== own;
  }

  /** Put the keyboard on the first field that still wants something; says whether there is a field at all. */
  focus() {
    const field = this.fields.find((field) => field.empty) ?? this.fields[0];
    field?.control.focus();
    return Boolean(field);
  }

  /** Say what `field` is for. */
  describe(field) {
    this.host.describe(field.hint, field.error);
  }

  /** Mark `field` by what it holds now; an empty one is not yet wrong. */
  check(field) {
    if (!field.control) return;
    let error = null;
    try {
      if (!field.empty) field.read();
    } catch (wrong) {
      if (!(wrong instanceof OptionError)) throw wrong;
      error = wrong.message;
    }
    field.mark(error);
    if (document.activeElement === field.control) this.describe(field);
  }

  /** The interaction's data and its files, or null after the first wrong field was marked and given the keyboard. */
  read() {
    const options = [];
    const files = [];
    for (const field of this.fields) {
      try {
        const value = field.read();
        if (value === undefined) continue;
        const { name, type } = field.option;
        if (value instanceof File) options.push({ name, type, value: String(files.push(value) - 1) });
        else options.push({ name, type, value });
      } catch (wrong) {
        if (!(wrong instanceof OptionError)) throw wrong;
        field.mark(wrong.message);
        field.control.focus();
        this.describe(field);
        return null;
      }
    }
    return { data: commandData(this.entry, options), files };
  }

  /** What the bot suggests for `focused`, told what the other fields hold as far as it can be read. */
  autocomplete(focused) {
    const options = [];
    for (const field of this.fields) {
      const { name, type } = field.option;
      if (field === focused) options.push({ name, type, value: field.text, focused: true });
      else if (!field.empty && !field.error && !field.file) options.push({ name, type, value: field.read() });
    }
    return this.host.autocomplete(commandData(this.entry, options));
  }

  /** Give files to the file fields, empty ones first; returns those for which there was no field. */
  addFiles(files) {
    const places = this.fields.filter((field) => "file" in field);
    const wanting = [...places.filter((field) => field.empty), ...places.filter((field) => !field.empty)];
    files.slice(0, wanting.length).forEach((file, index) => {
      wanting[index].file = file;
    });
    wanting[0]?.control.focus();
    return files.slice(wanting.length);
  }
}
