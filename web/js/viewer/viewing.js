/** What the page does for the larger view: its address, the way back, and what is asked from there. */
import { ApiError } from "../api.js";
import { byId, loadStyle } from "../shared/dom.js";
import { AROUND, isLibrary, likeOf, picturesOf, queryAddress, readQuery } from "../asking/query.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("../asking/query.js").Query} Query
 */

export class Viewing {
  /** What the viewer was opened over. @type {Query|null} */
  #from = null;
  /** @type {import("./viewer.js").Viewer|null} */
  #viewer = null;
  /** @type {Promise<import("./viewer.js").Viewer>|null} */
  #loading = null;
  /** What is to be shown once the viewer is here. @type {Image|null} */
  #wanted = null;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** Fetches the viewer: the first answer does without it, the first click should not wait for it. */
  prepare() {
    this.#load().catch(() => {}); // asked once more when it is needed
  }

  #load() {
    this.#loading ??= Promise.all([import("./viewer.js"), loadStyle("css/viewer.css")]).then(
      ([{ Viewer }]) => (this.#viewer = new Viewer(byId("viewer"), this.#host())),
      (error) => {
        this.#loading = null;
        throw error;
      });
    return this.#loading;
  }

  /** @returns {import("./viewer.js").Host} */
  #host() {
    const { page } = this;
    return {
      items: () => page.results.grid.items,
      total: () => page.search.about.total,
      more: () => page.search.more(),
      link: (id) => new URL(queryAddress(readQuery("").query, id), document.baseURI).href,
      remove: (id) => page.remove(id),
      mayRemove: (image) => page.api.mayDelete(image),
      copies: (id, signal) => page.api.copies(id, signal),
      whole: (id, signal) => page.api.image(id, signal),
      open: (image) => this.open(image),
      searching: () => !isLibrary(page.search.query),
      like: (image, region, add) => this.#like({ id: image.id, region }, add),
      around: ({ lat, lon }) => this.#ask({ ...readQuery("").query, near: `${lat},${lon},${AROUND}` }),
      shown: (id) => this.#shown(id),
      closed: (id) => this.#closed(id),
    };
  }

  /** @param {Image} image */
  async open(image) {
    this.#wanted = image;
    try {
      const viewer = this.#viewer ?? (await this.#load());
      if (this.#wanted === image) viewer.show(image);
    } catch (error) {
      console.error(error);
      this.page.status.tell(texts.offlineTitle);
    }
  }

  #close() {
    this.#wanted = null;
    this.#viewer?.close();
  }

  /** @param {string} id */
  async openById(id) {
    const known = this.page.results.grid.items.find((image) => image.id === id);
    try {
      const image = known ?? (await this.page.api.image(id));
      if (readQuery(location.search).image === id) this.open(image);
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404;
      this.page.status.tell(gone ? texts.notFound : error instanceof Error ? error.message : String(error));
      if (gone && readQuery(location.search).image === id) history.replaceState(null, "", queryAddress(this.page.search.query));
    }
  }

  /** As the address says. @param {string} image */
  follow(image) {
    if (!image) this.#close();
    else if (this.#viewer?.image?.id !== image) this.openById(image);
  }

  /** @param {string} id */
  #shown(id) {
    this.#from = this.page.search.query;
    const { image } = readQuery(location.search);
    if (image === id) return;
    const address = queryAddress(this.page.search.query, id);
    if (image) history.replaceState(history.state, "", address);
    else history.pushState({ viewer: true }, "", address);
  }

  /** @param {string} id */
  #closed(id) {
    const { image } = readQuery(location.search);
    if (image && history.state?.viewer) history.back();
    else if (image) history.replaceState(null, "", queryAddress(this.page.search.query));
    const back = this.#from === this.page.search.query && this.page.results.grid.focus(id);
    if (!back) byId("results").focus({ preventScroll: true });
  }

  /** A new search by the picture, or the one under way with the picture in it. @param {{id: string, region: import("../asking/query.js").Region|null}} picture @param {boolean} add */
  #like(picture, add) {
    const now = this.page.search.query;
    const others = picturesOf(now).filter(({ id, region }) => id !== picture.id || String(region) !== String(picture.region));
    const query = add ? { ...now, closest: "", like: likeOf([...others, picture]) } : { ...readQuery("").query, like: likeOf([picture]) };
    this.#ask(query);
  }

  /** @param {Query} query */
  #ask(query) {
    const viewing = Boolean(readQuery(location.search).image);
    this.page.ask(query, { step: viewing ? "replace" : "push" }); // the viewer's own step becomes the new search
    this.#close();
  }
}
