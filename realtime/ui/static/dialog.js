// One expression opened: its moments, the flow of both phases, its replay.

import { SURE, bars, name, sure, unitName, units } from "./events.js";
import { clockTime, inWords, labelColour, make, ms, title } from "./colours.js";
import { Replay } from "./replay.js";

/** Show `children` under a header with `heading`, whose first element names the dialog and has the
 * focus at first, and a button that closes it. */
export function showDialog(dialog, attributes, heading, children) {
  const close = make("button", { type: "button", class: "fl-close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => {
    // As Esc does: whoever opened the dialog may have something to ask first.
    if (dialog.dispatchEvent(new Event("cancel", { cancelable: true }))) dialog.close();
  });
  dialog.replaceChildren(make("div", attributes, make("header", {}, ...heading, close), ...children));
  dialog.setAttribute("aria-label", heading[0].textContent);
  if (!dialog.open) dialog.showModal();
  heading[0].tabIndex = -1;
  heading[0].focus();
}

export class EventDialog {
  #dialog;
  #replay = null;
  #event = null;
  maySave = false;

  constructor(dialog) {
    this.#dialog = dialog;
    dialog.addEventListener("close", () => this.#replay?.stop());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // the backdrop
    });
  }

  close() {
    this.#dialog.close();
  }

  /** Take an expression that has changed. If the dialog shows it, show it as it is now. */
  put(event, run, startS) {
    if (!this.#dialog.open || this.#event?.number !== event.number) return;
    const before = this.#event;
    const changed = before.state !== event.state || before.label_hidden !== event.label_hidden;
    if (changed) this.open(event, run, startS);
  }

  forget(numbers) {
    if (!numbers.includes(this.#event?.number)) return;
    this.#dialog.close();
    this.#dialog.replaceChildren();
  }

  async open(event, run, startS) {
    this.#event = event;
    const base = new URL(`../events/${run}/${event.number}/`, import.meta.url);
    this.#replay?.stop();
    this.#replay = new Replay(base);
    showDialog(
      this.#dialog,
      { class: "fl-sheet", style: { "--label": labelColour(event.label) } },
      [
        make("h2", {}, `${name(event)}${event.state === "early" ? "?" : ""}`),
        make("p", {}, summary(event, startS)),
        ...(this.maySave && event.state === "confirmed" && event.pictures ? saveLinks(base) : []),
      ],
      [
        this.#replay.element,
        make("div", { class: "fl-figures" }, ...moments(event, base), ...phases(event, base)),
        make(
          "div",
          { class: "fl-facts" },
          ...(event.label_hidden
            ? []
            : [
                make("div", {}, make("h3", {}, "Classes"), bars(event.probabilities)),
                make("div", {}, make("h3", {}, "Action units"), allUnits(event.action_units)),
              ]),
          make("div", {}, make("h3", {}, "Evidence"), make("p", {}, inWords(event.sentences)), make("p", {}, why(event)), make("p", {}, sure(event, SURE))),
        ),
      ],
    );
    const facts = await this.#replay.load();
    const wheel = this.#dialog.querySelector(".fl-wheel figcaption");
    if (facts?.full_scale_px && wheel) wheel.textContent = `rim ${facts.full_scale_px.toFixed(1)} px`;
  }
}

function saveLinks(base) {
  return ["MP4", "GIF"].map((form) => {
    const href = new URL(`replay.${form.toLowerCase()}`, base).href;
    return make("a", { class: "fl-save", href, download: "" }, `Save as ${form}`);
  });
}

function summary(event, startS) {
  const words = [clockTime(event.apex_s - startS), event.kind === "macro" ? "macro-expression" : "micro-expression"];
  if (event.offset_s !== null) words.push(ms(event.offset_s - event.onset_s));
  if (event.state === "early") words.push("not over yet");
  if (event.state === "withdrawn") words.push("discarded");
  return words.join(" · ");
}

function why(event) {
  return title(event.reason.replaceAll("_", " "));
}

function moments(event, base) {
  if (!event.pictures) return [make("p", {}, "The pictures of this expression are no longer kept.")];
  const named = [
    ["onset", "Onset", null],
    ["apex", "Apex", event.apex_s],
    ["offset", "Offset", event.offset_s],
  ].slice(0, event.pictures);
  return named.map(([name, words, timeS]) =>
    figure(
      new URL(`crop/${name}.png`, base),
      timeS === null ? words : `${words} +${ms(timeS - event.onset_s)}`,
      `The face at its ${name}`,
    ),
  );
}

function phases(event, base) {
  if (!event.pictures) return [];
  const flows = [figure(new URL("flow/onset_apex.png", base), "Onset → apex", "Flow of the first phase")];
  if (event.pictures > 2) {
    flows.push(figure(new URL("flow/apex_offset.png", base), "Apex → offset", "Flow of the second phase"));
  }
  const wheel = figure(new URL("../../../wheel.png", base), "Direction", "Colour by direction");
  wheel.classList.add("fl-wheel");
  return [...flows, wheel];
}

function figure(url, words, alt) {
  return make("figure", {}, make("img", { src: url.href, alt }), make("figcaption", {}, words));
}

function allUnits(probabilities) {
  const shown = units(probabilities, unitName);
  return shown.childElementCount ? shown : make("p", {}, "None above 50 %.");
}
