// The views, in the order in which `main.js` imports them.

/** @type {View[]} */
export const views = [];

/** Adds a view. @param {View} view */
export function register(view) {
  views.push(view);
}
