// The slow-motion replay: the expression as it was beside its motion magnified, in step.

import { make, ms } from "./colours.js";
import { LOST } from "./tab.js";

const FACTOR = 10;
const ASK_AFTER_MS = 150; // the slider rests
const MARKUP = `
  <div class="fl-pair">
    <figure>
      <canvas data-part="original" width="256" height="256"></canvas>
      <figcaption>Original</figcaption>
    </figure>
    <figure>
      <canvas data-part="magnified" width="256" height="256"></canvas>
      <figcaption data-part="caption">Motion × ${FACTOR}</figcaption>
    </figure>
  </div>
  <p class="fl-wait" data-part="message">Preparing the replay…</p>
  <div class="fl-track">
    <div class="fl-marks" data-part="marks"></div>
    <input data-part="at" type="range" min="0" max="1000" value="0" aria-label="Time">
  </div>
  <div class="fl-knobs">
    <button data-part="play" type="button">Pause</button>
    <select data-part="speed" aria-label="Speed">
      <option value="0.0625">1/16 speed</option>
      <option value="0.125">1/8 speed</option>
      <option value="0.25">1/4 speed</option>
      <option value="0.5">1/2 speed</option>
      <option value="1">full speed</option>
    </select>
    <span class="fl-moment" data-part="moment"></span>
    <label>Magnify
      <input data-part="factor" type="range" min="1" max="20" step="1" value="${FACTOR}"
        aria-label="Magnification">
    </label>
  </div>`;

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

  /** Fetch and play. Resolves to the replay's description, null if there is none. */
  async load() {
    return this.#load().catch(() => {
      this.#say(`The replay could not be loaded. ${LOST}`);
      return null;
    });
  }

  async #load() {
    const answer = await fetch(new URL("replay.json", this.#base));
    const facts = await answer.json();
    const why = facts.error ?? facts.detail;
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
    const element = make("section", { class: "fl-replay", "data-ready": "no" });
    element.innerHTML = MARKUP;
    const parts = element.querySelectorAll("[data-part]");
    const p = (this.#parts = Object.fromEntries([...parts].map((part) => [part.dataset.part, part])));
    p.speed.value = this.#speed;
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
    return element;
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
    this.#magnified = await this.#sheet(factor);
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
