// The Review tab: play and code a recorded session.

import { agreementTable } from "./agreement.js";
import { BlindNotice } from "./blind_notice.js";
import { watchTheme } from "./canvas.js";
import { Coding } from "./coding.js";
import { clockTime, labelColour, make } from "./colours.js";
import { showDialog } from "./dialog.js";
import { showRows } from "./expression_list.js";
import { Outputs } from "./outputs.js";
import { labelWords, MOMENTS, Panel } from "./panel.js";
import { Player } from "./player.js";
import { Replay } from "./replay.js";
import { LOST, request, watchAnswers, watchVisible } from "./tab.js";
import { Timeline } from "./timeline.js";

const NEW_S = 0.1; // on both sides of the apex of one that is added
const AROUND_S = 1.5; // heard before an expression and after it
const CODER = "fmanet-coder";
const SILENT = `Connection lost: nothing is stored. ${LOST}`;

/** Start the tab inside `root`, the element of review.html. */
export function mount(root) {
  new Review(root);
}

class Review {
  #root;
  #name = "";
  #address = ""; // the name, encoded for an address
  #facts = null;
  #player;
  #panel;
  #blind;
  #outputs;
  #timeline = null;
  #coding = new Coding(
    // A redaction changes the places of frames, so each request says how many there were.
    (path, body) => this.#ask(path, body && { ...body, frames: this.#facts.frames }),
    () => this.#show(),
  );
  #who = ""; // for whom the motion is loaded
  #selected = null;
  #wanted = ""; // the session that another tab asked for
  #turn = 0; // counts the sessions that were chosen
  #visible = false;
  #replay = null;

  constructor(root) {
    this.#root = root;
    this.#player = new Player(
      (name) => this.#ref(name),
      (s) => this.#timeline.show(s),
      (words) => this.#warn(words),
    );
    this.#ref("coder").value = localStorage.getItem(CODER) ?? "";
    this.#ref("session").addEventListener("change", ({ target }) => this.#open(target.value));
    this.#ref("coder").addEventListener("change", ({ target }) => {
      localStorage.setItem(CODER, target.value.trim());
      this.#tell(""); // the downloads of another coder
      if (this.#facts) this.#openCoding(this.#coder);
    });
    this.#blind = new BlindNotice((name) => this.#ref(name), this.#coding, () => this.#openCoding("", true));
    for (const step of ["undo", "redo"]) this.#ref(step).addEventListener("click", () => this.#step(step));
    this.#ref("coder").addEventListener("input", () => this.#enableNote());
    this.#ref("recover").addEventListener("click", ({ target }) => this.#recover(target.value));
    this.#ref("compare").addEventListener("click", () => this.#compare());
    this.#outputs = new Outputs((name) => this.#ref(name), this.#coding, {
      ask: (path, body) => this.#ask(`${this.#address}/${path}`, body),
      tell: (words, ...links) => this.#tell(words, ...links),
      warn: (words) => this.#warn(words),
    });
    for (const button of root.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.#player.step(Number(button.dataset.step)));
    }
    this.#panel = new Panel(root, (name) => this.#ref(name), {
      change: (changes) => this.#change(changes),
      see: (moment) => this.#player.go(this.#current[moment]),
      here: (moment) => this.#setHere(moment),
      type: (number, text) => this.#coding.note(number, text),
    });
    this.#ref("note").addEventListener("change", () => this.#coding.flush());
    this.#ref("add").addEventListener("click", () => this.#add());
    this.#ref("hear").addEventListener("click", () => this.#hear());
    this.#ref("magnify").addEventListener("click", () => this.#magnify());
    this.#ref("dialog").addEventListener("close", () => this.#replay?.stop());
    document.addEventListener("keydown", (pressed) => this.#key(pressed));
    // So only a button that was reached by keyboard is focused, and Enter and Space are its own.
    root.addEventListener("click", ({ detail, target }) => detail && target.closest("button, a")?.blur(), true);
    document.addEventListener("fmanet-review", ({ detail }) => (this.#wanted = detail));
    // The arrow keys step through frames; in a focused list they would choose another label.
    for (const list of root.querySelectorAll("select")) list.addEventListener("change", () => list.blur());
    watchTheme(() => this.#timeline?.draw());
    watchAnswers(root, {
      lose: () => this.#warn(SILENT),
      find: () => {
        this.#tell("");
        if (this.#facts) this.#player.go(this.#player.place); // what could not be loaded meanwhile
        else this.#list();
      },
    });
    watchVisible(root, (visible) => {
      this.#visible = visible;
      if (visible) this.#list();
      else this.#player.play(false);
      if (document.activeElement.matches("[role=tab]:not(:focus-visible)")) document.activeElement.blur();
    });
  }

  #ref(name) {
    return this.#root.querySelector(`[data-ref="${name}"]`);
  }

  #warn(message) {
    this.#tell(message);
    this.#ref("notice").dataset.good = "no";
  }

  /** Show `message`, and links after it, until there is another. */
  #tell(message, ...links) {
    const line = this.#ref("notice");
    line.hidden = !message;
    line.replaceChildren(message, ...links);
    line.dataset.good = "yes";
  }

  /** The server's answer; null, with a warning, if the request failed. */
  async #ask(path, body = null) {
    try {
      const answer = await request(new URL(`../review/${path}`, import.meta.url), body);
      const content = await answer.json();
      if (answer.ok && !content.error) {
        if (this.#ref("notice").dataset.good === "no") this.#tell(""); // mended
        return content;
      }
      this.#warn(content.error ?? `The server answered ${answer.status}`);
    } catch {
      this.#warn(SILENT);
    }
    return null;
  }

  /** The time of each frame, s of the video; null, with a warning, if the request failed. */
  async #loadTimes(name) {
    try {
      const answer = await request(new URL(`../review/${encodeURIComponent(name)}/times.f64`, import.meta.url));
      if (answer.ok) return new Float64Array(await answer.arrayBuffer());
      this.#warn(`The server answered ${answer.status}`);
    } catch {
      this.#warn(SILENT);
    }
    return null;
  }

  async #list() {
    const found = await this.#ask("sessions");
    if (!found) return;
    const choice = this.#ref("session");
    const kept = this.#wanted || this.#name;
    this.#wanted = "";
    choice.replaceChildren(
      ...found.sessions.map(({ name, started_utc: started, unfinished, error }) => {
        const words = error ? `${name} (cannot be read)` : `${name} · ${started.slice(0, 16).replace("T", " ")}`;
        return make("option", { value: name }, unfinished ? `${words} (recording, or cut off)` : words);
      }),
    );
    const none = this.#ref("none");
    none.hidden = found.sessions.length > 0;
    none.textContent = `No session in ${found.folder} yet: record one on the Study tab.`;
    const complete = found.sessions.find(({ unfinished, error }) => !error && !unfinished);
    // One that cannot be opened says why, and offers to recover it.
    const open = found.sessions.find(({ name }) => name === kept) ?? complete ?? found.sessions[0];
    if (!open) return;
    choice.value = open.name;
    if (open.name !== this.#name) await this.#open(open.name);
  }

  /** Open a session: name, film, list and coding change together, or not at all. */
  async #open(name) {
    const turn = (this.#turn += 1);
    this.#player.play(false);
    this.#ref("recover").hidden = true;
    await this.#coding.flush();
    const facts = await this.#ask(`${encodeURIComponent(name)}/session`);
    const unreadable = facts?.recovery_needed;
    if (facts && !unreadable) facts.times_s = await this.#loadTimes(name);
    if (turn !== this.#turn) return; // another was chosen meanwhile
    if (!facts?.times_s) {
      if (unreadable) {
        this.#warn(unreadable);
        Object.assign(this.#ref("recover"), { hidden: false, value: name, textContent: `Recover ${name}` });
      }
      this.#ref("session").value = this.#name;
      return;
    }
    this.#ref("session").value = name;
    this.#tell(""); // what was said of another session
    [this.#name, this.#address] = [name, encodeURIComponent(name)];
    this.#facts = facts;
    this.#timeline?.close();
    this.#ref("desk").hidden = false;
    const base = new URL(`../review/${this.#address}/`, import.meta.url);
    this.#player.open(base, facts);
    this.#outputs.open(base);
    this.#timeline = new Timeline(this.#ref("timeline"), this.#ref("overview"), base, facts, (s) => {
      this.#player.play(false);
      this.#player.go(this.#player.placeAt(s));
    }, (words) => turn === this.#turn && this.#warn(words));
    this.#panel.open(facts);
    [this.#selected, this.#who] = [null, ""];
    Object.assign(this.#root.dataset, { open: name, sound: facts.sound ? "yes" : "no" });
    await this.#openCoding(this.#coder);
    if (turn !== this.#turn) return;
    this.#player.go(0);
  }

  #openCoding(coder, look) {
    return this.#coding.open(this.#address, this.#facts.started_utc, coder, look);
  }

  async #recover(name) {
    const button = this.#ref("recover");
    button.disabled = true;
    const done = await this.#ask(`${encodeURIComponent(name)}/recover`, {});
    button.disabled = false;
    if (!done) return;
    await this.#list();
    await this.#open(name);
    if (this.#name !== name) return; // another was chosen, or it still cannot be opened
    const left = done.copies_left.map((path) => ` ${path} may hold what was deleted: check it, or delete it.`);
    this.#tell(
      `${name} is repaired: ${done.frames} frames in the video, ${done.lost} were lost when it was cut off.${left.join("")}`,
    );
  }

  #about() {
    const { participant, seconds, frames, coders } = this.#facts;
    const edited = this.#coding.expressions.some(({ changed }) => changed);
    if (edited && !coders.includes(this.#coding.coder)) coders.push(this.#coding.coder);
    this.#ref("about").textContent = [
      `${participant}, ${clockTime(seconds)}, ${frames} frames`,
      coders.length ? `coded by ${coders.join(", ")}` : "not coded yet",
    ].join(" · ");
  }

  get #coder() {
    return this.#ref("coder").value.trim();
  }

  get #current() {
    return this.#coding.expressions.find(({ number }) => number === this.#selected) ?? null;
  }

  /** Whether the coder is known; warns if not. */
  #hasCoder() {
    if (this.#coder) return true;
    this.#warn("Enter your coder code first (top left).");
    this.#ref("coder").focus();
    return false;
  }

  #enableNote() {
    Object.assign(this.#ref("note"), { disabled: !this.#coder, placeholder: this.#coder ? "" : "enter your coder code first" });
  }

  /** Change the chosen expression. */
  async #change(changes) {
    const number = this.#selected;
    if (number === null) return;
    if (!this.#hasCoder() || !(await this.#coding.change(number, changes))) {
      this.#showPanel(); // what is stored
      if (changes.verdict === "accepted" && this.#current && !this.#current.label) this.#ref("label").focus();
      return;
    }
    this.#warn("");
    if (!changes.verdict || changes.verdict === "open") return;
    if (this.#selected === number && document.activeElement !== this.#ref("note")) this.#next(1);
  }

  #setHere(moment) {
    this.#change({ [moment]: this.#player.place });
  }

  async #add() {
    if (!this.#hasCoder()) return;
    const { place, nowS } = this.#player;
    const number = await this.#coding.add({
      onset: this.#player.placeAt(nowS - NEW_S),
      apex: place,
      offset: this.#player.placeAt(nowS + NEW_S),
    });
    if (number === null) return;
    this.#warn("");
    this.#selected = number;
    this.#show();
  }

  #choose(number) {
    this.#selected = number;
    this.#player.play(false);
    this.#show();
    const one = this.#current;
    if (one) this.#player.go(one.apex);
  }

  /** Go to the expression after (1) or before (-1) the chosen one, or the playhead. */
  #next(way) {
    const { expressions } = this.#coding;
    const at = expressions.findIndex(({ number }) => number === this.#selected);
    const { nowS } = this.#player;
    const near = expressions.filter(({ apex_s: s }) => (way > 0 ? s > nowS : s < nowS));
    const next = at >= 0 ? expressions[at + way] : near.at(way > 0 ? 0 : -1);
    if (next) this.#choose(next.number);
  }

  #show() {
    const { expressions } = this.#coding;
    if (!this.#current) this.#selected = null;
    this.#about();
    showRows(this.#ref("list"), expressions, this.#selected, (number) => this.#choose(number));
    const decided = expressions.filter(({ verdict }) => verdict !== "open").length;
    this.#ref("count").textContent = `${decided} of ${expressions.length} decided`;
    this.#timeline.setExpressions(expressions, this.#selected);
    this.#blind.show();
    this.#loadMotion();
    this.#ref("undo").disabled = !this.#coding.canUndo;
    this.#ref("redo").disabled = !this.#coding.canRedo;
    this.#showPanel();
  }

  #showPanel() {
    this.#panel.show(this.#current, this.#coding.expressions);
    this.#enableNote();
  }

  /** Load the motion as far as who looks now may see it. */
  #loadMotion() {
    const { blind, who } = this.#coding;
    this.#root.dataset.blind = { true: "yes", false: "no" }[blind] ?? ""; // not known yet
    if (blind === null || this.#who === `${who}&${blind}`) return;
    this.#who = `${who}&${blind}`;
    this.#timeline.load(who);
  }

  /** "undo" or "redo" an edit, and show the expression that it was about. */
  async #step(name) {
    const found = this.#hasCoder() && (await this.#coding.step(name));
    if (!found) return;
    this.#warn("");
    if (this.#selected !== found.number) this.#choose(found.number);
  }

  /** Play the chosen expression, or this moment, with the sound around it. */
  #hear() {
    const { place, nowS } = this.#player;
    const { onset_s: fromS, offset_s: toS, apex } = this.#current ?? { onset_s: nowS, offset_s: nowS, apex: place };
    this.#player.listen(fromS - AROUND_S, toS + AROUND_S, apex);
  }

  #key(pressed) {
    const typing = pressed.target.closest?.("input[type=text], textarea, select");
    if (!this.#visible || !this.#facts || typing || this.#ref("dialog").open) return;
    const pressing = ["Enter", " "].includes(pressed.key) && pressed.target.closest?.("button, a");
    if (pressed.altKey || pressing) return;
    if (pressed.ctrlKey || pressed.metaKey) {
      if (pressed.key.toLowerCase() !== "z") return;
      pressed.preventDefault();
      this.#step(pressed.shiftKey ? "redo" : "undo");
      return;
    }
    const far = pressed.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => this.#player.step(-far),
      ArrowRight: () => this.#player.step(far),
      " ": () => this.#player.toggle(),
      h: () => this.#hear(),
      s: () => this.#player.toggleSound(),
      "[": () => this.#next(-1),
      "]": () => this.#next(1),
      Enter: () => this.#change({ verdict: "accepted" }),
      x: () => this.#change({ verdict: "rejected" }),
      n: () => this.#add(),
      o: () => this.#setHere("onset"),
      a: () => this.#setHere("apex"),
      f: () => this.#setHere("offset"),
    };
    const action = actions[pressed.key] ?? actions[pressed.key.toLowerCase()];
    if (!action) return;
    pressed.preventDefault();
    if (!pressed.repeat || pressed.key.startsWith("Arrow")) action(); // a held key decides once
  }

  async #magnify() {
    const one = this.#current;
    if (!one) return;
    this.#player.play(false);
    const span = `${one.onset}-${one.apex}-${one.offset}`;
    this.#replay?.stop();
    this.#replay = new Replay(new URL(`../review/${this.#address}/replay/${span}/`, import.meta.url));
    const heading = make("h2", {}, `${labelWords(one.label)}, ${clockTime(one.apex_s)}`);
    showDialog(this.#ref("dialog"), { class: "fl-sheet fl-magnified", style: { "--label": labelColour(one.label || null) } }, [heading], [this.#replay.element]);
    await this.#replay.load();
  }

  async #compare() {
    if (!this.#facts) return;
    await this.#coding.flush();
    const { coders } = (await this.#ask(`${this.#address}/session`)) ?? { coders: [] };
    if (coders.length < 2) {
      this.#warn("Agreement needs two coders who have coded this session.");
      return;
    }
    const table = agreementTable(coders, (query) => this.#ask(`${this.#address}/agreement?${query}`));
    showDialog(this.#ref("dialog"), { class: "fl-sheet fl-agree" }, [make("h2", {}, "Agreement")], table);
  }
}
