/** Server values → what people read. */
import { locale, texts } from "../texts.js";

/** @param {number} bytes */
export function formatBytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Math.max(0, bytes || 0);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 && unit ? 1 : 0 })} ${units[unit]}`;
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

const NO_CHARACTER = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/**
 * A text of someone's, such as a name, as it may stand among ours. What turns the order of characters
 * round ("gnp.exe" read backwards) or is none shows as a mark; what is written from right to left
 * turns nothing but itself (https://www.unicode.org/reports/tr9/#Explicit_Directional_Isolates).
 * @param {string} text
 */
export function shown(text) {
  const plain = text.replace(NO_CHARACTER, "\ufffd");
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}

/** @param {{name?: string}} image */
export const nameOf = (image) => shown(image.name || texts.unnamed);
