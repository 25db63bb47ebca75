// Help: what the page is, what each part shows, the keys; and a tour of a minute.

import { make } from "./colours.js";
import { showDialog } from "./dialog.js";

const TABS = [
  ["Live", "watch a face, and what is found in it"],
  ["Calibrate", "check the camera, and measure a face at rest"],
  ["Study", "record a session with a participant"],
  ["Review", "judge what was found in a session, and export it"],
  ["Health", "see whether this machine keeps up"],
];
const KEYS = [
  ["Space", "pause, or go on"],
  ["F", "full screen, with big type, for a projector"],
  ["M", "mirror the picture"],
  ["G", "keep a straight face: a game of a minute"],
  ["?", "this help"],
  ["Esc", "skip a replay, end the tour"],
];
const TOURED = "fmanet-toured"; // where a browser keeps that its tour has ended
const STEPS = [
  ["[data-ref=choice]", "The source: a camera, a film of yours, or the demo face, which needs no camera."],
  ["[data-ref=picture]", "The face. Circles are the regions that are measured; colour shows where it moves more than its threshold."],
  [".fl-plot", "The motion by part of the face. What rises over the dotted line, and returns quickly, is an expression."],
  [".fl-events", "What was found, newest first. Click one to see it in slow motion, magnified, and why it counts."],
  [".fl-chips", "What is drawn over the picture. Replay shows each hit once more in the corner."],
  [".fl-status", "Whether the program keeps up: dropped should stay at 0."],
];

export class Help {
  #root;
  #dialog;
  #tip = make("div", { class: "fl-tip", role: "dialog", "aria-label": "Tour", hidden: "" });
  #step = 0;
  #welcomed = false;

  /** `keys`: what a key does, by key. They work while nothing is typed and the tab is visible. */
  constructor(root, dialog, button, keys) {
    this.#root = root;
    this.#dialog = dialog;
    root.append(this.#tip);
    dialog.addEventListener("click", ({ target }) => {
      if (target === dialog) dialog.close(); // the backdrop
    });
    button.addEventListener("click", () => this.open());
    const all = { ...keys, "?": () => this.open() };
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest("input, select, textarea, dialog, [contenteditable]");
      const press = event.key === " " && event.target.closest("button, a, summary, [role=tab]");
      const modified = event.ctrlKey || event.altKey || event.metaKey;
      if (busy || press || modified || !root.checkVisibility()) return;
      if (event.key === "Escape" && !this.#tip.hidden) this.#end();
      const act = all[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    });
    window.addEventListener("resize", () => {
      if (!this.#tip.hidden) this.#place();
    });
  }

  open() {
    const tour = make("button", { type: "button" }, "Take the tour: one minute");
    tour.addEventListener("click", () => {
      this.#dialog.close();
      this.#go(0);
    });
    showDialog(this.#dialog, { class: "fl-sheet fl-helped" }, [make("h2", {}, "What is this?")], [
      make("p", {}, "A micro-expression is a movement of the face that lasts half a second or less, often one that its owner wants to hide. This program finds such movements in a camera's picture and names them: negative, positive or surprise. A name is the likeliest of three classes, no reading of minds."),
      tour,
      list("Tabs", TABS),
      list("Keys", KEYS, (key) => make("kbd", {}, key)),
    ]);
  }

  /** Begin the tour, the first time that this browser shows the page. A browser that a program drives
   * takes none. Every frame calls it. */
  welcome() {
    if (this.#welcomed) return;
    this.#welcomed = true;
    if (navigator.webdriver || localStorage.getItem(TOURED) || !this.#tip.hidden || this.#dialog.open) return;
    this.#go(0, document.activeElement === document.body);
  }

  /** `focus`: on the button that goes on. */
  #go(step, focus = true) {
    this.#step = step;
    if (step >= STEPS.length) {
      this.#end();
      return;
    }
    const button = (words, to) => {
      const made = make("button", { type: "button" }, words);
      made.addEventListener("click", () => this.#go(to));
      return made;
    };
    const last = step === STEPS.length - 1;
    const first = step === 0 && !localStorage.getItem(TOURED);
    const next = button(last ? "Done" : "Next", step + 1);
    this.#tip.replaceChildren(
      ...(first ? [make("p", {}, make("b", {}, "New here? A minute shows what is what."))] : []),
      make("p", {}, STEPS[step][1]),
      make("span", {}, `${step + 1} of ${STEPS.length}`),
      ...(step ? [button("Back", step - 1)] : []),
      ...(last ? [] : [button(first ? "Skip" : "End", STEPS.length)]),
      next,
    );
    this.#tip.hidden = false;
    this.#place();
    if (focus) next.focus({ preventScroll: true });
  }

  #place() {
    for (const old of this.#root.querySelectorAll(".fl-toured")) old.classList.remove("fl-toured");
    const target = this.#root.querySelector(STEPS[this.#step][0]);
    target.classList.add("fl-toured");
    target.scrollIntoView({ block: "nearest" });
    const [at, own] = [target.getBoundingClientRect(), this.#tip.getBoundingClientRect()];
    const below = at.bottom + 10 + own.height < innerHeight;
    const inside = Math.max(10, at.bottom - own.height - 14);
    const top = below ? at.bottom + 10 : at.top > own.height + 20 ? at.top - own.height - 10 : inside;
    const left = Math.min(Math.max(10, at.left + 12), innerWidth - own.width - 10);
    this.#tip.style.setProperty("top", `${top}px`);
    this.#tip.style.setProperty("left", `${left}px`);
  }

  #end() {
    this.#tip.hidden = true;
    localStorage.setItem(TOURED, "yes");
    for (const old of this.#root.querySelectorAll(".fl-toured")) old.classList.remove("fl-toured");
  }
}

function list(heading, pairs, name = (word) => make("b", {}, word)) {
  const rows = pairs.flatMap(([word, what]) => [make("dt", {}, name(word)), make("dd", {}, what)]);
  return make("section", {}, make("h3", {}, heading), make("dl", {}, ...rows));
}
