/** Marking words in a text, whatever their case and accents. Pure, but for the elements it makes. */
import { el } from "./dom.js";

/** @param {string} char one code point; nothing is left of an accent by itself */
const fold = (char) => char.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ß", "ss");

const KINDS = /** @type {const} */ ([["digit", /\p{N}/u], ["upper", /\p{Lu}/u], ["lower", /\p{Ll}|\p{M}/u], ["letter", /\p{L}/u]]);

/** @param {string|undefined} char */
const kindOf = (char) => KINDS.find(([, of]) => of.test(char ?? ""))?.[0] ?? "";

/** Whether a word may begin or end between two characters: as the index splits names, at a change of case or kind too. @param {string[]} chars @param {number} i */
function edge(chars, i) {
  const [before, after, next] = [chars[i - 1], chars[i], chars[i + 1]].map(kindOf);
  if (before !== after) return !(before === "upper" && after === "lower");
  return !before || before === "letter" || (before === "upper" && next === "lower");
}

/**
 * Which characters of a text belong to one of the words.
 * @param {string} text @param {string[]} words @returns {{chars: string[], on: boolean[]}}
 */
function found(text, words) {
  const chars = [...text];
  const on = chars.map(() => false);
  let flat = "";
  /** @type {number[]} */
  const at = [];
  chars.forEach((char, i) => {
    const folded = fold(char);
    flat += folded;
    at.push(...Array(folded.length).fill(i));
  });
  for (const word of words.map((each) => [...each].map(fold).join("")).filter(Boolean)) {
    for (let start = flat.indexOf(word); start >= 0; start = flat.indexOf(word, start + 1)) {
      let [from, to] = [at[start], at[start + word.length - 1] + 1];
      while (to < chars.length && fold(chars[to]) === "" && kindOf(chars[to]) === "lower") to += 1; // its accents
      if (edge(chars, from) && edge(chars, to)) on.fill(true, from, to);
    }
  }
  return { chars, on };
}

/** The text as nodes, with the words marked. @param {string} text @param {string[]} [words] @returns {(Node|string)[]} */
export function marked(text, words = []) {
  if (!words.length) return [text];
  const { chars, on } = found(text, words);
  const runs = [];
  for (let start = 0, i = 1; i <= chars.length; i += 1) {
    if (i < chars.length && on[i] === on[start]) continue;
    const run = chars.slice(start, i).join("");
    runs.push(on[start] ? el("mark", { text: run }) : run);
    start = i;
  }
  return runs;
}
