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
    if (found) result.replaceChildren(...definitions(found.rows));
  }
  show();
  return [make("div", {}, first, " and ", second), result];
}
