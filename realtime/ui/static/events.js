// The list of expressions, newest first.

import { clockTime, labelColour, make, ms, title } from "./colours.js";

const KEPT = 200;
const SHOWN_UNIT = 0.5; // probability from which an action unit is listed

export class EventList {
  #ref;
  #open;
  #items = new Map();
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

  put(event) {
    const item = this.#item(event);
    const before = this.#items.get(event.number);
    if (before) before.item.replaceWith(item);
    else this.#ref("events").prepend(item);
    this.#items.set(event.number, { event, item });
    if (this.#items.size > KEPT) {
      const [number, oldest] = this.#items.entries().next().value;
      oldest.item.remove();
      this.#items.delete(number);
    }
    this.#summarise();
  }

  forget(numbers) {
    for (const number of numbers) {
      this.#items.get(number)?.item.remove();
      this.#items.delete(number);
    }
    this.#summarise();
  }

  #summarise() {
    const confirmed = [...this.#items.values()].filter(({ event }) => event.state === "confirmed");
    this.#ref("none").hidden = this.#items.size > 0;
    this.#ref("count").textContent = confirmed.length ? `${confirmed.length} confirmed` : "";
  }

  #item(event) {
    const gone = event.state === "withdrawn";
    const button = make(
      "button",
      { type: "button", disabled: gone ? "" : null, style: { "--label": labelColour(event.label) } },
      make("span", { class: "fl-when" }, clockTime(event.apex_s - this.startS)),
      make("span", { class: "fl-name" }, gone ? "Discarded" : name(event)),
      make("span", { class: "fl-how" }, describe(event)),
      gone ? event.reason : bars(event.probabilities),
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

function describe(event) {
  if (event.state === "withdrawn") return "";
  if (event.offset_s === null) return "at its apex";
  const kind = event.kind === "macro" ? "macro-expression, " : "";
  return kind + ms(event.offset_s - event.onset_s);
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
        make("span", {}, `${Math.round(100 * p)} %`),
      ),
    ),
  );
}

export function units(probabilities) {
  const shown = Object.entries(probabilities)
    .filter(([, p]) => p >= SHOWN_UNIT)
    .sort(([, a], [, b]) => b - a);
  return make(
    "span",
    { class: "fl-units" },
    ...shown.map(([unit, p]) => make("span", { title: `${Math.round(100 * p)} %` }, unit)),
  );
}
