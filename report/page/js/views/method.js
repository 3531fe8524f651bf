// How the figures came about: the text of the harness' README, which the frame of the page holds.

import { part } from "../dom.js";
import { register } from "../registry.js";

register({
  key: "method",
  title: "Method",
  filterless: true,
  mount(root) {
    const text = part("method");
    if (text instanceof HTMLTemplateElement) root.append(text.content.cloneNode(true));
    return () => {};
  },
});
