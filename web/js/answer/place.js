/** One thumbnail of the grid: its place, the picture in it, and the small marks on it. */
import { el } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { askedAgain } from "../shared/pictures.js";
import { ratioOf } from "./layout.js";
import { queryAddress, readQuery } from "../asking/query.js";
import { texts } from "../texts.js";
import { placeholderOf } from "./placeholder.js";

/** @typedef {import("../api.js").Image} Image */

/** How sure an answer is, and what was found in it: only searches tell. @type {typeof import("./why.js")|undefined} */
let why;

/** Fetches what the answer of a search is drawn with. */
export async function prepareSearch() {
  why ??= await import("./why.js");
}

/** @param {Image} image @returns {HTMLLIElement} */
export function makePlace(image) {
  const name = nameOf(image);
  const src = safeUrl(image.thumbnail_url);
  const ratio = ratioOf(image);
  const cut = !(Math.abs(ratio - image.width / image.height) < 0.01); // too narrow or too wide for its place
  const place = el("li", { class: cut ? "whole" : null, data: { thumbnail: image.thumbnail_url ?? "" } });
  const link = el("a", { data: { testid: "item", id: image.id }, title: name });
  if (src) {
    const picture = el("img", { alt: name, decoding: "async", width: image.width || 1, height: image.height || 1 });
    picture.addEventListener("load", () => picture.decode().finally(() => place.classList.add("loaded")), { once: true });
    askedAgain(picture, () => place.classList.add("broken"));
    picture.src = src;
    link.append(...[placeholderOf(image, ratio), picture].filter((each) => each !== null));
  } else place.classList.add("broken");
  place.append(link);
  return place;
}

/** Draws what belongs to this answer: it may differ where the picture is the same. @param {HTMLLIElement} place @param {Image} image @param {boolean} scores whether it says its score */
export function markPlace(place, image, scores) {
  const link = /** @type {HTMLAnchorElement} */ (place.firstElementChild);
  link.href = queryAddress(readQuery("").query, image.id);
  for (const mark of link.querySelectorAll(":scope > span")) mark.remove();
  link.append(...[captionOf(image), copiesOf(image), scores ? scoreOf(image) : null].filter((mark) => mark !== null));
}

/** Along the lower edge: how sure it is; its name under the pointer, or the words that were found, always. @param {Image} image */
function captionOf(image) {
  const hit = why?.foundIn(image);
  const bars = image.within === false ? null : why?.barsOf(image); // the heading above says so much
  const name = nameOf(image);
  // The name is the picture's alternative text already.
  const words = hit
    ? el("span", { class: "name", data: { testid: "item-words" } }, el("span", { class: "vh", text: `${hit.label}: ` }), ...hit.nodes)
    : el("span", { class: "name", text: name, "aria-hidden": image.thumbnail_url ? "true" : null });
  return el("span", { class: hit && image.within !== false ? "caption told" : "caption" }, bars, words);
}

/** How many copies stand behind a picture, in its corner. @param {Image} image */
function copiesOf({ copies }) {
  const { exact, near } = copies ?? { exact: 0, near: 0 };
  if (!exact && !near) return null;
  const label = texts.copies(exact, near);
  return el("span", { class: "copies", role: "img", "aria-label": label, title: label, data: { testid: "item-copies" }, text: texts.copiesBadge(exact + near + 1) });
}

/** The bare numbers, in the other corner. @param {Image} image */
function scoreOf({ score, confidence }) {
  if (score === undefined) return null;
  return el("span", { class: "score", data: { testid: "item-score" }, text: texts.scoreOf(score, confidence ?? null) });
}
