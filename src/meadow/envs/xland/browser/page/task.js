// Task: goal and rules as a tree, and the lines of what happened.

import { icon } from "./sheet.js";

const TILE = 20;

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function tile(byte) {
  const made = element("span", "tile");
  icon(made, byte, TILE);
  return made;
}

const thing = ({ tile: byte, name }) => element("span", "thing", tile(byte), name);

// What is asked, what it takes, and what it does not take.
export function tree(task) {
  const asked = element("p", task.reached ? "goal fired" : "goal", `Goal: ${task.goal}`);
  const lines = [asked];
  if (task.failure) lines.push(element("p", "failure", `Ends badly: ${task.failure}`));
  if (task.parts.length) lines.push(element("ul", "tree", ...task.parts.map(part)));
  if (task.rules.length) {
    lines.push(element("h3", "", "Other rules"));
    lines.push(element("ul", "tree", ...task.rules.map((rule) => element("li", "", other(rule)))));
  }
  if (task.objects.length) {
    lines.push(element("h3", "", "Other things"));
    lines.push(element("p", "things", ...task.objects.map(thing)));
  }
  return lines;
}

function part(node) {
  const line = element("div", node.fired ? "fired" : "", thing(node));
  if (node.when) line.append(element("span", "when", number(node), node.when));
  if (node.note) line.append(element("span", "when", node.note));
  const made = element("li", "", line);
  if (node.parts.length) made.append(element("ul", "", ...node.parts.map(part)));
  return made;
}

function other(rule) {
  const when = element("span", "when", number(rule), rule.when);
  return element("div", rule.fired ? "fired" : "", thing(rule.product), when);
}

const number = (rule) => element("span", "number", `${rule.number}`);

// Lines are added to those that stand there; where these are others, all are written anew.
export function record(list, lines) {
  const shown = lines.map(({ step, what, text }) => {
    const line = element("li", what, element("span", "number", `${step}`), text);
    line.dataset.line = `${step} ${text}`;
    return line;
  });
  const before = [...list.children];
  const goesOn = before.every((line, i) => line.dataset.line === shown[i]?.dataset.line);
  if (goesOn) list.append(...shown.slice(before.length));
  else list.replaceChildren(...shown);
  list.scrollTop = list.scrollHeight;
}
