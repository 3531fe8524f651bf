// What the run holds, with names in the place of their numbers.

const DATA = JSON.parse(document.getElementById("data").textContent);
const { run: RUN, groups: GROUPS, names: NAMES } = DATA;
const PHASES = ["setup", "offline", "online"];
const LINKS = { loopback: [0, Infinity], lan: [0.5e6, 1e9], wan: [40e6, 1e8] };
const CELLS = new Map();

for (const cell of DATA.cells) {
  cell.spans = (cell.spans ?? []).map(([phase, role, span, wall, cpu, samples]) =>
    ({ phase: NAMES[phase], role: NAMES[role], span: NAMES[span], wall, cpu, samples }));
  cell.pairs = (cell.pairs ?? []).map(([phase, from, to, bytes, messages]) =>
    ({ phase: NAMES[phase], from: NAMES[from], to: NAMES[to], bytes, messages }));
  cell.memory = (cell.memory ?? []).map(([role, bytes]) => ({ role: NAMES[role], bytes }));
  cell.points = (cell.points ?? []).map(([repetition, iteration, wall, warm]) =>
    ({ repetition, iteration, wall, warm: warm === 1 }));
  cell.letter = GROUPS[cell.group]?.letter ?? "";
  CELLS.set(cell.cell, cell);
}

const linkRank = (link) => (Object.hasOwn(LINKS, link) ? Object.keys(LINKS).indexOf(link) : Object.keys(LINKS).length);

/** By network, protection and backend, then from the fastest link, the fewest threads and the smallest batch upwards. */
const ORDERED = [...DATA.cells].sort((a, b) => compareText(a.network, b.network) || compareText(a.dataset, b.dataset) || a.group - b.group ||
  compareText(a.backend, b.backend) || linkRank(a.link) - linkRank(b.link) || compareText(a.link, b.link) || a.threads - b.threads || a.batch - b.batch ||
  a.images - b.images || a.seed - b.seed);

function compareText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

const colour = (cell) => `var(--c${(cell.group ?? 0) % 7})`;
const spanColour = (index) => `var(--c${index % 7})`;
/** After seven colours they come again, striped. */
const spanKind = (index) => ["", "offline", "setup"][Math.floor(index / 7) % 3];
const field = (cell) => `${cell.network} · ${cell.dataset}${cell.synthetic ? " (generated images)" : ""}`;
const perImage = (cell, value) => (value === undefined ? undefined : value / cell.batch);

function failure(cell) {
  if (cell.status === "ok") return "";
  const some = cell.repetitions_failed < cell.repetitions;
  return some ? `${cell.status} in ${cell.repetitions_failed} of ${cell.repetitions} sessions` : cell.status;
}

/** Which conditions differ among cells and so belong into their labels; images and seed only if nothing else tells cells apart. */
function conditions(cells) {
  const varies = (key) => cells.some((cell) => cell[key] !== cells[0][key]);
  const apart = new Set(cells.map((cell) => [cell.backend, cell.network, cell.dataset, cell.batch, cell.threads, cell.link].join("/"))).size;
  const shown = [["batch", (v) => `batch ${count(v)}`], ["threads", (v) => `${v} thread${v === 1 ? "" : "s"}`],
    ["link", (v) => v], ...(apart === cells.length ? [] : [["images", (v) => `${count(v)} images`], ["seed", (v) => `seed ${v}`]])]
    .filter(([key]) => varies(key));
  return (cell) => shown.map(([key, text]) => text(cell[key])).join(", ");
}

function badge(cell) {
  const group = GROUPS[cell.group];
  if (!group) return null;
  const title = `Protection ${group.letter}: ${group.technology}; ${group.protection}`;
  return h("span", { class: "badge", style: { "--g": colour(cell) }, title },
    h("span", { class: "sr" }, "protection "), group.letter);
}

const cellHref = (cell) => state.href({ view: "cell", cell: cell.cell });
const cellLink = (cell, text) => h("a", { href: cellHref(cell) }, text ?? cell.backend);

/** Letters of the protections that these cells have, with what they stand for. */
function protections(cells) {
  const present = new Set(cells.map((cell) => cell.group));
  return h("ul", { class: "protections", "aria-label": "What the letters of protection stand for" },
    GROUPS.map((group, index) => present.has(index) && h("li", {},
      h("span", { class: "badge", style: { "--g": `var(--c${index % 7})` } }, group.letter),
      h("span", {}, h("strong", {}, group.technology), " ", h("small", {}, group.protection)))));
}
