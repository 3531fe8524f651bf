// Accuracy and agreement with their intervals, and how far the logits are off.

const accuracy = {
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
      const printed = DATA.published.filter((row) => row.accuracy !== null);
      const shares = answered.flatMap((cell) => [cell.accuracy_low, cell.agreement_low]).concat(printed.map((row) => row.accuracy));
      const least = Math.min(...shares.filter((share) => share !== undefined));
      const axis = scale([], { from: Math.max(0, Math.floor(least * 20) / 20), to: 1, tick: (share) => `${figures(share * 100)} %` });
      const label = conditions(answered);
      const rows = headed(answered, (cell) => ({ label: cellLabel(cell), sub: label(cell),
        marks: [shareMark(axis, cell, "accuracy", false), shareMark(axis, cell, "agreement", true)],
        value: cell.accuracy === undefined ? "no accuracy" : percent(cell.accuracy),
        note: `agrees ${percent(cell.agreement)} on ${count(cell.images_answered)} images` }));
      if (printed.length) {
        rows.push({ head: "Published: other networks and data, not comparable" });
        for (const row of printed) rows.push({ label: h("a", { href: state.href({ view: "published" }) }, row.system), sub: `${row.network}, ${row.dataset}`, value: percent(row.accuracy), note: "as printed",
          marks: [h("span", { class: "dot hollow diamond", style: { left: pc(axis.at(row.accuracy)), "--g": "var(--soft)" }, title: row.not_comparable_because })] });
      }
      body.replaceChildren(h("figure", {}, barList("Accuracy and agreement", rows, axis, { wide: true, tall: true }),
        asTable("Accuracy and agreement", ["Cell", "Accuracy", "95 %", "Agreement", "95 %", "Images", "Answers"], () => answered.map((cell) =>
          [cell.cell, given(cell.accuracy, percent), interval(cell.accuracy_low, cell.accuracy_high, percent), percent(cell.agreement),
            interval(cell.agreement_low, cell.agreement_high, percent), count(cell.images_answered), count(cell.answers)]), [1, 2, 3, 4, 5, 6])));
      const errors = scale(answered.map((cell) => cell.max_logit_error), { log: true, tick: small });
      error.replaceChildren(h("figure", {}, barList("Largest logit error", headed(answered, (cell) => ({ label: cellLabel(cell), sub: label(cell),
        marks: cell.max_logit_error > 0 ? [h("span", { class: "dot", style: { left: pc(errors.at(cell.max_logit_error)), "--g": colour(cell) } })] : [],
        value: cell.max_logit_error === "NaN" ? h("span", { class: "fail" }, "not a number") : given(cell.max_logit_error, small) })), errors)));
    };
  },
};

function shareMark(axis, cell, key, hollow) {
  if (cell[key] === undefined) return null;
  const top = hollow ? "74%" : "26%";
  const [left, right] = [axis.at(cell[`${key}_low`]), axis.at(cell[`${key}_high`])];
  const title = `${key}: ${percent(cell[key])} (${interval(cell[`${key}_low`], cell[`${key}_high`], percent)})`;
  return [h("span", { class: "whisker", style: { left: pc(left), width: pc(right - left), top }, title }),
    h("span", { class: `dot${hollow ? " hollow" : ""}`, style: { left: pc(axis.at(cell[key])), "--g": colour(cell), top }, title })];
}
