// Rows of horizontal bars that reflow on a narrow screen.

import { refusalsOf, run, CELLS, byTask } from "./data.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { badge, cellHref, colour, maskOf, styleOf, taskTitle } from "./labels.js";

const MOST_BARS = 48;

/**
 * Maps values to 0..1 and names its ticks.
 * @param {(number | undefined)[]} values
 * @param {{ log?: boolean, from?: number, to?: number, tick: (value: number) => string }} options
 * @returns {Scale}
 */
export function scale(values, { log = false, from, to, tick }) {
  const shown = values.filter((value) => value !== undefined).filter((value) => Number.isFinite(value) && (!log || value > 0));
  const most = to ?? Math.max(...shown, log ? 10 : 1e-9);
  if (!log) {
    const low = from ?? 0;
    const step = niceStep((most - low) / 4);
    const ticks = [];
    for (let value = Math.ceil(low / step - 1e-9) * step; value <= most * (1 + 1e-9); value += step) ticks.push(value + 0);
    return { at: (value) => clamp((value - low) / (most - low || 1)), ticks, tick };
  }
  const least = shown.length ? Math.min(...shown) : 1;
  const low = 10 ** Math.floor(Math.log10(least / 1.6));
  const high = Math.max(most * 1.05, low * 10);
  const decades = Math.log10(high / low);
  const stride = Math.ceil(decades / 5);
  const ticks = [];
  for (let power = Math.round(Math.log10(low)); 10 ** power <= high; power += stride) ticks.push(10 ** power);
  return { at: (value) => clamp(Math.log10(Math.max(value, low) / low) / decades), ticks, tick };
}

/** @param {number} share */
export function clamp(share) {
  return Math.min(Math.max(share, 0), 1);
}

/** @param {number} rough */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
}

/** @param {number} share */
export function pc(share) {
  return `${(share * 100).toFixed(3)}%`;
}

/** @param {Scale} axis */
function axisRow(axis) {
  return h("li", { class: "axisrow", "aria-hidden": "true" }, h("span", { class: "label" }),
    h("div", { class: "ticks" }, axis.ticks.map((value) => h("span", { class: axis.at(value) > 0.94 ? "last" : undefined, style: { left: pc(axis.at(value)) } }, axis.tick(value)))),
    h("span", { class: "value" }));
}

/**
 * One segment of a track from one value to another.
 * @param {Scale} axis
 * @param {number} from
 * @param {number} to
 * @param {string} kind
 * @param {string | undefined} colour
 * @param {string} title
 * @param {[number, number]} [lane] its upper and lower edge
 */
export function segment(axis, from, to, kind, colour, title, lane) {
  const [left, right] = [axis.at(from), axis.at(to)];
  const place = lane ? { top: pc(lane[0]), bottom: pc(1 - lane[1]) } : {};
  return h("span", { class: `seg ${kind}${lane ? " lane" : ""}`, title,
    style: { left: pc(left), width: pc(right - left), ...(colour && { "--g": colour }), ...place } });
}

/**
 * A mark of a cell, or of a figure that is no cell's.
 * @param {number} share
 * @param {Cell | undefined} cell
 * @param {{ kind?: string, top?: string, title?: string }} [options]
 */
export function dot(share, cell, { kind = "", top, title } = {}) {
  const cut = cell && styleOf(cell.link) ? ` cut${styleOf(cell.link)}` : "";
  return h("span", { class: `dot ${kind}${cut}`, title, style: { left: pc(share), "--g": cell ? colour(cell) : "var(--soft)", ...(top && { top }) } });
}

/**
 * An interval on a track.
 * @param {Scale} axis
 * @param {number} low
 * @param {number} high
 * @param {{ top?: string, title?: string }} [options]
 */
export function whisker(axis, low, high, { top, title } = {}) {
  const [left, right] = [axis.at(low), axis.at(high)];
  return h("span", { class: "whisker", title, style: { left: pc(left), width: pc(right - left), ...(top && { top }) } });
}

/**
 * A list of bars. Rows are made when they are shown, and a function gives one or several; long lists grow on demand.
 * @param {string} name
 * @param {(BarRow | HTMLLIElement | (() => BarRow | BarRow[]))[]} rows
 * @param {Scale} axis
 * @param {{ wide?: boolean, tall?: boolean }} [options]
 */
export function barList(name, rows, axis, { wide = false, tall = false } = {}) {
  const list = h("ol", { class: `bars${wide ? " wide" : ""}`, "aria-label": name }, axisRow(axis));
  let shown = 0;
  const more = h("button", { type: "button", class: "more", onclick: () => grow() });
  const grow = () => {
    const next = rows.slice(shown, shown + MOST_BARS);
    const made = next.flatMap((row) => (typeof row === "function" ? row() : row));
    list.append(...made.map((row) => (row instanceof HTMLLIElement ? row : "head" in row ? h("li", { class: "group" }, row.head) : barRow(row, tall))));
    shown += next.length;
    more.hidden = shown >= rows.length;
    more.textContent = `Show ${Math.min(MOST_BARS, rows.length - shown)} more of ${count(rows.length - shown)}`;
  };
  grow();
  return h("div", {}, list, more);
}

/** @param {Exclude<BarRow, { head: Child }>} row @param {boolean} tall */
function barRow({ label, sub, marks, value, note, link }, tall) {
  const mask = link === undefined ? undefined : maskOf(link);
  return h("li", { "data-link": link },
    h("span", { class: "label" }, label, sub && h("small", {}, " ", sub)),
    h("div", { class: `track${tall ? " tall" : ""}${mask ? " broken" : ""}`, "aria-hidden": "true", style: mask ? { "--mask": mask } : {} }, marks),
    h("span", { class: "value" }, value, note && h("small", {}, " ", note)));
}

/**
 * Rows with a heading for every task, and at the end of each what backends do not run of it, once for backend and network.
 * @param {Cell[]} cells
 * @param {(cell: Cell) => BarRow | BarRow[]} row
 */
export function headed(cells, row) {
  /** @type {(BarRow | HTMLLIElement | (() => BarRow | BarRow[]))[]} */
  const rows = [];
  for (const own of byTask(cells).values()) {
    rows.push({ head: taskTitle(own[0]) });
    for (const cell of run(own)) rows.push(() => row(cell));
    for (const refusal of refusalsOf(own)) rows.push(refusedRow(refusal));
  }
  return rows;
}

/** What a backend does not run, and why. @param {Refusal} refusal @returns {Child[]} */
export function refusalText({ reasons }) {
  return [h("span", { class: "fail" }, "unsupported"), ": ", reasons.join("; ")];
}

/** Backend, with a link to the first of the cells, and network. @param {Refusal} refusal @returns {Child[]} */
export function refusalLabel(refusal) {
  const cell = CELLS.get(refusal.cell);
  return [cell && badge(cell), cell ? h("a", { href: cellHref(cell) }, refusal.backend) : refusal.backend, h("small", {}, " ", refusal.network)];
}

/** @param {Refusal} refusal */
function refusedRow(refusal) {
  return h("li", { class: "refused" }, h("span", { class: "label" }, refusalLabel(refusal)), h("span", {}, refusalText(refusal)));
}
