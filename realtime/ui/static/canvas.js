// What is drawn on a canvas in the theme's colours.

/** A context in CSS px over the whole canvas; null while it is not seen. */
export function fitted(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return null;
  const ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

/** The theme's colours, as they are where `element` stands. */
export function readColours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    text: read("--fl-text"),
    quiet: read("--fl-quiet"),
    line: read("--fl-line"),
    grid: read("--fl-grid"),
    paper: read("--fl-paper"),
    accent: read("--fl-accent"),
    red: read("--red"),
  };
}
