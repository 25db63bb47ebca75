// The action units of an expression: each absent, on both sides, or on one side of the face.

import { make } from "./colours.js";

const SIDES = { "": "both sides", L: "left side", R: "right side" }; // of the person's face
const NEXT = { absent: "", "": "L", L: "R", R: "absent" }; // after a click

export class UnitChoice {
  #fieldset;
  #words;
  #choose;
  #names = {};
  #coded = null;
  #program = null;
  #number = null;
  #stored = null; // the expression as it was shown last
  #waiting = 0; // choices that the server has not answered

  /** `choose(units)`: the coder wants these, "AU12" or "AU12L" each; resolves once they are stored. */
  constructor(fieldset, words, choose) {
    [this.#fieldset, this.#words, this.#choose] = [fieldset, words, choose];
  }

  /** Offer these units: their names in words, by unit. */
  open(names) {
    this.#names = names;
  }

  /** Show the units of an expression; null: the coder has not coded them. */
  show(expression) {
    this.#stored = expression;
    if (this.#waiting && expression.number === this.#number) return; // older than the last click
    [this.#number, this.#program] = [expression.number, expression.program];
    this.#draw(expression.action_units);
  }

  #draw(coded) {
    this.#coded = coded;
    this.#words.textContent = coded === null ? "not coded (click again: left, right)" : coded.join(" ") || "none seen";
    const others = (coded ?? []).map(bare).filter((unit) => !(unit in this.#names));
    const chips = [...Object.keys(this.#names), ...others].map((unit) => this.#chip(unit));
    const none = make("button", { type: "button", "data-unit": "none", "aria-pressed": String(coded?.length === 0) }, "None");
    none.addEventListener("click", () => this.#take([]));
    const focused = document.activeElement?.dataset.unit;
    this.#fieldset.replaceChildren(this.#fieldset.firstElementChild, ...chips, none);
    if (focused) this.#fieldset.querySelector(`[data-unit="${focused}"]`)?.focus();
  }

  #chip(unit) {
    const coded = this.#coded?.find((one) => bare(one) === unit);
    const side = coded?.slice(unit.length) ?? "absent";
    const found = this.#program?.action_units.includes(unit) ?? false;
    const words = [`${unit} ${this.#names[unit] ?? ""}`.trim(), SIDES[side] ?? "absent"];
    if (found) words.push("found by the program");
    const name = words.join(", ");
    const state = { "aria-pressed": String(side !== "absent"), "data-program": found ? "yes" : null };
    const chip = make(
      "button",
      { type: "button", "data-unit": unit, title: name, "aria-label": name, ...state },
      unit.slice(2) + (side === "absent" ? "" : side),
    );
    chip.addEventListener("click", () => {
      const rest = (this.#coded ?? []).filter((one) => bare(one) !== unit);
      this.#take(NEXT[side] === "absent" ? rest : [...rest, unit + NEXT[side]]);
    });
    return chip;
  }

  /** Show the coder's choice at once: a second click must not wait for the server. */
  async #take(units) {
    this.#draw(units);
    this.#waiting += 1;
    try {
      await this.#choose(units);
    } finally {
      this.#waiting -= 1;
    }
    if (!this.#waiting) this.show(this.#stored);
  }
}

/** An action unit without its side. */
function bare(unit) {
  return unit.replace(/[LR]$/, "");
}
