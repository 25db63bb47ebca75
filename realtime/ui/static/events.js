// The list of expressions, newest first. The newest is shown whole, the older ones in a line each.

import { clockTime, inWords, labelColour, make, ms, percent, title, unitWords } from "./colours.js";

const KEPT = 200;
export const SURE = "A micro-expression, whatever its name: ";
const SHOWN_UNIT = 0.5; // probability from which an action unit is listed

export class EventList {
  #ref;
  #open;
  #items = new Map();
  #least = 0;
  startS = 0;

  /** `ref(name)`: the elements `events`, `none` and `count`. `open(event)`: one was clicked. */
  constructor(ref, open) {
    this.#ref = ref;
    this.#open = open;
  }

  clear() {
    this.#items.clear();
    this.#ref("events").replaceChildren();
    this.#summarise();
  }

  /** Show only what is a micro-expression with at least this probability. */
  set least(probability) {
    if (probability === this.#least) return;
    this.#least = probability;
    const shown = [...this.#items.values()].filter(({ event }) => this.#lists(event));
    this.#ref("events").replaceChildren(...shown.map(({ item }) => item).reverse());
    this.#summarise();
  }

  #lists({ me_probability: probability }) {
    return (probability ?? 1) >= this.#least; // a macro-expression has none
  }

  put(event) {
    const item = this.#item(event);
    const before = this.#items.get(event.number);
    if (!this.#lists(event)) before?.item.remove();
    else if (before?.item.isConnected) before.item.replaceWith(item);
    else this.#ref("events").prepend(item);
    this.#items.set(event.number, { event, item });
    if (this.#items.size > KEPT) {
      const [number, oldest] = this.#items.entries().next().value;
      oldest.item.remove();
      this.#items.delete(number);
    }
    this.#summarise();
  }

  /** Show what the demo showed: true classes by number, empty where there was nothing. */
  answer(answers) {
    for (const [number, label] of Object.entries(answers)) {
      const { event, item } = this.#items.get(Number(number)) ?? {};
      const line = item?.querySelector("button");
      if (!line || line.querySelector(".fl-truth")) continue;
      const right = label === event.label;
      const words = right ? "✓ right" : label ? `was ${label}` : "nothing was shown";
      line.append(make("span", { class: "fl-truth", "data-right": right ? "yes" : "no" }, words));
    }
  }

  forget(numbers) {
    for (const number of numbers) {
      this.#items.get(number)?.item.remove();
      this.#items.delete(number);
    }
    this.#summarise();
  }

  #summarise() {
    const listed = [...this.#items.values()].filter(({ event }) => this.#lists(event));
    const confirmed = listed.filter(({ event }) => event.state === "confirmed");
    this.#ref("none").hidden = listed.length > 0;
    this.#ref("count").textContent = confirmed.length ? `${confirmed.length} confirmed` : "";
  }

  #item(event) {
    const gone = event.state === "withdrawn";
    const button = make(
      "button",
      { type: "button", disabled: gone ? "" : null, style: { "--label": labelColour(event.label) } },
      make("span", { class: "fl-when" }, clockTime(event.apex_s - this.startS)),
      make("span", { class: "fl-name" }, gone ? "Discarded" : name(event)),
      gone ? "" : make("span", { class: "fl-how" }, describe(event), sureSpan(event)),
      gone || event.label === null ? "" : make("span", { class: "fl-likely" }, likely(event)),
      gone ? make("span", { class: "fl-gone" }, event.reason) : bars(event.probabilities),
      inWords(event.sentences),
      units(event.action_units),
    );
    button.addEventListener("click", () => this.#open(event));
    return make("li", { "data-state": event.state, "data-number": event.number, "data-score": event.score }, button);
  }
}

/** What the expression is called, in words. */
export function name({ label, label_hidden: hidden }) {
  return hidden ? "Name hidden while recording" : title(label);
}

function likely({ label, probabilities }) {
  return label in probabilities ? percent(probabilities[label]) : "";
}

function describe(event) {
  if (event.offset_s === null) return "at its apex";
  const kind = event.kind === "macro" ? " (macro)" : ""; // on a phone there is no room for more
  return ms(event.offset_s - event.onset_s) + kind;
}

function sureSpan(event) {
  const words = event.offset_s === null ? "" : sure(event, " · ME ");
  return make("span", { class: "fl-sure", title: sure(event, SURE) }, words);
}

/** How probable it is that this is a micro-expression at all; empty if that is not known. */
export function sure({ me_probability: probability }, words) {
  return Number.isFinite(probability) ? words + percent(probability) : "";
}

/** One bar per class, the likeliest in its colour. */
export function bars(probabilities) {
  const likeliest = Math.max(...Object.values(probabilities));
  return make(
    "span",
    { class: "fl-bars" },
    ...Object.entries(probabilities).map(([label, p]) =>
      make(
        "span",
        { class: p === likeliest ? "fl-bar fl-likeliest" : "fl-bar" },
        make("span", {}, title(label)),
        make("i", { style: { "--p": `${100 * p}%`, "--label": labelColour(label) } }),
        make("span", {}, percent(p)),
      ),
    ),
  );
}

/** `name(unit)`: how a unit is written. */
export function units(probabilities, name = (unit) => unit) {
  const shown = Object.entries(probabilities)
    .filter(([, p]) => p >= SHOWN_UNIT)
    .sort(([, a], [, b]) => b - a);
  return make(
    "span",
    { class: unitWords.weak ? "fl-units fl-weak" : "fl-units" },
    ...shown.map(([unit, p]) => {
      const hint = unitWords.weak ? "; a hint only: this network names action units badly" : "";
      return make("span", { title: `${unitName(unit)}, ${percent(p)}${hint}` }, name(unit));
    }),
  );
}

/** "AU4 brow lowerer" */
export function unitName(unit) {
  return `${unit} ${unitWords.names[unit] ?? ""}`.trim();
}
