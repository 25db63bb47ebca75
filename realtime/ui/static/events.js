// The list of expressions, newest first. The newest is shown whole, the older ones in a line each.

import { clockTime, inWords, labelColour, make, ms, percent, title, unitWords } from "./colours.js";

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
      gone ? "" : make("span", { class: "fl-how" }, describe(event)),
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
