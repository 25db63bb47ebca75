// The picture and what is drawn over it: two canvases, painted in the same animation frame.

import { drawOverlay } from "./overlay.js";

const STORED = "fmanet-chips";
const DEFAULTS = { outline: true, regions: true, heat: true, label: true, landmarks: false };

export class Stage extends EventTarget {
  #box;
  #picture;
  #overlay;
  #empty;
  #shown = null; // the frame on screen
  #waiting = null; // the frame to paint next
  #run = 0; // counts the calls of clear()
  #chips = { ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORED) ?? "{}") };
  #ownFace = false;
  #forgotten = [];

  constructor(box, picture, overlay, empty) {
    super();
    this.#box = box;
    this.#picture = picture;
    this.#overlay = overlay;
    this.#empty = empty;
    new ResizeObserver(() => this.redraw()).observe(box);
  }

  /** Decode and paint a frame, with `also` in the same animation frame. Resolves to true once it
   * is painted, to false if a newer one was painted instead or it is forgotten. */
  async paint(frame, also) {
    const order = frame.header.message;
    const run = this.#run;
    const bitmap = await createImageBitmap(new Blob([frame.parts.jpeg], { type: "image/jpeg" }));
    if (run !== this.#run) {
      bitmap.close();
      return false;
    }
    if (this.#waiting) {
      const older = this.#waiting.order < order ? this.#waiting : null;
      if (!older) {
        bitmap.close();
        return false;
      }
      older.skip();
    }
    return new Promise((resolve) => {
      const request = requestAnimationFrame(() => {
        this.#waiting = null;
        if (this.#isForgotten(frame)) {
          bitmap.close();
          resolve(false);
          return;
        }
        this.#show({ ...frame, bitmap });
        also();
        resolve(true);
      });
      const skip = () => {
        cancelAnimationFrame(request);
        bitmap.close();
        resolve(false);
      };
      this.#waiting = { order, skip };
    });
  }

  /** Draw the overlay again: a chip, the theme or the size has changed. */
  redraw() {
    if (!this.#shown) return;
    const { width } = this.#overlay.getBoundingClientRect();
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    const { header } = this.#shown;
    const height = (width * header.height) / header.width;
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#overlay.width !== size[0] || this.#overlay.height !== size[1]) {
      [this.#overlay.width, this.#overlay.height] = size;
    }
    drawOverlay(this.#overlay.getContext("2d"), this.#shown, this.#chips, this.#mirrored, ratio);
  }

  /** Another run begins: nothing of the last one stays on screen. */
  clear() {
    this.#run += 1;
    this.#waiting?.skip();
    this.#waiting = null;
    this.#shown = null;
    this.#forgotten = [];
    delete this.#box.dataset.index;
    for (const canvas of [this.#picture, this.#overlay]) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    }
    this.#empty.hidden = false;
  }

  /** Show no frame of these spans, from when to when in s of the source, any longer; also none that
   * is still on its way. */
  forget(spans) {
    this.#forgotten = spans;
    if (!this.#shown || !this.#isForgotten(this.#shown)) return;
    this.clear();
    this.#forgotten = spans;
  }

  #isForgotten({ header }) {
    return this.#forgotten.some(([start, end]) => start <= header.time_s && header.time_s <= end);
  }

  /** A camera that shows its viewer is mirrored, as everyone knows themselves, until told not to. */
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
    this.#mirror();
    this.redraw();
  }

  get #mirrored() {
    return this.#chips.mirror ?? this.#ownFace;
  }

  #mirror() {
    this.#picture.classList.toggle("fl-mirrored", this.#mirrored);
    this.redraw();
  }

  #show(frame) {
    const { bitmap, header } = frame;
    if (this.#picture.width !== bitmap.width || this.#picture.height !== bitmap.height) {
      this.#picture.width = bitmap.width;
      this.#picture.height = bitmap.height;
      this.#box.closest(".fl").style.setProperty("--ratio", `${header.width / header.height}`);
    }
    this.#picture.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.#shown = frame;
    this.#empty.hidden = true;
    this.#box.dataset.index = header.index;
    this.#box.dataset.event = header.event?.state ?? "";
    this.redraw();
  }
}
