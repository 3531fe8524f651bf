// What is sent, by phase and direction, and how many times somebody has to wait for it.

import { barList, headed, scale, segment } from "../bars.js";
import { choice, toggle } from "../controls.js";
import { PHASES, run, written } from "../data.js";
import { asTable, h, nothing } from "../dom.js";
import { count, given, size } from "../format.js";
import { cellLabel, colour, conditions, failureMark, legend, linkLegend } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

register({
  key: "communication",
  title: "Communication",
  mount(root) {
    const phase = choice("Phase", "phase", PHASES.map((phase) => [phase, phase]));
    root.append(h("h2", {}, "What is sent"),
      h("p", { class: "note" }, "Payload of one batch (setup: of one session), each byte once. Rounds are the longest chain of messages that wait for each other."),
      h("div", { class: "controls" }, choice("By", "split", [["phase", "phase"], ["span", "direction in one phase"]]), phase, toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => {
      const log = state.get("log") === "1";
      const directed = state.get("split") === "span";
      phase.hidden = !directed;
      if (!cells.length) return body.replaceChildren(nothing("No cell fits the filter."));
      const { rows, axis, table } = directed ? byDirection(cells, log) : byPhase(cells, log);
      body.replaceChildren(h("figure", {}, directed ? "" : legend(PHASES.map((phase) => [phase, "var(--c0)", phase])), linkLegend(run(cells)),
        barList("Bytes", rows, axis, { wide: true, tall: log && !directed }),
        h("figcaption", {}, log ? "On a logarithmic axis each part has a bar of its own. Compare ends, not lengths." : "Stacked: lengths add up."), table));
    };
  },
});

/** @param {Cell} cell @param {Phase} phase */
const bytesOf = (cell, phase) => cell[/** @type {const} */ (`${phase}_bytes`)];

/** @param {Cell[]} cells @param {boolean} log */
function byPhase(cells, log) {
  const axis = scale(cells.flatMap((cell) => {
    const all = PHASES.map((phase) => bytesOf(cell, phase) ?? 0);
    return log ? all : [all.reduce((a, b) => a + b, 0)];
  }), { log, tick: size });
  const label = conditions(run(cells));
  const rows = headed(cells, (cell) => {
    let from = 0;
    const marks = PHASES.map((phase, index) => {
      const sent = bytesOf(cell, phase);
      if (!sent) return null;
      const title = `${phase}: ${written(cell, `${phase}_bytes`)}`;
      const made = log ? segment(axis, 0, sent, phase, colour(cell), title, [index / 3, (index + 0.82) / 3])
        : segment(axis, from, from + sent, phase, colour(cell), title);
      from += sent;
      return made;
    });
    const measured = PHASES.some((phase) => bytesOf(cell, phase) !== undefined);
    return { label: cellLabel(cell), sub: label(cell), marks, link: cell.link,
      value: measured ? PHASES.map((phase) => written(cell, `${phase}_bytes`)).join(" + ") : failureMark(cell) ?? "not measured",
      note: cell.text.online_rounds && `${cell.text.online_rounds} rounds online` };
  });
  const keys = /** @type {const} */ (["setup_bytes", "offline_bytes", "online_bytes", "online_bytes_max_party", "setup_rounds", "offline_rounds", "online_rounds", "online_messages"]);
  const table = asTable("Bytes by phase", ["Cell", "Setup", "Offline", "Online", "Most by one role, online", "Rounds setup", "Rounds offline", "Rounds online", "Messages online"],
    () => cells.map((cell) => [cell.cell, ...keys.map((key) => given(cell[key], count))]), [1, 2, 3, 4, 5, 6, 7, 8]);
  return { rows, axis, table };
}

/** @param {Cell[]} cells @param {boolean} log */
function byDirection(cells, log) {
  const phase = state.get("phase");
  const of = (/** @type {Cell} */ cell) => cell.pairs.filter((pair) => pair.phase === phase);
  const axis = scale(cells.flatMap((cell) => of(cell).map((pair) => pair.bytes)), { log, tick: size });
  const label = conditions(run(cells));
  const rows = headed(cells.filter((cell) => cell.refusal !== undefined || of(cell).length), (cell) => of(cell).map((pair, index) => ({
    label: index === 0 ? cellLabel(cell) : "", sub: `${pair.from} → ${pair.to}${label(cell) && `, ${label(cell)}`}`, link: cell.link,
    marks: segment(axis, 0, pair.bytes, phase, colour(cell), `${pair.from} to ${pair.to}: ${size(pair.bytes)}`),
    value: size(pair.bytes), note: pair.messages === null ? "messages not counted" : `${count(pair.messages)} messages`,
  })));
  const table = asTable("Bytes by direction", ["Cell", "Phase", "From", "To", "Bytes", "Messages"], () => cells.flatMap((cell) =>
    cell.pairs.map((pair) => [cell.cell, pair.phase, pair.from, pair.to, count(pair.bytes), pair.messages === null ? "" : count(pair.messages)])), [4, 5]);
  return { rows, axis, table };
}
