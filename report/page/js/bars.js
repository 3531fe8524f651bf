// Rows of horizontal bars that reflow on a narrow screen.

const MOST_BARS = 48;

/** Maps values to 0..1 and names its ticks. */
function scale(values, { log = false, from, to, tick }) {
  const shown = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
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

const clamp = (share) => Math.min(Math.max(share, 0), 1);

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
}

const pc = (share) => `${(share * 100).toFixed(3)}%`;

function axisRow(scale) {
  return h("li", { class: "axisrow", "aria-hidden": "true" }, h("span", { class: "label" }),
    h("div", { class: "ticks" }, scale.ticks.map((value) => h("span", { class: scale.at(value) > 0.94 ? "last" : undefined, style: { left: pc(scale.at(value)) } }, scale.tick(value)))),
    h("span", { class: "value" }));
}

/** One segment of a track from one value to another. */
function segment(scale, from, to, kind, colour, title, lane) {
  const [left, right] = [scale.at(from), scale.at(to)];
  const place = lane ? { top: pc(lane[0]), bottom: pc(1 - lane[1]) } : {};
  return h("span", { class: `seg ${kind}${lane ? " lane" : ""}`, title,
    style: { left: pc(left), width: pc(right - left), ...(colour && { "--g": colour }), ...place } });
}

/**
 * A list of bars. Rows are made when they are shown: each is a heading, a row or a function that gives rows. A row has `head` or `label`, `sub`, `marks` (elements within the track), `value`, `note`.
 * Long lists grow on demand.
 */
function barList(name, rows, scale, { wide = false, tall = false } = {}) {
  const list = h("ol", { class: `bars${wide ? " wide" : ""}`, "aria-label": name }, axisRow(scale));
  let shown = 0;
  const more = h("button", { type: "button", class: "more", onclick: () => grow() });
  const grow = () => {
    const next = rows.slice(shown, shown + MOST_BARS);
    const made = next.flatMap((row) => (typeof row === "function" ? row() : row));
    list.append(...made.map((row) => (row.head ? h("li", { class: "group" }, row.head) : barRow(row, tall))));
    shown += next.length;
    more.hidden = shown >= rows.length;
    more.textContent = `Show ${Math.min(MOST_BARS, rows.length - shown)} more of ${count(rows.length - shown)}`;
  };
  grow();
  return h("div", {}, list, more);
}

function barRow(row, tall) {
  return h("li", {},
    h("span", { class: "label" }, row.label, row.sub && h("small", {}, " ", row.sub)),
    h("div", { class: `track${tall ? " tall" : ""}`, "aria-hidden": "true" }, row.marks),
    h("span", { class: "value" }, row.value, row.note && h("small", {}, " ", row.note)));
}

/** Rows with a heading wherever the network changes. */
function headed(cells, row) {
  const rows = [];
  let last;
  for (const cell of cells) {
    if (field(cell) !== last) rows.push({ head: (last = field(cell)) });
    rows.push(() => row(cell));
  }
  return rows;
}

function cellLabel(cell) {
  return [badge(cell), cellLink(cell)];
}

function failureMark(cell) {
  const text = failure(cell);
  return text === "" ? null : h("span", { class: "fail", title: cell.detail }, text);
}

function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([kind, colour, text]) =>
    h("li", {}, h("span", { class: `swatch ${kind}`, style: { "--g": colour }, "aria-hidden": "true" }), text)));
}

const nothing = (text) => h("p", { class: "empty" }, text);
