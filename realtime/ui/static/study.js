// The Study tab: the form before a recording, the check list, the recording itself.

import { clockTime, make } from "./colours.js";
import { ProtocolEditor, tell } from "./protocol_editor.js";
import { LOST, Tab, fill, linkTabs, openTab } from "./tab.js";

const OPENED = "opened"; // stands for a protocol that was not saved here
const QUIET_DB = -70;
const LOUD_DB = -9; // RMS: peaks are near full scale
const GOING_MS = 250;
const IDLE_MS = 1000;
const FIELDS = ["participant", "consent", "audio", "codec", "minutes", "lsl_markers"];
const AT_FIELD = ["participant", "minutes", "codec", "consent", "voice"]; // where the server finds faults
const BOXES = ["pictures", "voice", "show_labels", "lsl"];

/** Start the tab inside `root`, the element of study.html. */
export function mount(root) {
  new StudyTab(root);
}

class StudyTab extends Tab {
  #filled = false;
  #recording = false;
  #last = null; // folder of the last recording
  #going = null; // folder of the recording that goes on
  #cutOff = null; // of one that ended with its program
  #keys = new Set();
  #noteBegunS = null;
  #protocol = null;

  constructor(root) {
    super(root, new URL("../study/", import.meta.url));
    for (const name of [...FIELDS, ...BOXES]) {
      this.ref(name).addEventListener("input", () => {
        this.#filled = true; // newer than what the server has
        this.ask("draft", this.#draft());
      });
    }
    this.ref("protocol").addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      if (!file) return;
      const text = decode(await file.arrayBuffer());
      target.value = ""; // so the same file, mended, can be opened again
      this.#tellProtocol(await this.ask("protocol", { text }));
    });
    this.ref("protocol-file").addEventListener("change", async ({ target }) => {
      this.#tellProtocol(await this.ask("protocol/choose", { text: target.value }));
    });
    const editor = new ProtocolEditor(this.ref("editor"), (entries) => this.ask("protocol/save", entries));
    this.ref("edit").addEventListener("click", () => this.#protocol && editor.open(this.#protocol));
    this.ref("editor").addEventListener("close", () => (this.ref("hint").textContent = "")); // it was about the editor
    this.ref("start").addEventListener("click", () => this.#begin());
    this.ref("stop").addEventListener("click", () => {
      if (!window.confirm("End the recording?")) return;
      this.ref("stop").disabled = true;
      this.ask("stop", {});
    });
    this.ref("pause").addEventListener("click", ({ target }) => this.ask(target.dataset.to, {}));
    this.ref("forget").addEventListener("click", () => {
      const field = this.ref("seconds");
      if (!field.reportValidity()) return;
      const question = `Delete the last ${field.value} s of the recording? This cannot be undone.`;
      if (window.confirm(question)) this.ask("forget", { seconds: Number(field.value) });
    });
    this.ref("review").addEventListener("click", ({ target }) => {
      document.dispatchEvent(new CustomEvent("fmanet-review", { detail: target.value }));
      openTab("Review");
    });
    this.#wireNote();
    document.addEventListener("keydown", (pressed) => this.#key(pressed));
  }

  #draft() {
    const { participant, minutes, ...texts } = Object.fromEntries(
      FIELDS.map((name) => [name, this.ref(name).value]),
    );
    const boxes = Object.fromEntries(BOXES.map((name) => [name, this.ref(name).checked]));
    return { ...texts, ...boxes, participant: participant.trim(), minutes: minutes ? Number(minutes) : null };
  }

  /** What is wrong with the protocol stands at its field until another is chosen. */
  #tellProtocol(answer) {
    tell(this.ref("protocol"), answer?.error ?? "");
    if (answer?.error) this.ref("hint").textContent = "";
  }

  async #begin() {
    this.ref("start").disabled = true;
    this.ref("hint").textContent = "Starting…";
    if (!(await this.ask("start", {}))) this.ref("hint").textContent = "Not started: no answer";
  }

  /** Store a marker or note. Resolves to whether it was stored. */
  async #mark(kind, text, atS) {
    const state = await this.ask(kind, { text, at_s: atS });
    if (!state) this.ref("hint").textContent = `Not stored, no answer: ${text}`;
    return state !== null && !state.error;
  }

  /** A key of the protocol, unless it is typed into a field. */
  #key(pressed) {
    const typing = pressed.target.closest?.("input, textarea, select");
    if (!this.#recording || !this.visible || typing || pressed.repeat) return;
    if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || !this.#keys.has(pressed.key)) return;
    pressed.preventDefault();
    this.#mark("key", pressed.key, this.nowS());
  }

  #wireNote() {
    const note = this.ref("note");
    note.addEventListener("input", () => {
      this.#noteBegunS = note.value ? (this.#noteBegunS ?? this.nowS()) : null;
    });
    note.addEventListener("keydown", async ({ key }) => {
      if (key === "Escape") note.blur();
      const [text, begunS] = [note.value, this.#noteBegunS];
      if (key !== "Enter" || !text.trim()) return;
      note.value = "";
      this.#noteBegunS = null;
      if ((await this.#mark("note", text, begunS)) || note.value) return;
      [note.value, this.#noteBegunS] = [text, begunS]; // to try again
    });
  }

  show(state) {
    const { recording } = state;
    const last = state.last?.folder ?? null;
    if (last !== this.#last) this.#filled = false; // it has ended: the form is for the next person
    this.#last = last;
    if (recording || last) this.#cutOff = null;
    else if (this.#going) {
      this.#cutOff = this.#going; // the program is another one now, which knows of none
      this.#filled = false;
    }
    this.#going = recording?.folder ?? null;
    this.#recording = recording !== null;
    this.root.dataset.recording = recording ? "yes" : "no";
    for (const part of this.root.querySelectorAll("[data-part]")) {
      part.hidden = part.dataset.part !== (recording ? "during" : "before");
    }
    if (state.answered) this.ref("hint").textContent = state.error ?? "";
    this.#tape(recording);
    this.#markers(state, recording);
    if (!recording) this.#before(state);
    return recording ? GOING_MS : IDLE_MS;
  }

  lose() {
    const going = this.#recording ? "the recording may have stopped" : "nothing can be recorded";
    this.ref("hint").textContent = `Connection lost: ${going}. ${LOST}`;
    this.root.dataset.connection = "lost";
    this.ref("going").textContent = "Connection lost";
    for (const name of ["stop", "pause", "forget", "start"]) this.ref(name).disabled = true;
  }

  find() {
    super.find();
    if (this.#filled && !this.#recording) this.ask("draft", this.#draft()); // it may be another program, which has none
    delete this.root.dataset.connection;
    for (const name of ["pause", "forget"]) this.ref(name).disabled = false;
  }

  #tape(recording) {
    const tape = this.ref("tape");
    const failure = this.ref("failure");
    failure.hidden = !recording?.failure;
    if (failure.textContent !== (recording?.failure ?? "")) failure.textContent = recording?.failure ?? "";
    tape.hidden = !recording;
    this.#level(recording);
    if (!recording) return;
    tape.dataset.paused = recording.paused || recording.failure ? "yes" : "no";
    tape.dataset.dim = Math.floor(recording.seconds) % 2;
    const dropped = lost(recording);
    const sound = recording.sound ? ` · with sound: ${recording.sound}` : "";
    fill(tape, [
      make("i", { "aria-hidden": "true" }),
      make("b", {}, minutes(recording.seconds)),
      ...countdown(recording),
      make("span", {}, `${recording.frames} frames${dropped}${sound} · ${recording.folder}`),
    ]);
    const words = recording.failure ? "Not recording" : recording.paused ? "Paused" : "Recording";
    this.ref("going").textContent = words;
    this.ref("stop").disabled = false;
    this.ref("pause").textContent = recording.paused ? "Resume" : "Pause";
    this.ref("pause").dataset.to = recording.paused ? "resume" : "pause";
  }

  #level(recording) {
    this.ref("level").hidden = !recording?.sound;
    if (!recording?.sound) return;
    const db = recording.level_db;
    const meter = this.ref("meter");
    meter.setAttribute("aria-valuenow", db ?? QUIET_DB);
    meter.style.setProperty("--level", `${100 * (1 - (db ?? QUIET_DB) / QUIET_DB)}%`);
    meter.dataset.loud = db !== null && db > LOUD_DB ? "yes" : "no";
    this.ref("level-db").textContent = db === null ? "nothing heard" : `${Math.round(db)} dB`;
  }

  #before({ draft, checks, missing, form_errors: wrong, last, protocol, protocols, protocol_file: file, microphones }) {
    this.#protocol = protocol;
    this.#list(this.ref("audio"), microphones, () => [
      make("option", { value: "" }, microphones.length ? "none" : "no microphone found"),
      ...microphones.map((name) => make("option", { value: name }, name)),
    ]);
    if (!this.#filled) {
      for (const name of FIELDS) this.ref(name).value = draft[name] ?? "";
      for (const name of BOXES) this.ref(name).checked = draft[name];
      this.#filled = true;
    }
    const counts = [Object.keys(protocol.keys).length, protocol.questions.length];
    const count = `${plural(counts[0], "key")}, ${plural(counts[1], "question")}`;
    this.ref("protocol-name").textContent = file ? [protocol.name, count].filter(Boolean).join(": ") : "";
    this.ref("edit").textContent = file ? "Edit…" : "Write one…";
    this.#list(this.ref("protocol-file"), [protocols, file], () => [
      make("option", { value: "" }, "none"),
      ...(file === OPENED ? [make("option", { value: OPENED, disabled: "" }, "from a file")] : []),
      ...protocols.map((each) => make("option", { value: each }, each)),
    ]);
    if (document.activeElement !== this.ref("protocol-file")) this.ref("protocol-file").value = file;
    fill(
      this.ref("checks"),
      checks.map(({ name: item, good, text }) =>
        make(
          "li",
          { "data-check": item, "data-good": good ? "yes" : "no" },
          make("i", { role: "img", "aria-label": good ? "passed" : "failed" }),
          make("b", {}, item),
          make("span", {}, ...linkTabs(text)),
        ),
      ),
    );
    const bad = checks.filter(({ good }) => !good).length;
    const step = this.root.querySelector("[data-step=checks]");
    step.dataset.light = bad || missing ? "red" : "green";
    const start = this.ref("start");
    start.disabled = Boolean(missing);
    start.textContent = bad && !missing ? "Record anyway" : "Record";
    for (const name of AT_FIELD) tell(this.ref(name), wrong[name] ?? "");
    const marked = Object.keys(wrong).length ? "First fill in what is marked red above." : missing;
    this.ref("missing").textContent =
      marked || (bad ? "Red items will be kept as warnings." : "");
    const told = last
      ? `Recorded: ${last.frames} frames${lost(last)}, in ${last.folder}. ${last.failure}`
      : this.#cutOff
        ? `The recording in ${this.#cutOff} was cut off when the program ended. Recover it on the Review tab.`
        : "";
    fill(this.ref("last"), linkTabs(told));
    this.ref("last").classList.toggle("fl-missing", this.#cutOff !== null);
    Object.assign(this.ref("review"), { hidden: !last?.name, value: last?.name ?? "" });
  }

  #markers({ protocol, said }, recording) {
    const { keys, questions } = protocol;
    this.#keys = new Set([...Object.keys(keys), ...questions.map(({ key }) => key).filter(Boolean)]);
    if (!recording) return;
    const now = () => this.nowS();
    this.#list(this.ref("keys"), keys, () =>
      Object.entries(keys).map(([key, name]) =>
        button([make("kbd", {}, key), name], () => this.#mark("key", key, now())),
      ),
    );
    this.#list(this.ref("questions"), [questions, protocol.open, protocol.answered], () =>
      questions.map(({ name, text, key }) => {
        const open = name === protocol.open;
        const answered = protocol.answered.includes(name);
        const words = `${name} ${open ? "ends" : "starts"}`;
        const ask = () => this.#mark("question", name, now());
        const caption = [...(key ? [make("kbd", {}, key)] : []), words];
        return make(
          "li",
          {
            "data-open": open ? "yes" : "no",
            "data-answered": answered ? "yes" : "no",
            "data-question": name,
          },
          make("i", answered ? { role: "img", "aria-label": "asked" } : {}, answered ? "✓" : ""),
          button(caption, ask),
          make("span", {}, text),
        );
      }),
    );
    fill(
      this.ref("said"),
      said
        .toReversed()
        .map(({ at_s: atS, words }) => make("li", {}, make("time", {}, clockTime(atS)), words)),
    );
  }

  /** Rebuild the buttons only when `what` they stand for changes, so that a click is not lost. */
  #list(parent, what, children) {
    const content = JSON.stringify(what);
    if (parent.dataset.content === content) return;
    parent.dataset.content = content;
    parent.replaceChildren(...children());
  }
}

/** How many frames are not in the video, in words; empty if all are. */
function lost({ dropped, redacted }) {
  return (dropped ? `, ${dropped} dropped` : "") + (redacted ? `, ${redacted} deleted` : "");
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** 75.3 → "1:15". */
function minutes(seconds) {
  return clockTime(Math.floor(seconds)).slice(0, -3);
}

/** What is left of the planned length, if there is one. */
function countdown({ seconds, planned_s: plannedS }) {
  if (!plannedS) return [];
  const left = Math.ceil(plannedS - seconds);
  const words = left >= 0 ? `${minutes(left)} left` : `${minutes(-left)} over`;
  return [make("b", { class: "fl-left", "data-over": left < 0 ? "yes" : "no" }, words)];
}

function button(children, pressed) {
  const made = make("button", { type: "button" }, ...children);
  made.addEventListener("click", pressed);
  return made;
}

/** The text of a file: UTF-8, or UTF-16 where it begins with that byte order mark. */
function decode(buffer) {
  const [first, second] = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  const wide = first === 0xff && second === 0xfe;
  const swapped = first === 0xfe && second === 0xff;
  return new TextDecoder(wide ? "utf-16le" : swapped ? "utf-16be" : "utf-8").decode(buffer);
}
