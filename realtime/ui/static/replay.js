// The slow-motion replay: the expression as it was beside its motion magnified, in step.

import { make, ms } from "./colours.js";

const SPEEDS = [0.0625, 0.125, 0.25, 0.5, 1];
const FACTOR = 10;
const ASK_AFTER_MS = 150; // the slider rests

export class Replay {
  #base;
  #facts = null;
  #original = null;
  #magnified = null;
  #request = 0;
  #stopped = false;
  #asking = 0;
  #lastMs = 0;
  #atS = 0; // since the first picture
  #playing = true;
  #speed = 0.125;
  #parts = {};
  element;

  constructor(base) {
    this.#base = base;
    this.element = this.#build();
  }

  /** Fetch and play. Resolves to what the server says of it, to null if there is no replay. */
  async load() {
    const answer = await fetch(new URL("replay.json", this.#base));
    const facts = await answer.json();
    const why = facts.missing ?? facts.error ?? facts.detail;
    if (why) {
      this.#say(why);
      return null;
    }
    this.#facts = facts;
    this.#original = await this.#sheet(1);
    await this.#magnify(FACTOR);
    if (this.#stopped) return null;
    this.#say("");
    this.#atS = Math.max(0, this.#facts.onset_s - this.#facts.times_s[0] - 0.15);
    this.#request = requestAnimationFrame((now) => {
      this.#lastMs = now;
      this.#tick(now);
    });
    return this.#facts;
  }

  stop() {
    this.#stopped = true;
    cancelAnimationFrame(this.#request);
    clearTimeout(this.#asking);
  }

  #build() {
    const p = this.#parts;
    p.original = make("canvas", { width: 256, height: 256 });
    p.magnified = make("canvas", { width: 256, height: 256 });
    p.caption = make("figcaption", {}, `Motion × ${FACTOR}`);
    p.factor = make("input", {
      ...{ type: "range", min: 1, max: 20, step: 1, value: FACTOR },
      "aria-label": "Magnification",
    });
    p.at = make("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": "Time" });
    p.play = make("button", { type: "button" }, "Pause");
    p.speed = make("select", { "aria-label": "Speed" });
    for (const speed of SPEEDS) {
      const words = speed === 1 ? "full speed" : `1/${1 / speed} speed`;
      p.speed.append(make("option", { value: speed, selected: speed === this.#speed ? "" : null }, words));
    }
    p.moment = make("span", { class: "fl-moment" }, "");
    p.message = make("p", { class: "fl-wait" }, "Preparing the replay…");
    p.marks = make("div", { class: "fl-marks" });
    p.factor.addEventListener("input", () => {
      p.caption.textContent = `Motion × ${p.factor.value}`;
      clearTimeout(this.#asking);
      this.#asking = setTimeout(() => this.#magnify(Number(p.factor.value)), ASK_AFTER_MS);
    });
    p.at.addEventListener("input", () => {
      this.#play(false);
      this.#atS = (p.at.value / 1000) * this.#lengthS;
    });
    p.play.addEventListener("click", () => this.#play(!this.#playing));
    p.speed.addEventListener("change", () => (this.#speed = Number(p.speed.value)));
    return make(
      "section",
      { class: "fl-replay", "data-ready": "no" },
      make(
        "div",
        { class: "fl-pair" },
        make("figure", {}, p.original, make("figcaption", {}, "As it was")),
        make("figure", {}, p.magnified, p.caption),
      ),
      p.message,
      make("div", { class: "fl-track" }, p.marks, p.at),
      make(
        "div",
        { class: "fl-knobs" },
        p.play,
        p.speed,
        p.moment,
        make("label", {}, "Magnify", p.factor),
      ),
    );
  }

  get #lengthS() {
    const { times_s: times } = this.#facts;
    return Math.max(times.at(-1) - times[0], 1e-3);
  }

  async #sheet(factor) {
    const url = new URL("replay.jpg", this.#base);
    url.searchParams.set("factor", factor);
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`replay: ${answer.status}`);
    return createImageBitmap(await answer.blob());
  }

  async #magnify(factor) {
    const sheet = await this.#sheet(factor);
    this.#magnified = sheet;
    this.element.dataset.factor = factor;
  }

  #say(message) {
    this.#parts.message.textContent = message;
    this.#parts.message.hidden = !message;
    this.element.dataset.ready = message ? "no" : "yes";
    if (!message) this.#mark();
  }

  #mark() {
    const { times_s: times, ...facts } = this.#facts;
    for (const name of ["onset", "apex", "offset"]) {
      const timeS = facts[`${name}_s`];
      if (timeS === null) continue;
      const place = `${(100 * (timeS - times[0])) / this.#lengthS}%`;
      const mark = make("button", { type: "button", style: { "--at": place }, "data-moment": name }, name);
      mark.addEventListener("click", () => {
        this.#play(false);
        this.#atS = timeS - times[0];
      });
      this.#parts.marks.append(mark);
    }
  }

  #play(playing) {
    this.#playing = playing;
    this.#parts.play.textContent = playing ? "Pause" : "Play";
  }

  #tick(now) {
    const passedS = (now - this.#lastMs) / 1000;
    this.#lastMs = now;
    if (this.#playing) this.#atS = (this.#atS + passedS * this.#speed) % this.#lengthS;
    this.#draw();
    this.#request = requestAnimationFrame((next) => this.#tick(next));
  }

  #draw() {
    const { times_s: times, size_px: size, columns, onset_s: onsetS } = this.#facts;
    const timeS = times[0] + this.#atS;
    let index = 0;
    while (index + 1 < times.length && times[index + 1] <= timeS) index++;
    const [x, y] = [(index % columns) * size, Math.floor(index / columns) * size];
    for (const [canvas, sheet] of [
      [this.#parts.original, this.#original],
      [this.#parts.magnified, this.#magnified],
    ]) {
      canvas.getContext("2d").drawImage(sheet, x, y, size, size, 0, 0, size, size);
    }
    this.element.dataset.picture = index;
    this.#parts.at.value = String(Math.round((1000 * this.#atS) / this.#lengthS));
    const fromOnset = times[index] - onsetS;
    this.#parts.moment.textContent = `${fromOnset < 0 ? "−" : "+"}${ms(Math.abs(fromOnset))}`;
  }
}
