// What each layer of the network costs.

import { barList, scale, segment } from "../bars.js";
import { choice, toggle } from "../controls.js";
import { PHASES } from "../data.js";
import { asTable, h, nothing } from "../dom.js";
import { duration, given } from "../format.js";
import { badge, colour, conditions, linkLegend, taskTitle } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

register({
  key: "layers",
  title: "Layers",
  mount(root) {
    root.append(h("h2", {}, "Layer by layer"),
      h("p", { class: "note" }, "Median time in one batch. Of each layer, the role that spends most time on it: what runs at once in several roles is counted once."),
      h("div", { class: "controls" }, choice("Phase", "phase", PHASES.map((phase) => [phase, phase])), toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => body.replaceChildren(cells.length ? layerFigure(cells) : nothing("No cell fits the filter."));
  },
});

/** Of each layer the span of the role that spends most time on it. @param {Cell} cell @param {string} phase */
function layersOf(cell, phase) {
  /** @type {Map<string, Span>} */
  const byLayer = new Map();
  for (const span of cell.spans) {
    if (span.phase !== phase || !span.span.startsWith("layer:")) continue;
    const known = byLayer.get(span.span);
    if (!known || (span.wall ?? 0) > (known.wall ?? 0)) byLayer.set(span.span, span);
  }
  return [...byLayer.values()];
}

/** @param {Cell[]} cells */
function layerFigure(cells) {
  const phase = state.get("phase");
  const label = conditions(cells);
  /** @type {BarRow[]} */
  const rows = [];
  const lists = cells.map((cell) => ({ cell, spans: layersOf(cell, phase) })).filter(({ spans }) => spans.length);
  if (!lists.length) return nothing("No cell that fits the filter names layers in this phase.");
  const axis = scale(lists.flatMap(({ spans }) => spans.map((span) => span.wall ?? 0)), { log: state.get("log") === "1", tick: duration });
  for (const { cell, spans } of lists) {
    const sum = spans.reduce((total, span) => total + (span.wall ?? 0), 0);
    rows.push({ head: [badge(cell), `${cell.backend} · ${taskTitle(cell)} `, h("small", { class: "note" }, label(cell))] });
    for (const span of spans) {
      rows.push({ label: span.span.slice(6), sub: span.role, value: given(span.wall, duration), link: cell.link,
        note: sum > 0 ? `${((100 * (span.wall ?? 0)) / sum).toFixed(0)} % of the layers` : "",
        marks: segment(axis, 0, span.wall ?? 0, "online", colour(cell), `${span.span}: ${given(span.wall, duration)}`) });
    }
  }
  return h("figure", {}, linkLegend(lists.map(({ cell }) => cell)), barList("Time by layer", rows, axis),
    asTable("Time by layer", ["Cell", "Layer", "Role", "Time"], () => lists.flatMap(({ cell, spans }) =>
      spans.map((span) => [cell.cell, span.span.slice(6), span.role, given(span.wall, duration)])), [3]));
}
