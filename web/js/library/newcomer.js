/** Who has not searched here yet is told how: a line above the library, gone for good with the first search. */
import { byId } from "../shared/dom.js";

/** In this browser's storage, once someone has searched or closed the line. */
const KEY = "has-searched";
/** What is worth asking for is looked up only where nothing else is done meanwhile. */
const IDLE_MS = 1500;

/** @returns {boolean} */
function known() {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return true; // it could not be remembered, and would be told for ever
  }
}

export class Newcomer {
  #known = known();
  #timer = 0;
  #offered = false;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.line = byId("ideas");
    this.line.querySelector("button").addEventListener("click", () => {
      this.#learnt();
      byId("search").focus();
    });
  }

  /** The library is about to be shown: what is above it has its place from the start. */
  expect() {
    this.line.hidden = this.#known || !this.page.plainLibrary;
  }

  /** @param {boolean} library whether the whole library is shown, and is not empty @param {boolean} search */
  shown(library, search) {
    if (this.#known) return;
    if (search) return this.#learnt();
    this.line.hidden = !library;
    clearTimeout(this.#timer);
    if (library && !this.#offered) this.#timer = setTimeout(() => this.#offer(), IDLE_MS);
  }

  async #offer() {
    this.#offered = true;
    const screen = await import("./first-screen.js").catch(() => null);
    screen?.offerIdeas(this.page, this.line);
  }

  #learnt() {
    this.#known = true;
    this.line.hidden = true;
    clearTimeout(this.#timer);
    try {
      localStorage.setItem(KEY, "1");
    } catch {
      // it is told again next time
    }
  }
}
