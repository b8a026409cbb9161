/** Asks, before a folder is sent, which collection it shall be in: that cannot be changed later. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

export class Question {
  /** @type {((collection: string|null) => void)|null} */
  #answer = null;
  /** One question at a time. @type {Promise<unknown>} */
  #before = Promise.resolve();

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.what = el("p", { id: "uploads-what" });
    this.name = el("input", { name: "collection", maxlength: "60", autocomplete: "off", spellcheck: "false", list: "collections", data: { testid: "uploads-collection" } });
    this.go = el("button", { type: "submit", class: "button primary small", "aria-describedby": "uploads-what", data: { testid: "uploads-go" } });
    const no = button({ text: texts.folderDont, class: "button small", data: { testid: "uploads-dont" }, click: () => this.end() });
    this.element = el("form", { class: "question", data: { testid: "uploads-question" }, hidden: true, on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#end(safeCollection(this.name.value));
    } } }, this.what, el("label", {}, el("span", { text: texts.collection }), this.name), el("div", { class: "ways" }, this.go, no));
  }

  get open() {
    return this.#answer !== null;
  }

  /** @param {number} files @param {string} folder @returns {Promise<string|null>} the collection; null: they are not to be sent */
  ask(files, folder) {
    const answer = this.#before.then(() => this.#ask(files, folder));
    this.#before = answer;
    return answer;
  }

  /** @param {number} files @param {string} folder @returns {Promise<string|null>} */
  #ask(files, folder) {
    this.what.textContent = texts.folderAsk(files, folder);
    this.name.value = safeCollection(folder);
    this.go.textContent = texts.folderGo(files);
    this.element.hidden = false;
    announce(texts.folderAsk(files, folder));
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.changed();
      requestAnimationFrame(() => requestAnimationFrame(() => this.go.focus()));
    });
  }

  /** Not to be sent. */
  end() {
    this.#end(null);
  }

  /** @param {string|null} collection */
  #end(collection) {
    this.#answer?.(collection);
    this.#answer = null;
    this.element.hidden = true;
    this.changed();
  }
}

/** The name as the API will make it (docs/api.md, POST /uploads), so that nobody is surprised. @param {string} name */
function safeCollection(name) {
  const plain = name.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
  return plain.toLowerCase().slice(0, 60).replace(/^[-._]+|[-._]+$/g, "") || "uploads";
}
