/** What the larger view and the lists tell of an image, as people read it. */
import { locale, texts } from "../texts.js";
import { safeUrl } from "./format.js";

/**
 * When a photo was taken: the clock of the place it was taken at, so the offset is not applied.
 * @param {string|null} iso
 */
export function formatTaken(iso) {
  const wall = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?/.exec(iso ?? "");
  if (!wall) return iso ?? "";
  return formatDate(`${wall[1]}T${wall[2] ?? "00:00"}Z`, "UTC");
}

/**
 * A moment, in the reader's time zone.
 * @param {string} iso
 * @param {string} [timeZone]
 */
export function formatDate(iso, timeZone) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short", timeZone });
}

/**
 * As photographers say it: 1/250 s · f/2.8 · ISO 100 · 50 mm.
 * @param {import("../api.js").Exposure} exposure
 */
export function formatExposure({ seconds, f_number, iso, focal_mm }) {
  const short = (/** @type {number} */ value) => value.toLocaleString(locale, { maximumFractionDigits: 1, useGrouping: false });
  const time = (/** @type {number} */ value) => (value < 0.3 ? `1/${Math.round(1 / value)} s` : `${short(value)} s`);
  return [seconds && time(seconds), f_number && `f/${short(f_number)}`, iso && texts.iso(iso), focal_mm && `${short(focal_mm)} mm`].filter(Boolean).join(" · ");
}

/** @param {{lat: number, lon: number}} place */
export function formatLocation({ lat, lon }) {
  const side = (/** @type {number} */ value, /** @type {string} */ plus, /** @type {string} */ minus) => `${Math.abs(value).toFixed(4)}° ${value < 0 ? minus : plus}`;
  return `${side(lat, "N", "S")}, ${side(lon, "E", "W")}`;
}

/** @param {{lat: number, lon: number}} place */
export function mapUrl({ lat, lon }) {
  return `https://www.openstreetmap.org/?mlat=${Number(lat)}&mlon=${Number(lon)}#map=14/${Number(lat)}/${Number(lon)}`;
}

/** The file's address that makes the browser save it. @param {string} url */
export function downloadUrl(url) {
  const safe = safeUrl(url);
  if (!safe) return "";
  const parsed = new URL(safe);
  parsed.searchParams.set("download", "1");
  return parsed.href;
}
