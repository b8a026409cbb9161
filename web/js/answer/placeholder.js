/** What is seen of a picture until its thumbnail is there: twelve pixels, enlarged by the browser. */

/** Bytes of the pixels, red, green and blue each (docs/api.md). */
const BYTES = 36;

/**
 * A canvas that covers just what the picture will cover in a place of that ratio; null where the image has no placeholder.
 * @param {import("../api.js").Image} image @param {number} ratio of its place, width by height
 */
export function placeholderOf({ placeholder, width, height }, ratio) {
  const bytes = bytesOf(placeholder);
  if (!bytes) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = height > width ? [3, 4] : [4, 3];
  const pixels = new Uint8ClampedArray(48).fill(255);
  for (let n = 0; n < BYTES; n += 1) pixels[n + Math.floor(n / 3)] = bytes.charCodeAt(n);
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, canvas.width), 0, 0);
  const share = width / height / ratio; // a picture too narrow or too wide for its place leaves some of it free
  canvas.style.width = `${Math.min(1, share) * 100}%`;
  canvas.style.height = `${Math.min(1, 1 / share) * 100}%`;
  return canvas;
}

/** @param {string|undefined} text base64 @returns {string|null} null where it is no placeholder */
function bytesOf(text) {
  try {
    const bytes = atob(text ?? "");
    return bytes.length === BYTES ? bytes : null;
  } catch {
    return null;
  }
}
