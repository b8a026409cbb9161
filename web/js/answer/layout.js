/** Justified rows: every picture keeps its shape and every full row fills the width. Pure. */

/** Between pictures, px. */
const GAP = 6;
const NARROWEST = 0.4;
const WIDEST = 5;

/** Width by height of a picture, held to what a row can carry. @param {{width: number, height: number}} image */
export function ratioOf({ width, height }) {
  const ratio = width > 0 && height > 0 ? width / height : 1;
  return Math.min(WIDEST, Math.max(NARROWEST, ratio));
}

/** Row height that suits a width. @param {number} width */
export const rowHeight = (width) => Math.round(Math.min(250, Math.max(128, width / 5.4)));

/** @typedef {{x: number, y: number, width: number, height: number}} Box of a picture in its list, px */

/**
 * Where each picture stands: fewer boxes than ratios where an unfinished last row is left out.
 * @param {number[]} ratios @param {number} width @param {boolean} partial @returns {Box[]}
 */
export function boxesOf(ratios, width, partial) {
  let x = 0;
  let y = 0;
  let row = 0;
  return justify(ratios, width, rowHeight(width), GAP, partial).map((size) => {
    if (x && x + size.width > width) {
      y += row + GAP;
      x = 0;
    }
    const box = { x, y, ...size };
    x += size.width + GAP;
    row = size.height;
    return box;
  });
}

/** The first of sorted things that a condition, once true, stays true of. @template T @param {T[]} all @param {(one: T) => boolean} from */
export function firstOf(all, from) {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (from(all[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * @param {number[]} ratios
 * @param {number} width of a row, px
 * @param {number} target row height, px
 * @param {number} gap px
 * @param {boolean} [partial] more will follow: leave an unfinished last row out
 * @returns {{width: number, height: number}[]} one size a ratio, in order
 */
export function justify(ratios, width, target, gap, partial = false) {
  /** @type {{width: number, height: number}[]} */
  const sizes = [];
  let start = 0;
  let sum = 0;
  const height = (/** @type {number} */ count, /** @type {number} */ total) => (width - gap * (count - 1)) / total;
  const close = (/** @type {number} */ end, /** @type {number} */ total) => {
    const exact = height(end - start, total);
    let left = width - gap * (end - start - 1);
    for (let i = start; i < end; i += 1) {
      const share = i === end - 1 ? left : Math.round(ratios[i] * exact);
      sizes.push({ width: share, height: Math.round(exact) });
      left -= share;
    }
    start = end;
  };
  for (let i = 0; i < ratios.length; i += 1) {
    const before = sum;
    sum += ratios[i];
    const high = height(i - start + 1, sum);
    if (high > target) continue;
    const higher = i > start ? height(i - start, before) : Infinity;
    if (higher / target < target / high) {
      close(i, before);
      sum = ratios[i];
      if (height(1, sum) <= target) {
        close(i + 1, sum);
        sum = 0;
      }
    } else {
      close(i + 1, sum);
      sum = 0;
    }
  }
  if (start < ratios.length && !(partial && start)) {
    if (height(ratios.length - start, sum) <= target * 1.2) close(ratios.length, sum);
    else for (; start < ratios.length; start += 1) sizes.push({ width: Math.min(width, Math.round(ratios[start] * target)), height: target });
  }
  return sizes;
}
