// Drawing over the picture, from the geometry of realtime/results/overlay.py: px of the frame in, CSS
// px of the picture out. Mirroring moves points, never text.

import { CLEAR_HEAT, heatColour, labelColour, make, percent, title } from "./colours.js";
import { cleared, write } from "./canvas.js";

const GRID = 32;
const heatCells = new OffscreenCanvas(GRID, GRID).getContext("2d");
const heatImage = new ImageData(GRID, GRID);
const AROUND_PX = 16; // around the outline, for its width and the regions at its edge
const SIGN_PX = 34; // height of a sign
const SIGN_FONT = "600 15px system-ui, sans-serif";
const BLOCK_PX = 32; // the canvas begins and ends at multiples of it, px of the screen

/** What is drawn over one picture. Its canvas covers the face and its sign, not the whole picture: a
 * canvas costs a browser without a GPU its size, several times with every frame. */
export class Overlay {
  #canvas;
  #flags = make("p", { class: "fl-flags", "aria-hidden": "true" });
  #covered = [0, 0, 0, 0]; // left, top, right, bottom, in px of the screen

  constructor(canvas) {
    this.#canvas = canvas;
    canvas.after(this.#flags);
  }

  clear() {
    this.#say([]);
    cleared(this.#canvas, 1);
  }

  /** Draw over a frame. `shows`: which chips are on; `large`: the parts of the face in large
   * movement. */
  draw({ header, parts }, shows, mirrored, large) {
    this.#say(shows.label ? flagWords(header) : []);
    const { width, height } = this.#canvas.parentElement.getBoundingClientRect();
    if (!width || !height) return; // hidden
    const { face } = header;
    const scale = width / header.width;
    const at = mirrored
      ? ([x, y]) => [width - x * scale, y * scale]
      : ([x, y]) => [x * scale, y * scale];
    const outline = face?.outline.map(at);
    const sign = face && shows.label ? placeSign(signWords(header.event, large, header.large), outline, width) : null;
    const ctx = this.#cover(outline, sign, width, height);
    if (!face) return;
    if (shows.heat && parts.heat) drawHeat(ctx, header, parts.heat, outline, scale, mirrored, width);
    if (shows.outline) drawOutline(ctx, outline);
    if (shows.landmarks && parts.landmarks) drawLandmarks(ctx, parts.landmarks, at);
    if (shows.regions) drawRegions(ctx, header.regions, at, scale);
    if (sign) drawSign(ctx, sign);
  }

  /** A cleared context, in CSS px of the picture, over a part of it that holds outline and sign. */
  #cover(outline, sign, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const [right, bottom] = [Math.round(width * ratio), Math.round(height * ratio)];
    const inside = (px, i) => Math.max(0, Math.min(i % 2 ? bottom : right, px * ratio));
    const held = outline ? boundsOf(outline, sign).map(inside) : this.#covered;
    const fits = within(held, this.#covered) && within(this.#covered, [0, 0, right, bottom]);
    if (!fits || area(this.#covered) > 2 * area(blocksAround(held, right, bottom))) {
      this.#covered = blocksAround(held, right, bottom);
    }
    const [x, y, endX, endY] = this.#covered;
    const canvas = this.#canvas;
    if (canvas.width !== endX - x || canvas.height !== endY - y) {
      [canvas.width, canvas.height] = [endX - x, endY - y];
    }
    // Shares, because the page may be zoomed.
    const place = [x / right, y / bottom, (endX - x) / right, (endY - y) / bottom].join();
    if (canvas.dataset.place !== place) {
      canvas.dataset.place = place;
      const share = (px, all) => `${(100 * px) / all}%`;
      Object.assign(canvas.style, {
        left: share(x, right), top: share(y, bottom), width: share(endX - x, right), height: share(endY - y, bottom),
      });
    }
    const ctx = cleared(canvas, ratio);
    ctx.setTransform(ratio, 0, 0, ratio, -x, -y);
    return ctx;
  }

  /** Write in the corner what makes the frame doubtful. */
  #say(words) {
    const text = words.join(", ");
    if (this.#flags.dataset.words === text) return;
    this.#flags.dataset.words = text;
    this.#flags.replaceChildren(...words.map((word) => make("span", {}, word)));
  }
}

/** Left, top, right, bottom around outline and sign. */
function boundsOf(outline, sign) {
  const [xs, ys] = [0, 1].map((axis) => outline.map((point) => point[axis]));
  const bounds = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const face = bounds.map((px, i) => px + (i < 2 ? -AROUND_PX : AROUND_PX));
  if (!sign) return face;
  const box = [sign.x - 2, sign.y - 2, sign.x + sign.width + 2, sign.y + sign.height + 2];
  return face.map((px, i) => (i < 2 ? Math.min : Math.max)(px, box[i]));
}

/** Whole blocks around `bounds`, with room to move, inside the picture. */
function blocksAround(bounds, right, bottom) {
  return bounds.map((px, i) => {
    const most = i % 2 ? bottom : right;
    const block = i < 2 ? Math.floor(px / BLOCK_PX) - 1 : Math.ceil(px / BLOCK_PX) + 1;
    return Math.max(0, Math.min(most, block * BLOCK_PX));
  });
}

/** Whether the first lies in the second. */
function within([left, top, right, bottom], [outerLeft, outerTop, outerRight, outerBottom]) {
  return outerLeft <= left && outerTop <= top && right <= outerRight && bottom <= outerBottom;
}

function area([left, top, right, bottom]) {
  return (right - left) * (bottom - top);
}

function trace(ctx, points) {
  ctx.beginPath();
  // Through the middles of the edges, the corners as control points: a smooth closed curve.
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  ctx.moveTo(...middle(points.at(-1), points[0]));
  points.forEach((point, i) =>
    ctx.quadraticCurveTo(...point, ...middle(point, points[(i + 1) % points.length])),
  );
  ctx.closePath();
}

function drawHeat(ctx, header, heat, outline, scale, mirrored, width) {
  const levels = new Uint8Array(heat);
  if (!levels.some((level) => level > CLEAR_HEAT)) return; // a face at rest
  levels.forEach((level, i) => {
    const [r, g, b, alpha] = heatColour(level);
    heatImage.data[4 * i] = r;
    heatImage.data[4 * i + 1] = g;
    heatImage.data[4 * i + 2] = b;
    heatImage.data[4 * i + 3] = alpha * INSIDE[i % GRID] * INSIDE[Math.floor(i / GRID)];
  });
  heatCells.putImageData(heatImage, 0, 0);
  const [a, b, c, d, e, f] = header.face.image_from_crop;
  const cell = 128 / GRID; // crop px
  ctx.save();
  trace(ctx, outline);
  ctx.clip();
  if (mirrored) ctx.transform(-1, 0, 0, 1, width, 0);
  ctx.scale(scale, scale);
  ctx.transform(a, b, c, d, e, f);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(heatCells.canvas, -0.5, -0.5, GRID * cell, GRID * cell);
  ctx.restore();
}

/** 0 at the edge of the aligned crop, 1 from the fourth cell on: the crop ends above the chin, and
 * a map that stops there with an edge would look like a find. */
const INSIDE = Array.from({ length: GRID }, (_, cell) => Math.min(1, (Math.min(cell, GRID - 1 - cell) + 0.5) / 4));

function drawOutline(ctx, outline) {
  trace(ctx, outline);
  ctx.lineWidth = 3;
  ctx.strokeStyle = "rgb(0 0 0 / 0.25)";
  ctx.stroke();
  ctx.lineWidth = 1.25;
  ctx.strokeStyle = "rgb(255 255 255 / 0.8)";
  ctx.stroke();
}

function drawLandmarks(ctx, bytes, at) {
  const values = new Float32Array(bytes);
  ctx.fillStyle = "rgb(255 255 255 / 0.75)";
  for (let i = 0; i < values.length; i += 2) {
    const [x, y] = at([values[i], values[i + 1]]);
    ctx.fillRect(x - 0.75, y - 0.75, 1.5, 1.5);
  }
}

function drawRegions(ctx, regions, at, scale) {
  for (const { at: centre, radius, strength, threshold } of regions) {
    const [x, y] = at(centre);
    const over = threshold ? (strength ?? 0) / threshold : 0;
    ctx.beginPath();
    ctx.arc(x, y, radius * scale, 0, 2 * Math.PI);
    ctx.setLineDash(threshold === null ? [2, 3] : []);
    if (over >= 1) {
      ctx.fillStyle = "rgb(45 212 191 / 0.28)";
      ctx.fill();
    }
    ctx.lineWidth = over >= 1 ? 2 : 1;
    ctx.strokeStyle = over >= 1 ? "rgb(94 234 212)" : `rgb(255 255 255 / ${0.36 + 0.4 * over})`;
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

/** What stands over the forehead: the name of the expression, and how far its motion is over its
 * threshold now; or what moves far, while it does, and what it is named so far. That counts only when
 * it is over. */
function signWords(event, large, named) {
  if (!event) {
    const known = typeof named?.probability === "number"; // otherwise no class is likely enough
    const name = known ? `${title(named.label)} (macro) so far` : "Large movement";
    const words = `${name}: ${large.join(", ").toLowerCase()}`;
    return large.length ? { words, colour: known ? labelColour(named.label) : "#cbd5e1", dash: [2, 3] } : null;
  }
  const likely = event.probability === null ? "" : `  ${percent(event.probability)}`;
  const name = event.kind === "macro" ? `${title(event.label)} (macro)` : title(event.label);
  const early = event.state === "early";
  const words = `${name}${early ? "?" : ""}${likely}`;
  return { words, colour: labelColour(event.label), dash: early ? [4, 3] : [], strength: event.strength };
}

/** `sign` with its rectangle over the forehead. */
function placeSign(sign, outline, right) {
  if (!sign) return null;
  heatCells.font = SIGN_FONT;
  const xs = outline.map(([x]) => x);
  const top = Math.min(...outline.map(([, y]) => y));
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const width = heatCells.measureText(sign.words).width + 28;
  const x = Math.min(Math.max(middle - width / 2, 8), right - width - 8);
  return { ...sign, x, y: Math.max(8, top - SIGN_PX - 14), width, height: SIGN_PX };
}

/** A sign over the forehead; under its words a bar, if it has a strength. */
function drawSign(ctx, { words, colour, dash, strength, x, y, width, height }) {
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, 10);
  ctx.fillStyle = "rgb(15 23 42 / 0.82)";
  ctx.fill();
  ctx.lineWidth = 1.5;
  ctx.setLineDash(dash);
  ctx.strokeStyle = colour;
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = "white";
  write(ctx, words, x + width / 2, y + height / 2 - 2, {
    font: SIGN_FONT, textAlign: "center", textBaseline: "middle",
  });
  if (strength === undefined) return;
  ctx.fillStyle = colour;
  ctx.fillRect(x + 14, y + height - 6, (width - 28) * Math.min(1, strength / 3), 2);
}

const FLAG_WORDS = { blink: "blink", head: "head moves", light: "light changes", texture: "low contrast" };

function flagWords({ face, flags }) {
  return face ? flags.map((flag) => FLAG_WORDS[flag]).filter(Boolean) : ["no face"];
}
