// Figures that others printed: beside the measured ones of their technology, never among them.

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
      h("p", { class: "note" }, "Figures as they stand in the cited source, drawn hollow beside measured rows of the same technology. None was measured here, and each says why it cannot be held against a measured row."));
    const body = h("div");
    root.append(body);
    return (cells) => {
      if (!DATA.published.length) return body.replaceChildren(nothing("No published figure is on record."));
      body.replaceChildren(...timeFigures(cells), ...DATA.published.map(card));
    };
  },
});

/** Time of one image, published and measured, technology by technology. @param {Cell[]} cells */
function timeFigures(cells) {
  const printed = DATA.published.flatMap((row) => (row.image_ns === null ? [] : [{ row, ns: row.image_ns }]));
  const technologies = [...new Set(printed.map(({ row }) => row.technology))];
  const technology = (/** @type {Cell} */ cell) => (cell.group === undefined ? "" : GROUPS[cell.group].technology);
  const measured = cells.filter((cell) => technologies.includes(technology(cell)) && cell.online_wall_ns !== undefined);
  const image = (/** @type {Cell} */ cell) => (cell.online_wall_ns ?? 0) / cell.batch;
  const axis = scale([...printed.map(({ ns }) => ns), ...measured.map(image)], { log: true, tick: duration });
  const label = conditions(measured);
  return technologies.map((name) => {
    /** @type {Parameters<typeof barList>[1]} */
    const rows = [{ head: `Published: ${name}` }];
    for (const { row, ns } of printed.filter((figure) => figure.row.technology === name)) {
      const source = row.online_wall_ns === null && row.images_per_hour !== null ? `an image, from ${count(row.images_per_hour)} an hour` : "as printed";
      rows.push({ label: `${row.system}, ${row.year}`, sub: [row.network, row.hardware].filter(Boolean).join(", "), value: duration(ns),
        note: [source, caveats(row)].filter(Boolean).join("; "), marks: dot(axis.at(ns), undefined, { kind: "hollow diamond", title: row.not_comparable_because }) });
    }
    const ours = measured.filter((cell) => technology(cell) === name);
    if (ours.length) {
      rows.push({ head: `Measured here: ${name}` },
        ...headed(ours, (cell) => ({ label: cellLabel(cell), sub: label(cell), value: duration(image(cell)), marks: dot(axis.at(image(cell)), cell) })));
    }
    return h("figure", {}, linkLegend(ours), barList(`Time of one image, published and measured: ${name}`, rows, axis), h("figcaption", {}, "Time of one image. Hollow diamonds are published."));
  });
}

/** What makes a figure another thing than a private classification, in a few words; empty if nothing is known. @param {Published} row */
function caveats(row) {
  return [row.security_enforced === "no" && "security switched off", row.key_on_server === "yes" && "decrypts on the server"].filter(Boolean).join(", ");
}

/** @param {Published} row */
function card(row) {
  const silent = h("span", { class: "note" }, "the source does not say");
  const said = (/** @type {string} */ value) => (value && value !== "unknown" ? value : silent.cloneNode(true));
  const number = (/** @type {number | null} */ value, /** @type {(value: number) => string} */ format) => (value === null ? silent.cloneNode(true) : format(value));
  const line = (/** @type {string} */ name, /** @type {Child} */ value) => [h("dt", {}, name), h("dd", {}, value)];
  return h("section", {}, h("h3", {}, `${row.system}, ${row.year}`), h("dl", { class: "facts2" },
    line("Network", said(row.network)), line("Data", said(row.dataset)), line("Machine", said(row.hardware)), line("Threads", number(row.threads, count)), line("Batch", number(row.batch, count)),
    line("Time of a batch", number(row.online_wall_ns, duration)), line("Images an hour", number(row.images_per_hour, count)), line("Bytes", number(row.online_bytes, size)),
    line("Memory", number(row.memory_bytes, size)), line("Accuracy", number(row.accuracy, percent)), line("Security", number(row.security_bits, (bits) => `${bits} bits`)),
    line("Security held to a level", said(row.security_enforced)), line("Key on the server", said(row.key_on_server)), line("Citation", row.citation),
    line("Address", h("a", { href: row.address }, row.address)), line("Commit", said(row.commit)), line("Not comparable because", row.not_comparable_because)));
}
