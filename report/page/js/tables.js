// The table of all cells: sorted by a column, within a protection unless asked otherwise.

const interval = (low, high, format) => (low === undefined ? "" : `${format(low)} to ${format(high)}`);

/** Key, heading, figure, text, and whether larger is better. */
const COLUMNS = [
  ["online_wall_ns", "Latency, online", (c) => c.online_wall_ns, duration, false],
  ["offline_wall_ns", "Offline", (c) => c.offline_wall_ns, duration, false],
  ["setup_wall_ns", "Set-up", (c) => c.setup_wall_ns, duration, false],
  ["images_per_second_sustained", "Images a second, offline and online", (c) => c.images_per_second_sustained, figures, true],
  ["online_bytes", "Bytes, online", (c) => c.online_bytes, size, false],
  ["offline_bytes", "Bytes, offline", (c) => c.offline_bytes, size, false],
  ["online_rounds", "Rounds", (c) => c.online_rounds, count, false],
  ["peak_rss_bytes", "Memory, largest role", (c) => c.peak_rss_bytes, size, false],
  ["agreement", "Agreement", (c) => c.agreement, percent, true],
  ["accuracy", "Accuracy", (c) => c.accuracy, percent, true],
  ["max_logit_error", "Logit error", (c) => c.max_logit_error, small, false],
  ["security_bits", "Security bits", (c) => c.security_bits, String, true],
];

const MOST_ROWS = 60;

function under(cell, key) {
  if (key === "online_wall_ns") {
    if (cell.online_wall_ns === undefined && cell.cold_online_wall_ns !== undefined) return `cold only: ${duration(cell.cold_online_wall_ns)}`;
    const outliers = cell.outliers > 0 ? `${count(cell.outliers)} outlier${cell.outliers === 1 ? "" : "s"}, kept` : "";
    return [interval(cell.online_wall_ns_low, cell.online_wall_ns_high, duration), outliers].filter(Boolean).join("; ");
  }
  if (key === "accuracy") return interval(cell.accuracy_low, cell.accuracy_high, percent);
  if (key === "agreement") return interval(cell.agreement_low, cell.agreement_high, percent);
  return "";
}

/** Sorts by a column; what has no figure comes last either way. */
function sorted(cells, key, down) {
  const column = COLUMNS.find(([name]) => name === key);
  if (!column) return cells;
  const of = (cell) => (typeof column[2](cell) === "number" ? column[2](cell) : undefined);
  return cells.map((cell, index) => [of(cell), index, cell]).sort(([a, i], [b, j]) => {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || i - j;
    return (down ? b - a : a - b) || i - j;
  }).map(([, , cell]) => cell);
}

function sortButton([key, text]) {
  const active = state.get("sort") === key;
  const down = state.get("dir") === "down";
  const arrow = active ? (down ? "▼" : "▲") : "";
  const next = active && !down ? "down" : "up";
  return h("th", { scope: "col", class: "n", "aria-sort": active ? (down ? "descending" : "ascending") : undefined },
    h("button", { type: "button", "data-sort": key, onclick: () => {
      state.set({ sort: key, dir: next });
      document.querySelector(`[data-sort="${key}"]`)?.focus();
    } }, text, arrow && h("span", { "aria-hidden": "true" }, arrow)));
}

/** Blocks of cells that may be ranked among each other, each with a heading. */
function blocks(cells) {
  const found = new Map();
  const across = state.get("across") === "1";
  for (const cell of cells) {
    const key = across ? field(cell) : `${field(cell)}\n${cell.group}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(cell);
  }
  return [...found.values()];
}

function cellTable(cells) {
  const [key, down] = [state.get("sort"), state.get("dir") === "down"];
  const across = state.get("across") === "1";
  const label = conditions(cells);
  const rows = [];
  for (const block of blocks(cells)) {
    const [first] = block;
    rows.push(() => h("tr", { class: "head" }, h("th", { colspan: COLUMNS.length + 2, scope: "rowgroup" },
      h("strong", {}, field(first)), " ",
      across ? "all protections in one order" : [badge(first), GROUPS[first.group]?.protection])));
    for (const cell of sorted(block, key, down)) rows.push(() => cellRow(cell, label));
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

function cellRow(cell, label) {
  return h("tr", {},
    h("th", { scope: "row" }, badge(cell), cellLink(cell), " ", h("small", {}, label(cell))),
    COLUMNS.map(([name, , of, format]) => {
      const note = under(cell, name);
      return h("td", { class: "n", "data-column": name }, given(of(cell), format), note && [h("br"), h("small", {}, note)]);
    }),
    h("td", { class: "wrap" }, cell.status === "ok" ? "ok" : [failureMark(cell), h("br"), h("small", {}, cell.detail)]));
}
