// What the run holds, with names in the place of their numbers. Everything is in the order in which it is shown.

import { part } from "./dom.js";

/** @type {Payload} */
export const DATA = JSON.parse(part("data").textContent ?? "");
export const RUN = DATA.run;
export const GROUPS = DATA.groups;

/** @type {Phase[]} */
export const PHASES = ["setup", "offline", "online"];

/** By task, which has one machine, protection and backend, then from the fastest link, the fewest threads and the smallest batch upwards. */
export const ORDERED = DATA.cells.map(read);

export const CELLS = new Map(ORDERED.map((cell) => [cell.cell, cell]));

/** @type {Map<string, Link>} */
export const LINKS = new Map(DATA.links.map((link) => [link.name, link]));

/** @param {ShippedCell} shipped @returns {Cell} */
function read({ spans = [], pairs = [], memory = [], points = [], texts, ...cell }) {
  const { names, columns } = DATA;
  return {
    ...cell,
    spans: spans.map(([phase, role, span, wall, cpu, samples]) => ({ phase: names[phase], role: names[role], span: names[span], wall, cpu, samples })),
    pairs: pairs.map(([phase, from, to, bytes, messages]) => ({ phase: names[phase], from: names[from], to: names[to], bytes, messages })),
    memory: memory.map(([role, bytes]) => ({ role: names[role], bytes })),
    points: points.map(([repetition, iteration, wall, kind]) => ({ repetition, iteration, wall, warm: kind > 0, outlier: kind === 2 })),
    text: Object.fromEntries(texts.map((text, index) => [columns[index], text ?? undefined])),
    letter: cell.group === undefined ? "" : GROUPS[cell.group].letter,
  };
}

/** The text of a figure, or a dash. @param {Cell} cell @param {string} column */
export function written(cell, column) {
  return cell.text[column] ?? "–";
}

/** Cells by their task, in order. @param {Cell[]} cells @returns {Map<number, Cell[]>} */
export function byTask(cells) {
  return grouped(cells, (cell) => cell.task);
}

/**
 * Things by what they have in common, in the order in which it first occurs.
 * @template T, K
 * @param {T[]} things
 * @param {(thing: T) => K} of
 * @returns {Map<K, T[]>}
 */
export function grouped(things, of) {
  const found = new Map();
  for (const thing of things) {
    const key = of(thing);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(thing);
  }
  return found;
}

/** What backends do not run of these cells, each once. @param {Cell[]} cells @returns {Refusal[]} */
export function refusalsOf(cells) {
  return [...new Set(cells.flatMap((cell) => cell.refusal ?? []))].map((index) => DATA.refusals[index]);
}

/** The cells that their backend runs. @param {Cell[]} cells */
export function run(cells) {
  return cells.filter((cell) => cell.refusal === undefined);
}
