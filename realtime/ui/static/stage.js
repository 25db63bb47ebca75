// The picture and what is drawn over it: two canvases, painted in the same animation frame.

import { Magnifier } from "./magnify.js";
import { Overlay } from "./overlay.js";

const LARGE_S = 0.4; // a movement that pauses for less goes on
const STORED = "fmanet-chips";
const DEFAULTS = { outline: true, regions: true, heat: true, label: true, landmarks: false, magnify: false };
// The corner's replay makes one frame in twenty late where browser and analysis share two cores.
const SMALL = (navigator.hardwareConcurrency ?? 4) <= 2;
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Stage extends EventTarget {
  #box;
  #picture;
  #overlay;
  #empty;
  #magnifier = null; // where the tab has a canvas for it
  #shown = null; // the frame on screen
  #waiting = null; // the frame to paint next
  #run = 0; // counts the calls of clear()
  #chips = { ...DEFAULTS, units: !SMALL && innerHeight >= 900, replay: !STILL && !SMALL, ...JSON.parse(localStorage.getItem(STORED) ?? "{}") };
  #ownFace = false;
  #forgotten = [];
  #lanes = []; // of each region
  #large = new Map(); // lane → when it last moved far, s of the source

  /** `ref(name)`: the elements `picture`, `frame`, `overlay` and `empty`, and `magnified` if there
   * is one. */
  constructor(ref) {
    super();
    this.#box = ref("picture");
    this.#picture = ref("frame");
    this.#overlay = new Overlay(ref("overlay"));
    this.#empty = ref("empty");
    const magnified = ref("magnified");
    if (magnified) this.#magnifier = new Magnifier(magnified);
    new ResizeObserver(() => this.#redraw()).observe(this.#box);
    // Otherwise what waits to be painted would be painted when the page is shown again, long after.
    document.addEventListener("visibilitychange", () => document.hidden && this.#waiting?.skip());
  }

  /** `regions`: as the server describes them. */
  setRegions(regions) {
    this.#lanes = regions.map(({ lane }) => lane);
  }

  /** Decode and paint a frame, with `also` in the same animation frame. Resolves to true once it
   * is painted, to false if a newer one was painted instead, it is forgotten, or the page is in the
   * background. */
  async paint(frame, also) {
    const order = frame.header.message;
    const run = this.#run;
    const bitmap = await createImageBitmap(new Blob([frame.parts.jpeg], { type: "image/jpeg" }));
    if (document.hidden || run !== this.#run || this.#waiting?.order > order) {
      bitmap.close();
      return false;
    }
    this.#waiting?.skip();
    return new Promise((resolve) => {
      const skip = () => {
        this.#waiting = null;
        cancelAnimationFrame(request);
        bitmap.close();
        resolve(false);
      };
      const request = requestAnimationFrame(() => {
        if (this.#isForgotten(frame)) {
          skip();
          return;
        }
        this.#waiting = null;
        this.#show({ ...frame, bitmap });
        also();
        resolve(true);
      });
      this.#waiting = { order, skip };
    });
  }

  /** Draw the overlay again: a chip or the size has changed. */
  #redraw() {
    if (this.#shown) this.#overlay.draw(this.#shown, this.#chips, this.#mirrored, [...this.#large.keys()]);
  }

  /** Another run begins: nothing of the last one stays on screen. */
  clear() {
    this.#run += 1;
    this.#waiting?.skip();
    this.#shown = null;
    this.#forgotten = [];
    this.#large.clear();
    this.#magnifier?.clear();
    delete this.#box.dataset.index;
    this.#picture.getContext("bitmaprenderer").transferFromImageBitmap(null);
    this.#overlay.clear();
    this.#empty.hidden = false;
  }

  /** Show no frame of these spans (from, to in s of the source) any longer, not even one that is
   * still on its way. */
  forget(spans) {
    this.#forgotten = spans;
    if (!this.#shown || !this.#isForgotten(this.#shown)) return;
    this.clear();
    this.#forgotten = spans;
  }

  #noteLarge({ time_s: timeS, regions }) {
    regions.forEach(({ large }, i) => {
      if (large && this.#lanes[i]) this.#large.set(this.#lanes[i], timeS);
    });
    for (const [lane, atS] of this.#large) {
      if (Math.abs(timeS - atS) > LARGE_S) this.#large.delete(lane);
    }
    this.#box.dataset.large = [...this.#large.keys()].join(" ");
  }

  #isForgotten({ header }) {
    return this.#forgotten.some(([start, end]) => start <= header.time_s && header.time_s <= end);
  }

  /** Mirror a camera that shows its viewer, as people know themselves, unless the chip is off. */
  sourceChanged(kind) {
    this.#ownFace = kind === "camera" || kind === "browser";
    this.#mirror();
    this.dispatchEvent(new Event("chips"));
  }

  shows(chip) {
    return chip === "mirror" ? this.#mirrored : this.#chips[chip];
  }

  toggle(chip) {
    this.#chips[chip] = !this.shows(chip);
    localStorage.setItem(STORED, JSON.stringify(this.#chips));
    if (!this.#chips.magnify) this.#magnifier?.clear();
    this.#mirror();
  }

  get #mirrored() {
    return this.#chips.mirror ?? this.#ownFace;
  }

  #mirror() {
    this.#picture.classList.toggle("fl-mirrored", this.#mirrored);
    this.#redraw();
  }

  #show(frame) {
    const { bitmap, header } = frame;
    if (this.#picture.width !== bitmap.width || this.#picture.height !== bitmap.height) {
      this.#picture.width = bitmap.width;
      this.#picture.height = bitmap.height;
      this.#box.closest(".fl").style.setProperty("--ratio", `${header.width / header.height}`);
    }
    if (this.#chips.magnify) this.#magnifier?.draw(bitmap, header, frame.parts.field);
    this.#picture.getContext("bitmaprenderer").transferFromImageBitmap(bitmap); // without a copy
    this.#shown = frame;
    this.#noteLarge(header);
    this.#box.dataset.named = header.large?.label ?? "";
    this.#empty.hidden = true;
    this.#box.dataset.index = header.index;
    this.#box.dataset.event = header.event?.state ?? "";
    this.#redraw();
  }
}
