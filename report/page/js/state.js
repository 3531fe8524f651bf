// What is shown stands in the address after `#`, so that a view can be shared, kept and gone back to.

const DEFAULTS = {
  view: "overview", q: "", network: "", backend: "", dataset: "", protection: "", link: "", batch: "", threads: "", machine: "",
  status: "", metric: "online_wall_ns", sort: "", dir: "up", across: "", log: "1", split: "phase", phase: "online",
  setup: "1", offline: "1", online: "1", rtt: "20", bw: "100", offlinecounts: "1", foreign: "", cell: "", theme: "",
};

/** @typedef {keyof typeof DEFAULTS} Key */

/** @param {string} key @returns {key is Key} */
function known(key) {
  return Object.hasOwn(DEFAULTS, key);
}

export const state = {
  values: { ...DEFAULTS },
  /** Called after a change. */
  changed: () => {},
  /** @param {Key} key */
  get(key) {
    return this.values[key];
  },
  /** @param {Key} key */
  list(key) {
    return this.values[key] === "" ? [] : this.values[key].split(",");
  },
  /** The address of this view with some values changed. @param {Partial<Record<Key, string>>} changes */
  href(changes) {
    const values = { ...this.values, ...changes };
    const parts = Object.keys(DEFAULTS).filter(known)
      .filter((key) => key === "view" || values[key] !== DEFAULTS[key])
      .map((key) => `${key}=${encodeURIComponent(values[key]).replace(/%2F/g, "/").replace(/%2C/g, ",")}`);
    return `#${parts.join("&")}`;
  },
  /** Changes values and the address. @param {Partial<Record<Key, string>>} changes */
  set(changes) {
    const address = this.href(changes);
    this.read(address);
    if (address !== location.hash) history.replaceState(null, "", address);
    this.changed();
  },
  /** Takes unknown keys and senseless values for what is not there. @param {string} address */
  read(address) {
    this.values = { ...DEFAULTS };
    for (const part of address.replace(/^#/, "").split("&")) {
      const at = part.indexOf("=");
      const key = part.slice(0, at);
      if (at < 1 || !known(key)) continue;
      try {
        this.values[key] = decodeURIComponent(part.slice(at + 1));
      } catch {
        this.values[key] = DEFAULTS[key];
      }
    }
    for (const key of /** @type {const} */ (["rtt", "bw"])) {
      const value = Number(this.values[key]);
      if (!(value > 0 && value < 1e6)) this.values[key] = DEFAULTS[key];
    }
  },
};
