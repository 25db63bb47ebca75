// How far two coders agree, as a table.

import { make } from "./colours.js";

export class AgreementTable {
  #first;
  #second;
  #result = make("dl");
  #fetch;
  elements;

  /** `fetch(query)` → what the server says of two coders, null if it cannot. */
  constructor(coders, fetch) {
    this.#fetch = fetch;
    const choice = (which, selected) => {
      const select = make("select", { "aria-label": which }, ...coders.map((c) => make("option", {}, c)));
      select.selectedIndex = selected;
      select.addEventListener("change", () => this.ask());
      return select;
    };
    this.#first = choice("First coder", 0);
    this.#second = choice("Second coder", 1);
    this.elements = [make("div", {}, this.#first, " and ", this.#second), this.#result];
  }

  async ask() {
    const query = new URLSearchParams({ first: this.#first.value, second: this.#second.value });
    const found = await this.#fetch(query);
    if (found) this.#result.replaceChildren(...rows(found));
  }
}

function rows(found) {
  const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));
  const [first, second] = found.coders;
  const [onset, apex, offset] = found.moment_ms.map((value) => number(value, 0));
  return [
    ["In common (IoU ≥ 0.5)", `${found.matched}; only ${first} ${found.alone[0]}, only ${second} ${found.alone[1]}`],
    ["F1", number(found.f1)],
    ["Mean overlap (IoU)", number(found.iou)],
    ["Cohen's κ, labels", `${number(found.label_kappa)} of those in common`],
    ["Cohen's κ, frames", `${number(found.frame_kappa)} (nothing, micro, macro)`],
    ["Cohen's κ, verdicts", `${number(found.verdict_kappa)} of ${found.decided} on which both decided`],
    ["Mean difference", `onset ${onset} ms, apex ${apex} ms, offset ${offset} ms`],
  ].flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}
