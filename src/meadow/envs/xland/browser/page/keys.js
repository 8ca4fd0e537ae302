// Keys: what is typed, as words. The keyboard belongs to the game wherever it is not needed to
// operate a control; Tab and left Shift are the game's only while the map has the focus.

const WORDS = {
  ArrowUp: "move",
  ArrowLeft: "turn left",
  ArrowRight: "turn right",
  ArrowDown: "put down",
  p: "pick up",
  d: "put down",
  " ": "toggle",
  u: "undo",
  r: "episode",
  n: "task",
  "?": "reveal",
};
const HELD = new Set(["move", "turn left", "turn right"]); // go on while the key is held down

export function listen(map, act) {
  let shiftAlone = false;
  map.addEventListener("keydown", (event) => {
    shiftAlone = event.code === "ShiftLeft";
    if (event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      if (!event.repeat) act("pick up");
    } else if (event.key === "Escape") {
      document.querySelector("[data-do]:enabled").focus();
    }
  });
  // When it is let go and nothing came between: Shift may have been for "?" or for Shift+Tab.
  map.addEventListener("keyup", (event) => {
    if (event.code === "ShiftLeft" && shiftAlone) act("put down");
    shiftAlone = false;
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select")) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("#log")) return;
    const word = WORDS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!word) return;
    event.preventDefault();
    if (!event.repeat || HELD.has(word)) act(word);
  });
}
