// Which cells every view speaks of.

import { syncControls } from "./controls.js";
import { DATA, GROUPS, ORDERED } from "./data.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { state } from "./state.js";

/** @typedef {"network" | "backend" | "protection" | "dataset" | "link" | "batch" | "threads" | "machine" | "status"} FacetKey */

/** @type {[FacetKey, string, (cell: Cell) => string][]} */
const FACETS = [
  ["network", "Network", (cell) => cell.network],
  ["backend", "Backend", (cell) => cell.backend],
  ["protection", "Protection", (cell) => cell.letter],
  ["dataset", "Data set", (cell) => cell.dataset],
  ["link", "Link", (cell) => cell.link],
  ["batch", "Batch", (cell) => String(cell.batch)],
  ["threads", "Threads", (cell) => String(cell.threads)],
  ["machine", "Machine", (cell) => cell.machine ?? ""],
  ["status", "Status", (cell) => cell.status],
];

/** The cells that fit the filter, all of its facets or all but one. @param {FacetKey} [except] */
export function filtered(except) {
  const words = state.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const active = FACETS.filter(([key]) => key !== except).flatMap(([key, , of]) => (state.get(key) === "" ? [] : [{ chosen: new Set(state.list(key)), of }]));
  return ORDERED.filter((cell) =>
    active.every(({ chosen, of }) => chosen.has(of(cell))) &&
    words.every((word) => `${cell.cell} ${cell.status} ${cell.detail ?? ""}`.toLowerCase().includes(word)));
}

/** @param {FacetKey} key @param {string} value */
function facetNote(key, value) {
  if (key !== "protection") return "";
  const group = GROUPS.find((group) => group.letter === value);
  return group ? `${group.technology}; ${group.protection}` : "";
}

/** The values of a facet in order. @param {FacetKey} key @param {string[]} values */
function ordered(key, values) {
  if (key === "link") return DATA.links.map((link) => link.name).filter((name) => values.includes(name));
  return values.sort(key === "batch" || key === "threads" ? (a, b) => Number(a) - Number(b) : undefined);
}

/** @param {typeof FACETS[number]} facet */
function facet([key, name, of]) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const cell of ORDERED) counts.set(of(cell), (counts.get(of(cell)) ?? 0) + 1);
  const values = ordered(key, [...counts.keys()]);
  if (values.length < 2) return null;
  const boxes = values.map((value) => h("input", { type: "checkbox", value, onchange: () => {
    state.set({ [key]: boxes.filter((box) => box.checked).map((box) => box.value).join(",") });
  } }));
  const lines = boxes.map((box, index) => h("label", {}, box,
    h("span", {}, values[index], " ", h("small", {}, facetNote(key, values[index]))),
    h("small", {}, count(counts.get(values[index]) ?? 0))));
  const summary = h("summary", {}, name);
  const details = h("details", { class: "facet" }, summary,
    h("div", { role: "group", "aria-label": `${name}: show only` }, lines));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    summary.focus();
  });
  const sync = () => {
    const chosen = state.list(key);
    for (const box of boxes) box.checked = chosen.includes(box.value);
    details.classList.toggle("on", chosen.length > 0);
    summary.textContent = chosen.length === 0 ? name : chosen.length === 1 ? `${name}: ${chosen[0]}` : `${name}: ${chosen.length}`;
  };
  return { details, sync };
}

/** Builds the filter and returns what brings it to the cells that fit. @param {HTMLElement} root */
export function buildFilter(root) {
  const search = h("input", { type: "search", placeholder: "Search cells", "aria-label": "Search cells by any part of their name",
    oninput: () => {
      state.set({ q: search.value });
    } });
  search.dataset.key = "q";
  const facets = FACETS.map(facet).filter((facet) => facet !== null);
  const clear = h("button", { type: "button", class: "quiet", onclick: () => {
    state.set(Object.fromEntries([["q", ""], ...FACETS.map(([key]) => [key, ""])]));
    search.focus();
  } }, "Show all");
  const shown = h("p", { class: "shown", role: "status" });
  root.append(h("div", { class: "filterbar", role: "search" }, search, h("div", { class: "facets" }, facets.map(({ details }) => details), clear)), shown);
  document.addEventListener("click", ({ target }) => {
    for (const { details } of facets) if (!(target instanceof Node) || !details.contains(target)) details.open = false;
  });
  return (/** @type {Cell[]} */ cells) => {
    syncControls(root);
    for (const { sync } of facets) sync();
    const all = cells.length === ORDERED.length;
    clear.hidden = all;
    shown.textContent = all ? `All ${count(cells.length)} cells` : `${count(cells.length)} of ${count(ORDERED.length)} cells`;
  };
}
