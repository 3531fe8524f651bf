// Elements from text alone: nothing of a run is ever read as markup.

/**
 * @template {Element & ElementCSSInlineStyle} E
 * @param {E} element
 * @param {Record<string, any>} attributes `on...` are listeners, `style` is an object
 * @param {Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, String(to));
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Child[]} children */
function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== undefined && child !== null && child !== false) element.append(child);
  }
}

/**
 * An element of HTML.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [attributes]
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * An element of SVG.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [attributes]
 * @param {Child[]} children
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** The element of the page's frame with this id. @param {string} id */
export function part(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** A table in a region that scrolls by itself and can be reached with the keyboard. @param {string} name @param {Child} table */
export function scrolling(name, table) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, table);
}

/**
 * A plain table of text; columns named in `numeric` are right-aligned.
 * @param {string} name
 * @param {string[]} head
 * @param {Child[][]} rows
 * @param {number[]} [numeric]
 */
export function plainTable(name, head, rows, numeric = []) {
  const kind = (/** @type {number} */ index) => (numeric.includes(index) ? "n" : undefined);
  const cell = (/** @type {Child} */ text, /** @type {number} */ index) =>
    index === 0 ? h("th", { scope: "row" }, text) : h("td", { class: kind(index) }, text);
  return scrolling(name, h("table", { class: "sticky" },
    h("thead", {}, h("tr", {}, head.map((text, index) => h("th", { scope: "col", class: kind(index) }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

/**
 * The figures behind a chart as a table, made when it is opened.
 * @param {string} name
 * @param {string[]} head
 * @param {() => Child[][]} rows
 * @param {number[]} numeric
 */
export function asTable(name, head, rows, numeric) {
  const details = h("details", {}, h("summary", {}, "The same as a table"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(plainTable(name, head, rows(), numeric));
  });
  return details;
}

/** Says that there is nothing to show. @param {string} text */
export function nothing(text) {
  return h("p", { class: "empty" }, text);
}
