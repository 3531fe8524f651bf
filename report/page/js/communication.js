// What is sent, by phase and direction, and how many times somebody has to wait for it.

const communication = {
  title: "Communication",
  mount(root) {
    root.append(h("h2", {}, "What is sent"),
      h("p", { class: "note" }, "Payload of one batch (set-up: of one session), each byte once. Rounds are the longest chain of messages that wait for each other."),
      h("div", { class: "controls" }, choice("By", "split", [["phase", "phase"], ["span", "direction in one phase"]]),
        choice("Phase", "phase", PHASES.map((phase) => [phase, phase])), toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => {
      const log = state.get("log") === "1";
      const directed = state.get("split") === "span";
      root.querySelector("[data-key=phase]").parentElement.hidden = !directed;
      if (!cells.length) return body.replaceChildren(nothing("No cell fits the filter."));
      const rows = directed ? directionRows(cells, log) : bytesRows(cells, log);
      const table = directed
        ? asTable("Bytes by direction", ["Cell", "Phase", "From", "To", "Bytes", "Messages"], () => cells.flatMap((cell) =>
          cell.pairs.map((pair) => [cell.cell, pair.phase, pair.from, pair.to, count(pair.bytes), count(pair.messages)])), [4, 5])
        : asTable("Bytes by phase", ["Cell", "Set-up", "Offline", "Online", "Most by one role, online", "Rounds set-up", "Rounds offline", "Rounds online", "Messages online"],
          () => cells.map((cell) => [cell.cell, ...["setup_bytes", "offline_bytes", "online_bytes", "online_bytes_max_party", "setup_rounds", "offline_rounds", "online_rounds", "online_messages"]
            .map((key) => given(cell[key], count))]), [1, 2, 3, 4, 5, 6, 7, 8]);
      body.replaceChildren(h("figure", {}, directed ? "" : legend(PHASES.map((phase) => [phase, "var(--c0)", phase])),
        barList("Bytes", rows.rows, rows.axis, { wide: true, tall: log && !directed }),
        h("figcaption", {}, log ? "On a logarithmic axis each part has a bar of its own. Compare ends, not lengths." : "Stacked: lengths add up."), table));
    };
  },
};

function bytesRows(cells, log) {
  const bytes = (cell, phase) => cell[`${phase}_bytes`];
  const values = cells.flatMap((cell) => {
    const all = PHASES.map((phase) => bytes(cell, phase) ?? 0);
    return log ? all : [all.reduce((a, b) => a + b, 0)];
  });
  const axis = scale(values, { log, tick: size });
  const label = conditions(cells);
  const rows = headed(cells, (cell) => {
    let from = 0;
    const marks = PHASES.map((phase, index) => {
      const sent = bytes(cell, phase);
      if (!sent) return null;
      const title = `${phase}: ${size(sent)}`;
      const made = log ? segment(axis, 0, sent, phase, colour(cell), title, [index / 3, (index + 0.82) / 3])
        : segment(axis, from, from + sent, phase, colour(cell), title);
      from += sent;
      return made;
    });
    const measured = PHASES.some((phase) => bytes(cell, phase) !== undefined);
    return { label: cellLabel(cell), sub: label(cell), marks,
      value: measured ? PHASES.map((phase) => given(bytes(cell, phase), size)).join(" + ") : failureMark(cell) ?? "not measured",
      note: cell.online_rounds === undefined ? "" : `${count(cell.online_rounds)} rounds online` };
  });
  return { rows, axis };
}

function directionRows(cells, log) {
  const phase = state.get("phase");
  const of = (cell) => cell.pairs.filter((pair) => pair.phase === phase);
  const axis = scale(cells.flatMap((cell) => of(cell).map((pair) => pair.bytes)), { log, tick: size });
  const label = conditions(cells);
  const rows = headed(cells.filter((cell) => of(cell).length), (cell) => of(cell).map((pair, index) => ({
    label: index === 0 ? cellLabel(cell) : "", sub: `${pair.from} → ${pair.to}${label(cell) && `, ${label(cell)}`}`,
    marks: [segment(axis, 0, pair.bytes, phase, colour(cell), `${pair.from} to ${pair.to}: ${size(pair.bytes)}`)],
    value: size(pair.bytes), note: `${count(pair.messages)} messages`,
  })));
  return { rows, axis };
}
