// Controls whose values stand in the address.

import { h } from "./dom.js";
import { state } from "./state.js";

/**
 * @param {string} label
 * @param {Parameters<typeof state.get>[0]} key
 * @param {string[][]} options value and text of each
 */
export function choice(label, key, options) {
  const select = h("select", { onchange: () => {
    state.set({ [key]: select.value });
  } },
    options.map(([value, text]) => h("option", { value }, text)));
  select.dataset.key = key;
  return h("label", {}, label, select);
}

/** @param {string} label @param {Parameters<typeof state.get>[0]} key */
export function toggle(label, key) {
  const box = h("input", { type: "checkbox", onchange: () => {
    state.set({ [key]: box.checked ? "1" : "" });
  } });
  box.dataset.key = key;
  return h("label", {}, box, label);
}

/** Brings the controls below an element to what the address says. @param {Element} root */
export function syncControls(root) {
  for (const control of root.querySelectorAll("[data-key]")) {
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement)) continue;
    const value = state.get(/** @type {Parameters<typeof state.get>[0]} */ (control.dataset.key));
    if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === "1";
    else if (control !== document.activeElement || control instanceof HTMLSelectElement) control.value = value;
  }
}
