const VIEWS = { overview, time, communication, networks: links, batches: batch, tradeoffs, memory, accuracy, published, provenance,
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
    h("li", {}, h("a", { href: state.href({ view: key, cell: "" }) === "#" ? "#view=overview" : state.href({ view: key, cell: "" }), "aria-current": key === name ? "page" : undefined }, title))));
  document.title = `${view.title} · ${RUN.name} · veilbench`;
  if (moved) {
    scrollTo(0, 0);
    MAIN.focus({ preventScroll: true });
    navigation.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }
}

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
  state.read(location.hash);
  render();
});
let width = innerWidth;
let pending;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(pending);
  pending = setTimeout(render, 120);
});

state.read(location.hash);
render();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
