/** Server values → what people read. */
import { texts } from "../texts.js";

/** @param {number} bytes */
export function formatBytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Math.max(0, bytes || 0);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 && unit ? 1 : 0 })} ${units[unit]}`;
}

/** A server's address when a browser may follow it, else "". @param {string|null|undefined} url */
export function safeUrl(url) {
  if (!url) return "";
  try {
    const parsed = new URL(url, document.baseURI);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : "";
  } catch {
    return "";
  }
}

/** @param {{name?: string}} image */
export const nameOf = (image) => image.name || texts.unnamed;
