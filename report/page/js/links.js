// Time on other networks: measured where it was, modelled where the sliders say.

/** Everything of a cell but its link: what a measured twin on another link shares. */
const linkless = (cell) => [cell.backend, cell.network, cell.dataset, cell.batch, cell.threads, cell.images, cell.seed].join("/");

function twins() {
  const found = new Map();
  for (const cell of ORDERED) {
    if (!found.has(linkless(cell))) found.set(linkless(cell), new Map());
    found.get(linkless(cell)).set(cell.link, cell);
  }
  return found;
}
const TWINS = twins();

/** Round trip in nanoseconds and bits a second of a link by its name; none if the name does not say. */
function linkShape(name) {
  if (LINKS[name]) return LINKS[name];
  const match = /^(\d+)(k|m|g)bit\+(\d+)(ns|us|ms|s)$/.exec(name);
  if (!match) return undefined;
  const bits = match[1] * { k: 1e3, m: 1e6, g: 1e9 }[match[2]];
  return [match[3] * { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }[match[4]], bits];
}

/**
 * Modelled online time of a batch, lower and upper end, in nanoseconds: measured time on loopback, half a round trip
 * for each measured round, and bytes by bandwidth: of the busiest direction alone, and of all one after another.
 */
function modelled(cell, rttNs, bits) {
  const base = TWINS.get(linkless(cell))?.get("loopback");
  if (base?.online_wall_ns === undefined || base.online_bytes === undefined || base.online_rounds === undefined) return undefined;
  const busiest = Math.max(0, ...base.pairs.filter((pair) => pair.phase === "online").map((pair) => pair.bytes));
  const waiting = base.online_wall_ns + (base.online_rounds * rttNs) / 2;
  return [waiting + (busiest * 8e9) / bits, waiting + (base.online_bytes * 8e9) / bits];
}

const band = ([low, high]) => (duration(low) === duration(high) ? duration(low) : `${duration(low)} to ${duration(high)}`);

/** Where two modelled upper ends meet as bandwidth grows, at this round trip; none if they do not. */
function crossing(a, b, rttNs) {
  const fixed = (cell) => cell.online_wall_ns + (cell.online_rounds * rttNs) / 2;
  const [time, bytes] = [fixed(a) - fixed(b), b.online_bytes - a.online_bytes];
  const bits = (bytes * 8e9) / time;
  return bits > 0 && Number.isFinite(bits) ? bits : undefined;
}

function slider(text, key, low, high, format) {
  const range = h("input", { type: "range", min: 0, max: 1000, step: 1, oninput: () => {
    const value = low * (high / low) ** (range.value / 1000);
    state.set({ [key]: String(Number(value.toPrecision(3))) });
  } });
  const output = h("output", {});
  const sync = () => {
    const value = Number(state.get(key));
    const at = Math.round((1000 * Math.log(value / low)) / Math.log(high / low));
    if (document.activeElement !== range) range.value = at;
    output.textContent = format(value);
    range.setAttribute("aria-valuetext", format(value));
  };
  return { label: h("label", {}, output, text, range), sync };
}

const links = {
  title: "Networks",
  mount(root) {
    const rtt = slider("Round trip", "rtt", 0.01, 500, (ms) => duration(ms * 1e6));
    const bw = slider("Bandwidth", "bw", 1, 100000, (mbit) => rate(mbit * 1e6));
    root.append(h("h2", {}, "On another network"),
      h("p", { class: "note" }, "Solid bars were measured: loopback as it is, lan at 1 Gbit/s and 0.5 ms, wan at 100 Mbit/s and 40 ms. The dashed bar is ",
        h("span", { class: "tag modelled" }, "modelled"), " for the network chosen here, from the time on loopback and the measured bytes and rounds. Its two ends assume that all links carry at once, and that nothing overlaps. The filter for links does not apply here."),
      h("div", { class: "sliders" }, rtt.label, bw.label), h("div", { class: "controls" }, toggle("Logarithmic", "log")));
    const [body, check, even] = [h("div"), h("div"), h("div")];
    root.append(body, h("h2", {}, "The model held against the measurement"), check, h("h2", {}, "Where bandwidth decides"), even);
    return () => {
      const cells = filtered("link");
      rtt.sync();
      bw.sync();
      const [rttNs, bits] = [Number(state.get("rtt")) * 1e6, Number(state.get("bw")) * 1e6];
      const families = new Map();
      for (const cell of cells) {
        if (!families.has(linkless(cell))) families.set(linkless(cell), []);
        families.get(linkless(cell)).push(cell);
      }
      if (!families.size) {
        for (const part of [body, check, even]) part.replaceChildren(nothing("No cell fits the filter."));
        return;
      }
      body.replaceChildren(linkFigure([...families.values()], rttNs, bits));
      check.replaceChildren(modelCheck(cells));
      even.replaceChildren(bandwidthTable([...families.values()], rttNs));
    };
  },
};

function linkFigure(families, rttNs, bits) {
  const log = state.get("log") === "1";
  const models = families.map(([cell]) => modelled(cell, rttNs, bits));
  const values = [...families.flat().map((cell) => cell.online_wall_ns), ...models.flatMap((ends) => ends ?? [])];
  const axis = scale(values, { log, tick: duration });
  const label = conditions(families.map(([cell]) => ({ ...cell, link: "" })));
  const known = new Map(families.map((family, index) => [family[0], [family, models[index]]]));
  const rows = headed(families.map(([cell]) => cell), (first) => {
    const [family, ends] = known.get(first);
    const measured = family.map((cell, index) => ({ label: index === 0 ? cellLabel(cell) : "",
      sub: [cell.link, index === 0 ? label(cell) : ""].filter(Boolean).join(", "),
      marks: cell.online_wall_ns === undefined ? [] : [segment(axis, 0, cell.online_wall_ns, "online", colour(cell), `measured on ${cell.link}: ${duration(cell.online_wall_ns)}`), whisker(axis, cell)],
      value: cell.online_wall_ns === undefined ? failureMark(cell) ?? "not measured" : duration(cell.online_wall_ns) }));
    if (!ends) return measured;
    return [...measured, { label: "", sub: h("span", { class: "tag modelled" }, "modelled"),
      marks: [segment(axis, 0, ends[0], "modelled", undefined, `modelled, lower end: ${duration(ends[0])}`),
        segment(axis, ends[0], ends[1], "modelled", undefined, `modelled, upper end: ${duration(ends[1])}`)],
      value: h("span", { class: "modelled-value", "data-cell": first.cell }, band(ends)) }];
  });
  return h("figure", {}, legend([["", "var(--c0)", "measured"], ["modelled", "", "modelled, to its lower and its upper end"]]),
    barList("Online time by network", rows, axis, { wide: true }),
    asTable("Online time by network", ["Cell", "Measured", "Modelled at the sliders, lower", "Modelled, upper"], () => families.flat().map((cell) => {
      const ends = modelled(cell, rttNs, bits);
      return [cell.cell, given(cell.online_wall_ns, duration), given(ends?.[0], duration), given(ends?.[1], duration)];
    }), [1, 2, 3]));
}

function whisker(axis, cell) {
  if (cell.online_wall_ns_low === undefined) return null;
  const [left, right] = [axis.at(cell.online_wall_ns_low), axis.at(cell.online_wall_ns_high)];
  return right - left < 0.002 ? null : h("span", { class: "whisker", style: { left: pc(left), width: pc(right - left) } });
}

function modelCheck(cells) {
  const rows = [];
  for (const cell of cells) {
    const shape = linkShape(cell.link);
    if (cell.link === "loopback" || !shape || cell.online_wall_ns === undefined) continue;
    const ends = modelled(cell, ...shape);
    if (!ends) continue;
    const verdict = cell.online_wall_ns < ends[0] ? `${figures(ends[0] / cell.online_wall_ns)} times too long`
      : cell.online_wall_ns > ends[1] ? `${figures(cell.online_wall_ns / ends[1])} times too short` : "within";
    rows.push([cell.cell, duration(cell.online_wall_ns), band(ends), verdict]);
  }
  if (!rows.length) return h("p", { class: "note" }, "No cell here was measured on loopback and on a shaped link, so nothing checks the model.");
  const within = rows.filter(([, , , verdict]) => verdict === "within").length;
  return h("div", {}, h("p", {}, `The measured time lies between the modelled ends in ${count(within)} of ${count(rows.length)} cells.`),
    plainTable("The model held against the measurement", ["Cell", "Measured", "Modelled", "The model is"], rows.slice(0, 40), [1, 2]),
    rows.length > 40 && h("p", { class: "note" }, `${count(rows.length - 40)} more; filter to see them.`));
}

function bandwidthTable(families, rttNs) {
  const bases = families.map((family) => TWINS.get(linkless(family[0])).get("loopback"))
    .filter((cell) => cell?.online_wall_ns !== undefined && cell.online_bytes !== undefined && cell.online_rounds !== undefined);
  const fields = new Map();
  for (const cell of bases) {
    const key = [field(cell), cell.batch, cell.threads].join("/");
    if (!fields.has(key)) fields.set(key, []);
    fields.get(key).push(cell);
  }
  const rows = [];
  for (const group of fields.values()) {
    for (const [index, a] of group.entries()) {
      for (const b of group.slice(index + 1)) {
        const bits = crossing(a, b, rttNs);
        if (bits === undefined || a.backend === b.backend) continue;
        const [heavy, light] = a.online_bytes > b.online_bytes ? [a, b] : [b, a];
        rows.push([field(a), `${heavy.backend} (${heavy.letter})`, `${light.backend} (${light.letter})`, `${count(a.batch)}`, rate(bits),
          a.group === b.group ? "the same" : "different: where costs cross, not which is better"]);
      }
    }
  }
  if (!rows.length) return h("p", { class: "note" }, "At this round trip no two backends change places as bandwidth grows.");
  return h("div", {}, h("p", {}, h("span", { class: "tag modelled" }, "modelled"),
    ` At a round trip of ${duration(rttNs)}, the first backend, which sends more, overtakes the second from this bandwidth on.`),
    plainTable("Break-even bandwidth, modelled", ["Network", "Overtakes", "Overtaken", "Batch", "From", "Protection"], rows.slice(0, 40), [3, 4]),
    rows.length > 40 && h("p", { class: "note" }, `${count(rows.length - 40)} more; filter to see them.`));
}
