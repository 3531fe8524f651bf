// Numbers that the filter or a slider makes, as people read them: as `src/text/format.rs` does it, which both tests hold to `tests/format.json`.

/** Three significant figures. @param {number} value */
export function figures(value) {
  if (!Number.isFinite(value)) return String(value);
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(Math.max(2 - magnitude, 0), 9);
  return value.toLocaleString("en", { maximumFractionDigits: decimals });
}

/**
 * @param {number} value
 * @param {[number, number, string][]} units size, from where on it is used, name
 * @param {string} smallest
 */
function scaled(value, units, smallest) {
  for (const [size, from, unit] of units) {
    if (value >= from * 0.9995) return `${figures(value / size)} ${unit}`;
  }
  return `${figures(value)} ${smallest}`;
}

/** @param {number} ns */
export function duration(ns) {
  return scaled(ns, [[3600e9, 7200e9, "h"], [60e9, 120e9, "min"], [1e9, 1e9, "s"], [1e6, 1e6, "ms"], [1e3, 1e3, "µs"]], "ns");
}

/** @param {number} bytes */
export function size(bytes) {
  return scaled(bytes, [[1e15, 1e15, "PB"], [1e12, 1e12, "TB"], [1e9, 1e9, "GB"], [1e6, 1e6, "MB"], [1e3, 1e3, "kB"]], "B");
}

/** @param {number} bits per second */
export function rate(bits) {
  return scaled(bits, [[1e9, 1e9, "Gbit/s"], [1e6, 1e6, "Mbit/s"], [1e3, 1e3, "kbit/s"]], "bit/s");
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString("en");
}

/** @param {number} share of one */
export function percent(share) {
  return share === 1 ? "100 %" : `${(share * 100).toFixed(2)} %`;
}

/** A pure number of any size. @param {number} value */
export function small(value) {
  const size = Math.abs(value);
  return value === 0 || (size >= 1e-3 && size < 1e6) || !Number.isFinite(value) ? figures(value) : value.toExponential(1).replace("e+", "e");
}

/**
 * A figure, or a dash for what was not measured.
 * @param {number | null | undefined} value
 * @param {(value: number) => string} format
 */
export function given(value, format) {
  return value === undefined || value === null ? "–" : format(value);
}
