// Time on other networks: measured where it was, modelled where the sliders say.

import { barList, headed, scale, segment, whisker } from "../bars.js";
import { toggle } from "../controls.js";
import { grouped, LINKS, run, written } from "../data.js";
import { asTable, h, nothing, plainTable } from "../dom.js";
import { filtered } from "../filter.js";
import { count, duration, figures, given, rate } from "../format.js";
import { cellLabel, colour, conditions, failureMark, legend, linkLegend, taskTitle } from "../labels.js";
import { baseOf, crossing, modelled } from "../model.js";
import { register } from "../registry.js";
import { state } from "../state.js";

const MOST_LINES = 40;

/** @param {[number, number]} ends */
function band([low, high]) {
  return duration(low) === duration(high) ? duration(low) : `${duration(low)} to ${duration(high)}`;
}

/**
 * A logarithmic slider.
 * @param {string} text
 * @param {"rtt" | "bw"} key
 * @param {number} low
 * @param {number} high
 * @param {(value: number) => string} format
 */
function slider(text, key, low, high, format) {
  const range = h("input", { type: "range", min: 0, max: 1000, step: 1, oninput: () => {
    const value = low * (high / low) ** (Number(range.value) / 1000);
    state.set({ [key]: String(Number(value.toPrecision(3))) });
  } });
  const output = h("output");
  const sync = () => {
    const value = Number(state.get(key));
    const at = Math.round((1000 * Math.log(value / low)) / Math.log(high / low));
    if (document.activeElement !== range) range.value = String(at);
    output.textContent = format(value);
    range.setAttribute("aria-valuetext", format(value));
  };
  return { label: h("label", {}, output, text, range), sync };
}

register({
  key: "networks",
  title: "Networks",
  mount(root) {
    const rtt = slider("Round trip", "rtt", 0.01, 500, (ms) => duration(ms * 1e6));
    const bw = slider("Bandwidth", "bw", 1, 100000, (mbit) => rate(mbit * 1e6));
    root.append(h("h2", {}, "On another network"),
      h("p", { class: "note" }, `Bars over a link were measured: ${shapes()}. The dashed outline is `,
        h("span", { class: "tag modelled" }, "modelled"), " for the network chosen here, from the time on loopback and the measured bytes and rounds. Its two ends assume that all links carry at once, and that nothing overlaps. The filter for links does not apply here."),
      h("div", { class: "sliders" }, rtt.label, bw.label), h("div", { class: "controls" }, toggle("Logarithmic", "log")));
    const [body, check, even] = [h("div"), h("div"), h("div")];
    root.append(body, h("h2", {}, "The model held against the measurement"), check, h("h2", {}, "Where bandwidth decides"), even);
    return () => {
      const cells = filtered("link");
      rtt.sync();
      bw.sync();
      const [rttNs, bits] = [Number(state.get("rtt")) * 1e6, Number(state.get("bw")) * 1e6];
      if (!cells.length) {
        for (const part of [body, check, even]) part.replaceChildren(nothing("No cell fits the filter."));
        return;
      }
      body.replaceChildren(linkFigure(cells, rttNs, bits));
      check.replaceChildren(modelCheck(run(cells)));
      even.replaceChildren(bandwidthTable(run(cells), rttNs));
    };
  },
});

/** What each link of the run adds, where its name tells. */
function shapes() {
  const said = [...LINKS.values()].map(({ name, round_trip_ns, bits_per_second }) =>
    (round_trip_ns === null || bits_per_second === null ? `${name} as it is` : `${name} at ${rate(bits_per_second)} and ${duration(round_trip_ns)}`));
  return said.join(", ");
}

/** @param {Cell[]} cells @param {number} rttNs @param {number} bits */
function linkFigure(cells, rttNs, bits) {
  const measured = run(cells);
  const families = grouped(measured, (cell) => cell.family);
  const firsts = new Set([...families.values()].map(([first]) => first));
  const ends = new Map([...firsts].map((cell) => [cell.family, modelled(cell, rttNs, bits)]));
  const values = [...measured.map((cell) => cell.online_wall_ns), ...[...ends.values()].flatMap((ends) => ends ?? [])];
  const axis = scale(values, { log: state.get("log") === "1", tick: duration });
  const label = conditions([...firsts].map((cell) => ({ ...cell, link: "" })));
  const rows = headed(cells.filter((cell) => cell.refusal !== undefined || firsts.has(cell)), (first) => {
    const family = families.get(first.family) ?? [];
    /** @type {BarRow[]} */
    const rows = family.map((cell, index) => ({ label: index === 0 ? cellLabel(cell) : "", link: cell.link,
      sub: [cell.link, index === 0 ? label(cell) : ""].filter(Boolean).join(", "),
      marks: cell.online_wall_ns === undefined ? [] : [segment(axis, 0, cell.online_wall_ns, "online", colour(cell), `measured on ${cell.link}: ${written(cell, "online_wall_ns")}`), interval(axis, cell)],
      value: cell.text.online_wall_ns ?? failureMark(cell) ?? "not measured" }));
    const own = ends.get(first.family);
    if (own) {
      rows.push({ label: "", sub: h("span", { class: "tag modelled" }, "modelled"),
        marks: [segment(axis, 0, own[0], "modelled", undefined, `modelled, lower end: ${duration(own[0])}`),
          segment(axis, own[0], own[1], "modelled", undefined, `modelled, upper end: ${duration(own[1])}`)],
        value: h("span", { class: "modelled-value", "data-cell": first.cell }, band(own)) });
    }
    return rows;
  });
  return h("figure", {}, legend([["", "var(--c0)", "measured"], ["modelled", "", "modelled, to its lower and its upper end"]]), linkLegend(measured),
    barList("Online time by network", rows, axis, { wide: true }),
    asTable("Online time by network", ["Cell", "Measured", "Modelled at the sliders, lower", "Modelled, upper"], () => measured.map((cell) => {
      const ends = modelled(cell, rttNs, bits);
      return [cell.cell, written(cell, "online_wall_ns"), given(ends?.[0], duration), given(ends?.[1], duration)];
    }), [1, 2, 3]));
}

/** @param {Scale} axis @param {Cell} cell */
function interval(axis, { online_wall_ns_low, online_wall_ns_high }) {
  if (online_wall_ns_low === undefined || online_wall_ns_high === undefined) return null;
  return axis.at(online_wall_ns_high) - axis.at(online_wall_ns_low) < 0.002 ? null : whisker(axis, online_wall_ns_low, online_wall_ns_high);
}

/** @param {Cell[]} cells */
function modelCheck(cells) {
  const rows = [];
  for (const cell of cells) {
    const link = LINKS.get(cell.link);
    if (!link || link.round_trip_ns === null || link.bits_per_second === null || cell.online_wall_ns === undefined) continue;
    const ends = modelled(cell, link.round_trip_ns, link.bits_per_second);
    if (!ends) continue;
    const verdict = cell.online_wall_ns < ends[0] ? `${figures(ends[0] / cell.online_wall_ns)} times too long`
      : cell.online_wall_ns > ends[1] ? `${figures(cell.online_wall_ns / ends[1])} times too short` : "within";
    rows.push([cell.cell, written(cell, "online_wall_ns"), band(ends), verdict]);
  }
  if (!rows.length) return h("p", { class: "note" }, "No cell here was measured on loopback and on a shaped link, so nothing checks the model.");
  const within = rows.filter(([, , , verdict]) => verdict === "within").length;
  return h("div", {}, h("p", {}, `The measured time lies between the modelled ends in ${count(within)} of ${count(rows.length)} cells.`),
    plainTable("The model held against the measurement", ["Cell", "Measured", "Modelled", "The model is"], rows.slice(0, MOST_LINES), [1, 2]), more(rows.length));
}

/** @param {Cell[]} cells @param {number} rttNs */
function bandwidthTable(cells, rttNs) {
  const bases = [...grouped(cells, (cell) => cell.family).values()].flatMap(([first]) => baseOf(first) ?? []);
  const rows = [];
  for (const rivals of grouped(bases, ({ cell }) => [cell.network, cell.dataset, cell.machine, cell.batch, cell.threads].join("/")).values()) {
    for (const [index, a] of rivals.entries()) {
      for (const b of rivals.slice(index + 1)) {
        const bits = crossing(a, b, rttNs);
        if (bits === undefined || a.cell.backend === b.cell.backend) continue;
        const [heavy, light] = a.bytes > b.bytes ? [a.cell, b.cell] : [b.cell, a.cell];
        rows.push([`${taskTitle(heavy)}${heavy.twin ? ", polynomials" : ""}`, `${heavy.backend} (${heavy.letter})`, `${light.backend} (${light.letter})`, count(heavy.batch), rate(bits),
          heavy.group === light.group ? "the same" : "different: where costs cross, not which is better"]);
      }
    }
  }
  if (!rows.length) return h("p", { class: "note" }, "At this round trip no two backends change places as bandwidth grows.");
  return h("div", {}, h("p", {}, h("span", { class: "tag modelled" }, "modelled"),
    ` At a round trip of ${duration(rttNs)}, the first backend, which sends more, overtakes the second from this bandwidth on.`),
    plainTable("Break-even bandwidth, modelled", ["Network", "Overtakes", "Overtaken", "Batch", "From", "Protection"], rows.slice(0, MOST_LINES), [3, 4]), more(rows.length));
}

/** @param {number} lines */
function more(lines) {
  return lines > MOST_LINES && h("p", { class: "note" }, `${count(lines - MOST_LINES)} more; filter to see them.`);
}
