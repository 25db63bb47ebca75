// A strip for each of the action units that moved the face most in the seconds shown: a continuous
// measure of the motion, whatever the thresholds, and no find. Drawn a few times a second, as it is
// measured.

import { GUTTER_PX, clipped, fitted, readColours, write } from "./canvas.js";
import { unitWords } from "./colours.js";

const ROWS = 5;
const ROW_PX = 15;
const SHOWN_S = 10;
const GAP_S = 0.4; // without a measurement for longer, nothing is drawn
const FULL_PX = 3; // the motion, crop px, that fills a strip with colour

export class UnitStrips {
  #canvas;
  #units = [];
  #rows = []; // { t, px } oldest first
  #forgotten = [];
  shown = true;

  constructor(canvas) {
    this.#canvas = canvas;
    canvas.style.height = `${ROWS * ROW_PX}px`;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  setUnits(units) {
    this.#units = units;
    this.clear();
  }

  clear() {
    [this.#rows, this.#forgotten] = [[], []];
    this.draw();
  }

  push({ units }) {
    if (!units) return;
    const [t, px] = units;
    if (t < (this.#rows.at(-1)?.t ?? 0)) this.#rows = []; // another source, another clock
    this.#rows.push({ t, px });
    while (this.#rows[0].t < t - SHOWN_S - GAP_S) this.#rows.shift();
    this.#leaveOut();
    if (this.shown) this.draw();
  }

  forget(spans) {
    this.#forgotten = spans;
    this.#leaveOut();
    this.draw();
  }

  #leaveOut() {
    if (!this.#forgotten.length) return;
    this.#rows = this.#rows.filter(({ t }) => !this.#forgotten.some(([from, to]) => from <= t && t <= to));
  }

  draw() {
    const ctx = this.shown && fitted(this.#canvas);
    if (!ctx) return;
    const width = this.#canvas.getBoundingClientRect().width;
    const { text, accent } = readColours(this.#canvas);
    const nowS = this.#rows.at(-1)?.t ?? 0;
    const x = (t) => width - ((nowS - t) * (width - GUTTER_PX)) / SHOWN_S;
    const most = this.#units.map((_, unit) => Math.max(0, ...this.#rows.map(({ px }) => px[unit])));
    const ranked = [...most.keys()].sort((a, b) => most[b] - most[a]).slice(0, ROWS);
    const chosen = ranked.sort((a, b) => a - b);
    chosen.forEach((unit, row) => {
      const top = row * ROW_PX;
      write(ctx, this.#units[unit], 0, top + 12, { font: "12px system-ui, sans-serif", fillStyle: text });
      clipped(ctx, GUTTER_PX, top + 3, width - GUTTER_PX, ROW_PX - 4, () => {
        ctx.fillStyle = accent;
        this.#rows.forEach(({ t, px }, i) => {
          const next = this.#rows[i + 1]?.t ?? t;
          const until = next - t > GAP_S ? t : next;
          ctx.globalAlpha = 0.06 + 0.94 * Math.min(1, px[unit] / FULL_PX);
          ctx.fillRect(x(t), top + 3, Math.max(1, x(until) - x(t)), ROW_PX - 4);
        });
        ctx.globalAlpha = 1;
      });
    });
    const words = chosen.map((unit) => `${this.#units[unit]} ${unitWords.names[this.#units[unit]] ?? ""}`.trim());
    if (this.#canvas.title !== words.join(", ")) this.#canvas.title = words.join(", ");
  }
}
