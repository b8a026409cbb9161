/** What the first view has of searches that are more than words: the rest is fetched when there is one. */
import { noticeShown } from "../answer/notices.js";
import { byId, loadStyle } from "../shared/dom.js";
import { anew, piecesOf } from "./query.js";

/** @typedef {import("./query.js").Query} Query */

/** Words to leave out, which may become a piece of their own. */
const MINUS = /(^|\s)-[^\s-]/;

export class Composer {
  /** @type {import("./chips.js").Chips|null} */
  #chips = null;
  /** @type {Promise<void>|null} */
  #style = null;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    const input = byId("picture-input");
    byId("search-picture").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      this.#searchBy(files, false);
    });
  }

  /** @param {Query} query */
  async set(query) {
    const composed = MINUS.test(query.q) || piecesOf(query).some(({ box }) => !box);
    byId("chips").hidden = !composed; // their place is kept while they come
    if (!composed && !this.#chips) return;
    try {
      const [{ Chips }] = await Promise.all([import("./chips.js"), this.#styled()]);
      this.#chips ??= new Chips((change, step) => this.page.ask(anew(this.page.search.query, change), { step }), (id) => this.page.imageOf(id));
      this.#chips.set(this.page.search.query);
    } catch (error) {
      console.warn(error); // the answer is drawn all the same, and the next search asks for them again
    }
  }

  #styled() {
    return (this.#style ??= loadStyle("css/chips.css").catch((error) => {
      this.#style = null;
      throw error;
    }));
  }

  /**
   * Whether what was dropped or pasted is searched by: what falls into the box, a picture pasted
   * (but into an empty library), and one dropped by somebody who may not upload.
   * @param {File[]} files @param {DragEvent|ClipboardEvent} event
   */
  takes(files, event) {
    const pasted = event.type === "paste";
    const one = files.length === 1;
    const onBox = /** @type {Element} */ (event.target).closest?.("#search-form");
    const search = pasted ? one && noticeShown() !== "empty" : onBox || (one && !this.page.api.may("upload"));
    if (search) this.#searchBy(files, pasted);
    return Boolean(search);
  }

  /** @param {File[]} files @param {boolean} pasted */
  async #searchBy(files, pasted) {
    if (!files.length) return;
    const [{ searchBy }] = await Promise.all([import("./by-picture.js"), this.#styled()]);
    await searchBy(files, this.page, pasted);
  }
}
