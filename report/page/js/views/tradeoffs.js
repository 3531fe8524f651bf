// Time against bytes and against trust: fronts within one protection, never across.

import { barList, dot, scale } from "../bars.js";
import { chart, chartWidth, shapeLegend, shapeOf } from "../chart.js";
import { toggle } from "../controls.js";
import { grouped, GROUPS } from "../data.js";
import { asTable, h, nothing } from "../dom.js";
import { count, duration, size } from "../format.js";
import { badge, cellHref, cellLink, colour, conditions, linkLegend, taskTitle } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

/** @typedef {{ cell: Cell, x: number, y: number, best: boolean }} Costs Time and bytes of one image. */

/** Time and bytes of one image, with the offline phase if the reader counts it. @param {Cell} cell @returns {Costs[]} */
function costs(cell) {
  const cost = state.get("offlinecounts") === "1" ? cell.work : cell.online;
  return cost ? [{ cell, x: cost[0], y: cost[1], best: cost[2] === 1 }] : [];
}

register({
  key: "tradeoffs",
  title: "Trade-offs",
  mount(root) {
    root.append(h("h2", {}, "Time against bytes"),
      h("p", { class: "note" }, "Costs of one image. Full marks with a line are a Pareto front: of their protection, network, link and machine, no other cell of the run is better in both, whether the filter shows it or not. Hollow marks are beaten. No line joins two letters, because less trust is not a cost that either axis shows."),
      h("div", { class: "controls" }, toggle("Online and offline", "offlinecounts")));
    const [bytes, trust] = [h("div"), h("div")];
    root.append(bytes, h("h2", {}, "Time against trust"),
      h("p", { class: "note" }, "One block for each protection, in no order of merit: what it asks you to trust, and the fastest of it. Within a block the first is the front."), trust);
    return (cells) => {
      const points = cells.flatMap(costs);
      bytes.replaceChildren();
      trust.replaceChildren();
      if (!points.length) return bytes.append(nothing("No measured cell fits the filter."));
      const shown = points.map((point) => point.cell);
      bytes.append(shapeLegend(shown), linkLegend(shown) ?? "", paretoCharts(points));
      trust.append(trustFigure(points));
    };
  },
});

/** @param {Costs[]} points */
function paretoCharts(points) {
  const tasks = [...grouped(points, ({ cell }) => cell.task).values()];
  const width = chartWidth(tasks.length > 1 ? 2 : 1);
  return h("div", { class: "small-multiples" }, tasks.map((points) => {
    const name = taskTitle(points[0].cell);
    const label = conditions(points.map((point) => point.cell));
    const kinds = [...grouped(points, ({ cell }) => `${cell.group}/${cell.link}/${cell.network}`).values()];
    const series = kinds.flatMap((kind) => frontSeries(kind, label));
    return h("figure", {}, h("h3", {}, name),
      chart(`${name}: time against bytes`, width, Math.min(380, width * 0.9), { name: "time of one image", tick: duration }, { name: "bytes of one image", tick: size }, series),
      asTable(`${name}: fronts`, ["Cell", "Protection", "Time", "Bytes", "On the front"], () => points.map(({ cell, x, y, best }) =>
        [cell.cell, cell.letter, duration(x), size(y), best ? "yes" : "no"]), [2, 3]));
  }));
}

/** Of one protection, network, link and machine the front with its line, and behind it what is beaten. @param {Costs[]} points @param {(cell: Cell) => string} label @returns {Series[]} */
function frontSeries(points, label) {
  const front = points.filter(({ best }) => best).sort((a, b) => a.x - b.x);
  const beaten = points.filter(({ best }) => !best);
  const marks = [...beaten, ...front].map(({ cell, x, y, best }) => ({ colour: colour(cell), shape: shapeOf(cell), link: cell.link,
    points: [{ x, y, hollow: !best, href: cellHref(cell), label: best ? `batch ${count(cell.batch)}` : "",
      title: `${cell.backend}, ${label(cell)}: ${duration(x)} and ${size(y)} an image${best ? ", on the front" : ""}` }] }));
  const [first] = points;
  /** @type {Series} */
  const line = { colour: colour(first.cell), line: "steps", link: first.cell.link, points: front.map(({ x, y }) => ({ x, y, title: "", hidden: true })) };
  return [line, ...marks];
}

/** @param {Costs[]} points */
function trustFigure(points) {
  const axis = scale(points.map((point) => point.x), { log: true, tick: duration });
  /** @type {BarRow[]} */
  const rows = [];
  const label = conditions(points.map((point) => point.cell));
  GROUPS.forEach((group, index) => {
    const own = points.filter((point) => point.cell.group === index);
    if (!own.length) return;
    rows.push({ head: [badge(own[0].cell), `${group.technology}: `, h("span", { class: "note" }, group.protection)] });
    const fastest = [...grouped(own, ({ cell }) => `${cell.task}\n${cell.network}\n${cell.backend}`).values()]
      .map((points) => points.reduce((best, point) => (point.x < best.x ? point : best)));
    for (const { cell, x } of fastest.sort((a, b) => a.cell.task - b.cell.task || a.x - b.x)) {
      rows.push({ label: cellLink(cell), sub: [taskTitle(cell), label(cell)].filter(Boolean).join(", "), value: duration(x), marks: dot(axis.at(x), cell), link: cell.link });
    }
  });
  return h("figure", {}, barList("Fastest time of one image by protection", rows, axis),
    h("figcaption", {}, "Time of one image at the fastest measured batch and link of each backend and network."));
}
