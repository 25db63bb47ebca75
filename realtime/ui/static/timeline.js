// The timeline of a recorded session: a stretch of it with motion, expressions and markers, and
// below it the whole session.

import {
  GUTTER_PX, clipped, drawLaneLine, drawLaneLines, fitted, laneY, readColours, write,
} from "./canvas.js";
import { clockTime, labelColour } from "./colours.js";
import { labelWords } from "./panel.js";

const SPAN_S = 12;
const LEAST_S = 1;
const MOST_S = 120;
const TOP_PX = 52; // questions, markers, expressions
const BOTTOM_PX = 16;
const SMALL = "12px system-ui, sans-serif";
const BINS = 1500;
const GAP_S = 0.5; // without a value for longer, the line is broken
const HIDDEN = "Motion is hidden: its height is the program's score";
const AROUND_PX = 100; // an expression's label may reach this far
const CLICK_PX = 4; // moved further, a press is a drag

export class Timeline {
  #stretch;
  #whole;
  #base;
  #facts;
  #nowS = 0;
  #spanS = SPAN_S;
  #expressions = [];
  #selected = null;
  #near = null; // { from, to, over, db } around the playhead
  #all = null;
  #who = ""; // who looks, as a query; a blind coder sees no motion
  #asking = false;
  #colours = {};
  #warn;
  #observer;

  /** `stretch`, `whole`: canvases. `moved(s)`: someone went to this time. `warn(words)`: something
   * cannot be shown. */
  constructor(stretch, whole, base, facts, moved, warn) {
    this.#warn = warn;
    this.#stretch = stretch;
    this.#whole = whole;
    this.#base = base;
    this.#facts = facts;
    this.#observer = new ResizeObserver(() => this.draw());
    this.#observer.observe(stretch);
    const to = (s) => moved(Math.min(Math.max(s, 0), facts.seconds));
    whole.onpointerdown = whole.onpointermove = ({ type, buttons, offsetX }) => {
      if (type === "pointerdown" || buttons) to((offsetX / whole.clientWidth) * facts.seconds);
    };
    // The stretch moves under the playhead: dragging moves it, a click goes to that time.
    let held = null;
    stretch.onpointerdown = ({ offsetX, pointerId }) => {
      stretch.setPointerCapture(pointerId);
      held = { x: offsetX, s: this.#nowS, dragged: false };
    };
    stretch.onpointermove = ({ offsetX }) => {
      if (!held || (!held.dragged && Math.abs(offsetX - held.x) < CLICK_PX)) return;
      held.dragged = true;
      to(held.s - this.#timeAt(offsetX) + this.#timeAt(held.x));
    };
    stretch.onpointerup = ({ offsetX }) => {
      if (held && !held.dragged) to(this.#timeAt(offsetX));
      held = null;
    };
    stretch.onpointercancel = () => (held = null);
    stretch.onwheel = (event) => {
      event.preventDefault();
      const wider = this.#spanS * Math.exp(event.deltaY / 400);
      this.#spanS = Math.min(Math.max(wider, LEAST_S), MOST_S);
      this.draw();
    };
  }

  /** Load the motion, as far as who looks may see it. */
  async load(who) {
    this.#who = who;
    this.#near = this.#all = null;
    this.draw();
    const found = await this.#load("motion", 0, this.#facts.seconds, 1000);
    if (this.#who !== who) return;
    this.#all = found?.over ?? null;
    this.draw();
  }

  show(nowS) {
    this.#nowS = nowS;
    this.draw();
  }

  /** Show the coder's expressions, with the chosen one. */
  setExpressions(expressions, selected) {
    this.#expressions = expressions;
    this.#selected = selected;
    this.draw();
  }

  close() {
    this.#observer.disconnect();
  }

  draw() {
    this.#colours = readColours(this.#stretch);
    this.#drawStretch();
    this.#drawWhole();
  }

  get #fromS() {
    return this.#nowS - this.#spanS / 2;
  }

  #timeAt(x) {
    const width = this.#stretch.clientWidth - GUTTER_PX;
    return this.#fromS + ((x - GUTTER_PX) / width) * this.#spanS;
  }

  /** Resolves to null if the program did not answer; asked again when it is drawn again. */
  async #load(what, startS, endS, bins) {
    const url = new URL(what, this.#base);
    url.search = `${this.#who}&${new URLSearchParams({ start_s: startS, end_s: endS, bins })}`;
    const answer = await fetch(url).then((got) => got.json(), () => null);
    if (answer?.error) this.#warn(answer.error);
    return answer;
  }

  /** Load motion and loudness around the playhead, twice as far as is visible. */
  async #follow(from, to) {
    const near = this.#near;
    const enough = near && near.from <= Math.max(from, 0) && near.to >= to;
    const fine = near && near.to - near.from < 8 * this.#spanS;
    if (this.#asking || (enough && fine)) return;
    this.#asking = true;
    const who = this.#who;
    const [start, end] = [Math.max(0, from - this.#spanS), to + this.#spanS];
    const lanes = ["motion", ...(this.#facts.sound ? ["loudness"] : [])];
    const found = await Promise.all(lanes.map((what) => this.#load(what, start, end, BINS)));
    this.#asking = false;
    if (found.includes(null)) return;
    if (this.#who === who) this.#near = Object.assign({ from: start, to: end }, ...found);
    this.draw();
  }

  #drawStretch() {
    const ctx = fitted(this.#stretch);
    if (!ctx) return;
    const { width, height } = this.#stretch.getBoundingClientRect();
    const from = this.#fromS;
    this.#follow(from, from + this.#spanS);
    const x = (s) => GUTTER_PX + ((s - from) / this.#spanS) * (width - GUTTER_PX);
    const frame = { ctx, width, height, x };
    const { sound } = this.#facts;
    const lanes = [...this.#facts.lanes, ...(sound ? ["Sound"] : [])];
    const laneHeight = (height - TOP_PX - BOTTOM_PX) / lanes.length;
    clipped(ctx, GUTTER_PX, 0, width - GUTTER_PX, height, () => {
      this.#drawTime(frame);
      this.#drawGaps(frame, this.#facts.lanes.length * laneHeight);
      this.#drawQuestions(frame);
      this.#drawExpressions(frame);
      lanes.forEach((_, i) => {
        const draw = i < this.#facts.lanes.length ? this.#drawLane : this.#drawSound;
        draw.call(this, frame, TOP_PX + (i + 1) * laneHeight, laneHeight - 6, i);
      });
      this.#drawMarkers(frame);
      ctx.fillStyle = this.#colours.text;
      ctx.fillRect(Math.round(x(this.#nowS)), 0, 1.5, height - BOTTOM_PX);
    });
    const style = { font: "500 12px system-ui, sans-serif", fillStyle: this.#colours.text };
    lanes.forEach((name, i) => write(ctx, name, 0, TOP_PX + (i + 1) * laneHeight - 3, style));
  }

  #drawTime({ ctx, width, height, x }) {
    const most = (width - GUTTER_PX) / 66; // labels side by side
    const every = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => this.#spanS / s <= most) ?? 60;
    const first = Math.max(0, Math.ceil(this.#fromS / every));
    for (let n = first; n * every <= this.#fromS + this.#spanS; n++) {
      const at = x(n * every);
      ctx.fillStyle = this.#colours.grid;
      ctx.fillRect(Math.round(at), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
      if (at < GUTTER_PX + 20) continue;
      const words = clockTime(n * every);
      const style = { font: SMALL, fillStyle: this.#colours.quiet, textAlign: "center" };
      write(ctx, every < 1 ? words : words.slice(0, -3), at, height - 3, style);
    }
  }

  #drawGaps({ ctx, width, x }, tall) {
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = this.#colours.red;
    for (const { start_s: a, end_s: b } of this.#facts.gaps) {
      if (x(b) < GUTTER_PX || x(a) > width) continue;
      ctx.fillRect(x(a), TOP_PX, Math.max(1, x(b) - x(a)), tall);
    }
    ctx.globalAlpha = 1;
  }

  #drawQuestions({ ctx, x }) {
    for (const { name, start_s: a, end_s: b } of this.#facts.questions) {
      ctx.globalAlpha = 0.16;
      ctx.fillStyle = this.#colours.accent;
      ctx.fillRect(x(a), 0, x(b) - x(a), 16);
      ctx.globalAlpha = 1;
      if (x(b) > GUTTER_PX) write(ctx, name, Math.max(x(a), GUTTER_PX) + 5, 12, { font: `600 ${SMALL}` });
    }
  }

  #drawMarkers({ ctx, height, x }) {
    for (const { time_s: s, kind, words } of this.#facts.markers) {
      if (kind.startsWith("question")) continue;
      const at = Math.round(x(s));
      ctx.fillStyle = this.#colours.quiet;
      ctx.fillRect(at, 16, 1, height - 16 - BOTTOM_PX);
      write(ctx, words, at + 4, 28, { font: SMALL });
    }
  }

  #drawExpressions({ ctx, width, height, x }) {
    for (const one of this.#expressions) {
      const [from, apex, to] = [x(one.onset_s), x(one.apex_s), x(one.offset_s)];
      if (to < GUTTER_PX - AROUND_PX || from > width + AROUND_PX) continue;
      const gone = one.verdict === "rejected";
      const chosen = one.number === this.#selected;
      const colour = gone ? this.#colours.quiet : labelColour(one.label || null);
      ctx.fillStyle = ctx.strokeStyle = colour;
      ctx.globalAlpha = gone ? 0.05 : chosen ? 0.3 : 0.15;
      ctx.fillRect(from, TOP_PX, to - from, height - TOP_PX - BOTTOM_PX);
      ctx.globalAlpha = gone ? 0.5 : 1;
      ctx.lineWidth = chosen ? 3 : 1.5;
      ctx.setLineDash(one.verdict === "accepted" ? [] : [3, 3]);
      ctx.strokeRect(from, TOP_PX - 6, to - from, 0);
      ctx.setLineDash([]);
      for (const at of [from, apex, to]) ctx.fillRect(at - 0.75, TOP_PX - 10, 1.5, 8);
      const style = { font: `600 ${SMALL}`, textAlign: "center" };
      write(ctx, labelWords(one.label), (from + to) / 2, TOP_PX - 13, style);
      ctx.globalAlpha = 1;
    }
  }

  #drawLane({ ctx, width, x }, base, height, lane) {
    if (this.#near?.over === null) {
      const style = { font: SMALL, fillStyle: this.#colours.quiet, textAlign: "center" };
      if (lane === 0) write(ctx, HIDDEN, (GUTTER_PX + width) / 2, base - 3, style);
      return;
    }
    drawLaneLines(ctx, width, base, height, this.#colours);
    if (!this.#near?.over) return; // not loaded yet, or damaged
    const { from, to, over } = this.#near;
    const stepS = (to - from) / over[lane].length;
    const line = new Path2D();
    let last = -Infinity;
    over[lane].forEach((value, i) => {
      if (value === null) return;
      const apart = (i - last) * stepS > Math.max(GAP_S, 1.5 * stepS);
      line[apart ? "moveTo" : "lineTo"](x(from + (i + 0.5) * stepS), laneY(value, base, height));
      last = i;
    });
    drawLaneLine(ctx, line, width, base, height, this.#colours);
  }

  /** Draw the loudness, from a quiet room to full scale; missing sound in the colour of gaps. */
  #drawSound({ ctx, width, x }, base, height) {
    ctx.fillStyle = this.#colours.line;
    ctx.fillRect(GUTTER_PX, base, width, 1);
    if (!this.#near?.db) return;
    const { from, to, db } = this.#near;
    const stepS = (to - from) / db.length;
    const quiet = this.#facts.sound.quiet_db;
    const bars = (missing) => {
      ctx.beginPath();
      db.forEach((level, i) => {
        if ((level === null) !== missing || from + i * stepS > this.#facts.seconds) return;
        const tall = missing ? height : Math.max(1, (1 - level / quiet) * height);
        ctx.rect(x(from + i * stepS), base - tall, x(stepS) - x(0) + 0.3, tall);
      });
      ctx.fill();
    };
    ctx.fillStyle = this.#colours.quiet;
    bars(false);
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = this.#colours.red;
    bars(true);
    ctx.globalAlpha = 1;
  }

  #drawWhole() {
    const ctx = fitted(this.#whole);
    if (!ctx) return;
    const { width, height } = this.#whole.getBoundingClientRect();
    const x = (s) => (s / Math.max(this.#facts.seconds, 1e-6)) * width;
    ctx.fillStyle = this.#colours.accent;
    ctx.globalAlpha = 0.15;
    for (const { start_s: a, end_s: b } of this.#facts.questions) ctx.fillRect(x(a), 0, x(b) - x(a), height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = this.#colours.quiet;
    const bins = this.#all?.[0].length ?? 0;
    for (let i = 0; i < bins; i++) {
      const most = Math.max(...this.#all.map((lane) => lane[i] ?? 0));
      const tall = -laneY(most, 0, height - 14);
      ctx.fillRect((i / bins) * width, height - tall, Math.max(1, width / bins), tall);
    }
    ctx.fillStyle = this.#colours.red;
    for (const { start_s: a, end_s: b } of this.#facts.gaps) ctx.fillRect(x(a), height - 4, Math.max(1, x(b) - x(a)), 4);
    for (const { onset_s: s, label, verdict } of this.#expressions) {
      ctx.fillStyle = verdict === "rejected" ? this.#colours.line : labelColour(label || null);
      ctx.fillRect(x(s) - 1.5, 2, 3, 9);
    }
    ctx.strokeStyle = ctx.fillStyle = this.#colours.text;
    ctx.strokeRect(x(this.#fromS), 0.5, x(this.#spanS), height - 1);
    ctx.fillRect(x(this.#nowS), 0, 1.5, height);
  }
}
