// Which cells every view speaks of.

const FACETS = [
  ["network", "Network", (cell) => cell.network],
  ["backend", "Backend", (cell) => cell.backend],
  ["protection", "Protection", (cell) => cell.letter],
  ["dataset", "Data set", (cell) => cell.dataset],
  ["link", "Link", (cell) => cell.link],
  ["batch", "Batch", (cell) => String(cell.batch)],
  ["threads", "Threads", (cell) => String(cell.threads)],
  ["status", "Status", (cell) => cell.status],
];

/** The cells that fit the filter, all of its facets or all but one. */
function filtered(except) {
  const words = state.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const active = FACETS.filter(([key]) => key !== except).map(([key, , of]) => [new Set(state.list(key)), of]).filter(([set]) => set.size > 0);
  return ORDERED.filter((cell) =>
    active.every(([set, of]) => set.has(of(cell))) &&
    words.every((word) => `${cell.cell} ${cell.status} ${cell.detail ?? ""}`.toLowerCase().includes(word)));
}

function facetNote(key, value) {
  if (key !== "protection") return "";
  const group = GROUPS.find((group) => group.letter === value);
  return group ? `${group.technology}; ${group.protection}` : "";
}

function facet([key, name, of]) {
  const counts = new Map();
  for (const cell of ORDERED) counts.set(of(cell), (counts.get(of(cell)) ?? 0) + 1);
  const numeric = key === "batch" || key === "threads";
  const rank = key === "link" ? linkRank : () => 0;
  const values = [...counts.keys()].sort((a, b) => (numeric ? a - b : rank(a) - rank(b) || compareText(a, b)));
  if (values.length < 2) return null;
  const boxes = values.map((value) => {
    const box = h("input", { type: "checkbox", value, onchange: () => {
      state.set({ [key]: boxes.filter((box) => box.checked).map((box) => box.value).join(",") });
    } });
    return box;
  });
  const lines = boxes.map((box, index) => h("label", {}, box,
    h("span", {}, values[index], " ", h("small", {}, facetNote(key, values[index]))),
    h("small", {}, count(counts.get(values[index])))));
  const summary = h("summary", {}, name);
  const details = h("details", { class: "facet" }, summary,
    h("div", { role: "group", "aria-label": `${name}: show only` }, lines));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    summary.focus();
  });
  const sync = () => {
    const chosen = state.list(key);
    for (const box of boxes) box.checked = chosen.includes(box.value);
    details.classList.toggle("on", chosen.length > 0);
    summary.textContent = chosen.length === 0 ? name : chosen.length === 1 ? `${name}: ${chosen[0]}` : `${name}: ${chosen.length}`;
  };
  return { details, sync };
}

function buildFilter(root) {
  const search = h("input", { type: "search", placeholder: "Search cells", "aria-label": "Search cells by any part of their name",
    oninput: () => state.set({ q: search.value }) });
  search.dataset.key = "q";
  const facets = FACETS.map(facet).filter(Boolean);
  const clear = h("button", { type: "button", class: "quiet", onclick: () => {
    state.set(Object.fromEntries([["q", ""], ...FACETS.map(([key]) => [key, ""])]));
    search.focus();
  } }, "Show all");
  const shown = h("p", { class: "shown", role: "status" });
  root.append(h("div", { class: "filterbar", role: "search" }, search, h("div", { class: "facets" }, facets.map(({ details }) => details), clear)), shown);
  document.addEventListener("click", (event) => {
    for (const { details } of facets) if (!details.contains(event.target)) details.open = false;
  });
  return (cells) => {
    syncControls(root);
    for (const { sync } of facets) sync();
    const all = cells.length === ORDERED.length;
    clear.hidden = all;
    shown.textContent = all ? `All ${count(cells.length)} cells` : `${count(cells.length)} of ${count(ORDERED.length)} cells`;
  };
}
