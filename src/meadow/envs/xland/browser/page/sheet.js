// Sheet: sprites as the server drew them, every tile once, sixteen in a row. One sheet shows them as
// they are ("plain"), one as they are where the agent sees ("lit"), and others with the agent on
// them, facing up, right, down or left ("plain-0" to "lit-3").

const COLUMNS = 16;
const LARGEST = 80;
const ICON = 40;

const sheets = new Map();

// Pixels across a tile, and device pixels across one of those, so that `columns` tiles fit into
// `width` CSS pixels. Few different sizes, because the server draws each one.
export function tileSize(columns, width) {
  const room = Math.floor((width * devicePixelRatio) / columns);
  const zoom = Math.ceil(room / LARGEST);
  const size = Math.floor(room / zoom);
  const step = size < 16 ? 1 : size < 32 ? 2 : 4;
  return [Math.max(4, size - (size % step)), zoom];
}

const url = (size, name) => `sprites/${size}/${name}.png`;

const corner = (tile, size) => [(tile % COLUMNS) * size, Math.floor(tile / COLUMNS) * size];

function sheet(size, name) {
  const key = url(size, name);
  if (!sheets.has(key)) {
    sheets.set(key, load(key));
    sheets.get(key).catch(() => sheets.delete(key)); // to be asked for again
  }
  return sheets.get(key);
}

async function load(from) {
  const answer = await fetch(from);
  if (!answer.ok) throw new Error(`${from}: ${answer.status}`);
  const exact = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  return createImageBitmap(await answer.blob(), exact);
}

// What a picture (tiles, lit, agent) is drawn from: for each cell its sheet.
export async function sheetsFor({ width, lit, agent: [row, column, facing] }, size) {
  const here = row * width + column;
  const name = (i) => (lit[i] ? "lit" : "plain") + (i === here ? `-${facing}` : "");
  const names = lit.map((_, i) => name(i));
  const loaded = {};
  for (const name of new Set(names)) loaded[name] = await sheet(size, name);
  return names.map((name) => loaded[name]);
}

// Fetch what will be needed when the agent turns.
export async function prepare(size, light) {
  for (const facing of [0, 1, 2, 3]) await sheet(size, `${light}-${facing}`);
}

// Draw a picture on a context, tile by tile.
export function paint(context, from, size, { width, tiles }) {
  tiles.forEach((tile, i) => {
    const [x, y] = [(i % width) * size, Math.floor(i / width) * size];
    context.drawImage(from[i], ...corner(tile, size), size, size, x, y, size, size);
  });
}

// Show one tile in an element of class `tile`, whose size in CSS pixels is `width`. All icons come
// from one sheet, made smaller by the browser.
export function icon(element, tile, width) {
  const size = ICON * (devicePixelRatio > 1 ? 2 : 1);
  const [x, y] = corner(tile, width);
  element.style.backgroundImage = `url("${url(size, "plain")}")`;
  element.style.backgroundSize = `${COLUMNS * width}px auto`;
  element.style.backgroundPosition = `${-x}px ${-y}px`;
  element.style.width = element.style.height = `${width}px`;
}
