// One cell taken apart: every batch, span, byte and parameter behind its figures.

import { chart, chartWidth } from "../chart.js";
import { CELLS, GROUPS, RUN, written } from "../data.js";
import { asTable, h, plainTable } from "../dom.js";
import { count, duration, figures, given, size } from "../format.js";
import { badge, colour, taskTitle } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";
import { facts, threat } from "./provenance.js";

register({
  key: "cell",
  title: "Cell",
  filterless: true,
  unlisted: true,
  mount(root) {
    const body = h("div");
    root.append(body);
    return () => {
      const cell = CELLS.get(state.get("cell"));
      body.replaceChildren(cell ? h("div", {}, cellParts(cell)) : h("div", {}, h("h2", {}, "No such cell"), h("p", {}, "The address names ", h("code", {}, state.get("cell") || "none"), ". ",
        h("a", { href: state.href({ view: "overview", cell: "" }) }, "All cells"))));
    };
  },
});

/** @param {Cell} cell @returns {Child[]} */
function cellParts(cell) {
  const group = cell.group === undefined ? undefined : GROUPS[cell.group];
  /** @type {(name: string, column: string, note?: Child) => Child} */
  const figure = (name, column, note) => h("div", {}, h("dt", {}, name), h("dd", {}, written(cell, column), note && h("small", {}, note)));
  const samples = `${count(cell.warm_samples)} warm batches in ${count(cell.repetitions - cell.repetitions_failed)} sessions`;
  const { text } = cell;
  return [
    h("h2", {}, badge(cell), `${cell.backend} on ${cell.network} · ${cell.dataset}`),
    h("p", { class: "note" }, `Task ${taskTitle(cell)}. Batch ${count(cell.batch)}, ${cell.threads} thread${cell.threads === 1 ? "" : "s"} a role, ${cell.link}, ${count(cell.images)} images, seed ${cell.seed}. Protection ${group?.letter}: ${group?.technology}; ${group?.protection}.`),
    cell.ending === undefined ? null : h("p", {}, h("strong", { class: "fail" }, cell.ending), cell.detail && `: ${cell.detail}`),
    cell.wrong && h("p", {}, h("strong", { class: "fail" }, cell.wrong)),
    cell.busy && h("p", { class: "note" }, cell.busy),
    cell.ending === undefined && cell.detail && h("p", { class: "note" }, cell.detail),
    h("dl", { class: "figures" },
      figure("Latency, online, at the data owner", "online_wall_ns", text.online_wall_ns_interval ?? samples),
      figure("First batch, cold", "cold_online_wall_ns", "never mixed with warm ones"),
      figure("Offline", "offline_wall_ns"), figure("Setup", "setup_wall_ns", "once a session"),
      figure("Images per second", "images_per_second_sustained", "offline and online work of all roles"), figure("Images per second, online", "images_per_second", "online time alone"),
      figure("Occupied, online", "online_occupancy_ns", "from the first role's start to the last role's end"),
      figure("Bytes, online", "online_bytes", text.online_rounds && `${text.online_rounds} rounds, ${written(cell, "online_messages")} messages`),
      figure("Bytes, offline", "offline_bytes"), (cell.online_local_bytes ?? 0) > 0 && figure("Bytes in shared memory, online", "online_local_bytes"), figure("Bytes, setup", "setup_bytes"),
      figure("Memory, largest role", "peak_rss_bytes"),
      figure("Accuracy", "accuracy", cell.synthetic ? "generated images" : text.accuracy_interval),
      figure("Agreement", "agreement", text.agreement_interval),
      figure("Largest logit error", "max_logit_error", cell.tolerance && `the backend states ${cell.tolerance}`)),
    cell.modelled && modelledPart(cell.modelled),
    cell.points.length > 0 && batches(cell, samples),
    h("h3", {}, "Time by role and span"),
    cell.spans.length ? plainTable("Time by role and span", ["Phase", "Role", "Span", "Time", "Processor time", "Samples"], cell.spans.map((span) =>
      [span.phase, span.role, span.span || "(whole phase)", given(span.wall, duration), given(span.cpu, duration), String(span.samples)]), [3, 4, 5]) : h("p", { class: "note" }, "Nothing was timed."),
    h("h3", {}, "Traffic"),
    cell.pairs.length ? plainTable("Traffic", ["Phase", "From", "To", "Bytes", "Messages"], cell.pairs.map((pair) => [pair.phase, pair.from, pair.to, count(pair.bytes), pair.messages === null ? "" : count(pair.messages)]), [3, 4]) : h("p", { class: "note" }, "Nothing was sent."),
    cell.memory.length > 0 && [h("h3", {}, "Memory"), plainTable("Memory", ["Role", "Largest resident set"], cell.memory.map((role) => [role.role, size(role.bytes)]), [1])],
    h("h3", {}, "Where these numbers come from"),
    h("p", {}, "Rows of ", h("code", {}, "samples.csv"), ", ", h("code", {}, "traffic.csv"), " and ", h("code", {}, "answers.csv"), " whose cell is ", h("code", {}, cell.cell), `, of ${count(cell.repetitions)} sessions. This measures it again:`),
    h("pre", {}, again(cell)), facts(),
    cell.cell in RUN.plans && [h("h3", {}, "Parameters"), h("pre", {}, JSON.stringify(RUN.plans[cell.cell], null, 2))],
    cell.backend in RUN.backends && [h("h3", {}, "Protection"), threat(cell.backend, RUN.backends[cell.backend])],
  ];
}

/** @param {Record<string, unknown>} modelled @returns {Child[]} */
function modelledPart(modelled) {
  return [h("h3", {}, "Modelled ", h("span", { class: "tag modelled" }, "modelled")), h("p", { class: "note" }, "Calculated and not measured; nothing else on this page is made from them."),
    plainTable("Modelled figures", ["Column", "Value"], Object.entries(modelled).map(([name, value]) =>
      [name, typeof value !== "number" ? String(value) : name.endsWith("_ns") || name.includes("_ns_") ? duration(value) : name.includes("bytes") ? size(value) : figures(value)]), [1])];
}

const quoted = (/** @type {string} */ text) => text.replace(/[.+]/g, "\\$&");

/** The command that measures a cell again. @param {Cell} cell */
function again(cell) {
  return `veilbench run --backend '${quoted(cell.backend)}' --network '${quoted(cell.network)}' --dataset '${quoted(cell.dataset)}' --link ${cell.link} ` +
    `--batch ${cell.batch} --threads ${cell.threads} --images ${cell.images} --seed ${cell.seed} --repetitions ${cell.repetitions} --out again`;
}

/** Every batch in the order in which it ran; cold ones hollow, outliers ringed. @param {Cell} cell @param {string} samples @returns {Child[]} */
function batches(cell, samples) {
  const points = cell.points.map(({ repetition, iteration, wall, warm, outlier }, index) => ({ x: index + 1, y: wall, hollow: !warm, ring: outlier,
    title: `session ${repetition}, batch ${iteration}: ${duration(wall)}${warm ? "" : ", cold"}${outlier ? ", outlier" : ""}` }));
  return [h("h3", {}, "Every batch"), h("figure", {},
    chart("Online time of every batch", chartWidth(1), 240, { name: "batch, in order", tick: count, linear: true }, { name: "online time", tick: duration }, [{ colour: colour(cell), points }]),
    h("figcaption", {}, `${samples}; hollow marks are cold, ringed ones are outliers (${count(cell.outliers)}), which count like the others.`,
      cell.points_unlisted ? ` ${count(cell.points_unlisted)} more batches are not drawn, no outlier among them.` : ""),
    asTable("Every batch", ["Session", "Batch", "Time", "Kind"], () => cell.points.map((point) => [String(point.repetition), String(point.iteration), duration(point.wall), point.warm ? "warm" : "cold"]), [1, 2]))];
}
