// Task by backend at a glance, and every cell below.

import { choice, toggle } from "../controls.js";
import { byTask, grouped, GROUPS, DATA } from "../data.js";
import { h, nothing, scrolling } from "../dom.js";
import { count } from "../format.js";
import { badge, cellHref, failureMark, protections } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";
import { cellTable } from "../tables.js";

const METRICS = [
  ["online_wall_ns", "Latency, online"], ["images_per_second_sustained", "Throughput, offline and online"], ["work_bytes", "Communication, offline and online"],
  ["peak_rss_bytes", "Memory, largest role"], ["agreement", "Agreement with the clear network"], ["accuracy", "Accuracy"],
  ["security_bits", "Security bits"],
];

/** A figure and what stands below it. @param {Cell} cell @param {string} key @returns {[string | undefined, string | undefined]} */
function metric({ text, group, synthetic }, key) {
  switch (key) {
    case "online_wall_ns": return [text.online_wall_ns, text.online_wall_ns_interval];
    case "images_per_second_sustained": return [text[key] && `${text[key]}/s`, "images, offline and online"];
    case "work_bytes": return [text.work_bytes, text.online_rounds && `${text.online_rounds} rounds online`];
    case "peak_rss_bytes": return [text.peak_rss_bytes, undefined];
    case "agreement": return [text.agreement, text.max_logit_error && `logits within ${text.max_logit_error}`];
    case "accuracy": return [text.accuracy, synthetic ? "generated images" : text.accuracy_interval];
    default: return [text.security_bits && `${text.security_bits} bits`, group !== undefined && GROUPS[group].simulated ? "simulated" : undefined];
  }
}

/** @param {Cell[]} cells */
function matrix(cells) {
  const key = state.get("metric");
  const columns = [...grouped(cells, (cell) => cell.backend).values()].map(([first]) => first)
    .sort((a, b) => (a.group ?? 0) - (b.group ?? 0) || (a.backend < b.backend ? -1 : 1));
  const name = METRICS.find(([metric]) => metric === key)?.[1] ?? "";
  return scrolling(`${name} by task and backend`, h("table", { class: "matrix sticky" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Network"),
      columns.map((cell) => h("th", { scope: "col" }, badge(cell), cell.backend)))),
    h("tbody", {}, [...byTask(cells)].map(([task, own]) => h("tr", {},
      h("th", { scope: "row" }, DATA.tasks[task].network, h("br"), h("small", {}, DATA.tasks[task].dataset, DATA.tasks[task].machine && ` · on ${DATA.tasks[task].machine}`)),
      columns.map(({ backend }) => h("td", {}, field(own.filter((cell) => cell.backend === backend), key))))))));
}

/** One backend on one task: the network, and its twin with polynomials. @param {Cell[]} cells @param {string} key */
function field(cells, key) {
  if (!cells.length) return h("small", {}, "not run");
  const best = [...grouped(cells, (cell) => cell.network).values()].map((own) => own.reduce((best, cell) => (cell.rank < best.rank ? cell : best)));
  return best.map((cell) => h("div", { class: cell.twin ? "twin" : undefined }, entry(cell, key)));
}

/** @param {Cell} cell @param {string} key @returns {Child[]} */
function entry(cell, key) {
  const [value, note] = metric(cell, key);
  const where = [cell.twin && "polynomials", cell.batch > 1 && `batch ${count(cell.batch)}`, cell.link !== "loopback" && cell.link].filter(Boolean).join(", ");
  const below = where && h("small", {}, where);
  if (value === undefined) {
    return [failureMark(cell) ?? "–", h("small", {}, h("a", { href: cellHref(cell) }, cell.ending === undefined ? "not measured" : "why")), below];
  }
  return [h("a", { class: "big", href: cellHref(cell) }, value), note && h("small", {}, note), below, cell.wrong && h("span", { class: "fail", title: cell.wrong }, "wrong"), failureMark(cell)];
}

register({
  key: "overview",
  title: "Overview",
  mount(root) {
    root.append(h("h2", {}, "At a glance"),
      h("p", { class: "note" }, "A row is one task: a network, and below it its twin with polynomials. Each field shows one cell of both: on loopback and of batch 1, or what it says otherwise. Columns of different letters protect against different things, so a row is no ranking."),
      h("div", { class: "controls" }, choice("Show", "metric", METRICS)));
    const [glance, meaning, all] = [h("div"), h("div"), h("div")];
    root.append(glance, meaning, h("h2", {}, "All cells"),
      h("p", { class: "note" }, "Times and bytes are of one batch, setup of one session; below a median stands its 95 % interval. A column's heading sorts by it. What a backend does not run is said once for each network."),
      h("div", { class: "controls" }, toggle("Rank across protections", "across")), all);
    return (cells) => {
      glance.replaceChildren(cells.length ? matrix(cells) : nothing("No cell fits the filter."));
      meaning.replaceChildren(protections(cells));
      all.replaceChildren();
      if (state.get("across") === "1") {
        all.append(h("p", { class: "banner", role: "status" },
          "This order mixes backends of different protection. A faster row that trusts more is not better; read the letter first."));
      }
      if (cells.length) all.append(...cellTable(cells));
    };
  },
});
