// Where the time goes: phases, or the spans of one phase and role.

const phaseTime = (cell, phase) => cell[`${phase}_wall_ns`];

/** Spans of one role in one phase, without those that lie within others, and what is left of the phase. */
function rolesTimes(cell, phase) {
  const roles = new Map();
  for (const span of cell.spans) {
    if (span.phase !== phase || span.role === "all") continue;
    if (!roles.has(span.role)) roles.set(span.role, { role: span.role, whole: 0, parts: [] });
    const entry = roles.get(span.role);
    if (span.span === "") entry.whole = span.wall ?? 0;
    else entry.parts.push(span);
  }
  for (const entry of roles.values()) {
    const sum = (parts) => parts.reduce((total, part) => total + (part.wall ?? 0), 0);
    const outer = entry.parts.filter((part) => !part.span.startsWith("layer:"));
    entry.nested = sum(entry.parts) > entry.whole * 1.02;
    if (entry.nested && outer.length) entry.parts = outer;
    entry.rest = Math.max(entry.whole - sum(entry.parts), 0);
  }
  return [...roles.values()];
}

function phaseRows(cells, log) {
  const shown = PHASES.filter((phase) => state.get(phase) === "1");
  const total = (cell) => shown.reduce((sum, phase) => sum + (phaseTime(cell, phase) ?? 0), 0);
  const values = cells.flatMap((cell) => (log ? shown.map((phase) => phaseTime(cell, phase)) : [total(cell)]));
  const axis = scale(values, { log, tick: duration });
  const label = conditions(cells);
  const rows = headed(cells, (cell) => {
    let from = 0;
    const marks = shown.map((phase, index) => {
      const time = phaseTime(cell, phase);
      if (time === undefined) return null;
      const title = `${phase}: ${duration(time)}`;
      if (log) return segment(axis, 0, time, phase, colour(cell), title, [index / shown.length, (index + 0.82) / shown.length]);
      const made = segment(axis, from, from + time, phase, colour(cell), title);
      from += time;
      return made;
    });
    const parts = shown.map((phase) => given(phaseTime(cell, phase), duration)).join(" + ");
    const measured = shown.some((phase) => phaseTime(cell, phase) !== undefined);
    return { label: cellLabel(cell), sub: label(cell), marks,
      value: measured ? [parts, failureMark(cell)] : failureMark(cell) ?? "not measured" };
  });
  return [rows, axis, shown];
}

function spanRows(cells, log) {
  const phase = state.get("phase");
  const label = conditions(cells);
  const all = cells.map((cell) => [cell, rolesTimes(cell, phase)]);
  const names = [...new Set(all.flatMap(([, roles]) => roles.flatMap((role) => role.parts.map((part) => part.span))))];
  const values = all.flatMap(([, roles]) => roles.flatMap((role) => (log ? [...role.parts.map((part) => part.wall), role.rest] : [role.whole])));
  const axis = scale(values, { log, tick: duration });
  const times = new Map(all);
  const rows = headed(cells.filter((cell) => times.get(cell).length), (cell) => times.get(cell).map((entry) => {
    const parts = [...entry.parts.map((part) => [part.span, part.wall ?? 0, spanKind(names.indexOf(part.span)), spanColour(names.indexOf(part.span))]),
      ...(entry.rest > 0 ? [["in no span", entry.rest, "rest"]] : [])];
    let from = 0;
    const marks = parts.map(([name, time, kind, colour], index) => {
      const title = `${name}: ${duration(time)}`;
      if (log) return segment(axis, 0, time, kind, colour, title, [index / parts.length, (index + 0.85) / parts.length]);
      const made = segment(axis, from, from + time, kind, colour, title);
      from += time;
      return made;
    });
    return { label: cellLabel(cell), sub: [entry.role, label(cell)].filter(Boolean).join(", "), marks, value: duration(entry.whole),
      note: parts.slice().sort((a, b) => b[1] - a[1]).slice(0, 1).map(([name, time]) => `${name} ${duration(time)}`).join("") };
  }));
  return [rows, axis, names];
}

const time = {
  title: "Time",
  mount(root) {
    const phases = h("span", { class: "together" }, PHASES.map((phase) => toggle({ setup: "Set-up", offline: "Offline", online: "Online" }[phase], phase)));
    const phase = choice("Phase", "phase", PHASES.map((phase) => [phase, phase]));
    root.append(h("h2", {}, "Where the time goes"),
      h("p", { class: "note" }, "Medians. Set-up is once a session; offline and online are for each batch."),
      h("div", { class: "controls" }, choice("By", "split", [["phase", "phase"], ["span", "span and role"]]), phases, phase, toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => {
      const log = state.get("log") === "1";
      const bySpan = state.get("split") === "span";
      phases.hidden = bySpan;
      phase.hidden = !bySpan;
      if (!cells.length) return body.replaceChildren(nothing("No cell fits the filter."));
      const [rows, axis, names] = bySpan ? spanRows(cells, log) : phaseRows(cells, log);
      if (!rows.length) return body.replaceChildren(nothing("No backend here names spans of this phase."));
      const key = bySpan
        ? [...names.map((name, index) => [spanKind(index), spanColour(index), name]), ["rest", "", "in no span: waiting, messages, the harness"]]
        : names.map((name) => [name, "var(--c0)", { setup: "set-up, once a session", offline: "offline, per batch", online: "online, per batch" }[name]]);
      const how = log
        ? "On a logarithmic axis stacked lengths would lie, so each part has a bar of its own. Compare ends, not lengths."
        : "Stacked: lengths add up.";
      const table = bySpan
        ? asTable("Time by span", ["Cell", "Role", "Span", "Time", "Processor time", "Samples"], () => cells.flatMap((cell) => cell.spans
          .filter((span) => span.phase === state.get("phase") && span.role !== "all")
          .map((span) => [cell.cell, span.role, span.span || "(whole phase)", given(span.wall, duration), given(span.cpu, duration), String(span.samples)])), [3, 4, 5])
        : asTable("Time by phase", ["Cell", "Set-up", "Offline", "Online", "First batch, cold", "Status"], () => cells.map((cell) =>
          [cell.cell, ...PHASES.map((phase) => given(phaseTime(cell, phase), duration)), given(cell.cold_online_wall_ns, duration), failure(cell) || "ok"]), [1, 2, 3, 4]);
      body.replaceChildren(h("figure", {}, legend(key), barList("Time", rows, axis, { wide: !bySpan, tall: log }),
        h("figcaption", {}, how), table));
    };
  },
};
