// How far two coders agree, as a table.

import { definitions, make } from "./colours.js";

/** The elements of the table. `ask(query)` → what the server says of two coders, null if it
 * cannot. */
export function agreementTable(coders, ask) {
  const result = make("dl");
  const choice = (label, selected) => {
    const select = make("select", { "aria-label": label }, ...coders.map((c) => make("option", {}, c)));
    select.selectedIndex = selected;
    select.addEventListener("change", show);
    return select;
  };
  const [first, second] = [choice("First coder", 0), choice("Second coder", 1)];
  async function show() {
    const found = await ask(new URLSearchParams({ first: first.value, second: second.value }));
    if (found) result.replaceChildren(...definitions(rows(found)));
  }
  show();
  return [make("div", {}, first, " and ", second), result];
}

function rows(found) {
  const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));
  const kappa = (value) => (value === null ? "too few, or all alike:" : value.toFixed(2));
  const [first, second] = found.coders;
  const [onset, apex, offset] = found.moment_ms.map((value) => number(value, 0));
  return [
    ["In common (IoU ≥ 0.5)", `${found.matched}; only ${first} ${found.alone[0]}, only ${second} ${found.alone[1]}`],
    ["F1", number(found.f1)],
    ["Mean overlap (IoU)", number(found.iou)],
    ["Cohen's κ, labels", `${kappa(found.label_kappa)} of those in common`],
    ["Cohen's κ, frames", `${kappa(found.frame_kappa)} (nothing, micro, macro)`],
    ["Cohen's κ, verdicts", `${kappa(found.verdict_kappa)} of ${found.decided} that both decided`],
    ["Mean difference", `onset ${onset} ms, apex ${apex} ms, offset ${offset} ms`],
  ];
}
