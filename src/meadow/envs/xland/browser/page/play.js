// Play: the page of one game. Words go to the server; a moment comes back and is shown whole.

import { Board } from "./board.js";
import { listen } from "./keys.js";
import { icon } from "./sheet.js";
import { element, record, tree } from "./task.js";

const at = (id) => document.getElementById(id);
const OWN = "its own";
const EMPTY = 0;
const POCKET = 40; // CSS pixels
const LATE = 200; // milliseconds after which one is told to wait

const map = new Board(at("map"), 64);
const view = new Board(at("view"), 40);
let now = null;

const socket = new WebSocket(new URL("play", location.href.replace(/^http/, "ws")));
const say = (message) => {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};
socket.addEventListener("message", (event) => {
  const [[what, value]] = Object.entries(JSON.parse(event.data));
  hear[what](value);
});
socket.addEventListener("close", () => {
  note("wait", "");
  note("refused", "The game has ended: the server was stopped, or it was lost. Reload the page.");
  for (const button of document.querySelectorAll("[data-do]")) button.disabled = true;
});

const hear = {
  menu({ worlds, kinds }) {
    at("world").replaceChildren(...worlds.map((name) => new Option(name)));
    at("kind").replaceChildren(new Option(OWN, ""), ...kinds.map((name) => new Option(name)));
  },
  wait(words) {
    note("refused", "");
    note("wait", `${words} …`);
  },
  refused(words) {
    note("wait", "");
    note("refused", words);
    if (now) choose(now);
  },
  async moment(moment) {
    now = moment;
    note("refused", "");
    const late = setTimeout(() => note("wait", "Drawing …"), LATE);
    await show(moment);
    clearTimeout(late);
    if (now === moment) note("wait", "");
  },
};

function note(id, words) {
  at(id).textContent = words;
}

function choose({ world, kind }) {
  at("world").value = world;
  at("kind").value = kind ?? "";
}

// Show all of it; returns when it is drawn.
function show(moment) {
  const { results, limit } = moment;
  const { how, steps, reward } = results.at(-1);
  choose(moment);
  const drawn = Promise.all([map.show(moment.map, moment.marks), view.show(moment.view)]);
  at("map").className = `board ${how.replace(" ", "-")}`;
  at("map").setAttribute("aria-label", `Map, ${moment.map.height} by ${moment.map.width}`);
  note("words", moment.words);
  note("ending", moment.ending);
  at("ending").className = how.replace(" ", "-");
  at("time").style.width = `${(100 * steps) / limit}%`;
  note("trial", moment.trial);
  note("episode", results.length);
  at("step").replaceChildren(`${steps}`, element("small", "", ` of ${limit}`));
  note("reward", reward.toFixed(2));
  icon(at("pocket"), moment.pocket.tile, POCKET);
  at("pocket").hidden = moment.pocket.tile === EMPTY;
  note("held", moment.pocket.name);
  at("held").className = moment.pocket.tile === EMPTY ? "faint" : "";
  showEpisodes(results, limit);
  showTask(moment.task);
  record(at("log"), moment.log);
  for (const button of document.querySelectorAll("[data-do]")) {
    button.disabled = !moment.can.includes(button.dataset.do);
  }
  return drawn;
}

// A bar for each of the last episodes: as high as it took long.
function showEpisodes(results, limit) {
  const first = Math.max(results.length - 12, 0);
  const bars = results.slice(first).map(({ how, steps }, i) => {
    const bar = element("div", "bar");
    bar.style.height = `${Math.max((100 * steps) / limit, 4)}%`;
    const made = element("li", how.replace(" ", "-"), element("div", "room", bar), `${steps}`);
    made.setAttribute("aria-label", `Episode ${first + i + 1}: ${how}, ${steps} steps`);
    made.title = made.ariaLabel;
    return made;
  });
  at("episodes").replaceChildren(...bars);
}

function showTask(task) {
  const button = at("reveal");
  button.replaceChildren(task ? "Hide" : "Show", " ", element("kbd", "", "?"));
  button.setAttribute("aria-expanded", task ? "true" : "false");
  at("task").replaceChildren(...(task ? tree(task) : [element("p", "faint", "Hidden: find out.")]));
}

function act(word) {
  if (now?.can.includes(word)) say({ do: word });
}

listen(at("map"), act);
for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => act(button.dataset.do));
}
for (const id of ["world", "kind"]) {
  at(id).addEventListener("change", () => {
    say({ world: at("world").value, kind: at("kind").value || null });
    at("map").focus();
  });
}
at("map").addEventListener("pointerdown", () => at("map").focus());
at("map").focus();
