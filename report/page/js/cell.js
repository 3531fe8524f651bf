// One cell taken apart: every batch, span, byte and parameter behind its figures.

const cellView = {
  title: "Cell",
  filterless: true,
  mount(root) {
    const body = h("div");
    root.append(body);
    return () => {
      const cell = CELLS.get(state.get("cell"));
      body.replaceChildren(...(cell ? cellParts(cell) : [h("h2", {}, "No such cell"), h("p", {}, "The address names ", h("code", {}, state.get("cell") || "none"), ". ",
        h("a", { href: state.href({ view: "overview", cell: "" }) }, "All cells"))]));
    };
  },
};

function cellParts(cell) {
  const group = GROUPS[cell.group];
  const figure = (name, value, format, note) => h("div", {}, h("dt", {}, name), h("dd", {}, given(value, format), note && h("small", {}, note)));
  const samples = `${count(cell.warm_samples)} warm batches in ${count(cell.repetitions - cell.repetitions_failed)} sessions`;
  return [
    h("h2", {}, badge(cell), `${cell.backend} on ${field(cell)}`),
    h("p", { class: "note" }, `Batch ${count(cell.batch)}, ${cell.threads} thread${cell.threads === 1 ? "" : "s"} a role, ${cell.link}, ${count(cell.images)} images, seed ${cell.seed}. Protection ${group?.letter}: ${group?.technology}; ${group?.protection}.`),
    cell.status !== "ok" && h("p", {}, h("strong", { class: "fail" }, failure(cell)), cell.detail && `: ${cell.detail}`),
    cell.status === "ok" && cell.detail && h("p", { class: "note" }, cell.detail),
    h("dl", { class: "figures" },
      figure("Latency, online, at the data owner", cell.online_wall_ns, duration, interval(cell.online_wall_ns_low, cell.online_wall_ns_high, duration) || samples),
      figure("First batch, cold", cell.cold_online_wall_ns, duration, "never mixed with warm ones"),
      figure("Offline", cell.offline_wall_ns, duration), figure("Set-up", cell.setup_wall_ns, duration, "once a session"),
      figure("Images a second", cell.images_per_second_sustained, figures, "offline and online work of all roles"), figure("Images a second, online", cell.images_per_second, figures, "online time alone"),
      figure("Occupied, online", cell.online_occupancy_ns, duration, "from the first role's start to the last role's end"),
      figure("Bytes, online", cell.online_bytes, size, cell.online_rounds !== undefined ? `${count(cell.online_rounds)} rounds, ${given(cell.online_messages, count)} messages` : ""),
      figure("Bytes, offline", cell.offline_bytes, size), cell.online_local_bytes > 0 && figure("Bytes in shared memory, online", cell.online_local_bytes, size), figure("Bytes, set-up", cell.setup_bytes, size),
      figure("Memory, largest role", cell.peak_rss_bytes, size),
      figure("Accuracy", cell.accuracy, percent, cell.synthetic ? "generated images" : interval(cell.accuracy_low, cell.accuracy_high, percent)),
      figure("Agreement", cell.agreement, percent, interval(cell.agreement_low, cell.agreement_high, percent)),
      figure("Largest logit error", cell.max_logit_error, small)),
    cell.modelled && modelledPart(cell),
    cell.points.length > 0 && batches(cell, samples),
    h("h3", {}, "Time by role and span"),
    cell.spans.length ? plainTable("Time by role and span", ["Phase", "Role", "Span", "Time", "Processor time", "Samples"], cell.spans.map((span) =>
      [span.phase, span.role, span.span || "(whole phase)", given(span.wall, duration), given(span.cpu, duration), String(span.samples)]), [3, 4, 5]) : h("p", { class: "note" }, "Nothing was timed."),
    h("h3", {}, "Traffic"),
    cell.pairs.length ? plainTable("Traffic", ["Phase", "From", "To", "Bytes", "Messages"], cell.pairs.map((pair) => [pair.phase, pair.from, pair.to, count(pair.bytes), count(pair.messages)]), [3, 4]) : h("p", { class: "note" }, "Nothing was sent."),
    cell.memory.length > 0 && [h("h3", {}, "Memory"), plainTable("Memory", ["Role", "Largest resident set"], cell.memory.map((role) => [role.role, size(role.bytes)]), [1])],
    h("h3", {}, "Where these numbers come from"),
    h("p", {}, "Rows of ", h("code", {}, "samples.csv"), ", ", h("code", {}, "traffic.csv"), " and ", h("code", {}, "answers.csv"), " whose cell is ", h("code", {}, cell.cell), `, of ${count(cell.repetitions)} sessions. This measures it again:`),
    h("pre", {}, again(cell)), facts(),
    RUN.plans?.[cell.cell] && [h("h3", {}, "Parameters"), h("pre", {}, JSON.stringify(RUN.plans[cell.cell], null, 2))],
    RUN.backends[cell.backend] && [h("h3", {}, "Threat model"), threat(RUN.backends[cell.backend])],
  ].flat().filter(Boolean);
}

function modelledPart(cell) {
  return [h("h3", {}, "Modelled ", h("span", { class: "tag modelled" }, "modelled")), h("p", { class: "note" }, "Calculated and not measured; nothing else on this page is made from them."),
    plainTable("Modelled figures", ["Column", "Value"], Object.entries(cell.modelled).map(([name, value]) =>
      [name, typeof value !== "number" ? String(value) : name.endsWith("_ns") || name.includes("_ns_") ? duration(value) : name.includes("bytes") ? size(value) : figures(value)]), [1])];
}

const quoted = (text) => text.replace(/[.+]/g, "\\$&");

function again(cell) {
  return `veilbench run --backend '${quoted(cell.backend)}' --network '${quoted(cell.network)}' --dataset '${quoted(cell.dataset)}' --link ${cell.link} ` +
    `--batch ${cell.batch} --threads ${cell.threads} --images ${cell.images} --seed ${cell.seed} --repetitions ${cell.repetitions} --out again`;
}

/** Every batch in the order in which it ran; cold ones hollow, outliers ringed. */
function batches(cell, samples) {
  const width = chartWidth(1);
  const warm = cell.points.filter((point) => point.warm).map((point) => point.wall);
  const middle = median(warm);
  const spread = median(warm.map((wall) => Math.abs(wall - middle))) * 1.4826;
  const far = (point) => point.warm && spread > 0 && Math.abs(point.wall - middle) > 3.5 * spread;
  const points = cell.points.map((point, index) => ({ x: index + 1, y: point.wall, hollow: !point.warm, ring: far(point),
    title: `session ${point.repetition}, batch ${point.iteration}: ${duration(point.wall)}${point.warm ? "" : ", cold"}${far(point) ? ", outlier" : ""}` }));
  return [h("h3", {}, "Every batch"), h("figure", {},
    chart("Online time of every batch", width, 240, { name: "batch, in order", tick: count, linear: true }, { name: "online time", tick: duration }, [{ colour: colour(cell), points }]),
    h("figcaption", {}, `${samples}; hollow marks are cold, ringed ones are outliers (${count(cell.outliers)}), which count like the others.`,
      cell.points_unlisted ? ` ${count(cell.points_unlisted)} more batches are not drawn, no outlier among them.` : ""),
    asTable("Every batch", ["Session", "Batch", "Time", "Kind"], () => cell.points.map((point) => [String(point.repetition), String(point.iteration), duration(point.wall), point.warm ? "warm" : "cold"]), [1, 2]))];
}

function median(values) {
  if (!values.length) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
