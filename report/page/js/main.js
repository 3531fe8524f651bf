const VIEWS = { overview, time, layers, communication, networks: links, batches: batch, tradeoffs, memory, accuracy, published, provenance,
  method: { title: "Method", filterless: true, mount(root) {
    root.append(document.getElementById("method").content.cloneNode(true));
    return () => {};
  } }, cell: cellView };

const MAIN = document.getElementById("main");
const FILTER = document.getElementById("filter");
const syncFilter = buildFilter(FILTER);
const navigation = h("ul");
document.getElementById("views").append(navigation);
let mounted;
let update;

function render() {
  const name = Object.hasOwn(VIEWS, state.get("view")) ? state.get("view") : "overview";
  const view = VIEWS[name];
  applyTheme();
  const cells = filtered();
  const moved = mounted !== undefined && mounted !== name;
  if (mounted !== name) {
    MAIN.replaceChildren();
    update = view.mount(MAIN);
    mounted = name;
  }
  FILTER.hidden = view.filterless === true;
  if (!view.filterless) syncFilter(cells);
  syncControls(MAIN);
  update(cells);
  navigation.replaceChildren(...Object.entries(VIEWS).filter(([key]) => key !== "cell").map(([key, { title }]) =>
    h("li", {}, h("a", { href: state.href({ view: key, cell: "" }), "aria-current": key === name ? "page" : undefined }, title))));
  document.title = `${view.title} · ${RUN.name} · veilbench`;
  if (moved) {
    scrollTo(0, 0);
    MAIN.focus({ preventScroll: true });
  }
  const current = navigation.querySelector("[aria-current]");
  if (current) navigation.scrollLeft = current.offsetLeft - (navigation.clientWidth - current.clientWidth) / 2;
}

// The address holds the view, so the link to the main part moves the focus and leaves the address alone.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  MAIN.focus();
});

const THEMES = [["", "System colours"], ["light", "Light"], ["dark", "Dark"]];
const themeButton = document.getElementById("theme");
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

addEventListener("hashchange", () => {
  begin();
});
let width = innerWidth;
let pending;
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
  const several = (key) => new Set(ORDERED.map((cell) => cell[key])).size > 1;
  const has = (key, value) => ORDERED.some((cell) => cell[key] === value);
  return state.href({ link: several("link") && has("link", "loopback") ? "loopback" : "", threads: several("threads") && has("threads", 1) ? "1" : "" });
}

// On a phone the warnings would fill the first screen; how many there are stays in sight.
if (innerWidth < 640) document.querySelector("#warnings details")?.removeAttribute("open");
begin();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
