// What each layer of the network costs.

const layers = {
  title: "Layers",
  mount(root) {
    root.append(h("h2", {}, "Layer by layer"),
      h("p", { class: "note" }, "Median time in one batch. Of each layer, the role that spends most time on it: what runs at once in several roles is counted once."),
      h("div", { class: "controls" }, choice("Phase", "phase", PHASES.map((phase) => [phase, phase])), toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => body.replaceChildren(cells.length ? layerFigure(cells) : nothing("No cell fits the filter."));
  },
};

/** Time of each layer, of the role that spends most on it. */
function layerFigure(cells) {
  const phase = state.get("phase");
  const label = conditions(cells);
  const rows = [];
  const values = [];
  const lists = cells.map((cell) => {
    const byLayer = new Map();
    for (const span of cell.spans) {
      if (span.phase !== phase || !span.span.startsWith("layer:")) continue;
      const known = byLayer.get(span.span);
      if (!known || (span.wall ?? 0) > (known.wall ?? 0)) byLayer.set(span.span, span);
    }
    values.push(...[...byLayer.values()].map((span) => span.wall ?? 0));
    return [cell, [...byLayer.values()]];
  });
  const axis = scale(values, { log: state.get("log") === "1", tick: duration });
  for (const [cell, spans] of lists) {
    if (!spans.length) continue;
    const sum = spans.reduce((total, span) => total + (span.wall ?? 0), 0);
    rows.push({ head: [badge(cell), `${cell.backend} · ${field(cell)} `, h("small", { class: "note" }, label(cell))] });
    for (const span of spans) {
      rows.push({ label: span.span.slice(6), sub: span.role, value: given(span.wall, duration),
        note: sum > 0 ? `${((100 * (span.wall ?? 0)) / sum).toFixed(0)} % of the layers` : "",
        marks: [segment(axis, 0, span.wall ?? 0, "online", colour(cell), `${span.span}: ${given(span.wall, duration)}`)] });
    }
  }
  if (!rows.length) return nothing("No cell that fits the filter names layers in this phase.");
  return h("figure", {}, barList("Time by layer", rows, axis),
    asTable("Time by layer", ["Cell", "Layer", "Role", "Time"], () => lists.flatMap(([cell, spans]) =>
      spans.map((span) => [cell.cell, span.span.slice(6), span.role, given(span.wall, duration)])), [3]));
}
