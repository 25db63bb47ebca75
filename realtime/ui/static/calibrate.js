// The Calibrate tab: draws the state of the guide.

import { definitions, make } from "./colours.js";
import { Tab, fill } from "./tab.js";

const BUSY_MS = 200;
const IDLE_MS = 1000;
const BASELINE_DONE = "The neutral face is measured.";
const IN_USE = "In use: the Live tab now spots expressions with these thresholds.";

/** Start the tab inside `root`, the element of calibrate.html. */
export function mount(root) {
  new Guide(root);
}

class Guide extends Tab {
  constructor(root) {
    super(root, new URL("../calibrate/", import.meta.url));
    for (const button of root.querySelectorAll("[data-begin]")) {
      button.addEventListener("click", () => this.#begin(button.dataset.begin));
    }
    for (const button of root.querySelectorAll("[data-cancel]")) {
      button.addEventListener("click", () => this.ask("cancel", {}));
    }
    this.ref("use").addEventListener("click", () => {
      this.#say("use", "", "Restarting with the baseline…");
      this.ref("use").disabled = true;
      this.ask("use", {});
    });
  }

  #begin(what) {
    for (const button of this.root.querySelectorAll("[data-begin]")) button.disabled = true;
    this.ask(`begin/${what}`, {
      participant: this.ref("participant").value,
      false_alarms_per_min: Number(this.ref("rate").value),
    });
  }

  show(state) {
    this.root.dataset.doing = state.doing ?? "";
    this.ref("hint").textContent = state.error || state.hint;
    for (const button of this.root.querySelectorAll("[data-begin]")) {
      button.disabled = Boolean(state.doing) || !state.running;
    }
    for (const what of ["camera", "baseline"]) this.#progress(what, state);
    this.#camera(state);
    this.#baseline(state);
    this.#use(state);
    return state.doing ? BUSY_MS : IDLE_MS;
  }

  #progress(what, state) {
    const here = state.doing === what;
    const bar = this.ref(`${what}-progress`);
    bar.hidden = !here;
    if (here) bar.value = state.seconds / state.of;
    this.root.querySelector(`[data-step="${what}"] [data-cancel]`).hidden = !here;
  }

  #camera(state) {
    const report = state.camera;
    const error = state.camera_error;
    this.#say("camera", report?.light ?? (error ? "red" : ""), report?.verdict ?? error);
    fill(
      this.ref("camera-findings"),
      (report?.findings ?? []).map(({ light, what, do: remedy }) =>
        make("li", { "data-light": light }, make("b", {}, what), make("span", {}, remedy)),
      ),
    );
    this.#rows("camera", report?.rows);
  }

  #baseline(state) {
    const { baseline, baseline_error: error } = state;
    const light = baseline ? "green" : error ? "red" : "";
    this.#say("baseline", light, baseline ? BASELINE_DONE : error && `Not saved: ${error}`);
    this.#rows("baseline", baseline?.rows);
    const regions = baseline?.regions ?? [];
    const most = Math.max(...regions.map((region) => region.floor_px), 0.25);
    fill(
      this.ref("floors"),
      regions.map(({ name, noise_px: noise, floor_px: floor }) => {
        const percent = (px) => `${(100 * px) / most}%`;
        const bar = make("i", { style: { "--noise": percent(noise), "--floor": percent(floor) } });
        return make("div", {}, make("span", {}, name), bar, make("span", {}, floor.toFixed(2)));
      }),
    );
  }

  #use(state) {
    const ready = Boolean(state.baseline) && !state.doing;
    this.ref("use").disabled = !ready || !state.running;
    const save = this.ref("save");
    save.setAttribute("aria-disabled", String(!ready));
    if (ready) save.href = new URL("../calibrate/baseline.json", import.meta.url);
    else save.removeAttribute("href");
    this.#say("use", state.used ? "green" : "", state.used ? IN_USE : "");
  }

  #say(step, light, words) {
    this.root.querySelector(`[data-step="${step}"]`).dataset.light = light;
    const line = this.ref(`${step}-verdict`);
    if (line.textContent !== (words ?? "")) line.textContent = words ?? "";
  }

  #rows(what, rows) {
    this.ref(`${what}-more`).hidden = !rows;
    fill(this.ref(`${what}-rows`), definitions(rows ?? []));
  }
}
