// The page: which view is shown, in which colours, for which cells. A view is a file, imported here in its place in the navigation.

import { syncControls } from "./controls.js";
import { ORDERED, RUN } from "./data.js";
import { h, part } from "./dom.js";
import { buildFilter, filtered } from "./filter.js";
import { views } from "./registry.js";
import { state } from "./state.js";
import "./views/overview.js";
import "./views/time.js";
import "./views/layers.js";
import "./views/communication.js";
import "./views/networks.js";
import "./views/batches.js";
import "./views/tradeoffs.js";
import "./views/memory.js";
import "./views/accuracy.js";
import "./views/published.js";
import "./views/provenance.js";
import "./views/method.js";
import "./views/cell.js";

const MAIN = part("main");
const FILTER = part("filter");
const syncFilter = buildFilter(FILTER);
const navigation = h("ul");
part("views").append(navigation);
/** @type {View | undefined} */
let mounted;
/** @type {(cells: Cell[]) => void} */
let update = () => {};

function render() {
  const view = views.find(({ key }) => key === state.get("view")) ?? views[0];
  applyTheme();
  const cells = filtered();
  const moved = mounted !== undefined && mounted !== view;
  if (mounted !== view) {
    MAIN.replaceChildren();
    update = view.mount(MAIN);
    mounted = view;
  }
  FILTER.hidden = view.filterless === true;
  if (!view.filterless) syncFilter(cells);
  syncControls(MAIN);
  update(cells);
  navigation.replaceChildren(...views.filter(({ unlisted }) => !unlisted).map(({ key, title }) =>
    h("li", {}, h("a", { href: state.href({ view: key, cell: "" }), "aria-current": key === view.key ? "page" : undefined }, title))));
  document.title = `${view.title} · ${RUN.name} · veilbench`;
  if (moved) {
    scrollTo(0, 0);
    MAIN.focus({ preventScroll: true });
  }
  const current = navigation.querySelector("[aria-current]");
  if (current instanceof HTMLElement) navigation.scrollLeft = current.offsetLeft - (navigation.clientWidth - current.clientWidth) / 2;
}

// The address holds the view, so the link to the main part moves the focus and leaves the address alone.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  MAIN.focus();
});

const THEMES = [["", "System colours"], ["light", "Light"], ["dark", "Dark"]];
const themeButton = part("theme");
function applyTheme() {
  const theme = THEMES.find(([key]) => key === state.get("theme")) ?? THEMES[0];
  if (theme[0]) document.documentElement.dataset.theme = theme[0];
  else delete document.documentElement.dataset.theme;
  themeButton.textContent = theme[1];
  themeButton.setAttribute("aria-label", `Colours: ${theme[1]}. Change`);
}
themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  const at = THEMES.findIndex(([key]) => key === state.get("theme"));
  state.set({ theme: THEMES[(at + 1) % THEMES.length][0] });
});

addEventListener("hashchange", () => begin());
let width = innerWidth;
let pending = 0;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(pending);
  pending = setTimeout(render, 120);
});

function begin() {
  state.read(location.hash === "" ? beginning() : location.hash);
  render();
}

/** Without an address to go by: one link and one number of threads, which the filter shows and can undo. */
function beginning() {
  const several = (/** @type {"link" | "threads"} */ key) => new Set(ORDERED.map((cell) => cell[key])).size > 1;
  const has = (/** @type {"link" | "threads"} */ key, /** @type {string | number} */ value) => ORDERED.some((cell) => cell[key] === value);
  return state.href({ link: several("link") && has("link", "loopback") ? "loopback" : "", threads: several("threads") && has("threads", 1) ? "1" : "" });
}

// On a phone the warnings would fill the first screen; how many there are stays in sight.
if (innerWidth < 640) document.querySelector("#warnings details")?.removeAttribute("open");
state.changed = render;
begin();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
