// The Review tab: a recorded session looked at again, and coded.

import { AgreementTable } from "./agreement.js";
import { clockTime, labelColour, make, ms, title } from "./colours.js";
import { Film, nearest } from "./film.js";
import { Replay } from "./replay.js";
import { fill } from "./tab.js";
import { Timeline } from "./timeline.js";

const NOTICE_MS = 8000;
const LATER_MS = 400; // a text is said when nothing more is typed
const MOMENTS = ["onset", "apex", "offset"];
const NEW_S = 0.1; // on both sides of the apex of one that is added
const CODER = "fmanet-coder";

/** Start the tab inside `root`, the element of review.html. */
export function mount(root) {
  new Review(root).watch();
}

class Review {
  #root;
  #name = "";
  #facts = null;
  #film = null;
  #timeline = null;
  #expressions = [];
  #selected = null;
  #place = 0;
  #playing = false;
  #atS = 0;
  #lastMs = 0;
  #visible = false;
  #replay = null;
  #notice = 0;
  #typing = 0;

  constructor(root) {
    this.#root = root;
    this.#ref("coder").value = localStorage.getItem(CODER) ?? "";
    this.#ref("session").addEventListener("change", ({ target }) => this.#open(target.value));
    this.#ref("coder").addEventListener("change", ({ target }) => {
      localStorage.setItem(CODER, target.value.trim());
      this.#fetchCoding();
    });
    this.#ref("compare").addEventListener("click", () => this.#compare());
    this.#ref("report").addEventListener("click", () => {
      const address = new URL(`../review/${this.#name}/report.html`, import.meta.url);
      address.searchParams.set("coder", this.#coder);
      if (this.#facts) window.open(address, "_blank", "noopener");
    });
    this.#ref("export").addEventListener("change", ({ target }) => this.#export(target));
    this.#ref("play").addEventListener("click", () => this.#play(!this.#playing));
    for (const button of root.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.#step(Number(button.dataset.step)));
    }
    for (const button of root.querySelectorAll("[data-verdict]")) {
      button.addEventListener("click", () => this.#say({ verdict: button.dataset.verdict }));
    }
    this.#ref("label").addEventListener("change", ({ target }) => this.#say({ label: target.value }));
    this.#ref("note").addEventListener("input", ({ target }) => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#say({ note: target.value }), LATER_MS);
    });
    this.#ref("add").addEventListener("click", () => this.#add());
    this.#ref("magnify").addEventListener("click", () => this.#magnify());
    this.#ref("dialog").addEventListener("close", () => this.#replay?.stop());
    document.addEventListener("keydown", (pressed) => this.#key(pressed));
    new MutationObserver(() => this.#timeline?.themeChanged()).observe(document.body, {
      attributeFilter: ["class"],
    });
  }

  /** List the sessions whenever the tab comes into view. */
  watch() {
    new IntersectionObserver(([seen]) => {
      if (seen.isIntersecting === this.#visible) return;
      this.#visible = seen.isIntersecting;
      if (this.#visible) this.#list();
      else this.#play(false);
    }).observe(this.#root);
  }

  #ref(name) {
    return this.#root.querySelector(`[data-ref="${name}"]`);
  }

  #warn(message) {
    const line = this.#ref("notice");
    line.textContent = message;
    line.hidden = !message;
    clearTimeout(this.#notice);
    if (message) this.#notice = setTimeout(() => (line.hidden = true), NOTICE_MS);
  }

  /** What the server answers; null, and told, if it could not be done. */
  async #ask(path, body = null) {
    const options = body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(new URL(path, new URL("../review/", import.meta.url)), options ?? {});
    const said = await answer.json();
    if (answer.ok && !said.error) return said;
    this.#warn(said.error ?? `The server answered ${answer.status}`);
    return null;
  }

  async #list() {
    const found = await this.#ask("sessions");
    if (!found) return;
    const choice = this.#ref("session");
    const kept = this.#name;
    choice.replaceChildren(
      ...found.sessions.map(({ name, started_utc: started, state, error }) => {
        const words = error ? `${name} (cannot be read)` : `${name} · ${started.slice(0, 16).replace("T", " ")}`;
        return make("option", { value: name }, state === "recording" ? `${words} (recording)` : words);
      }),
    );
    const none = this.#ref("none");
    none.hidden = found.sessions.length > 0;
    none.textContent = `No session in ${found.folder} yet: record one on the Study tab.`;
    const open = found.sessions.find(({ name }) => name === kept) ?? found.sessions.find(({ state }) => state !== "recording");
    if (!open) return;
    choice.value = open.name;
    if (open.name !== kept) await this.#open(open.name);
  }

  async #open(name) {
    this.#play(false);
    const facts = await this.#ask(`${name}/session`);
    if (!facts) return;
    this.#name = name;
    this.#facts = facts;
    this.#film?.close();
    this.#timeline?.close();
    this.#ref("desk").hidden = false;
    const base = new URL(`../review/${name}/`, import.meta.url);
    this.#film = new Film(this.#ref("film"), base, facts.times_s.length);
    this.#timeline = new Timeline(this.#ref("timeline"), this.#ref("overview"), base, facts, (s) => {
      this.#play(false);
      this.#go(this.#placeAt(s));
    });
    this.#about();
    fill(this.#ref("label"), facts.labels.map((label) => make("option", { value: label }, title(label))));
    this.#selected = null;
    this.#root.dataset.open = name;
    await this.#fetchCoding();
    this.#go(0);
  }

  #about() {
    const { participant, seconds, times_s: times, coders } = this.#facts;
    this.#ref("about").textContent = [
      `${participant}, ${clockTime(seconds)}, ${times.length} frames`,
      coders.length ? `coded by ${coders.join(", ")}` : "not coded yet",
    ].join(" · ");
  }

  get #coder() {
    return this.#ref("coder").value.trim();
  }

  async #fetchCoding() {
    if (!this.#facts) return;
    // Without a code one can look, as nobody, but say nothing.
    const coder = encodeURIComponent(this.#coder || "nobody");
    const coding = await this.#ask(`${this.#name}/coding?coder=${coder}`);
    if (coding) this.#take(coding.expressions);
  }

  #take(expressions) {
    this.#expressions = expressions;
    if (!this.#current) this.#selected = null;
    this.#show();
  }

  get #current() {
    return this.#expressions.find(({ number }) => number === this.#selected) ?? null;
  }

  /** Say something of the chosen expression. */
  async #say(changes) {
    const one = this.#current;
    if (!one) return;
    const changed = { ...one, ...changes };
    // To move or rename an expression is to accept it.
    if (!changes.verdict && changes.note === undefined) changed.verdict = "accepted";
    const said = await this.#edit(changed);
    if (said && changes.verdict && changes.verdict !== "open") this.#next(1);
  }

  async #edit({ number, verdict, onset, apex, offset, label, note }) {
    if (!this.#coder) {
      this.#warn("Say who codes first: a code beside the session's name.");
      this.#ref("coder").focus();
      return false;
    }
    const said = { coder: this.#coder, number, verdict, onset, apex, offset, label, note: note ?? "" };
    const coding = await this.#ask(`${this.#name}/edit`, said);
    if (!coding) return false;
    if (!this.#facts.coders.includes(this.#coder)) {
      this.#facts.coders.push(this.#coder);
      this.#about();
    }
    this.#selected = coding.number;
    this.#take(coding.expressions);
    return true;
  }

  #add() {
    const times = this.#facts.times_s;
    this.#edit({
      number: null,
      verdict: "accepted",
      onset: this.#placeAt(times[this.#place] - NEW_S),
      apex: this.#place,
      offset: this.#placeAt(times[this.#place] + NEW_S),
      label: this.#ref("label").value || this.#facts.labels[0],
    });
  }

  #choose(number) {
    this.#selected = number;
    this.#play(false);
    this.#show();
    const one = this.#current;
    if (one) this.#go(one.apex);
  }

  /** Go to the expression after (1) or before (-1) the chosen one, or the playhead. */
  #next(way) {
    const at = this.#expressions.findIndex(({ number }) => number === this.#selected);
    const nowS = this.#facts.times_s[this.#place];
    const near = this.#expressions.filter(({ apex_s: s }) => (way > 0 ? s > nowS : s < nowS));
    const next = at >= 0 ? this.#expressions[at + way] : near.at(way > 0 ? 0 : -1);
    if (next) this.#choose(next.number);
  }

  #show() {
    const rows = this.#expressions.map((one) => {
      const row = make(
        "button",
        { type: "button", style: { "--label": labelColour(one.label) } },
        make("time", {}, clockTime(one.apex_s)),
        make("b", {}, title(one.label)),
        make("small", {}, one.number < 0 && one.verdict !== "rejected" ? "added" : one.verdict === "open" ? one.kind : one.verdict),
      );
      row.addEventListener("click", () => this.#choose(one.number));
      const chosen = one.number === this.#selected;
      return make("li", { "data-number": one.number, "data-verdict": one.verdict, "aria-current": chosen ? "true" : null }, row);
    });
    this.#ref("list").replaceChildren(...rows);
    this.#ref("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    const decided = this.#expressions.filter(({ verdict }) => verdict !== "open").length;
    this.#ref("count").textContent = `${decided} of ${this.#expressions.length} decided`;
    this.#timeline.setExpressions(this.#expressions, this.#selected);
    this.#panel();
  }

  #panel() {
    const one = this.#current;
    this.#ref("panel").hidden = !one;
    if (!one) return;
    this.#ref("title").textContent = `${one.kind === "macro" ? "Macro" : "Micro"}-expression, ${ms(one.offset_s - one.onset_s)}`;
    if (![...this.#ref("label").options].some(({ value }) => value === one.label)) {
      this.#ref("label").append(make("option", { value: one.label }, title(one.label)));
    }
    this.#ref("label").value = one.label;
    if (document.activeElement !== this.#ref("note")) this.#ref("note").value = one.note;
    this.#ref("moments").replaceChildren(
      ...MOMENTS.map((moment) => {
        const see = make("button", { type: "button", "data-see": moment }, "See");
        const here = make("button", { type: "button", "data-here": moment }, "Set here");
        see.addEventListener("click", () => this.#go(one[moment]));
        here.addEventListener("click", () => this.#say({ [moment]: this.#place }));
        return make("div", {}, make("span", {}, title(moment)), clockTime(one[`${moment}_s`]), see, here);
      }),
    );
    for (const button of this.#root.querySelectorAll("[data-verdict]:is(button)")) {
      button.setAttribute("aria-pressed", String(button.dataset.verdict === one.verdict));
    }
  }

  #placeAt(seconds) {
    return nearest(this.#facts.times_s, seconds);
  }

  #step(frames) {
    this.#play(false);
    this.#go(this.#place + frames, frames);
  }

  #go(place, direction = 1) {
    const times = this.#facts.times_s;
    this.#place = Math.min(Math.max(place, 0), times.length - 1);
    const seconds = times[this.#place];
    this.#ref("now").textContent = clockTime(seconds);
    this.#ref("place").textContent = `frame ${this.#place} of ${times.length}`;
    this.#timeline.show(seconds);
    this.#film.show(this.#place, Math.sign(direction));
  }

  #play(playing) {
    if (!this.#facts || playing === this.#playing) return;
    this.#playing = playing;
    this.#ref("play").textContent = playing ? "Pause" : "Play";
    if (!playing) return;
    if (this.#place === this.#facts.times_s.length - 1) this.#place = 0;
    this.#atS = this.#facts.times_s[this.#place];
    this.#lastMs = performance.now();
    requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    if (!this.#playing) return;
    const passedS = ((now - this.#lastMs) / 1000) * Number(this.#ref("speed").value);
    this.#lastMs = now;
    const times = this.#facts.times_s;
    const next = this.#place + 1;
    if (next >= times.length) {
      this.#play(false);
      return;
    }
    // The clock waits for a frame that is not here yet: in slow motion none is left out.
    if (this.#film.has(next) || this.#atS + passedS < times[next]) this.#atS += passedS;
    let place = this.#place;
    while (place + 1 < times.length && times[place + 1] <= this.#atS && this.#film.has(place + 1)) place++;
    if (place !== this.#place) this.#go(place);
    else this.#film.show(this.#place);
    requestAnimationFrame((then) => this.#tick(then));
  }

  #key(pressed) {
    const typing = pressed.target.closest?.("input[type=text], textarea, select");
    if (!this.#visible || !this.#facts || typing || this.#ref("dialog").open) return;
    if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
    const far = pressed.shiftKey ? 10 : 1;
    const here = (moment) => this.#say({ [moment]: this.#place });
    const actions = {
      ArrowLeft: () => this.#step(-far),
      ArrowRight: () => this.#step(far),
      " ": () => this.#play(!this.#playing),
      "[": () => this.#next(-1),
      "]": () => this.#next(1),
      Enter: () => this.#say({ verdict: "accepted" }),
      x: () => this.#say({ verdict: "rejected" }),
      n: () => this.#add(),
      o: () => here("onset"),
      a: () => here("apex"),
      f: () => here("offset"),
    };
    const action = actions[pressed.key] ?? actions[pressed.key.toLowerCase()];
    if (!action) return;
    pressed.preventDefault(); // also keeps Enter and Space from pressing the focused button
    action();
  }

  async #magnify() {
    const one = this.#current;
    if (!one) return;
    this.#play(false);
    const span = `${one.onset}-${one.apex}-${one.offset}`;
    this.#replay?.stop();
    this.#replay = new Replay(new URL(`../review/${this.#name}/replay/${span}/`, import.meta.url));
    const heading = `${title(one.label)}, ${clockTime(one.apex_s)}`;
    this.#dialog("fl-magnified", heading, this.#replay.element);
    await this.#replay.load();
  }

  async #export(choice) {
    const [to, coder] = [choice.value, this.#coder];
    choice.value = "";
    if (!this.#facts) return;
    const written = await this.#ask(`${this.#name}/export`, { to, coder });
    if (written) this.#warn(`Written: ${written.files.join(", ")}`);
  }

  async #compare() {
    if (!this.#facts) return;
    const { coders } = (await this.#ask(`${this.#name}/session`)) ?? { coders: [] };
    if (coders.length < 2) {
      this.#warn("Agreement needs two coders who have said something of this session.");
      return;
    }
    const table = new AgreementTable(coders, (query) => this.#ask(`${this.#name}/agreement?${query}`));
    this.#dialog("fl-agree", "Agreement", ...table.elements);
    await table.ask();
  }

  #dialog(kind, heading, ...children) {
    const dialog = this.#ref("dialog");
    const close = make("button", { type: "button", class: "fl-close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => dialog.close());
    const header = make("header", {}, make("h2", {}, heading), close);
    dialog.replaceChildren(make("div", { class: kind }, header, ...children));
    if (!dialog.open) dialog.showModal();
  }
}
