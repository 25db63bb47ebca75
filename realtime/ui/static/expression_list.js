// The expressions of a session, as a coder coded them: a row each.

import { clockTime, labelColour, make } from "./colours.js";
import { labelWords } from "./panel.js";

const shown = new WeakMap(); // row → the expression that it shows
const ADDED = { open: "added, choose a label", accepted: "added", rejected: "rejected" };

/** Show the rows in `list`. `choose(number)`: one was clicked. */
export function showRows(list, expressions, selected, choose) {
  const focused = list.contains(document.activeElement) ? document.activeElement.parentElement.dataset.number : null;
  // A day has thousands of rows: make those anew that changed.
  const before = [...list.children];
  const known = new Map(before.map((row) => [row.dataset.number, row]));
  const rows = expressions.map((one) => {
    const row = known.get(String(one.number));
    const current = one.number === selected;
    return row && shown.get(row) === one && row.hasAttribute("aria-current") === current ? row : makeRow(one, current, choose);
  });
  const inPlace = rows.length === before.length && rows.every((row, i) => row === before[i] || !row.isConnected);
  if (inPlace) rows.forEach((row, i) => row !== before[i] && before[i].replaceWith(row));
  else list.replaceChildren(...rows);
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
  const item = make("li", { "data-number": one.number, "data-verdict": one.verdict, "aria-current": current ? "true" : null }, row);
  shown.set(item, one);
  return item;
}
