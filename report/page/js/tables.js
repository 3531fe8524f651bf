// The table of all cells: sorted by a column, within a protection unless asked otherwise.

import { refusalLabel, refusalText } from "./bars.js";
import { GROUPS, grouped, refusalsOf, run, written } from "./data.js";
import { h, scrolling } from "./dom.js";
import { count } from "./format.js";
import { badge, cellLink, conditions, failureMark, taskTitle } from "./labels.js";
import { state } from "./state.js";

/** Key and heading of each column. @type {[keyof Cell & string, string][]} */
const COLUMNS = [
  ["online_wall_ns", "Latency, online"],
  ["offline_wall_ns", "Offline"],
  ["setup_wall_ns", "Setup"],
  ["images_per_second_sustained", "Images per second, offline and online"],
  ["online_bytes", "Bytes, online"],
  ["offline_bytes", "Bytes, offline"],
  ["online_rounds", "Rounds"],
  ["peak_rss_bytes", "Memory, largest role"],
  ["agreement", "Agreement"],
  ["accuracy", "Accuracy"],
  ["max_logit_error", "Logit error"],
  ["security_bits", "Security bits"],
];

const MOST_ROWS = 60;

/** What stands below a figure. @param {Cell} cell @param {string} key */
function under(cell, key) {
  if (key !== "online_wall_ns") return cell.text[`${key}_interval`];
  if (cell.online_wall_ns === undefined && cell.text.cold_online_wall_ns) return `cold only: ${cell.text.cold_online_wall_ns}`;
  const outliers = cell.outliers > 0 ? `${count(cell.outliers)} outlier${cell.outliers === 1 ? "" : "s"}, kept` : "";
  return [cell.text.online_wall_ns_interval, outliers].filter(Boolean).join("; ");
}

/** Sorts by a column; what has no figure comes last either way. @param {Cell[]} cells */
function sorted(cells) {
  const column = COLUMNS.find(([name]) => name === state.get("sort"));
  if (!column) return cells;
  const down = state.get("dir") === "down";
  const value = (/** @type {Cell} */ cell) => {
    const figure = cell[column[0]];
    return typeof figure === "number" ? figure : undefined;
  };
  return [...cells].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    return down ? y - x : x - y;
  });
}

/** @param {[string, string]} column */
function sortButton([key, text]) {
  const active = state.get("sort") === key;
  const down = state.get("dir") === "down";
  const arrow = active ? (down ? "▼" : "▲") : "";
  const next = active && !down ? "down" : "up";
  return h("th", { scope: "col", class: "n", "aria-sort": active ? (down ? "descending" : "ascending") : undefined },
    h("button", { type: "button", "data-sort": key, onclick: () => {
      state.set({ sort: key, dir: next });
      const button = document.querySelector(`[data-sort="${key}"]`);
      if (button instanceof HTMLElement) button.focus();
    } }, text, arrow && h("span", { "aria-hidden": "true" }, arrow)));
}

/** A block for each task and protection, whose cells may be ranked among each other. @param {Cell[]} cells */
export function cellTable(cells) {
  const across = state.get("across") === "1";
  const label = conditions(run(cells));
  /** @type {(() => HTMLElement)[]} */
  const rows = [];
  for (const block of grouped(cells, (cell) => (across ? `${cell.task}` : `${cell.task}\n${cell.group}`)).values()) {
    const [first] = block;
    rows.push(() => h("tr", { class: "head" }, h("th", { colspan: COLUMNS.length + 2, scope: "rowgroup" },
      h("strong", {}, taskTitle(first)), " ",
      across ? "all protections in one order" : [badge(first), first.group === undefined ? "" : GROUPS[first.group].protection])));
    for (const cell of sorted(run(block))) rows.push(() => cellRow(cell, label));
    for (const refusal of refusalsOf(block)) {
      rows.push(() => h("tr", { class: "refused" }, h("th", { scope: "row" }, refusalLabel(refusal)),
        h("td", { class: "wrap", colspan: COLUMNS.length + 1 }, refusalText(refusal))));
    }
  }
  const body = h("tbody");
  const table = scrolling("All cells", h("table", { class: "sticky" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Cell"), COLUMNS.map(sortButton), h("th", { scope: "col" }, "Status"))), body));
  let shown = 0;
  const more = h("button", { type: "button", class: "more", onclick: () => grow() });
  const grow = () => {
    body.append(...rows.slice(shown, shown + MOST_ROWS).map((row) => row()));
    shown += MOST_ROWS;
    more.hidden = shown >= rows.length;
    more.textContent = `Show ${Math.min(MOST_ROWS, rows.length - shown)} more of ${count(rows.length - shown)} rows`;
  };
  grow();
  return [table, more];
}

/** @param {Cell} cell @param {(cell: Cell) => string} label */
function cellRow(cell, label) {
  return h("tr", {},
    h("th", { scope: "row" }, badge(cell), cellLink(cell), " ", h("small", {}, label(cell))),
    COLUMNS.map(([name]) => {
      const note = under(cell, name);
      return h("td", { class: "n", "data-column": name }, written(cell, name), note && [h("br"), h("small", {}, note)]);
    }),
    h("td", { class: "wrap" }, cell.ending === undefined ? (cell.wrong && h("span", { class: "fail" }, cell.wrong)) ?? cell.busy ?? "ok" : [failureMark(cell), h("br"), h("small", {}, cell.detail)]));
}
