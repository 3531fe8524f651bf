// Elements from text alone: nothing of a run is ever read as markup.

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A table in a region that scrolls by itself and can be reached with the keyboard. */
function scrolling(name, table) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, table);
}

/** A plain table of text; columns named in `numeric` are right-aligned. */
function plainTable(name, head, rows, numeric = []) {
  const kind = (index) => (numeric.includes(index) ? "n" : undefined);
  const cell = (text, index) =>
    index === 0 ? h("th", { scope: "row" }, text) : h("td", { class: kind(index) }, text);
  return scrolling(name, h("table", { class: "sticky" },
    h("thead", {}, h("tr", {}, head.map((text, index) => h("th", { scope: "col", class: kind(index) }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

/** The figures behind a chart as a table, made when it is opened. */
function asTable(name, head, rows, numeric) {
  const details = h("details", {}, h("summary", {}, "The same as a table"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(plainTable(name, head, rows(), numeric));
  });
  return details;
}

function choice(label, key, options) {
  const select = h("select", { onchange: () => state.set({ [key]: select.value }) },
    options.map(([value, text]) => h("option", { value }, text)));
  select.dataset.key = key;
  return h("label", {}, label, select);
}

function toggle(label, key) {
  const box = h("input", { type: "checkbox", onchange: () => state.set({ [key]: box.checked ? "1" : "" }) });
  box.dataset.key = key;
  return h("label", {}, box, label);
}

/** Brings the controls below an element to what the address says. */
function syncControls(root) {
  for (const control of root.querySelectorAll("[data-key]")) {
    const value = state.get(control.dataset.key);
    if (control.type === "checkbox") control.checked = value === "1";
    else if (control !== document.activeElement || control.tagName === "SELECT") control.value = value;
  }
}
