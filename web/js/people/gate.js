/** The sign-in service did not answer. */
export class Unreachable extends Error {}

/** Where requests wait while nobody is signed in. */
export class Gate {
  /** While it is shut. @type {Promise<void>|null} */
  wait = null;
  #open = () => {};

  shut() {
    this.wait ??= new Promise((resolve) => (this.#open = () => resolve()));
  }

  open() {
    this.#open();
    this.wait = null;
  }
}
