// The bar under a film: pause or play, go to a moment, begin again at the end. A new run begins at
// that moment.

import { clockTime } from "./colours.js";

const LAST_S = 0.3;
const PLAY = { running: "Pause", paused: "Play", starting: "Play" };

export class SeekBar {
  #ref;
  #send;
  #lengthS = 0;
  #held = false; // the slider is being moved, or what it asked for is on its way
  #state = "";

  /** `ref(name)`: the elements of live.html; `send(command)` to the server. */
  constructor(ref, send) {
    [this.#ref, this.#send] = [ref, send];
    const at = ref("film-at");
    at.addEventListener("input", () => {
      this.#held = true;
      this.#show(Number(at.value));
    });
    at.addEventListener("change", () => send({ do: "seek", to_s: Number(at.value) }));
    ref("film-play").addEventListener("click", () => send({ do: this.#state === "running" ? "pause" : "start" }));
    const repeat = ref("repeat");
    repeat.addEventListener("click", () => {
      repeat.setAttribute("aria-pressed", String(repeat.ariaPressed !== "true"));
      this.#repeatIfEnded();
    });
  }

  /** `nowS`: s from the film's beginning; null before its first picture. */
  status({ length_s: lengthS, state }, nowS, mayControl) {
    this.#ref("seek").hidden = !mayControl || !lengthS;
    if (!lengthS) return;
    [this.#lengthS, this.#state] = [lengthS, state];
    this.#ref("film-at").max = lengthS;
    const play = this.#ref("film-play");
    const words = PLAY[state] ?? "Play again";
    if (play.textContent !== words) play.textContent = words; // so that a click is not lost
    play.disabled = state === "starting";
    const over = state === "ended" && nowS > lengthS - LAST_S; // its last picture is a little before its end
    if (!this.#held && nowS !== null) this.#show(over ? lengthS : Math.min(nowS, lengthS));
    this.#repeatIfEnded();
  }

  /** Follow the film again: another run has begun, or could not. */
  release() {
    this.#held = false;
  }

  #show(s) {
    const at = this.#ref("film-at");
    at.value = s;
    const words = `${time(s)} / ${time(this.#lengthS)}`;
    this.#ref("film-time").textContent = words;
    at.setAttribute("aria-valuetext", words);
  }

  #repeatIfEnded() {
    const repeat = this.#ref("repeat");
    const again = this.#state === "ended" && !this.#ref("seek").hidden && repeat.ariaPressed === "true";
    if (again) this.#send({ do: "start" });
    if (again) this.#state = "starting"; // asked once
  }
}

/** 75.3 → "1:15". */
function time(s) {
  return clockTime(Math.floor(s)).slice(0, -3);
}
