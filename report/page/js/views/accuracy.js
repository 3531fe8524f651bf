// Accuracy and agreement with their intervals, and how far the logits are off.

import { barList, dot, headed, scale, whisker } from "../bars.js";
import { DATA, written } from "../data.js";
import { asTable, h, nothing } from "../dom.js";
import { count, figures, percent, small } from "../format.js";
import { cellLabel, conditions, linkLegend } from "../labels.js";
import { register } from "../registry.js";
import { state } from "../state.js";

register({
  key: "accuracy",
  title: "Accuracy",
  mount(root) {
    const [body, error] = [h("div"), h("div")];
    root.append(h("h2", {}, "Accuracy and agreement"),
      h("p", { class: "note" }, "Full mark, above: share of answers equal to the label. Hollow mark, below: share equal to the answers of the same network in the clear. Bars are 95 % Wilson intervals, counting each image once. The axis does not start at zero."),
      body, h("h2", {}, "Logit error"),
      h("p", { class: "note" }, "Largest absolute difference between a private logit and the clear network's, over all answers."), error);
    return (cells) => {
      const answered = cells.filter((cell) => cell.agreement !== undefined);
      if (!answered.length) {
        body.replaceChildren(nothing("No cell with answers fits the filter."));
        error.replaceChildren();
        return;
      }
      body.replaceChildren(shareFigure(answered));
      error.replaceChildren(errorFigure(answered));
    };
  },
});

/** @param {Cell[]} cells */
function shareFigure(cells) {
  const printed = DATA.published.flatMap((row) => (row.accuracy === null ? [] : [{ row, accuracy: row.accuracy }]));
  const shares = cells.flatMap((cell) => [cell.accuracy_low ?? 1, cell.agreement_low ?? 1]).concat(printed.map(({ accuracy }) => accuracy));
  const axis = scale([], { from: Math.max(0, Math.floor(Math.min(...shares) * 20) / 20), to: 1, tick: (share) => `${figures(share * 100)} %` });
  const label = conditions(cells);
  const rows = headed(cells, (cell) => ({ label: cellLabel(cell), sub: label(cell),
    marks: [shareMark(axis, cell, "accuracy", ""), shareMark(axis, cell, "agreement", "hollow")],
    value: cell.text.accuracy ?? "no accuracy",
    note: `agrees ${written(cell, "agreement")} on ${count(cell.images_answered)} images` }));
  if (printed.length) rows.push({ head: "Published: other networks and data, not comparable" });
  for (const { row, accuracy } of printed) {
    rows.push({ label: h("a", { href: state.href({ view: "published" }) }, row.system), sub: `${row.network}, ${row.dataset}`, value: percent(accuracy), note: "as printed",
      marks: dot(axis.at(accuracy), undefined, { kind: "hollow diamond", title: row.not_comparable_because }) });
  }
  return h("figure", {}, linkLegend(cells), barList("Accuracy and agreement", rows, axis, { wide: true, tall: true }),
    asTable("Accuracy and agreement", ["Cell", "Accuracy", "95 %", "Agreement", "95 %", "Images", "Answers"], () => cells.map((cell) =>
      [cell.cell, ...["accuracy", "accuracy_interval", "agreement", "agreement_interval"].map((key) => written(cell, key)), count(cell.images_answered), count(cell.answers)]), [1, 2, 3, 4, 5, 6]));
}

/** @param {Scale} axis @param {Cell} cell @param {"accuracy" | "agreement"} key @param {string} kind */
function shareMark(axis, cell, key, kind) {
  const share = cell[key];
  if (share === undefined) return null;
  const top = kind === "hollow" ? "74%" : "26%";
  const title = `${key}: ${written(cell, key)} (${written(cell, `${key}_interval`)})`;
  return [whisker(axis, cell[/** @type {const} */ (`${key}_low`)] ?? share, cell[/** @type {const} */ (`${key}_high`)] ?? share, { top, title }),
    dot(axis.at(share), cell, { kind, top, title })];
}

/** @param {Cell[]} cells */
function errorFigure(cells) {
  const error = (/** @type {Cell} */ { max_logit_error }) => (typeof max_logit_error === "number" ? max_logit_error : undefined);
  const axis = scale(cells.map(error), { log: true, tick: small });
  const label = conditions(cells);
  return h("figure", {}, barList("Largest logit error", headed(cells, (cell) => ({ label: cellLabel(cell), sub: label(cell),
    marks: (error(cell) ?? 0) > 0 && dot(axis.at(error(cell) ?? 0), cell),
    value: cell.max_logit_error === "NaN" ? h("span", { class: "fail" }, "not a number") : written(cell, "max_logit_error") })), axis));
}
