// Board: a map or a view on a canvas, as large as there is room, every tile the same whole number of
// device pixels.

import { paint, prepare, sheetsFor, tileSize } from "./sheet.js";

const TALLEST = 0.66; // of the window's height

export class Board {
  #room;
  #largest;
  #canvas;
  #marks;
  #picture = null;

  // `largest`: CSS pixels across a tile, at most.
  constructor(element, largest) {
    this.#largest = largest;
    this.#room = element.closest("section");
    this.#canvas = element.querySelector("canvas");
    this.#marks = element.querySelector(".marks");
    new ResizeObserver(() => this.#draw()).observe(this.#room);
    addEventListener("resize", () => this.#draw());
  }

  // Show a picture, now or as soon as its sprites are there; marks are cells to be framed.
  show(picture, marks = []) {
    this.#picture = { ...picture, marks };
    return this.#draw();
  }

  async #draw() {
    const now = this.#picture;
    if (!now) return;
    const { width, height } = now;
    const wide = Math.min(this.#room.clientWidth, this.#largest * width);
    const tall = Math.min(innerHeight * TALLEST, this.#largest * height);
    const [size, zoom] = tileSize(width, Math.min(wide, (tall * width) / height));
    const from = await sheetsFor(now, size);
    if (now !== this.#picture) return; // another one came while the sheets were on their way
    const canvas = this.#canvas;
    [canvas.width, canvas.height] = [width * size, height * size];
    canvas.style.width = `${(canvas.width * zoom) / devicePixelRatio}px`;
    canvas.style.height = `${(canvas.height * zoom) / devicePixelRatio}px`;
    paint(canvas.getContext("2d", { alpha: false, willReadFrequently: true }), from, size, now);
    canvas.dataset.size = size;
    this.#frame(now.marks, (size * zoom) / devicePixelRatio);
    if (now.lit.includes(1)) prepare(size, "lit");
  }

  // Frames lie on the canvas, not in it: the canvas is the map and nothing else.
  #frame(marks, size) {
    this.#marks?.replaceChildren(
      ...marks.map(({ row, column, what }) => {
        const mark = document.createElement("div");
        mark.className = what;
        const place = { left: column * size, top: row * size, width: size, height: size };
        for (const [name, value] of Object.entries(place)) mark.style[name] = `${value}px`;
        return mark;
      }),
    );
  }
}
