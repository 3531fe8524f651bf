// Latency against throughput as the batch grows, and from which batch one backend overtakes another.

import { chart, chartWidth, shapeLegend, shapeOf } from "../chart.js";
import { toggle } from "../controls.js";
import { byTask, CELLS, DATA, grouped, written } from "../data.js";
import { asTable, h, nothing, plainTable } from "../dom.js";
import { count, duration, figures } from "../format.js";
import { cellHref, colour, conditions, linkLegend, taskTitle } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

const MOST_POINTS = 60;

/** @param {Cell} cell */
const measured = (cell) => cell.online_wall_ns !== undefined && cell.images_per_second_sustained !== undefined;

register({
  key: "batches",
  title: "Batches",
  mount(root) {
    root.append(h("h2", {}, "Latency against throughput"),
      h("p", { class: "note" }, "A line is one backend and network under one set of conditions; along it the batch grows, and its number stands at the mark. Upper left is better among lines of one letter and one network."));
    const [body, even] = [h("div"), h("div")];
    root.append(body, h("h2", {}, "From which batch one overtakes another"),
      h("p", { class: "note" }, "Measured: by offline and online time of a batch, where the order of two backends changes once and for good. The true point lies after the last batch that is still slower."),
      h("div", { class: "controls" }, toggle("Also between different protections", "foreign")), even);
    return (cells) => {
      const shown = cells.filter(measured);
      body.replaceChildren();
      if (shown.length) body.append(shapeLegend(shown), linkLegend(shown) ?? "", charts(shown));
      else body.append(nothing("No cell fits the filter."));
      even.replaceChildren(evenTable(new Set(cells.map((cell) => cell.cell))));
    };
  },
});

/** @param {Cell[]} cells */
function charts(cells) {
  const tasks = [...byTask(cells).values()];
  const width = chartWidth(tasks.length > 1 ? 2 : 1);
  return h("div", { class: "small-multiples" }, tasks.map((cells) => {
    const name = taskTitle(cells[0]);
    const label = conditions(cells.map((cell) => ({ ...cell, batch: 0, images: 0 })));
    /** @type {Series[]} */
    const series = [...grouped(cells, (cell) => [cell.backend, cell.network, cell.threads, cell.link, cell.seed].join("/")).values()].map((line) => ({
      colour: colour(line[0]), shape: shapeOf(line[0]), line: "line", link: line[0].link,
      points: [...line].sort((a, b) => a.batch - b.batch).map((cell) => ({ x: cell.online_wall_ns ?? 0, y: cell.images_per_second_sustained ?? 0,
        label: count(cell.batch), href: cellHref(cell),
        title: `${cell.backend}, batch ${count(cell.batch)}${label(cell) && `, ${label(cell)}`}: ${written(cell, "online_wall_ns")}, ${written(cell, "images_per_second_sustained")} images per second` })),
    }));
    return h("figure", {}, h("h3", {}, name),
      chart(`${name}: latency against throughput`, width, Math.min(360, width * 0.85), { name: "online time of a batch", tick: duration }, { name: "images per second, offline and online", tick: figures }, series),
      asTable(name, ["Cell", "Batch", "Latency", "Images per second"], () => cells.map((cell) => [cell.cell, count(cell.batch), written(cell, "online_wall_ns"), written(cell, "images_per_second_sustained")]), [1, 2, 3]));
  }));
}

/** @param {Set<string>} shown ids of the cells that fit the filter */
function evenTable(shown) {
  const all = DATA.break_even.filter((point) => shown.has(point.winner) && shown.has(point.loser));
  const points = all.filter((point) => point.same_protection || state.get("foreign") === "1");
  const hidden = all.length - points.length;
  const note = hidden > 0 && h("p", { class: "note" }, `${count(hidden)} between different protections are not shown.`);
  if (!points.length) return h("div", {}, h("p", { class: "note" }, "No two backends of one protection change places among the measured batches."), note);
  const rows = points.flatMap((point) => {
    const [winner, loser] = [CELLS.get(point.winner), CELLS.get(point.loser)];
    if (!winner || !loser) return [];
    return [[`${taskTitle(winner)}${winner.twin ? ", polynomials" : ""}`, `${winner.backend} (${winner.letter})`, `${loser.backend} (${loser.letter})`, `batch ${count(point.batch)}`,
      `batch ${count(point.still_slower_at)}`, winner.link, point.same_protection ? "the same" : "different: where costs cross, not which is better"]];
  });
  return h("div", {}, plainTable("Break-even batches", ["Network", "Overtakes", "Overtaken", "From", "Still slower at", "Link", "Protection"], rows.slice(0, MOST_POINTS)),
    rows.length > MOST_POINTS && h("p", { class: "note" }, `${count(rows.length - MOST_POINTS)} more; filter to see them.`), note);
}
