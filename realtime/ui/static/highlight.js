// At each hit, the expression again: once, slowly and magnified, in a corner of the picture.

import { name } from "./events.js";
import { labelColour, make } from "./colours.js";

const FACTOR = 10;
const SPEED = 0.25;
const MOST = 40; // pictures: it must not keep the analysis of a small machine waiting
const CLIP_MS = 900; // until the half second after an expression is packed
const FRESH_S = 4; // older hits came with the page, not before its eyes

export class Highlight {
  #box;
  #wants;
  #next = null; // { event, run }: the newest hit that waits
  #shown = null; // of the event that plays
  #request = 0;
  #shownBefore = new Set();

  /** `box`: the corner; `wants()`: whether to play at all. */
  constructor(box, wants) {
    this.#box = box;
    this.#wants = wants;
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.skip();
    });
  }

  /** Take an event as it is now; `nowS`: the newest frame's time. */
  put(event, run, nowS) {
    const key = `${run}/${event.number}`;
    if (event.state !== "confirmed" || !event.pictures || this.#shownBefore.has(key)) return;
    this.#shownBefore.add(key);
    if (!this.#wants() || nowS - event.offset_s > FRESH_S) return;
    this.#next = { event, run };
    setTimeout(() => this.#playNext(), CLIP_MS);
  }

  /** Stop and forget: another run begins, or part of this one is forgotten. */
  clear() {
    this.#next = null;
    this.skip();
  }

  skip() {
    clearTimeout(this.#request);
    this.#shown = null;
    this.#box.hidden = true;
    this.#box.replaceChildren();
    delete this.#box.dataset.picture;
  }

  async #playNext() {
    if (this.#shown || !this.#next || !this.#wants()) return;
    const { event, run } = this.#next;
    this.#next = null;
    this.#shown = event;
    const base = new URL(`../events/${run}/${event.number}/`, import.meta.url);
    const got = (path) => fetch(new URL(path, base)).catch(() => null);
    const facts = await (await got(`replay.json?most=${MOST}`))?.json();
    const answer = facts?.times_s && (await got(`replay.jpg?factor=${FACTOR}&most=${MOST}`));
    const sheet = answer?.ok ? await createImageBitmap(await answer.blob()) : null;
    if (this.#shown !== event) return; // skipped meanwhile
    if (sheet && this.#wants()) this.#play(event, facts, sheet);
    else this.#end();
  }

  #play(event, { times_s: times, size_px: size, columns }, sheet) {
    const canvas = make("canvas", { width: size, height: size, "aria-hidden": "true" });
    const skip = make("button", { type: "button", "aria-label": "Skip the replay" }, "×");
    skip.addEventListener("click", () => this.#end());
    const words = `${name(event)}, ${1 / SPEED} × slower, motion × ${FACTOR}`;
    this.#box.style.setProperty("--label", labelColour(event.label));
    this.#box.replaceChildren(canvas, make("p", {}, words), skip);
    this.#box.hidden = false;
    const ctx = canvas.getContext("2d");
    const show = (index) => {
      if (index === times.length) {
        this.#end();
        return;
      }
      const [x, y] = [(index % columns) * size, Math.floor(index / columns) * size];
      ctx.drawImage(sheet, x, y, size, size, 0, 0, size, size);
      this.#box.dataset.picture = index;
      const lastsS = (times[index + 1] ?? times[index]) - times[index];
      this.#request = setTimeout(show, (1000 * lastsS) / SPEED, index + 1);
    };
    show(0);
  }

  #end() {
    this.skip();
    this.#playNext();
  }
}
