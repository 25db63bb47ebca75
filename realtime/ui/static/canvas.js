// Drawing on a canvas in the theme's colours.

export const GUTTER_PX = 58; // left of the lanes, with their names
const FULL = 2.5; // times the threshold at the top of a lane

/** A cleared context in CSS px over the whole canvas; null while the canvas is hidden. */
export function fitted(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return null;
  const ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  return cleared(canvas, ratio);
}

/** A cleared context over a canvas with `ratio` px to the CSS px. */
export function cleared(canvas, ratio) {
  const ctx = canvas.getContext("2d");
  // All of it, to the last px: then nothing of the last drawing is copied to the next.
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return ctx;
}

/** The theme's colours, as they are where `element` stands. */
export function readColours(element) {
  const style = getComputedStyle(element);
  const names = ["text", "quiet", "line", "grid", "paper", "accent"];
  const colours = names.map((name) => [name, style.getPropertyValue(`--fl-${name}`).trim()]);
  return { ...Object.fromEntries(colours), red: style.getPropertyValue("--red").trim() };
}

/** Call `changed` whenever the theme turns dark or light. */
export function watchTheme(changed) {
  new MutationObserver(changed).observe(document.body, { attributeFilter: ["class"] });
}

/** Call `draw` with everything outside a rectangle clipped. The context's state is restored. */
export function clipped(ctx, x, y, width, height, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  draw();
  ctx.restore();
}

/** Write `words` at (x, y), in `style`: any properties of the context. */
export function write(ctx, words, x, y, style) {
  Object.assign(ctx, { textAlign: "left", textBaseline: "alphabetic" }, style);
  ctx.fillText(words, x, y);
}

export function stroke(ctx, path, style) {
  Object.assign(ctx, style);
  ctx.stroke(path);
}

/** Height in a lane of a motion that is `over` times its threshold. */
export function laneY(over, base, height) {
  return base - (Math.min(over, FULL) / FULL) * height;
}

/** Draw the base line of a lane, and its threshold as a dashed line. */
export function drawLaneLines(ctx, right, base, height, colours) {
  ctx.fillStyle = colours.line;
  ctx.fillRect(GUTTER_PX, base, right - GUTTER_PX, 1);
  const y = Math.round(laneY(1, base, height)) + 0.5;
  const threshold = new Path2D(`M ${GUTTER_PX} ${y} H ${right}`);
  ctx.setLineDash([2, 4]);
  stroke(ctx, threshold, { strokeStyle: colours.quiet, lineWidth: 1 });
  ctx.setLineDash([]);
}

/** Draw `line` in a lane. Draw the part over the threshold again in the accent's colour; `also` can
 * draw there too. */
export function drawLaneLine(ctx, line, right, base, height, { text, accent }, also = () => {}) {
  stroke(ctx, line, { strokeStyle: text, lineWidth: 1.5 });
  const top = base - height - 8;
  clipped(ctx, GUTTER_PX, top, right - GUTTER_PX, laneY(1, base, height) - top, () => {
    stroke(ctx, line, { strokeStyle: accent, lineWidth: 2 });
    also();
  });
}
