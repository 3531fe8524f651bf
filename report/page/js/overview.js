// Network by backend at a glance, and every cell below.

const METRICS = [
  ["online_wall_ns", "Latency, online"], ["images_per_second_sustained", "Throughput, offline and online"], ["total_bytes", "Communication, offline and online"],
  ["peak_rss_bytes", "Memory, largest role"], ["agreement", "Agreement with the clear network"], ["accuracy", "Accuracy"],
  ["security_bits", "Security bits"],
];

function metric(cell, key) {
  switch (key) {
    case "online_wall_ns": return [cell.online_wall_ns, duration, interval(cell.online_wall_ns_low, cell.online_wall_ns_high, duration)];
    case "images_per_second_sustained": return [cell.images_per_second_sustained, (v) => `${figures(v)}/s`, "images, offline and online"];
    case "total_bytes": {
      const total = cell.online_bytes === undefined ? undefined : cell.online_bytes + (cell.offline_bytes ?? 0);
      return [total, size, cell.online_rounds === undefined ? "" : `${count(cell.online_rounds)} rounds online`];
    }
    case "peak_rss_bytes": return [cell.peak_rss_bytes, size, ""];
    case "agreement": return [cell.agreement, percent, cell.max_logit_error === undefined ? "" : `logits within ${small(cell.max_logit_error)}`];
    case "accuracy": return [cell.accuracy, percent, cell.synthetic ? "generated images" : interval(cell.accuracy_low, cell.accuracy_high, percent)];
    default: return [cell.security_bits, (v) => `${v} bits`, GROUPS[cell.group]?.simulated ? "simulated" : ""];
  }
}

/** Of the cells of one network and backend: loopback first, what worked, the smallest batch, the fewest threads. */
function representative(cells) {
  const order = (cell) => [cell.link === "loopback" ? 0 : 1, cell.status === "ok" ? 0 : 1, cell.batch, cell.threads];
  return cells.reduce((best, cell) => {
    const [a, b] = [order(cell), order(best)];
    const at = a.findIndex((value, index) => value !== b[index]);
    return at >= 0 && a[at] < b[at] ? cell : best;
  });
}

function matrix(cells) {
  const key = state.get("metric");
  const fields = [...byField(cells).keys()];
  const columns = new Map();
  const places = new Map();
  for (const cell of cells) {
    const column = `${cell.group}\n${cell.backend}`;
    columns.set(column, cell);
    const place = `${field(cell)}\n${column}`;
    if (!places.has(place)) places.set(place, []);
    places.get(place).push(cell);
  }
  const order = [...columns.entries()].sort(([, a], [, b]) => a.group - b.group || compareText(a.backend, b.backend));
  const name = METRICS.find(([metric]) => metric === key)?.[1] ?? "";
  return scrolling(`${name} by network and backend`, h("table", { class: "matrix sticky" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Network"),
      order.map(([, cell]) => h("th", { scope: "col" }, badge(cell), cell.backend)))),
    h("tbody", {}, fields.map((name) => h("tr", {},
      h("th", { scope: "row" }, name.split(" · ")[0], h("br"), h("small", {}, name.split(" · ")[1])),
      order.map(([column]) => h("td", {}, matrixCell(places.get(`${name}\n${column}`), key))))))));
}

function matrixCell(cells, key) {
  if (!cells) return h("small", {}, "not run");
  const cell = representative(cells);
  const [value, format, note] = metric(cell, key);
  const where = [cell.batch > 1 && `batch ${count(cell.batch)}`, cell.link !== "loopback" && cell.link].filter(Boolean).join(", ");
  if (value === undefined) {
    return [failureMark(cell) ?? "–", h("small", {}, note || h("a", { href: cellHref(cell) }, cell.status === "ok" ? "not measured" : "why"))];
  }
  return [h("a", { class: "big", href: cellHref(cell) }, format(value)), note && h("small", {}, note), where && h("small", {}, where), failureMark(cell)];
}

const overview = {
  title: "Overview",
  mount(root) {
    root.append(h("h2", {}, "At a glance"),
      h("p", { class: "note" }, "Each field shows one cell: on loopback and of batch 1, or what it says otherwise. Columns of different letters protect against different things, so a row is no ranking."),
      h("div", { class: "controls" }, choice("Show", "metric", METRICS)));
    const [glance, meaning, all] = [h("div"), h("div"), h("div")];
    root.append(glance, meaning, h("h2", {}, "All cells"),
      h("p", { class: "note" }, "Times and bytes are of one batch, set-up of one session; below a median stands its 95 % interval. A column's heading sorts by it."),
      h("div", { class: "controls" }, toggle("Rank across protections", "across")), all);
    return (cells) => {
      glance.replaceChildren(cells.length ? matrix(cells) : nothing("No cell fits the filter."));
      meaning.replaceChildren(protections(cells));
      const warning = state.get("across") === "1" && h("p", { class: "banner", role: "status" },
        "This order mixes threat models. A faster row that trusts more is not better; read the letter first.");
      all.replaceChildren(...[warning, cells.length && cellTable(cells)].flat().filter(Boolean));
    };
  },
};
