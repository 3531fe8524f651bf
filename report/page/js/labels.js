// How cells, protections and links are named and told apart.

import { DATA, GROUPS, LINKS } from "./data.js";
import { h, svg } from "./dom.js";
import { count } from "./format.js";
import { state } from "./state.js";

/** Colours after which they come again. */
const COLOURS = 7;

/** The colour of a cell's protection. @param {Cell} cell */
export function colour(cell) {
  return `var(--c${(cell.group ?? 0) % COLOURS})`;
}

/** @param {number} index */
export function spanColour(index) {
  return `var(--c${index % COLOURS})`;
}

/** After the last colour they come again, striped and then tinted. @param {number} index */
export function spanKind(index) {
  return ["", "offline", "setup"][Math.floor(index / COLOURS) % 3];
}

/** The title of a cell's task. @param {Cell} cell */
export function taskTitle(cell) {
  return DATA.tasks[cell.task].title;
}

/** The style of a link: 0 is unbroken. @param {string} link */
export function styleOf(link) {
  return LINKS.get(link)?.style ?? 0;
}

/** How a bar of this link is broken along its length; none if it is not. @param {string} link */
export function maskOf(link) {
  const pattern = LINKS.get(link)?.pattern ?? [];
  let at = 0;
  const parts = pattern.map((length, index) => `${index % 2 ? "transparent" : "#000"} ${at}px ${(at += length)}px`);
  return parts.length ? `repeating-linear-gradient(90deg,${parts.join(",")})` : undefined;
}

/** How a line of this link is broken. @param {string | undefined} link */
export function dashOf(link) {
  return (link && LINKS.get(link)?.pattern.join(" ")) || undefined;
}

/** What a mark at this place is cut by, which tells its link. @param {string | undefined} link @param {number} x @param {number} y @param {string} stroke */
export function cutOf(link, x, y, stroke) {
  const style = link === undefined ? 0 : styleOf(link);
  const path = ["", `M${x - 6.5} ${y}h13`, `M${x - 6.5} ${y}h13M${x} ${y - 6.5}v13`, `M${x - 1} ${y}h2`, `M${x} ${y - 6.5}v13`][style];
  return path ? svg("path", { class: `cut cut${style}`, d: path, fill: "none", style: { stroke, "stroke-width": style === 3 ? 4 : 2 } }) : null;
}

/**
 * Which conditions differ among cells and so belong into their labels; images and seed only if nothing else tells cells apart.
 * @param {Cell[]} cells
 */
export function conditions(cells) {
  const apart = new Set(cells.map((cell) => [cell.backend, cell.network, cell.dataset, cell.batch, cell.threads, cell.link].join("/"))).size;
  /** @type {[keyof Cell, (cell: Cell) => string][]} */
  const all = [["twin", (cell) => (cell.twin ? "polynomials" : "")], ["batch", (cell) => `batch ${count(cell.batch)}`],
    ["threads", (cell) => `${cell.threads} thread${cell.threads === 1 ? "" : "s"}`], ["link", (cell) => cell.link],
    ["images", (cell) => `${count(cell.images)} images`], ["seed", (cell) => `seed ${cell.seed}`]];
  const shown = all.filter(([key]) => cells.some((cell) => cell[key] !== cells[0][key]))
    .filter(([key]) => apart < cells.length || (key !== "images" && key !== "seed"));
  return (/** @type {Cell} */ cell) => shown.map(([, text]) => text(cell)).filter(Boolean).join(", ");
}

/** The letter of a protection. @param {Cell} cell */
export function badge(cell) {
  if (cell.group === undefined) return null;
  const group = GROUPS[cell.group];
  const title = `Protection ${group.letter}: ${group.technology}; ${group.protection}`;
  return h("span", { class: "badge", style: { "--g": colour(cell) }, title },
    h("span", { class: "sr" }, "protection "), group.letter);
}

/** @param {Cell} cell */
export function cellHref(cell) {
  return state.href({ view: "cell", cell: cell.cell });
}

/** @param {Cell} cell */
export function cellLink(cell) {
  return h("a", { href: cellHref(cell) }, cell.backend);
}

/** Protection and backend. @param {Cell} cell */
export function cellLabel(cell) {
  return [badge(cell), cellLink(cell)];
}

/** How the sessions of a cell ended, if not well. @param {Cell} cell */
export function failureMark(cell) {
  return cell.ending === undefined ? null : h("span", { class: "fail", title: cell.detail }, cell.ending);
}

/** Letters of the protections that these cells have, with what they stand for. @param {Cell[]} cells */
export function protections(cells) {
  const present = new Set(cells.map((cell) => cell.group));
  return h("ul", { class: "protections", "aria-label": "What the letters of protection stand for" },
    GROUPS.map((group, index) => present.has(index) && h("li", {},
      h("span", { class: "badge", style: { "--g": spanColour(index) } }, group.letter),
      h("span", {}, h("strong", {}, group.technology), " ", h("small", {}, group.protection)))));
}

/** A list of swatches: kind, colour and text of each. @param {[string, string, string][]} entries */
export function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([kind, colour, text]) =>
    h("li", {}, h("span", { class: `swatch ${kind}`, style: { "--g": colour }, "aria-hidden": "true" }), text)));
}

/** How bars, lines and marks of each link look, if these cells have any but loopback. @param {Cell[]} cells */
export function linkLegend(cells) {
  const present = new Set(cells.map((cell) => cell.link));
  const links = DATA.links.filter((link) => present.has(link.name));
  if (links.every((link) => link.style === 0)) return null;
  return h("ul", { class: "legend links", "aria-label": "How links are told apart" }, links.map((link) =>
    h("li", { "data-link": link.name }, h("span", { class: "swatch", style: { "--g": "var(--soft)", "mask-image": maskOf(link.name) ?? "none" }, "aria-hidden": "true" }),
      svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, svg("circle", { cx: 8, cy: 8, r: 5.5, style: { fill: "var(--soft)" } }), cutOf(link.name, 8, 8, "var(--card)")),
      `over ${link.name}`)));
}
