/** Where people write: ordinary messages, and commands once a message begins with a slash. */

import { ApiError } from "./api.js";
import { avatar } from "./avatar.js";
import { CommandForm } from "./commandform.js";
import { nameOf, search, takeApart } from "./commands.js";
import { h } from "./dom.js";
import { Files } from "./files.js";
import { icon } from "./icons.js";
import { OptionError } from "./options.js";
import { Suggestions } from "./suggestions.js";

const LONGEST = 2000; // characters of a message
const COUNT_FROM = 1800; // characters from which the rest is counted down

export class Composer {
  #form = null; // the CommandForm while a command is being filled in
  #channel = null; // the id of the channel that is written to
  #drafts = new Map(); // channel id -> what was begun there: {form, text, files}

  /**
   * `root` is the form element of index.html; `handlers` are `entries()` (the typed commands there are), `send(content,
   * files)`, `run(entry, data, files, form)` and `autocomplete(data)`.
   */
  constructor(root, session, handlers) {
    Object.assign(this, { root, session, handlers });
    const part = (name) => root.querySelector(`[data-part=${name}]`);
    this.suggestions = new Suggestions(part("suggestions"));
    this.files = new Files(part("files"));
    this.hint = part("hint");
    this.slot = part("slot");
    this.counter = part("counter");
    this.attach = part("attach");
    this.send = part("send");
    this.text = h("textarea", {
      rows: 1,
      "aria-label": "Message",
      "aria-describedby": this.hint.id,
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
    });
    this.slot.replaceChildren(this.text);
    this.#listen();
    this.say(null);
  }

  /** Write to the channel of this id, called `name`; what was begun in another one waits there. */
  address(channel, name) {
    this.#drafts.set(this.#channel, { form: this.#form, text: this.text.value, files: this.files.all });
    this.#channel = channel;
    this.text.placeholder = `Message ${name}, or type /`;
    const { form, text, files } = this.#drafts.get(channel) ?? { text: "", files: [] };
    this.#cancel(text);
    this.files.clear();
    this.files.add(files);
    if (form) this.show(form);
  }

  focus() {
    if (!this.#form?.focus()) (this.#form ? this.send : this.text).focus();
  }

  /** Write `text` as if a person had typed it; "/" opens the list of commands. */
  type(text) {
    this.#cancel(text);
    this.text.focus();
    this.#onText();
  }

  /** Mention the user with this id where the caret stands in the message. */
  mention(id) {
    if (this.#form) return this.say(null, `Send /${this.#form.entry.title} or put it away before you mention anybody.`);
    const { value, selectionStart: start, selectionEnd: end } = this.text;
    const gap = /\S$/.test(value.slice(0, start)) ? " " : "";
    this.text.setRangeText(`${gap}<@${id}> `, start, end, "end");
    this.text.focus();
    return this.#onText();
  }

  /** Begin the command called `name` ("gan sample") with some fields filled in, or search for it. */
  begin(name, texts = {}) {
    const entry = this.handlers.entries().find((entry) => entry.name === name);
    if (entry) this.#choose(entry, texts);
    else this.type(`/${name}`);
  }

  #choose(entry, texts = {}) {
    const host = {
      suggestions: this.suggestions,
      hintId: this.hint.id,
      describe: (hint, error) => this.say(hint, error),
      autocomplete: (data) => this.handlers.autocomplete(data),
      cancel: () => this.type(""),
    };
    const form = new CommandForm(entry, this.session, host);
    form.fill(texts);
    const left = form.addFiles(this.files.all);
    this.files.clear();
    this.files.add(left);
    this.show(form);
  }

  /** Put a command (back) into the composer. */
  show(form) {
    this.#form = form;
    this.suggestions.hide();
    this.slot.replaceChildren(form.element);
    this.root.classList.add("commanding");
    this.say({ name: `/${form.entry.title}`, kind: "", description: form.entry.description });
    this.focus();
  }

  /** Put the command away and go back to plain text. */
  #cancel(text) {
    this.#form = null;
    this.suggestions.hide();
    this.root.classList.remove("commanding");
    this.slot.replaceChildren(this.text);
    this.text.value = text;
    this.#count();
    this.say(null);
  }

  /** The line above the composer: what a field wants, or one sentence that something is wrong. */
  say(hint, error = null) {
    this.hint.hidden = !hint && !error;
    this.hint.classList.toggle("wrong", Boolean(error));
    this.hint.replaceChildren(
      ...(error ? [icon("warning"), h("span", { role: "alert" }, error)] : []),
      ...(hint && !error
        ? [
            h("b", {}, hint.name),
            h("span", { class: "kind" }, [hint.kind, hint.required && "required"].filter(Boolean).join(", ")),
            h("span", {}, hint.description),
          ]
        : []),
    );
  }

  #listen() {
    this.text.addEventListener("input", () => this.#onText());
    this.text.addEventListener("blur", () => this.suggestions.hide());
    this.text.addEventListener("focus", () => this.#onText());
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.root.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length) return;
      event.preventDefault();
      this.take(files);
    });
    const picker = h("input", {
      type: "file",
      multiple: true,
      class: "visually-hidden",
      tabindex: -1,
      "aria-hidden": "true",
    });
    picker.addEventListener("change", () => {
      this.take([...picker.files]);
      picker.value = "";
    });
    this.attach.replaceChildren(icon("plus"), picker);
    this.attach.onclick = (event) => event.target !== picker && picker.click();
  }

  /** Files that were dropped, pasted or chosen. */
  take(files) {
    try {
      if (!this.#form) this.files.add(files);
      else if (this.#form.addFiles(files).length === files.length)
        this.say(null, `/${this.#form.entry.title} takes no file.`);
      if (!this.#form) this.text.focus();
    } catch (wrong) {
      if (!(wrong instanceof OptionError)) throw wrong;
      this.say(null, wrong.message);
    }
  }

  #onText() {
    this.#count();
    this.say(null);
    const { value } = this.text;
    if (!value.startsWith("/") || value.includes("\n")) return this.suggestions.hide();
    const typed = value.slice(1);
    const entries = this.handlers.entries();
    const called = entries
      .filter((entry) => [entry.name, entry.title].some((name) => typed.startsWith(`${name} `)))
      .sort((a, b) => b.name.length - a.name.length)[0];
    if (called) {
      const rest = typed.slice((typed.startsWith(`${called.name} `) ? called.name : called.title).length + 1);
      const [first] = called.options;
      return this.#choose(called, first ? takeApart(rest, first.name, called.options).texts : {});
    }
    const items = search(entries, typed).map((entry) => ({
      label: h(
        "span",
        { class: "command-line" },
        h("b", {}, `/${entry.title}`),
        entry.options.map((option) => this.#optionName(option)),
      ),
      detail: entry.description,
      lead: avatar(this.session.bot),
      choose: () => this.#choose(entry),
    }));
    const empty = entries.length
      ? "No command is called that."
      : "There are no commands yet: the bot has not come online.";
    return this.suggestions.show(this.text, items, { heading: "Commands", eager: true, empty });
  }

  #optionName(option) {
    return h("span", { class: option.required ? "option-name required" : "option-name" }, nameOf(option));
  }

  #count() {
    const left = LONGEST - this.text.value.length;
    this.counter.textContent = this.text.value.length >= COUNT_FROM && !this.#form ? left : "";
    this.counter.classList.toggle("over", left < 0);
  }

  #onKey(event) {
    if (event.isComposing || this.suggestions.key(event)) return;
    const { key, target } = event;
    if (key === "Enter" && !event.shiftKey && target.matches("textarea, input")) {
      event.preventDefault();
      this.#submit();
    } else if (key === "Escape" && this.#form) {
      event.preventDefault();
      this.type("");
    } else if (key === "Backspace" && this.#form && this.#atStart(target)) {
      event.preventDefault();
      this.type(`/${this.#form.entry.title}`);
    }
  }

  /** Whether Backspace at `target` leaves the command: in its empty first field, or where there is no field. */
  #atStart(target) {
    const [first] = this.#form.fields;
    return first ? target === first.control && target.matches("input") && first.empty : target === this.send;
  }

  async #submit() {
    this.suggestions.hide();
    try {
      await (this.#form ? this.#submitCommand(this.#form) : this.#submitText());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.say(null, error.message);
    }
  }

  async #submitCommand(form) {
    const read = form.read();
    if (!read) return;
    this.type("");
    try {
      await this.handlers.run(form.entry, read.data, read.files, form);
    } catch (error) {
      if (error instanceof ApiError) this.show(form);
      throw error;
    }
  }

  async #submitText() {
    const content = this.text.value.trim();
    const files = this.files.all;
    if (content.length > LONGEST) {
      return this.say(null, `A message has at most ${LONGEST} characters; this one has ${content.length}.`);
    }
    if (!content && !files.length) return undefined;
    this.type("");
    this.files.clear();
    try {
      return await this.handlers.send(content, files);
    } catch (error) {
      if (error instanceof ApiError && !this.text.value) {
        this.type(content); // nothing that was written is lost
        this.files.add(files);
      }
      throw error;
    }
  }
}
