/** How sure an answer is, in words and three bars, and what an image was found by. */
import { el } from "../shared/dom.js";
import { marked } from "../shared/marks.js";
import { shown } from "../shared/format.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("../api.js").Field} Field
 */

/** From which confidence on one, two, three bars. */
const STEPS = [0, 0.4, 0.75];

/** One to three; 0 where it is beyond the cut-off, null where nothing is told. @param {Image} image */
export function sureness({ confidence, within }) {
  if (confidence === null || confidence === undefined) return null;
  return within === false ? 0 : STEPS.filter((step) => confidence >= step).length;
}

/** Three bars, as many full as the match is sure; null where nothing is told. @param {Image} image @returns {HTMLElement|null} */
export function barsOf(image) {
  const level = sureness(image);
  if (level === null) return null;
  const label = texts.sure[level];
  return el("span", { class: "bars", role: "img", "aria-label": label, title: label, data: { testid: "bars", level } }, el("i"), el("i"), el("i"));
}

/** What to say of an image that words of the query were found in: the field's name, and it with them marked. @param {Image} image @returns {{label: string, nodes: (Node|string)[]}|null} */
export function foundIn({ name, collection, camera, text, words }) {
  const values = { name, text, collection, camera };
  for (const field of /** @type {Field[]} */ (Object.keys(values))) {
    const here = words?.[field];
    const value = values[field];
    if (here?.length && value) return { label: texts.foundIn[field], nodes: marked(shown(shortened(value, here)), here) };
  }
  return null;
}

/** "Found by what it shows and by its name". @param {Image} image */
export function foundBy({ why = [], within }) {
  return within !== false && why.length ? texts.foundBy(why.map((each) => texts.reason[each])) : "";
}

/** How many characters may stand before the first word found. */
const BEFORE = 14;

/** From shortly before the first of the words, so that one line shows it. @param {string} text @param {string[]} words */
function shortened(text, words) {
  const line = text.replace(/\s+/gu, " ");
  const first = Math.min(...words.map((word) => line.indexOf(word)).filter((at) => at >= 0));
  if (!(first > BEFORE) || !Number.isFinite(first)) return line;
  const from = line.indexOf(" ", first - BEFORE);
  return from < 0 || from >= first ? line : `…${line.slice(from)}`;
}
