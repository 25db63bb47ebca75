// The expressions of a session, as a coder coded them: a row each.

import { clockTime, labelColour, make } from "./colours.js";
import { labelWords } from "./panel.js";

const ADDED = { open: "added, choose a label", accepted: "added", rejected: "rejected" };

/** Show the rows in `list`. `choose(number)`: one was clicked. */
export function showRows(list, expressions, selected, choose) {
  const focused = list.contains(document.activeElement) ? document.activeElement.parentElement.dataset.number : null;
  list.replaceChildren(...expressions.map((one) => makeRow(one, one.number === selected, choose)));
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  if (focused !== null) list.querySelector(`[data-number="${focused}"] button`)?.focus();
}

function makeRow(one, current, choose) {
  const row = make(
    "button",
    { type: "button", style: { "--label": labelColour(one.label || null) } },
    make("time", {}, clockTime(one.apex_s)),
    make("b", {}, labelWords(one.label)),
    make("small", {}, one.number < 0 ? ADDED[one.verdict] : one.verdict === "open" ? one.kind : one.verdict),
  );
  row.addEventListener("click", () => choose(one.number));
  return make("li", { "data-number": one.number, "data-verdict": one.verdict, "aria-current": current ? "true" : null }, row);
}
