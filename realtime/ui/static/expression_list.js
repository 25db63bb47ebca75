// The expressions of a session, as a coder coded them: a row each.

import { clockTime, labelColour, make } from "./colours.js";
import { labelWords } from "./panel.js";

const ADDED = { open: "added, choose a label", accepted: "added", rejected: "rejected" };

/** The rows. `choose(number)`: one was clicked. */
export function expressionRows(expressions, selected, choose) {
  return expressions.map((one) => {
    const row = make(
      "button",
      { type: "button", style: { "--label": labelColour(one.label || null) } },
      make("time", {}, clockTime(one.apex_s)),
      make("b", {}, labelWords(one.label)),
      make("small", {}, one.number < 0 ? ADDED[one.verdict] : one.verdict === "open" ? one.kind : one.verdict),
    );
    row.addEventListener("click", () => choose(one.number));
    const current = one.number === selected ? "true" : null;
    return make("li", { "data-number": one.number, "data-verdict": one.verdict, "aria-current": current }, row);
  });
}
