// Numbers as people read them: three significant figures and the unit that suits.

function figures(value) {
  if (!Number.isFinite(value)) return String(value);
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(Math.max(2 - magnitude, 0), 9);
  return value.toLocaleString("en", { maximumFractionDigits: decimals });
}

function scaled(value, units, smallest) {
  for (const [size, from, unit] of units) {
    if (value >= from * 0.9995) return `${figures(value / size)} ${unit}`;
  }
  return `${figures(value)} ${smallest}`;
}

const SECONDS = [[1e9, 1e9, "s"], [1e6, 1e6, "ms"], [1e3, 1e3, "µs"]];
const duration = (ns) => scaled(ns, [[3600e9, 7200e9, "h"], [60e9, 120e9, "min"], ...SECONDS], "ns");
const size = (bytes) =>
  scaled(bytes, [[1e15, 1e15, "PB"], [1e12, 1e12, "TB"], [1e9, 1e9, "GB"], [1e6, 1e6, "MB"], [1e3, 1e3, "kB"]], "B");
const rate = (bits) => scaled(bits, [[1e9, 1e9, "Gbit/s"], [1e6, 1e6, "Mbit/s"], [1e3, 1e3, "kbit/s"]], "bit/s");
const count = (value) => value.toLocaleString("en");
const percent = (share) => (share === 1 ? "100 %" : `${(share * 100).toFixed(2)} %`);
const small = (value) => {
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return value === 0 || (size >= 1e-3 && size < 1e6) ? figures(value) : value.toExponential(1);
};
const given = (value, format) => (value === undefined || value === null ? "–" : format(value));
