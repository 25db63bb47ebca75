// The status line, the badge, and which buttons can be used.

export class StatusLine {
  #root;
  #ref;

  constructor(root, ref) {
    this.#root = root;
    this.#ref = ref;
  }

  show(status) {
    this.#badge(status.badge);
    this.#ref("badge").classList.toggle("fl-dim", performance.now() % 2000 > 1000); // its light blinks
    const source = this.#ref("source");
    source.textContent = status.message || status.source;
    source.title = source.textContent;
    source.classList.toggle("fl-warn", Boolean(status.message));
    const running = status.state === "running";
    this.#enable("start", !running && status.state !== "starting");
    this.#root.querySelector('[data-do="start"]').textContent = status.state === "paused" ? "Resume" : "Start";
    this.#enable("pause", running);
    this.#enable("stop", running || status.state === "paused");
    this.#figures(status);
  }

  lost() {
    this.#badge("NO CONNECTION");
    for (const name of ["start", "pause", "stop"]) this.#enable(name, false);
  }

  #badge(badge) {
    if (this.#root.dataset.badge === badge) return; // a screen reader would read it again
    this.#root.dataset.badge = badge;
    this.#ref("badge").textContent = badge;
  }

  #enable(name, enabled) {
    this.#root.querySelector(`[data-do="${name}"]`).disabled = !enabled;
  }

  #figures(s) {
    const causes = Object.entries(s.dropped).map(([cause, n]) => `${n} (${cause})`);
    const figures = {
      rate: s.fps === null ? "–" : `${s.fps.toFixed(1)} fps`,
      picture: `${s.width} × ${s.height}`,
      analysed: `${s.analysed}`,
      dropped: causes.join(", ") || "0",
      result: times(s.frame_to_result),
      decision: times(s.decision),
      painted: times(s.painted),
      device: s.device || "–",
      flow: s.flow,
      classifier: `${s.classifier}, ${s.engine}`,
    };
    const cell = (name) => this.#ref("status").querySelector(`[data-figure="${name}"]`);
    for (const [name, value] of Object.entries(figures)) {
      // Only what has changed, so that a selection stays.
      if (cell(name).textContent !== value) cell(name).textContent = value;
    }
    cell("analysed").parentElement.title = `of ${s.captured} captured; ${s.faces} with a face`;
    cell("dropped").parentElement.classList.toggle("fl-warn", causes.length > 0);
  }
}

function times({ p50, p95, n }) {
  const short = (value) => (value < 9.95 ? value.toFixed(1) : String(Math.round(value)));
  return n ? `${short(p50)} / ${short(p95)} ms` : "–";
}
