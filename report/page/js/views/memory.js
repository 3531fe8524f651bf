// The largest resident set of every role.

import { barList, headed, scale, segment } from "../bars.js";
import { toggle } from "../controls.js";
import { asTable, h, nothing } from "../dom.js";
import { count, size } from "../format.js";
import { cellLabel, colour, conditions, linkLegend } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

register({
  key: "memory",
  title: "Memory",
  mount(root) {
    root.append(h("h2", {}, "Memory of each role"),
      h("p", { class: "note" }, "Largest resident set of the role's process over all sessions, code and weights included."),
      h("div", { class: "controls" }, toggle("Logarithmic", "log")));
    const body = h("div");
    root.append(body);
    return (cells) => {
      const measured = cells.filter((cell) => cell.memory.length);
      if (!measured.length) return body.replaceChildren(nothing("No cell with a measured role fits the filter."));
      const axis = scale(measured.flatMap((cell) => cell.memory.map((role) => role.bytes)), { log: state.get("log") === "1", tick: size });
      const label = conditions(measured);
      const rows = headed(measured, (cell) => cell.memory.map((role, index) => ({
        label: index === 0 ? cellLabel(cell) : "", sub: [role.role, index === 0 ? label(cell) : ""].filter(Boolean).join(", "), value: size(role.bytes),
        marks: segment(axis, 0, role.bytes, "online", colour(cell), `${role.role}: ${size(role.bytes)}`), link: cell.link,
      })));
      body.replaceChildren(h("figure", {}, linkLegend(measured), barList("Memory by role", rows, axis),
        asTable("Memory by role", ["Cell", "Role", "Bytes"], () => measured.flatMap((cell) => cell.memory.map((role) => [cell.cell, role.role, count(role.bytes)])), [2])));
    };
  },
});
