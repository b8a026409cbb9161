/** Puts the parts of uploads together: what came in, the line, the panel. */
import { byId } from "../shared/dom.js";
import { UploadPanel } from "./upload-panel.js";
import { Uploads } from "./uploads.js";
import { filesIn } from "./folders.js";

/** @typedef {import("./door.js").Arrival} Arrival */

export class Desk {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.uploads = new Uploads(page.api, { changed: (upload) => this.panel.changed(upload), ready: (images) => page.arrivals.uploaded(images) });
    this.panel = new UploadPanel(byId("uploads"), this.uploads, (image) => page.viewing.open(image));
  }

  /** @param {Arrival} arrival */
  async take({ files, entries }) {
    const found = entries ? await filesIn(entries) : files;
    if (found.length) this.uploads.add(found, this.page.search.query.collection);
    this.page.status.refresh();
  }

  get unsent() {
    return this.uploads.in("queued", "uploading").length > 0;
  }

  end() {
    this.uploads.cancelAll();
  }
}
