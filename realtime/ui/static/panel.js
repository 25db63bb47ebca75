// The chosen expression: its moments, label, action units and note, for a coder to change.

import { clockTime, inWords, make, ms, percent, title } from "./colours.js";
import { fill } from "./tab.js";
import { UnitChoice } from "./unit_choice.js";

export const MOMENTS = ["onset", "apex", "offset"];
const OWN = " "; // no label is a space

/** A label as people read it. */
export function labelWords(label) {
  return label ? title(label) : "No label yet";
}

export class Panel {
  #root;
  #ref;
  #labels = {};
  #label = ""; // of the expression on show
  #units;

  /** `ref(name)`: the elements. `change(changes)`: the coder wants them. `see(moment)`, `here(moment)`:
   * show a moment, or move it to the frame on show. `type(number, text)`: a note is typed. */
  constructor(root, ref, { change, see, here, type }) {
    [this.#root, this.#ref] = [root, ref];
    for (const button of root.querySelectorAll("[data-verdict]")) {
      button.addEventListener("click", () => change({ verdict: button.dataset.verdict }));
    }
    for (const moment of MOMENTS) {
      ref(`${moment}-see`).addEventListener("click", () => see(moment));
      ref(`${moment}-here`).addEventListener("click", () => here(moment));
    }
    ref("label").addEventListener("change", ({ target }) => {
      ref("own").hidden = target.value !== OWN;
      if (target.value !== OWN) change({ label: target.value });
      else setTimeout(() => ref("own").focus()); // after the list has lost the focus
    });
    ref("own").addEventListener("change", ({ target }) => {
      const label = target.value.trim();
      target.blur();
      if (label) change({ label });
    });
    ref("own").addEventListener("blur", ({ target }) => {
      if (target.value.trim()) return;
      target.hidden = true; // none was typed: the stored one counts
      ref("label").value = this.#label;
    });
    ref("note").addEventListener("input", ({ target }) => type(Number(target.dataset.number), target.value));
    this.#units = new UnitChoice(ref("units"), ref("units-words"), (units) => change({ action_units: units }));
  }

  /** Take another session: its labels by group, and its action units. */
  open({ labels, action_units: units }) {
    this.#labels = labels;
    this.#units.open(units);
  }

  /** Show `one` of the `expressions`; null: none is chosen. */
  show(one, expressions) {
    this.#ref("panel").hidden = !one;
    if (!one) return;
    this.#ref("title").textContent = `${one.kind === "macro" ? "Macro" : "Micro"}-expression, ${ms(one.offset_s - one.onset_s)}`;
    this.#showLabel(one, expressions);
    this.#units.show(one);
    const note = this.#ref("note");
    // Keep what is being typed as a note on this one.
    const typing = document.activeElement === note && Number(note.dataset.number) === one.number;
    if (!typing) note.value = one.note;
    note.dataset.number = one.number;
    for (const moment of MOMENTS) this.#ref(`${moment}-time`).textContent = clockTime(one[`${moment}_s`]);
    for (const button of this.#root.querySelectorAll("[data-verdict]:is(button)")) {
      button.setAttribute("aria-pressed", String(button.dataset.verdict === one.verdict));
    }
    const program = this.#ref("program");
    program.hidden = !one.program;
    program.replaceChildren(...(one.program ? [describe(one.program), make("br"), inWords(one.program.sentences)] : []));
  }

  #showLabel({ label, number }, expressions) {
    const known = Object.values(this.#labels).flat();
    const own = [...new Set(expressions.map((one) => one.label))].filter((word) => word && !known.includes(word));
    const options = (labels) => labels.map((word) => make("option", { value: word }, title(word)));
    fill(this.#ref("label"), [
      make("option", { value: "", disabled: "", hidden: "" }, labelWords("")),
      ...Object.entries(this.#labels).map(([name, labels]) => make("optgroup", { label: name }, ...options(labels))),
      make("optgroup", { label: "Your own" }, ...options(own), make("option", { value: OWN }, "Another…")),
    ]);
    this.#label = label;
    const field = this.#ref("own");
    if (!field.hidden && document.activeElement === field && Number(field.dataset.number) === number) return;
    this.#ref("label").value = label;
    Object.assign(field, { hidden: true, value: "" });
    field.dataset.number = number;
  }
}

function describe({ label, probability, action_units: units, score, me_probability: sure }) {
  const words = [`Program: ${title(label)}`];
  if (probability !== null) words.push(probability >= 0.995 ? "> 99 %" : `${Math.round(100 * probability)} %`);
  if (units.length) words.push(units.join(" "));
  if (score !== null) words.push(`${score.toFixed(1)} × threshold`);
  if (sure !== null) words.push(`ME ${percent(sure)}`);
  return words.join(" · ");
}
