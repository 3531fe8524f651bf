// Mistakes that the checker must find: a line that is none is itself an error.

import { ORDERED } from "../../page/js/data.js";
import { h } from "../../page/js/dom.js";
import { register } from "../../page/js/registry.js";
import { state } from "../../page/js/state.js";

const [cell] = ORDERED;

// @ts-expect-error no column has this name
export const misspelt = cell.onlin_wall_ns;
// @ts-expect-error a figure may not have been measured
export const absent = cell.online_wall_ns + 1;
// @ts-expect-error a number is no child of an element
export const child = h("p", {}, cell.batch);
// @ts-expect-error the address has no such key
export const key = state.get("nosuch");
// @ts-expect-error a view is mounted
register({ key: "new", title: "New" });
