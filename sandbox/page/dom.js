/** Building and updating DOM nodes. Text only ever becomes text nodes: nothing here reads HTML. */

/**
 * Make an element. Attributes named `on…` are listeners, `true` is an empty attribute, `false` and `null` are left
 * out; children are nodes, strings, or nested lists of both.
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

/**
 * Make `parent` hold `nodes`, keeping every node that is already right. A text that grew is appended to, so a growing
 * message neither flickers nor loses what a reader has selected in it.
 */
export function reconcile(parent, nodes) {
  nodes.forEach((next, index) => {
    const old = parent.childNodes[index];
    if (!old) parent.append(next);
    else if (!old.isEqualNode(next)) patch(old, next);
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

function patch(old, next) {
  if (old.nodeType === Node.TEXT_NODE && next.nodeType === Node.TEXT_NODE) {
    if (next.data.startsWith(old.data)) old.appendData(next.data.slice(old.data.length));
    else old.data = next.data;
  } else if (old.nodeType === Node.ELEMENT_NODE && old.cloneNode(false).isEqualNode(next.cloneNode(false))) {
    reconcile(old, [...next.childNodes]);
  } else {
    old.replaceWith(next);
  }
}

/** An id no other element has, for `aria-…` references. */
export function uniqueId(prefix) {
  uniqueId.count = (uniqueId.count ?? 0) + 1;
  return `${prefix}-${uniqueId.count}`;
}
