// Sheet: sprites as the server drew them. Sixteen in a row: the agent's ink facing four ways, how
// much each covers, then every tile as it is and as it is in the view window.

const COLUMNS = 16;
const FIRST_TILE = 8;
const LARGEST = 96;
const ICON = 40;

const sheets = new Map();

// Device pixels across a tile, so that `columns` of them fit into `width` CSS pixels. Few different
// sizes, because the server draws each one.
export function tileSize(columns, width) {
  const room = Math.floor((width * devicePixelRatio) / columns);
  const step = room < 16 ? 1 : 4;
  return Math.max(4, Math.min(LARGEST, room - (room % step)));
}

// The sheet for one size, as a canvas from which opaque pixels are copied without being rounded.
export function sheet(size) {
  if (!sheets.has(size)) sheets.set(size, load(size));
  return sheets.get(size);
}

async function load(size) {
  const answer = await fetch(`sprites/${size}.png`);
  if (!answer.ok) throw new Error(`sprites of ${size} pixels: ${answer.status}`);
  const exact = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const image = await createImageBitmap(await answer.blob(), exact);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d", { alpha: false, willReadFrequently: true }).drawImage(image, 0, 0);
  return canvas;
}

function corner(index, size) {
  return [(index % COLUMNS) * size, Math.floor(index / COLUMNS) * size];
}

function tileIndex(tile, lit) {
  return FIRST_TILE + 2 * tile + lit;
}

// Draw `picture` (tiles, lit, agent) on a context, tile by tile.
export function paint(context, from, size, { width, tiles, lit, agent }) {
  tiles.forEach((tile, i) => {
    const [x, y] = [(i % width) * size, Math.floor(i / width) * size];
    context.drawImage(from, ...corner(tileIndex(tile, lit[i]), size), size, size, x, y, size, size);
  });
  const [row, column, facing] = agent;
  lay(context, from, size, facing, column * size, row * size);
}

// Lay the agent over what is there, rounding as the server would: a canvas rounds otherwise.
function lay(context, from, size, facing, x, y) {
  const sprites = from.getContext("2d");
  const ink = sprites.getImageData(...corner(facing, size), size, size).data;
  const cover = sprites.getImageData(...corner(4 + facing, size), size, size).data;
  const under = context.getImageData(x, y, size, size);
  for (let i = 0; i < ink.length; i++) {
    if (i % 4 === 3) continue;
    under.data[i] = Math.round((cover[i] * ink[i] + (255 - cover[i]) * under.data[i]) / 255);
  }
  context.putImageData(under, x, y);
}

// Show one tile in an element of class `tile`, whose size in CSS pixels is `width`. All icons come
// from one sheet, made smaller by the browser.
export function icon(element, tile, width) {
  const size = ICON * (devicePixelRatio > 1 ? 2 : 1);
  const [x, y] = corner(tileIndex(tile, 0), width);
  element.style.backgroundImage = `url("sprites/${size}.png")`;
  element.style.backgroundSize = `${COLUMNS * width}px auto`;
  element.style.backgroundPosition = `${-x}px ${-y}px`;
  element.style.width = element.style.height = `${width}px`;
}
