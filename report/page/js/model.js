// Time over a network that nobody measured: what sliders ask of the browser.

import { grouped, ORDERED } from "./data.js";

/** Loopback, by family. */
const BASES = new Map([...grouped(ORDERED, (cell) => cell.family)].map(([family, cells]) => [family, cells.find((cell) => cell.link === "loopback")]));

/**
 * Time, bytes and rounds of the same cell on loopback, if all three were measured.
 * @param {Cell} cell
 */
export function baseOf(cell) {
  const base = BASES.get(cell.family);
  if (base?.online_wall_ns === undefined || base.online_bytes === undefined || base.online_rounds === undefined) return undefined;
  return { cell: base, ns: base.online_wall_ns, bytes: base.online_bytes, rounds: base.online_rounds };
}

/**
 * Modelled online time of a batch, lower and upper end, in nanoseconds: measured time on loopback, half a round trip
 * for each measured round, and bytes by bandwidth: of the busiest direction alone, and of all one after another.
 * @param {Cell} cell
 * @param {number} rttNs
 * @param {number} bits per second
 * @returns {[number, number] | undefined}
 */
export function modelled(cell, rttNs, bits) {
  const base = baseOf(cell);
  if (!base) return undefined;
  const busiest = Math.max(0, ...base.cell.pairs.filter((pair) => pair.phase === "online").map((pair) => pair.bytes));
  const waiting = base.ns + (base.rounds * rttNs) / 2;
  return [waiting + (busiest * 8e9) / bits, waiting + (base.bytes * 8e9) / bits];
}

/** @typedef {NonNullable<ReturnType<typeof baseOf>>} Base */

/**
 * Bits per second where two modelled upper ends meet as bandwidth grows, at this round trip; none if they do not.
 * @param {Base} a
 * @param {Base} b
 * @param {number} rttNs
 */
export function crossing(a, b, rttNs) {
  const fixed = (/** @type {Base} */ { ns, rounds }) => ns + (rounds * rttNs) / 2;
  const bits = ((b.bytes - a.bytes) * 8e9) / (fixed(a) - fixed(b));
  return bits > 0 && Number.isFinite(bits) ? bits : undefined;
}
