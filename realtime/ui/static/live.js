// The live page: wires socket, picture, plot, list and controls together.

import { Amount } from "./amount.js";
import { Camera } from "./camera.js";
import { watchTheme } from "./canvas.js";
import { unitWords } from "./colours.js";
import { EventList } from "./events.js";
import { EventDialog } from "./dialog.js";
import { Game } from "./game.js";
import { Help } from "./help.js";
import { Highlight } from "./highlight.js";
import { Intro } from "./intro.js";
import { Plot } from "./plot.js";
import { SeekBar } from "./seek_bar.js";
import { ViewSocket } from "./socket.js";
import { SourceChoice } from "./source.js";
import { Stage } from "./stage.js";
import { StatusLine } from "./status.js";
import { LOST, watchVisible } from "./tab.js";
import { UnitStrips } from "./unit_strips.js";

const NOTICE_MS = 8000;

/** Start the page inside `root`, the element of live.html. */
export function mount(root) {
  const ref = (name) => root.querySelector(`[data-ref="${name}"]`);
  const stage = new Stage(ref);
  const plot = new Plot(ref("plot"));
  const strips = new UnitStrips(ref("unit-strips"));
  const status = new StatusLine(root, ref);
  const intro = new Intro(ref);
  const dialog = new EventDialog(ref("dialog"));
  const list = new EventList(ref, (event) => dialog.open(event, state.run, state.startS));
  const state = { run: null, startS: 0, nowS: 0, begun: false, kind: "" };
  const isWatched = () => stage.shows("replay") && !ref("dialog").open && !document.hidden;
  const highlight = new Highlight(ref("highlight"), isWatched);
  const game = new Game(ref("game"), ref("play-game"));
  let notice = 0;

  function say(message, forMs = NOTICE_MS) {
    const line = ref("notice");
    if (line.textContent !== message) line.textContent = message; // a screen reader reads changes
    line.hidden = !message;
    clearTimeout(notice);
    notice = message && forMs ? setTimeout(() => (line.hidden = true), forMs) : 0;
  }

  const socket = new ViewSocket(new URL("../view", import.meta.url), {
    frame(frame) {
      // One animation frame paints picture, overlay and plot: they show the same moment.
      plot.push(frame.header);
      strips.push(frame.header);
      game.frame(frame.header);
      [state.nowS, state.begun] = [frame.header.time_s, true];
      return stage.paint(frame, () => plot.follow()).then((painted) => {
        if (painted) help.welcome();
        return painted;
      });
    },
    hello(message) {
      ref("controls").hidden = !message.may_control;
      if (message.may_control) source.list();
      dialog.maySave = message.may_control;
      state.run = null; // all comes again: something may be gone since the connection was lost
      plot.setRegions(message.lanes, message.regions);
      stage.setRegions(message.regions);
      strips.setUnits(message.activity_units);
      unitWords.names = message.units;
      intro.hello(message);
      amount.hello(message);
    },
    status(message) {
      if (message.run !== state.run) {
        [state.run, state.begun] = [message.run, false];
        list.clear();
        plot.clear();
        strips.clear();
        stage.clear();
        dialog.close();
        highlight.clear();
        game.clear();
        seekBar.release();
        say("");
      }
      state.startS = message.start_s;
      list.startS = plot.startS = message.start_s;
      if (message.kind !== state.kind) {
        state.kind = message.kind;
        stage.sourceChanged(message.kind);
      }
      unitWords.weak = message.weak_units;
      status.show(message);
      list.answer(message.tally?.answers ?? {});
      const tally = tallyWords(message.tally);
      ref("tally").textContent = tally;
      ref("tally").title = `The demo: ${tally} in the last five minutes`;
      intro.status(message);
      amount.status(message);
      list.least = message.least_me_probability;
      source.status(message);
      const nowS = state.begun ? state.nowS - state.startS : null;
      seekBar.status(message, nowS, !ref("controls").hidden);
      // While a run makes room for the next, the camera stays on.
      if (message.badge !== "STARTING") {
        const browser = message.kind === "browser" && message.badge !== "STOPPED";
        camera.sourceIs(browser && !ref("controls").hidden, message.asked);
      }
    },
    event(message) {
      list.put(message);
      plot.putEvent(message);
      dialog.put(message, state.run, state.startS);
      highlight.put(message, state.run, state.nowS);
      game.event(message);
    },
    forgotten({ numbers, spans }) {
      stage.forget(spans);
      list.forget(numbers);
      plot.forget(numbers, spans);
      strips.forget(spans);
      dialog.forget(numbers);
      highlight.clear();
    },
    error(message) {
      say(message.message);
      source.failed();
      amount.release();
      seekBar.release();
    },
    confirm(message) {
      if (window.confirm(message.question)) socket.send({ do: message.do, sure: true });
    },
    closed() {
      status.lost();
      say(`Connection lost. ${LOST}`, 0); // until there is one
    },
  });
  const source = new SourceChoice(ref, (command) => socket.send(command), say);
  const amount = new Amount(ref, (command) => socket.send(command));
  const seekBar = new SeekBar(ref, (command) => socket.send(command));
  const camera = new Camera(
    new URL("../camera", import.meta.url),
    ref("share"),
    ref("device"),
    say,
  );

  for (const button of root.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => socket.send({ do: button.dataset.do }));
  }
  wireChips(root, stage);
  root.querySelector("[data-chip=replay]").addEventListener("click", () => {
    if (!stage.shows("replay")) highlight.clear();
  });
  const showStrips = () => {
    strips.shown = stage.shows("units");
    ref("unit-strips").hidden = !strips.shown;
    strips.draw();
  };
  stage.addEventListener("chips", showStrips);
  root.querySelector("[data-chip=units]").addEventListener("click", showStrips);
  showStrips();
  wireTheme(ref("theme"));
  ref("wide").addEventListener("click", () => toggleWide(root));
  const press = (name) => () => root.querySelector(name).click();
  const help = new Help(root, ref("help-dialog"), ref("help"), {
    " ": () => root.querySelector("[data-do=pause]:enabled, [data-do=start]:enabled")?.click(),
    f: () => toggleWide(root),
    m: press("[data-chip=mirror]"),
    g: press("[data-ref=play-game]"),
  });
  watchTheme(() => {
    plot.restyle();
    strips.draw();
  });
  // While another tab is shown, that one has the picture; what happened comes with the return.
  watchVisible(root, (visible) => (visible ? socket.connect() : socket.close()));
}

/** What the demo showed, and what of it was found. */
function tallyWords(tally) {
  if (!tally?.shown) return "";
  const { shown, found, named, extra } = tally;
  const besides = extra ? `, ${extra} where none was` : "";
  return `${found} of ${shown} found, ${named} named right${besides}`;
}

function toggleWide(root) {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen();
}

function wireChips(root, stage) {
  for (const chip of root.querySelectorAll("[data-chip]")) {
    const name = chip.dataset.chip;
    const show = () => chip.setAttribute("aria-pressed", String(stage.shows(name)));
    chip.addEventListener("click", () => {
      stage.toggle(name);
      show();
    });
    stage.addEventListener("chips", show);
    show();
  }
}

function wireTheme(button) {
  const stored = localStorage.getItem("fmanet-theme");
  if (stored) document.body.classList.toggle("dark", stored === "dark");
  button.addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem("fmanet-theme", dark ? "dark" : "light");
  });
}
