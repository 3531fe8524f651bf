// Where the time goes: phases, or the spans of one phase and role.

import { barList, headed, segment, scale } from "../bars.js";
import { choice, toggle } from "../controls.js";
import { PHASES, run, written } from "../data.js";
import { asTable, h, nothing } from "../dom.js";
import { duration, given } from "../format.js";
import { cellLabel, colour, conditions, failureMark, legend, linkLegend, spanColour, spanKind } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

/** @typedef {{ role: string, whole: number, parts: Span[], rest: number }} RoleTimes */

/** @param {Cell} cell @param {Phase} phase */
const phaseTime = (cell, phase) => cell[/** @type {const} */ (`${phase}_wall_ns`)];

/** Spans of one role in one phase, without those that lie within others, and what is left of the phase. @param {Cell} cell @param {string} phase */
function rolesTimes(cell, phase) {
  /** @type {Map<string, RoleTimes>} */
  const roles = new Map();
  for (const span of cell.spans) {
    if (span.phase !== phase || span.role === "all") continue;
    const entry = roles.get(span.role) ?? { role: span.role, whole: 0, parts: [], rest: 0 };
    roles.set(span.role, entry);
    if (span.span === "") entry.whole = span.wall ?? 0;
    else entry.parts.push(span);
  }
  for (const entry of roles.values()) {
    const sum = (/** @type {Span[]} */ parts) => parts.reduce((total, part) => total + (part.wall ?? 0), 0);
    const outer = entry.parts.filter((part) => !part.span.startsWith("layer:"));
    if (sum(entry.parts) > entry.whole * 1.02 && outer.length) entry.parts = outer;
    entry.rest = Math.max(entry.whole - sum(entry.parts), 0);
  }
  return [...roles.values()];
}

/** @param {Cell[]} cells @param {boolean} log */
function byPhase(cells, log) {
  const shown = PHASES.filter((phase) => state.get(phase) === "1");
  const total = (/** @type {Cell} */ cell) => shown.reduce((sum, phase) => sum + (phaseTime(cell, phase) ?? 0), 0);
  const axis = scale(cells.flatMap((cell) => (log ? shown.map((phase) => phaseTime(cell, phase)) : [total(cell)])), { log, tick: duration });
  const label = conditions(run(cells));
  const rows = headed(cells, (cell) => {
    let from = 0;
    const marks = shown.map((phase, index) => {
      const time = phaseTime(cell, phase);
      if (time === undefined) return null;
      const title = `${phase}: ${written(cell, `${phase}_wall_ns`)}`;
      if (log) return segment(axis, 0, time, phase, colour(cell), title, [index / shown.length, (index + 0.82) / shown.length]);
      const made = segment(axis, from, from + time, phase, colour(cell), title);
      from += time;
      return made;
    });
    const parts = shown.map((phase) => written(cell, `${phase}_wall_ns`)).join(" + ");
    const measured = shown.some((phase) => phaseTime(cell, phase) !== undefined);
    return { label: cellLabel(cell), sub: label(cell), marks, link: cell.link,
      value: measured ? [parts, failureMark(cell)] : failureMark(cell) ?? "not measured" };
  });
  /** @type {[string, string, string][]} */
  const key = shown.map((phase) => [phase, "var(--c0)", { setup: "setup, once a session", offline: "offline, per batch", online: "online, per batch" }[phase]]);
  const table = asTable("Time by phase", ["Cell", "Setup", "Offline", "Online", "First batch, cold", "Status"], () => cells.map((cell) =>
    [cell.cell, ...PHASES.map((phase) => written(cell, `${phase}_wall_ns`)), written(cell, "cold_online_wall_ns"), cell.ending ?? "ok"]), [1, 2, 3, 4]);
  return { rows, axis, key, table };
}

/** @param {Cell[]} cells @param {boolean} log */
function bySpan(cells, log) {
  const phase = state.get("phase");
  const times = new Map(cells.map((cell) => [cell, rolesTimes(cell, phase)]));
  const shown = cells.filter((cell) => cell.refusal !== undefined || times.get(cell)?.length);
  const label = conditions(run(shown));
  const all = [...times.values()].flat();
  const names = [...new Set(all.flatMap((role) => role.parts.map((part) => part.span)))];
  const values = all.flatMap((role) => (log ? [...role.parts.map((part) => part.wall ?? undefined), role.rest] : [role.whole]));
  const axis = scale(values, { log, tick: duration });
  const rows = headed(shown, (cell) => (times.get(cell) ?? []).map((entry) => {
    const parts = entry.parts.map((part) => ({ name: part.span, time: part.wall ?? 0, kind: spanKind(names.indexOf(part.span)), colour: spanColour(names.indexOf(part.span)) }));
    const all = entry.rest > 0 ? [...parts, { name: "in no span", time: entry.rest, kind: "rest", colour: undefined }] : parts;
    let from = 0;
    const marks = all.map(({ name, time, kind, colour }, index) => {
      const title = `${name}: ${duration(time)}`;
      if (log) return segment(axis, 0, time, kind, colour, title, [index / all.length, (index + 0.85) / all.length]);
      const made = segment(axis, from, from + time, kind, colour, title);
      from += time;
      return made;
    });
    const longest = [...all].sort((a, b) => b.time - a.time)[0];
    return { label: cellLabel(cell), sub: [entry.role, label(cell)].filter(Boolean).join(", "), marks, link: cell.link, value: duration(entry.whole),
      note: longest && `${longest.name} ${duration(longest.time)}` };
  }));
  /** @type {[string, string, string][]} */
  const key = [...names.map((name, index) => /** @type {[string, string, string]} */ ([spanKind(index), spanColour(index), name])),
    ["rest", "", "in no span: waiting, messages, the harness"]];
  const table = asTable("Time by span", ["Cell", "Role", "Span", "Time", "Processor time", "Samples"], () => cells.flatMap((cell) => cell.spans
    .filter((span) => span.phase === phase && span.role !== "all")
    .map((span) => [cell.cell, span.role, span.span || "(whole phase)", given(span.wall, duration), given(span.cpu, duration), String(span.samples)])), [3, 4, 5]);
  return { rows: all.length ? rows : [], axis, key, table };
}

register({
  key: "time",
  title: "Time",
  mount(root) {
    const labels = { setup: "Setup", offline: "Offline", online: "Online" };
    const phases = h("span", { class: "together" }, PHASES.map((phase) => toggle(labels[phase], phase)));
    const phase = choice("Phase", "phase", PHASES.map((phase) => [phase, phase]));
    root.append(h("h2", {}, "Where the time goes"),
      h("p", { class: "note" }, "Medians. Setup is once a session; offline and online are for each batch."),
      h("div", { class: "controls" }, choice("By", "split", [["phase", "phase"], ["span", "span and role"]]), phases, phase, toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => {
      const log = state.get("log") === "1";
      const spans = state.get("split") === "span";
      phases.hidden = spans;
      phase.hidden = !spans;
      if (!cells.length) return body.replaceChildren(nothing("No cell fits the filter."));
      const { rows, axis, key, table } = spans ? bySpan(cells, log) : byPhase(cells, log);
      if (!rows.length) return body.replaceChildren(nothing("No backend here names spans of this phase."));
      const how = log
        ? "On a logarithmic axis stacked lengths would lie, so each part has a bar of its own. Compare ends, not lengths."
        : "Stacked: lengths add up.";
      body.replaceChildren(h("figure", {}, legend(key), linkLegend(run(cells)), barList("Time", rows, axis, { wide: !spans, tall: log }),
        h("figcaption", {}, how), table));
    };
  },
});
