// Latency against throughput as the batch grows, and from which batch one backend overtakes another.

const batch = {
  title: "Batches",
  mount(root) {
    root.append(h("h2", {}, "Latency against throughput"),
      h("p", { class: "note" }, "A line is one backend under one set of conditions; along it the batch grows, and its number stands at the mark. Upper left is better among lines of one letter. Dashed lines are other links than loopback."));
    const [body, even] = [h("div"), h("div")];
    root.append(body, h("h2", {}, "From which batch one overtakes another"),
      h("p", { class: "note" }, "Measured: by offline and online time of a batch, where the order of two backends changes once and for good. The true point lies after the last batch that is still slower."),
      h("div", { class: "controls" }, toggle("Also between different protections", "foreign")), even);
    return (cells) => {
      const measured = cells.filter((cell) => cell.online_wall_ns !== undefined && cell.images_per_second_sustained !== undefined);
      body.replaceChildren(...(measured.length ? [shapeLegend(measured), batchCharts(measured)] : [nothing("No cell fits the filter.")]));
      even.replaceChildren(evenTable(new Set(cells.map((cell) => cell.cell))));
    };
  },
};

function batchCharts(cells) {
  const fields = byField(cells);
  const width = chartWidth(fields.size > 1 ? 2 : 1);
  return h("div", { class: "small-multiples" }, [...fields].map(([name, cells]) => {
    const lines = new Map();
    for (const cell of cells) {
      const key = [cell.backend, cell.threads, cell.link, cell.seed].join("/");
      if (!lines.has(key)) lines.set(key, []);
      lines.get(key).push(cell);
    }
    const label = conditions(cells.map((cell) => ({ ...cell, batch: 0, images: 0 })));
    const series = [...lines.values()].map((line) => ({
      colour: colour(line[0]), shape: shapeOf(line[0]), line: "line", dash: line[0].link === "loopback" ? undefined : "5 4",
      points: line.sort((a, b) => a.batch - b.batch).map((cell) => ({ x: cell.online_wall_ns, y: cell.images_per_second_sustained,
        label: count(cell.batch), href: cellHref(cell),
        title: `${cell.backend}, batch ${count(cell.batch)}${label(cell) && `, ${label(cell)}`}: ${duration(cell.online_wall_ns)}, ${figures(cell.images_per_second_sustained)} images a second` })),
    }));
    return h("figure", {}, h("h3", {}, name),
      chart(`${name}: latency against throughput`, width, Math.min(360, width * 0.85), { name: "online time of a batch", tick: duration }, { name: "images a second, offline and online", tick: figures }, series),
      asTable(name, ["Cell", "Batch", "Latency", "Images a second"], () => cells.map((cell) => [cell.cell, count(cell.batch), duration(cell.online_wall_ns), figures(cell.images_per_second_sustained)]), [1, 2, 3]));
  }));
}

function evenTable(shown) {
  const all = DATA.break_even.filter((point) => shown.has(point.winner) && shown.has(point.loser));
  const points = all.filter((point) => point.same_protection || state.get("foreign") === "1");
  const hidden = all.length - points.length;
  const note = hidden > 0 && h("p", { class: "note" }, `${count(hidden)} between different protections are not shown.`);
  if (!points.length) return h("div", {}, h("p", { class: "note" }, "No two backends of one protection change places among the measured batches."), note);
  const rows = points.map((point) => {
    const [winner, loser] = [CELLS.get(point.winner), CELLS.get(point.loser)];
    return [field(winner), `${winner.backend} (${winner.letter})`, `${loser.backend} (${loser.letter})`, `batch ${count(point.batch)}`,
      `batch ${count(point.still_slower_at)}`, winner.link, point.same_protection ? "the same" : "different: where costs cross, not which is better"];
  });
  return h("div", {}, plainTable("Break-even batches", ["Network", "Overtakes", "Overtaken", "From", "Still slower at", "Link", "Protection"], rows.slice(0, 60)),
    rows.length > 60 && h("p", { class: "note" }, `${count(rows.length - 60)} more; filter to see them.`), note);
}
