/** Where a key leads to in the grid, whatever part of it is in the document. Pure. */

/** @typedef {import("./shelf.js").Shelf} Shelf */

/**
 * @param {string} key
 * @param {Shelf[]} shelves in order
 * @param {{shelf: Shelf, at: number}} from
 * @param {number} page height of what can be seen, px
 * @returns {string} id of the picture to go to; "": the key leads nowhere
 */
export function stepFrom(key, shelves, { shelf, at }, page) {
  const all = shelves.flatMap((each) => each.boxes.map((box, n) => ({ shelf: each, box, id: each.items[n].id })));
  const here = all.findIndex((each) => each.shelf === shelf) + at;
  const rows = (/** @type {typeof all} */ others, /** @type {number} */ far) => nearest(all[here], others, far);
  /** @type {Record<string, () => string|undefined>} */
  const ways = {
    ArrowLeft: () => all[here - 1]?.id,
    ArrowRight: () => all[here + 1]?.id,
    ArrowUp: () => rows(all.slice(0, here).reverse(), 0),
    ArrowDown: () => rows(all.slice(here + 1), 0),
    PageUp: () => rows(all.slice(0, here).reverse(), page),
    PageDown: () => rows(all.slice(here + 1), page),
    Home: () => all[0].id,
    End: () => all.at(-1)?.id,
  };
  return (Object.hasOwn(ways, key) && ways[key]()) || "";
}

/**
 * The picture whose middle is closest, in the next row that is `far` away or else in the last.
 * @typedef {{shelf: Shelf, box: import("./layout.js").Box, id: string}} Standing
 * @param {Standing} from @param {Standing[]} others in the direction to go @param {number} far px
 */
function nearest(from, others, far) {
  const start = others.findIndex((each) => !sameRow(each, from));
  if (start < 0) return undefined;
  const there = others.slice(start);
  const goal = there.find(({ box, shelf }) => shelf !== there[0].shelf || Math.abs(box.y - from.box.y) + box.height > far) ?? /** @type {Standing} */ (there.at(-1));
  const middle = (/** @type {Standing} */ { box }) => box.x + box.width / 2;
  const gap = (/** @type {Standing} */ each) => Math.abs(middle(each) - middle(from));
  return there.filter((each) => sameRow(each, goal)).sort((a, b) => gap(a) - gap(b))[0].id;
}

/** @param {Standing} a @param {Standing} b */
const sameRow = (a, b) => a.shelf === b.shelf && a.box.y === b.box.y;
