// Points and lines over two axes, as SVG at the width there is.

import { clamp, scale } from "./bars.js";
import { ORDERED } from "./data.js";
import { h, part, svg } from "./dom.js";
import { badge, colour, cutOf, dashOf } from "./labels.js";

/** @type {((x: number, y: number) => SVGElement)[]} */
const SHAPES = [
  (x, y) => svg("circle", { class: "mark", cx: x, cy: y, r: 5 }),
  (x, y) => svg("rect", { class: "mark", x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
  (x, y) => svg("path", { class: "mark", d: `M${x} ${y - 6}l5.5 10h-11z` }),
  (x, y) => svg("path", { class: "mark", d: `M${x} ${y - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z` }),
  (x, y) => svg("path", { class: "mark", d: `M${x} ${y + 6}l5.5 -10h-11z` }),
  (x, y) => svg("path", { class: "mark", d: `M${x - 6} ${y - 2}h4v-4h4v4h4v4h-4v4h-4v-4h-4z` }),
  (x, y) => svg("path", { class: "mark", d: `M${x - 5} ${y + 4}l2 -8h6l2 8z` }),
];

/** @param {ChartAxis} axis @param {number[]} all @returns {Scale} */
function spread(axis, all) {
  const values = all.filter((value) => Number.isFinite(value) && value > 0);
  if (axis.linear) return scale(values, { tick: axis.tick, to: Math.max(...values, 1e-9) * 1.08 });
  const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [1, 10];
  const [low, high] = most / least < 3 ? [least / 1.8, most * 1.8] : [least / 1.35, most * 1.35];
  const decades = Math.log10(high / low);
  const ticks = [];
  const factors = decades < 1.3 ? [1, 2, 5] : [1];
  const stride = Math.ceil(decades / 6);
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += stride) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) ticks.push(value);
    }
  }
  return { at: (value) => clamp(Math.log10(Math.max(value, low) / low) / decades), ticks, tick: axis.tick };
}

/**
 * Series of points, joined by a line if they say so. Both axes are logarithmic unless `linear`.
 * @param {string} name
 * @param {number} width
 * @param {number} height
 * @param {ChartAxis} xAxis
 * @param {ChartAxis} yAxis
 * @param {Series[]} series
 */
export function chart(name, width, height, xAxis, yAxis, series) {
  const left = 64, right = 18, top = 18, bottom = 46;
  const points = series.flatMap((one) => one.points);
  const [xs, ys] = [spread(xAxis, points.map((point) => point.x)), spread(yAxis, points.map((point) => point.y))];
  const px = (/** @type {number} */ value) => left + xs.at(value) * (width - left - right);
  const py = (/** @type {number} */ value) => height - bottom - ys.at(value) * (height - top - bottom);
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": name });
  for (const value of xs.ticks) {
    root.append(svg("line", { class: "grid", x1: px(value), x2: px(value), y1: top, y2: height - bottom }),
      svg("text", { x: px(value), y: height - bottom + 17, "text-anchor": "middle" }, xs.tick(value)));
  }
  for (const value of ys.ticks) {
    root.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: py(value), y2: py(value) }),
      svg("text", { x: left - 7, y: py(value) + 4, "text-anchor": "end" }, ys.tick(value)));
  }
  root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    svg("line", { class: "axis", x1: left, x2: left, y1: top, y2: height - bottom }),
    svg("text", { x: (left + width - right) / 2, y: height - 10, "text-anchor": "middle" }, xAxis.name),
    svg("text", { x: 4, y: 12 }, yAxis.name));
  for (const one of series) root.append(lines(one, px, py));
  const visible = (/** @type {Series} */ one) => one.points.filter((point) => !point.hidden);
  const taken = series.flatMap(visible).map((point) => [px(point.x), py(point.y)]).map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  for (const one of series) for (const point of visible(one)) root.append(markOf(one, point, px(point.x), py(point.y), width - right, taken));
  return root;
}

/** @param {Series} one @param {(value: number) => number} px @param {(value: number) => number} py */
function lines(one, px, py) {
  if (!one.line || one.points.length < 2) return "";
  const steps = one.points.map((point, index) => {
    const [x, y] = [px(point.x).toFixed(1), py(point.y).toFixed(1)];
    return index === 0 ? `M${x} ${y}` : one.line === "steps" ? `H${x}V${y}` : `L${x} ${y}`;
  });
  return svg("path", { d: steps.join(""), fill: "none", style: { stroke: one.colour }, "stroke-width": 1.75,
    "stroke-dasharray": dashOf(one.link) });
}

/** @param {Series} one @param {ChartPoint} point @param {number} x @param {number} y @param {number} edge @param {number[][]} taken */
function markOf(one, point, x, y, edge, taken) {
  const mark = SHAPES[(one.shape ?? 0) % SHAPES.length](x, y);
  const hollow = point.hollow;
  mark.style.fill = hollow ? "var(--card)" : one.colour;
  mark.style.stroke = hollow ? one.colour : "var(--card)";
  mark.setAttribute("stroke-width", hollow ? "2" : "1.25");
  const group = point.href ? svg("a", { href: point.href, "aria-label": point.title }) : svg("g");
  const cut = cutOf(one.link, x, y, hollow ? one.colour : "var(--card)");
  group.append(mark, ...(cut ? [cut] : []), svg("title", {}, point.title));
  if (point.ring) group.append(svg("circle", { cx: x, cy: y, r: 9.5, fill: "none", style: { stroke: "var(--bad)" }, "stroke-width": 2 }));
  if (point.label) {
    const wide = point.label.length * 6.6;
    const flip = x + 9 + wide > edge;
    const box = [flip ? x - 9 - wide : x + 9, y - 7, flip ? x - 9 : x + 9 + wide, y + 7];
    const free = taken.every(([a, b, c, d]) => box[2] < a || box[0] > c || box[3] < b || box[1] > d);
    if (free) {
      taken.push(box);
      group.append(svg("text", { class: "ink", x: flip ? x - 9 : x + 9, y: y + 4, "text-anchor": flip ? "end" : "start" }, point.label));
    }
  }
  return group;
}

/** The width a chart may take in a column of small multiples of the main part. */
export function chartWidth(columns = 1) {
  const main = part("main");
  const room = main.clientWidth - 2 * parseFloat(getComputedStyle(main).paddingLeft);
  const fit = Math.max(1, Math.min(columns, Math.floor((room + 24) / (480 + 24))));
  return Math.floor((room - (fit - 1) * 24) / fit);
}

/** Backends get a shape each, so that colour never speaks alone. */
const BACKENDS = [...new Set(ORDERED.map((cell) => cell.backend))].sort();

/** @param {Cell} cell */
export function shapeOf(cell) {
  return BACKENDS.indexOf(cell.backend);
}

/** @param {Cell[]} cells */
export function shapeLegend(cells) {
  const first = new Map(cells.map((cell) => [cell.backend, cell]));
  return h("ul", { class: "legend" }, [...first.values()].map((cell) => {
    const mark = SHAPES[shapeOf(cell) % SHAPES.length](8, 8);
    mark.style.fill = colour(cell);
    return h("li", {}, svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, mark), badge(cell), cell.backend);
  }));
}
