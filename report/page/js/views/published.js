// Figures from papers: beside the measured ones, never among them.

import { barList, dot, headed, scale } from "../bars.js";
import { DATA, GROUPS } from "../data.js";
import { h, nothing } from "../dom.js";
import { count, duration, percent, size } from "../format.js";
import { cellLabel, conditions, linkLegend } from "../labels.js";
import { register } from "../registry.js";

register({
  key: "published",
  title: "Published",
  mount(root) {
    root.append(h("h2", {}, "What others printed"),
      h("p", { class: "note" }, "Figures as they stand in the cited source, drawn hollow. None was measured here, and each says why it cannot be held against a measured row."));
    const body = h("div");
    root.append(body);
    return (cells) => {
      if (!DATA.published.length) return body.replaceChildren(nothing("No published figure is on record."));
      body.replaceChildren(timeFigure(cells), ...DATA.published.map(card));
    };
  },
});

/** Time of one image, published and measured. @param {Cell[]} cells */
function timeFigure(cells) {
  const technologies = new Set(DATA.published.map((row) => row.technology));
  const printed = DATA.published.flatMap((row) => (row.image_ns === null ? [] : [{ row, ns: row.image_ns }]));
  const measured = cells.filter((cell) => cell.group !== undefined && technologies.has(GROUPS[cell.group].technology) && cell.online_wall_ns !== undefined);
  const image = (/** @type {Cell} */ cell) => (cell.online_wall_ns ?? 0) / cell.batch;
  const axis = scale([...printed.map(({ ns }) => ns), ...measured.map(image)], { log: true, tick: duration });
  const label = conditions(measured);
  /** @type {Parameters<typeof barList>[1]} */
  const rows = [{ head: "Published" }];
  for (const { row, ns } of printed) {
    rows.push({ label: `${row.system}, ${row.year}`, sub: row.network, value: duration(ns),
      note: row.online_wall_ns === null && row.images_per_hour !== null ? `an image, from ${count(row.images_per_hour)} an hour` : "as printed",
      marks: dot(axis.at(ns), undefined, { kind: "hollow diamond", title: row.not_comparable_because }) });
  }
  if (measured.length) {
    rows.push({ head: "Measured here, the same technology" },
      ...headed(measured, (cell) => ({ label: cellLabel(cell), sub: label(cell), value: duration(image(cell)), marks: dot(axis.at(image(cell)), cell) })));
  }
  return h("figure", {}, linkLegend(measured), barList("Time of one image, published and measured", rows, axis), h("figcaption", {}, "Time of one image. Hollow diamonds are published."));
}

/** @param {Published} row */
function card(row) {
  const silent = h("span", { class: "note" }, "the source does not say");
  const said = (/** @type {string} */ value) => value || silent.cloneNode(true);
  const number = (/** @type {number | null} */ value, /** @type {(value: number) => string} */ format) => (value === null ? silent.cloneNode(true) : format(value));
  const line = (/** @type {string} */ name, /** @type {Child} */ value) => [h("dt", {}, name), h("dd", {}, value)];
  return h("section", {}, h("h3", {}, `${row.system}, ${row.year}`), h("dl", { class: "facts2" },
    line("Network", said(row.network)), line("Data", said(row.dataset)), line("Machine", said(row.hardware)), line("Batch", number(row.batch, count)),
    line("Time of a batch", number(row.online_wall_ns, duration)), line("Images an hour", number(row.images_per_hour, count)), line("Bytes", number(row.online_bytes, size)),
    line("Accuracy", number(row.accuracy, percent)), line("Security", number(row.security_bits, (bits) => `${bits} bits`)), line("Citation", row.citation),
    line("Not comparable because", row.not_comparable_because)));
}
