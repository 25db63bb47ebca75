// The recorded pictures of a session: fetched by their place, the next ones ahead of time.

const KEPT = 160;
const AHEAD = 16;
const AT_ONCE = 4;
const UNREADABLE = "This picture cannot be read";

export class Film {
  #canvas;
  #base;
  #length;
  #bitmaps = new Map(); // place → ImageBitmap, null of one that cannot be read; the oldest first
  #loading = new Map(); // place → promise
  #wanted = 0;
  #shown = 0;
  #closed = false;

  /** `base`: address of the session's routes; `length`: how many frames it has. */
  constructor(canvas, base, length) {
    this.#canvas = canvas;
    this.#base = base;
    this.#length = length;
  }

  has(place) {
    return this.#bitmaps.has(place);
  }

  /** Show the frame at `place` once it is loaded, unless another is wanted by then. */
  async show(place, direction = 1) {
    this.#wanted = place;
    if (!this.#bitmaps.has(place)) await this.#fetch(place);
    if (this.#closed || place !== this.#wanted || !this.#bitmaps.has(place)) return;
    this.#draw(place);
    this.#ahead(place, direction);
  }

  /** Show the newest loaded frame after `from` and up to `due`, and fetch the next ones. Returns its
   * place; `from` if there is none. */
  follow(from, due) {
    this.#wanted = due;
    let place = due;
    while (place > from && !this.#bitmaps.has(place)) place--;
    if (place !== this.#shown && this.#bitmaps.has(place)) this.#draw(place);
    this.#ahead(due - 1, 1);
    return place;
  }

  close() {
    this.#closed = true;
    for (const bitmap of this.#bitmaps.values()) bitmap?.close();
    this.#bitmaps.clear();
  }

  #draw(place) {
    const bitmap = this.#bitmaps.get(place);
    this.#canvas.dataset.place = this.#shown = place;
    if (!bitmap) {
      this.#blank();
      return;
    }
    if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      [this.#canvas.width, this.#canvas.height] = [bitmap.width, bitmap.height];
      this.#canvas.parentElement.style.setProperty("--ratio", bitmap.width / bitmap.height);
    }
    this.#canvas.getContext("2d").drawImage(bitmap, 0, 0);
  }

  /** Never show another frame's picture in place of this one. */
  #blank() {
    const { width, height } = this.#canvas;
    const ctx = this.#canvas.getContext("2d");
    ctx.fillStyle = "#000";
    ctx.fillRect(0, 0, width, height);
    Object.assign(ctx, { fillStyle: "#fff", textAlign: "center", font: `${Math.ceil(width / 24)}px sans-serif` });
    ctx.fillText(UNREADABLE, width / 2, height / 2);
  }

  #ahead(place, direction) {
    for (let step = 1; step <= AHEAD && this.#loading.size < AT_ONCE; step++) {
      const next = place + direction * step;
      if (next < 0 || next >= this.#length) return;
      if (!this.#bitmaps.has(next)) this.#fetch(next).then((came) => came && this.#ahead(this.#wanted, direction));
    }
  }

  #fetch(place) {
    if (!this.#loading.has(place)) {
      this.#loading.set(
        place,
        this.#load(place).finally(() => this.#loading.delete(place)),
      );
    }
    return this.#loading.get(place);
  }

  /** Resolves to whether the program answered. */
  async #load(place) {
    const answer = await fetch(new URL(`frame/${place}.jpg`, this.#base)).catch(() => null);
    if (!answer) return false; // asked again when it is wanted again
    const bitmap = answer.ok ? await createImageBitmap(await answer.blob()) : null;
    if (this.#closed) {
      bitmap?.close();
      return false;
    }
    this.#bitmaps.set(place, bitmap);
    if (this.#bitmaps.size > KEPT) {
      const farthest = [...this.#bitmaps.keys()].reduce((a, b) =>
        Math.abs(b - this.#wanted) > Math.abs(a - this.#wanted) ? b : a,
      );
      this.#bitmaps.get(farthest)?.close();
      this.#bitmaps.delete(farthest);
    }
    return true;
  }
}

/** The place in `times`, which increase, that is nearest to `seconds`. */
export function nearest(times, seconds) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < seconds) low = middle + 1;
    else high = middle;
  }
  return low > 0 && seconds - times[low - 1] < times[low] - seconds ? low - 1 : low;
}
