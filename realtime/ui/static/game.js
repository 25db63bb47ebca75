// "Keep a straight face": a minute in which every expression and every movement costs points.

import { make } from "./colours.js";

const ROUND_S = 60;
const PER_EXPRESSION = 10;
const PER_SECOND = 2; // of movement over a threshold
const LONGEST_STEP_S = 0.5; // a longer gap between frames is no movement
const KEPT = 6; // rounds that are shown

export class Game {
  #box;
  #button;
  #round = null; // { startS, lastS, movedS, caught: Set of numbers }
  #scores = [];

  /** `box` shows the round; `button` starts and ends it. */
  constructor(box, button) {
    this.#box = box;
    this.#button = button;
    button.addEventListener("click", () => this.#toggle());
  }

  get runs() {
    return this.#round !== null;
  }

  /** The source has changed: a round that is going on is void. */
  clear() {
    if (this.#round) this.#toggle();
  }

  frame({ time_s: timeS, face, regions }) {
    const round = this.#round;
    if (!round) return;
    round.startS ??= timeS;
    const stepS = Math.min(timeS - (round.lastS ?? timeS), LONGEST_STEP_S);
    round.lastS = timeS;
    const moves = ({ strength, threshold }) => threshold !== null && strength > threshold;
    if (face && regions.some(moves)) round.movedS += stepS;
    if (!face) round.hiddenS += stepS; // hiding does not help
    const leftS = ROUND_S - (timeS - round.startS);
    if (leftS <= 0) this.#finish();
    else this.#show(Math.ceil(leftS));
  }

  event({ number, state, onset_s: onsetS }) {
    const round = this.#round;
    if (!round || round.startS === null || onsetS < round.startS) return;
    if (state === "withdrawn") round.caught.delete(number);
    else round.caught.add(number);
  }

  #toggle() {
    this.#round = this.#round
      ? null
      : { startS: null, lastS: null, movedS: 0, hiddenS: 0, caught: new Set() };
    this.#button.setAttribute("aria-pressed", String(this.runs));
    this.#box.hidden = !this.runs;
    this.#box.setAttribute("role", this.runs ? "timer" : "status"); // no screen reader counts down
    this.#box.replaceChildren();
  }

  get #points() {
    const { caught, movedS, hiddenS } = this.#round;
    const lost = PER_EXPRESSION * caught.size + PER_SECOND * (movedS + hiddenS);
    return Math.max(0, Math.round(100 - lost));
  }

  #show(left) {
    const parts = [`${left} s`, `${this.#points} points`];
    const words = parts.join(" · ");
    if (this.#box.textContent === words) return;
    this.#box.replaceChildren(...parts.map((part, i) => make(i ? "span" : "b", {}, i ? ` · ${part}` : part)));
  }

  #finish() {
    const { caught, movedS } = this.#round;
    this.#scores.push(this.#points);
    const best = Math.max(...this.#scores);
    const rounds = this.#scores.map((points, i) => ({ points, name: `Round ${i + 1}` }));
    this.#toggle();
    const close = make("button", { type: "button", "aria-label": "Close the result" }, "×");
    close.addEventListener("click", () => (this.#box.hidden = true));
    const count = `${caught.size} ${caught.size === 1 ? "expression" : "expressions"}`;
    this.#box.replaceChildren(
      make("b", {}, `${this.#scores.at(-1)} points`),
      make("p", {}, `${count}, ${movedS.toFixed(0)} s of movement in ${ROUND_S} s`),
      make(
        "ol",
        {},
        ...rounds.slice(-KEPT).map(({ name, points }) =>
          make("li", {}, `${name}: ${points}${points === best ? ", the best" : ""}`),
        ),
      ),
      close,
    );
    this.#box.hidden = false;
  }
}
