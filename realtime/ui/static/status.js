// The status line, the badge, and which buttons can be used.

import { make } from "./colours.js";

export class StatusLine {
  #root;
  #ref;

  constructor(root, ref) {
    this.#root = root;
    this.#ref = ref;
  }

  show(status) {
    this.#badge(status.badge);
    const source = this.#ref("source");
    source.textContent = status.message || status.source;
    source.title = status.source;
    source.classList.toggle("fl-warn", Boolean(status.message));
    const running = status.state === "running";
    this.#enable("start", !running && status.state !== "starting");
    this.#enable("pause", running);
    this.#enable("stop", running || status.state === "paused");
    this.#fill(this.#items(status));
  }

  lost() {
    this.#badge("NO CONNECTION");
    for (const name of ["start", "pause", "stop"]) this.#enable(name, false);
  }

  #badge(badge) {
    if (this.#root.dataset.badge === badge) return; // a screen reader would say it again
    this.#root.dataset.badge = badge;
    this.#ref("badge").textContent = badge;
  }

  /** In place, so that what is hovered or selected stays so. */
  #fill(items) {
    const line = this.#ref("status");
    for (const [i, { name, value, title, warn }] of items.entries()) {
      const cell = line.children[i] ?? line.appendChild(make("div", {}, make("span"), make("b")));
      if (cell.children[1].textContent !== value) cell.children[1].textContent = value;
      cell.children[0].textContent ||= name;
      cell.title = title;
      cell.classList.toggle("fl-warn", warn);
    }
  }

  #enable(name, enabled) {
    this.#root.querySelector(`[data-do="${name}"]`).disabled = !enabled;
  }

  #items(s) {
    const dropped = Object.values(s.dropped).reduce((sum, n) => sum + n, 0);
    const causes = Object.entries(s.dropped)
      .map(([cause, n]) => `${cause} ${n}`)
      .join(", ");
    return [
      item("Rate", s.fps === null ? "–" : `${s.fps.toFixed(1)} fps`, "measured at the source"),
      item("Picture", `${s.width} × ${s.height}`),
      item("Analysed", `${s.analysed}`, `of ${s.captured} captured; ${s.faces} with a face`),
      item("Dropped", causes || `${dropped}`, "by cause", dropped > 0),
      item("Frame → result", times(s.frame_to_result), "p50 / p95"),
      item("Decision", times(s.decision), "p50 / p95, from the expression's last frame to its name"),
      item("Captured → painted", times(s.painted), "p50 / p95, this page"),
      item("Device", s.device || "–"),
      item("Flow", s.flow),
      item("Classifier", `${s.classifier}, ${s.engine}`),
    ];
  }
}

function times({ p50, p95, n }) {
  const short = (value) => (value < 9.95 ? value.toFixed(1) : String(Math.round(value)));
  return n ? `${short(p50)} / ${short(p95)} ms` : "–";
}

function item(name, value, title = "", warn = false) {
  return { name, value, title, warn };
}
