/** Answers drawn before, so that the back button needs no new search. */
import { queryAddress } from "./query.js";

/**
 * @typedef {import("./query.js").Query} Query
 * @typedef {{items: import("../api.js").Image[], about: import("./search.js").About, scroll: number, anchor: {id: string, top: number}}} Kept
 */

const MOST = 12;

export class KeptAnswers {
  /** @type {Map<string, Kept>} */
  #answers = new Map();

  /** @param {Query} query @param {Kept|null} answer null: there is none to be kept */
  keep(query, answer) {
    const address = queryAddress(query);
    this.#answers.delete(address);
    if (!answer) return;
    this.#answers.set(address, answer);
    if (this.#answers.size > MOST) this.#answers.delete(this.#answers.keys().next().value ?? "");
  }

  /** @param {Query} query */
  of(query) {
    return this.#answers.get(queryAddress(query));
  }

  clear() {
    this.#answers.clear();
  }
}
