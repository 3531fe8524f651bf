// Figures from papers: beside the measured ones, never among them.

const published = {
  title: "Published",
  mount(root) {
    root.append(h("h2", {}, "What others printed"),
      h("p", { class: "note" }, "Figures as they stand in the cited source, drawn hollow. None was measured here, and each says why it cannot be held against a measured row."));
    const body = h("div");
    root.append(body);
    return (cells) => {
      if (!DATA.published.length) return body.replaceChildren(nothing("No published figure is on record."));
      const time = (row) => (row.online_wall_ns ?? undefined) && row.online_wall_ns / (row.batch ?? 1);
      const printed = DATA.published.map((row) => ({ row, ns: time(row) ?? (row.images_per_hour ? 3600e9 / row.images_per_hour : undefined) }));
      const technologies = new Set(DATA.published.map((row) => row.technology));
      const measured = cells.filter((cell) => technologies.has(GROUPS[cell.group]?.technology) && cell.online_wall_ns !== undefined);
      const axis = scale([...printed.map(({ ns }) => ns), ...measured.map((cell) => perImage(cell, cell.online_wall_ns))], { log: true, tick: duration });
      const label = conditions(measured);
      const rows = [{ head: "Published" }, ...printed.filter(({ ns }) => ns !== undefined).map(({ row, ns }) => ({ label: `${row.system}, ${row.year}`, sub: row.network,
        value: duration(ns), note: row.online_wall_ns === null ? `an image, from ${count(row.images_per_hour)} an hour` : "as printed",
        marks: [h("span", { class: "dot hollow diamond", style: { left: pc(axis.at(ns)), "--g": "var(--soft)" }, title: row.not_comparable_because })] }))];
      if (measured.length) rows.push({ head: "Measured here, the same technology" }, ...headed(measured, (cell) => ({ label: cellLabel(cell), sub: label(cell), value: duration(perImage(cell, cell.online_wall_ns)),
        marks: [h("span", { class: "dot", style: { left: pc(axis.at(perImage(cell, cell.online_wall_ns))), "--g": colour(cell) } })] })));
      body.replaceChildren(h("figure", {}, barList("Time of one image, published and measured", rows, axis), h("figcaption", {}, "Time of one image. Hollow diamonds are published.")),
        ...DATA.published.map(card));
    };
  },
};

function card(row) {
  const said = (value, format) => (value === null || value === "" ? h("span", { class: "note" }, "the source does not say") : format ? format(value) : value);
  const line = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  return h("section", {}, h("h3", {}, `${row.system}, ${row.year}`), h("dl", { class: "facts2" },
    line("Network", said(row.network)), line("Data", said(row.dataset)), line("Machine", said(row.hardware)), line("Batch", said(row.batch, count)),
    line("Time of a batch", said(row.online_wall_ns, duration)), line("Images an hour", said(row.images_per_hour, count)), line("Bytes", said(row.online_bytes, size)),
    line("Accuracy", said(row.accuracy, percent)), line("Security", said(row.security_bits, (bits) => `${bits} bits`)), line("Citation", row.citation),
    line("Not comparable because", row.not_comparable_because)));
}
