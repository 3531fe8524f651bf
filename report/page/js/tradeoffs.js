// Time against bytes and against trust: fronts within one threat model, never across.

/** Time and bytes of one image, with the offline phase if the reader counts it. */
function costs(cell) {
  const offline = state.get("offlinecounts") === "1";
  if (cell.online_wall_ns === undefined || cell.online_bytes === undefined) return undefined;
  return { cell, x: perImage(cell, offline ? (cell.online_occupancy_ns ?? cell.online_wall_ns) + (cell.offline_wall_ns ?? 0) : cell.online_wall_ns),
    y: perImage(cell, cell.online_bytes + (offline ? cell.offline_bytes ?? 0 : 0)) };
}

/** Of points of one protection and link, those that no other beats in both. */
function front(points) {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  let least = Infinity;
  return sorted.filter((point) => {
    const better = point.y < least;
    least = Math.min(least, point.y);
    return better;
  });
}

const tradeoffs = {
  title: "Trade-offs",
  mount(root) {
    root.append(h("h2", {}, "Time against bytes"),
      h("p", { class: "note" }, "Costs of one image. Full marks with a line are a Pareto front: of their protection and link, no other is better in both. Hollow marks are beaten. No line joins two letters, because less trust is not a cost that either axis shows."),
      h("div", { class: "controls" }, toggle("Online and offline", "offlinecounts")));
    const [bytes, trust] = [h("div"), h("div")];
    root.append(bytes, h("h2", {}, "Time against trust"),
      h("p", { class: "note" }, "One block for each threat model, in no order of merit: what it asks you to trust, and the fastest of it. Within a block the first is the front."), trust);
    return (cells) => {
      const points = cells.map(costs).filter(Boolean);
      if (!points.length) {
        bytes.replaceChildren(nothing("No measured cell fits the filter."));
        trust.replaceChildren();
        return;
      }
      bytes.replaceChildren(shapeLegend(points.map((point) => point.cell)), paretoCharts(points));
      trust.replaceChildren(trustFigure(points));
    };
  },
};

function paretoCharts(points) {
  const fields = new Map();
  for (const point of points) {
    const key = field(point.cell);
    if (!fields.has(key)) fields.set(key, []);
    fields.get(key).push(point);
  }
  const width = chartWidth(fields.size > 1 ? 2 : 1);
  return h("div", { class: "small-multiples" }, [...fields].map(([name, points]) => {
    const kinds = new Map();
    for (const point of points) {
      const key = `${point.cell.group}/${point.cell.link}`;
      if (!kinds.has(key)) kinds.set(key, []);
      kinds.get(key).push(point);
    }
    const label = conditions(points.map((point) => point.cell));
    const series = [];
    const best = [];
    for (const kind of kinds.values()) {
      const efficient = front(kind);
      best.push(...efficient);
      const mark = (hollow) => (point) => ({ ...point, hollow, href: cellHref(point.cell), label: hollow ? "" : `batch ${count(point.cell.batch)}`,
        title: `${point.cell.backend}, ${label(point.cell)}: ${duration(point.x)} and ${size(point.y)} an image${hollow ? "" : ", on the front"}` });
      for (const cell of new Map(kind.map((point) => [point.cell.backend, point.cell])).values()) {
        const own = (point) => point.cell.backend === cell.backend;
        series.push({ colour: colour(cell), shape: shapeOf(cell), points: kind.filter((point) => own(point) && !efficient.includes(point)).map(mark(true)) });
      }
      series.push({ colour: colour(kind[0].cell), line: "steps", dash: kind[0].cell.link === "loopback" ? undefined : "5 4", points: [], front: efficient });
      for (const point of efficient) series.push({ colour: colour(point.cell), shape: shapeOf(point.cell), points: [mark(false)(point)] });
    }
    for (const one of series.filter((one) => one.front)) {
      one.points = one.front.map((point) => ({ x: point.x, y: point.y, title: "", hidden: true }));
    }
    return h("figure", {}, h("h3", {}, name),
      chart(`${name}: time against bytes`, width, Math.min(380, width * 0.9), { name: "time of one image", tick: duration }, { name: "bytes of one image", tick: size }, series),
      asTable(`${name}: fronts`, ["Cell", "Protection", "Time", "Bytes", "On the front"], () => points.map((point) =>
        [point.cell.cell, point.cell.letter, duration(point.x), size(point.y), best.includes(point) ? "yes" : "no"]), [2, 3]));
  }));
}

function trustFigure(points) {
  const axis = scale(points.map((point) => point.x), { log: true, tick: duration });
  const rows = [];
  const label = conditions(points.map((point) => point.cell));
  GROUPS.forEach((group, index) => {
    const own = points.filter((point) => point.cell.group === index);
    if (!own.length) return;
    rows.push({ head: [badge(own[0].cell), `${group.technology}: `, h("span", { class: "note" }, group.protection)] });
    const fastest = new Map();
    for (const point of own) {
      const key = `${field(point.cell)}\n${point.cell.backend}`;
      if (!(fastest.get(key)?.x <= point.x)) fastest.set(key, point);
    }
    for (const point of [...fastest.values()].sort((a, b) => compareText(field(a.cell), field(b.cell)) || a.x - b.x)) {
      rows.push({ label: cellLink(point.cell), sub: [field(point.cell), label(point.cell)].filter(Boolean).join(", "), value: duration(point.x),
        marks: [h("span", { class: "dot", style: { left: pc(axis.at(point.x)), "--g": colour(point.cell) } })] });
    }
  });
  return h("figure", {}, barList("Fastest time of one image by threat model", rows, axis),
    h("figcaption", {}, "Time of one image at the fastest measured batch and link of each backend and network."));
}
