/** The dialog an application opens: text inputs and selects, submitted or closed. */

import { h, uniqueId } from "./dom.js";
import { icon } from "./icons.js";
import { select } from "./selects.js";

const TEXT_INPUT = 4;
const LABEL = 18;
const PARAGRAPH = 2;

/**
 * Show `modal` (`{custom_id, title, components}`). `submit(data)` sends it and resolves with a sentence when it failed,
 * which stays in the dialog with everything that was typed. Focus goes back to where it was by itself.
 */
export function openModal(modal, session, submit) {
  const inputs = modal.components.map((component) => input(component, session));
  const failure = h("p", { class: "notice", role: "alert", hidden: true });
  const confirm = h("button", { type: "submit", class: "button primary" }, "Submit");
  const title = h("h2", { id: uniqueId("modal") }, modal.title);
  const form = h(
    "form",
    { method: "dialog", novalidate: true },
    h(
      "header",
      {},
      title,
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() },
        icon("close"),
      ),
    ),
    inputs.map(({ element }) => element),
    failure,
    h(
      "footer",
      {},
      h("button", { type: "button", class: "button secondary", onclick: () => dialog.close() }, "Cancel"),
      confirm,
    ),
  );
  const dialog = h("dialog", { class: "modal", "aria-labelledby": title.id }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wrong = inputs.filter(({ check }) => !check());
    if (wrong.length) return wrong[0].focus();
    confirm.disabled = true;
    const sentence = await submit({ custom_id: modal.custom_id, components: inputs.map(({ read }) => read()) });
    confirm.disabled = false;
    if (!sentence) return dialog.close();
    failure.replaceChildren(icon("warning"), sentence);
    failure.hidden = false;
    return undefined;
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  inputs[0]?.focus();
}

/** One component of a modal: `{element, focus(), check(), read()}`; `read` gives what Discord sends of it. */
function input(holder, session) {
  const labelled = holder.type === LABEL;
  const component = labelled ? holder.component : holder.components[0];
  const caption = { label: labelled ? holder.label : component.label, description: holder.description };
  const part = component.type === TEXT_INPUT ? textInput(component, caption) : selectInput(component, caption, session);
  const wrap = (value) => (labelled ? { type: LABEL, component: value } : { type: holder.type, components: [value] });
  return { ...part, read: () => wrap(part.read()) };
}

function captionNodes({ label, description }, required) {
  return [
    h(
      "span",
      { class: "modal-label" },
      label,
      required && h("span", { class: "required", title: "required", "aria-hidden": "true" }, "*"),
    ),
    description && h("small", {}, description),
  ];
}

function textInput(component, caption) {
  const { required = true, min_length: shortest, max_length: longest } = component;
  const wrong = h("small", { class: "wrong", role: "alert", id: uniqueId("wrong"), hidden: true });
  const attributes = {
    placeholder: component.placeholder,
    maxlength: longest,
    "aria-required": String(required),
    "aria-describedby": wrong.id,
  };
  const control =
    component.style === PARAGRAPH
      ? h("textarea", { ...attributes, rows: 5 })
      : h("input", { ...attributes, type: "text" });
  control.value = component.value ?? "";
  const check = () => {
    const { length } = control.value;
    let sentence = "";
    if (required && !length) sentence = "Write something here.";
    else if (length && shortest && length < shortest)
      sentence = `Write at least ${shortest} characters; this has ${length}.`;
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    control.setAttribute("aria-invalid", String(Boolean(sentence)));
    return !sentence;
  };
  control.addEventListener("input", () => wrong.hidden || check());
  return {
    element: h("label", { class: "modal-field" }, captionNodes(caption, required), control, wrong),
    focus: () => control.focus(),
    check,
    read: () => ({ type: TEXT_INPUT, custom_id: component.custom_id, value: control.value }),
  };
}

function selectInput(component, caption, session) {
  const { required = true } = component;
  let values = (component.options ?? []).filter((option) => option.default).map((option) => option.value);
  const wrong = h("small", { class: "wrong", role: "alert", hidden: true }, "Choose something here.");
  const element = select(component, session, (_, chosen) => {
    values = chosen;
    wrong.hidden = true;
  });
  return {
    element: h("div", { class: "modal-field" }, captionNodes(caption, required), element, wrong),
    focus: () => element.querySelector("button").focus(),
    check: () => {
      wrong.hidden = values.length > 0 || !required;
      return wrong.hidden;
    },
    read: () => ({ type: component.type, custom_id: component.custom_id, values }),
  };
}
