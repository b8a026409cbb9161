/** Puts the parts of uploads together: what came in, the question about a folder, the line, the panel. */
import { announce } from "../shared/announce.js";
import { byId } from "../shared/dom.js";
import { texts } from "../texts.js";
import { faultOf, onlyOnce, sortOut } from "./folders.js";
import { LeftOut } from "./left-out.js";
import { Question } from "./question.js";
import { UploadPanel } from "./upload-panel.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./door.js").Arrival} Arrival */

export class Desk {
  /** Arrivals that are looked through, or asked about. */
  #open = 0;
  /** One after another: the second finds what the first has put in line. */
  #turn = Promise.resolve();

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.left = new LeftOut(() => this.panel.changed());
    this.question = new Question(() => this.panel.changed());
    this.uploads = new Uploads(page.api, { changed: (upload) => this.panel.changed(upload), ready: (images) => page.arrivals.uploaded(images) });
    this.panel = new UploadPanel(byId("uploads"), this.uploads, { left: this.left, question: this.question, open: (image) => page.viewing.open(image) });
  }

  /** @param {Arrival} arrival */
  async take(arrival) {
    this.#open += 1;
    try {
      const { collection } = this.page.search.query;
      const chosen = await this.#choose(arrival, collection);
      if (chosen) await (this.#turn = this.#turn.catch(() => {}).then(() => this.#line(chosen.files, chosen.collection)));
    } finally {
      this.#open -= 1;
    }
  }

  /** What is to be sent, and to which collection. @param {Arrival} arrival @param {string} shown the collection that is looked at */
  async #choose(arrival, shown) {
    const { files, folder, left } = await sortOut(arrival, (n) => this.panel.looking(n));
    this.panel.looking(0);
    this.left.add(left);
    if (!files.length && left.length) announce(texts.noImages);
    if (!files.length) return null;
    const whole = Boolean(folder || left.length || arrival.entries);
    const collection = whole && !shown ? await this.question.ask(files.length, folder) : shown;
    if (collection !== null) return { files, collection };
    this.left.remove(left);
    return null;
  }

  /** @param {File[]} files @param {string} collection */
  async #line(files, collection) {
    const under = this.uploads.in("queued", "uploading", "waiting").filter((upload) => upload.collection === collection);
    const { once, twice } = await onlyOnce(files, under.map(({ file }) => file));
    this.left.add(twice.map(({ name }) => ["twice", name]));
    this.uploads.add(once, collection, faultOf);
    this.page.status.refresh();
  }

  get unsent() {
    return this.#open > 0 || this.uploads.count("queued", "uploading") > 0;
  }

  end() {
    this.question.end();
    this.uploads.cancelAll();
  }
}
