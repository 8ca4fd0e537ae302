// Board: a map or a view on a canvas, as large as there is room, every tile the same whole number of
// device pixels.

import { paint, sheet, tileSize } from "./sheet.js";

const LARGEST = 64; // CSS pixels across a tile
const TALLEST = 0.66; // of the window's height

export class Board {
  #room;
  #canvas;
  #marks;
  #picture = null;

  constructor(element) {
    this.#room = element.closest("section");
    this.#canvas = element.querySelector("canvas");
    this.#marks = element.querySelector(".marks");
    new ResizeObserver(() => this.#draw()).observe(this.#room);
    addEventListener("resize", () => this.#draw());
  }

  // Show a picture; marks are cells to be framed.
  show(picture, marks = []) {
    this.#picture = { ...picture, marks };
    return this.#draw();
  }

  async #draw() {
    if (!this.#picture) return;
    const { width, height } = this.#picture;
    const wide = Math.min(this.#room.clientWidth, LARGEST * width);
    const tall = Math.min(innerHeight * TALLEST, LARGEST * height);
    const size = tileSize(width, Math.min(wide, (tall * width) / height));
    const sprites = await sheet(size);
    // The picture may have changed while the sheet was on its way: draw what is there now.
    const now = this.#picture;
    const canvas = this.#canvas;
    [canvas.width, canvas.height] = [now.width * size, now.height * size];
    canvas.style.width = `${canvas.width / devicePixelRatio}px`;
    canvas.style.height = `${canvas.height / devicePixelRatio}px`;
    paint(canvas.getContext("2d", { alpha: false, willReadFrequently: true }), sprites, size, now);
    canvas.dataset.size = size;
    this.#frame(now.marks, size / devicePixelRatio);
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
