// Elements made and kept: text is always set as text, and what stays on the page keeps its element.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Writing the same text again would disturb selections and screen readers.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// One child per item, in the items' order; a child lives as long as its key does.
export function keep(parent, items, keyOf, make, update) {
  const present = new Map();
  for (const child of parent.children) if (child.dataset.key) present.set(child.dataset.key, child);
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    let child = present.get(key);
    if (child) present.delete(key);
    else {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    const next = before ? before.nextElementSibling : parent.firstElementChild;
    if (next !== child) parent.insertBefore(child, next);
    before = child;
  }
  for (const child of present.values()) child.remove();
}
