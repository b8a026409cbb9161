/**
 * One file on its way into the bucket, by the form POST that S3 gave a place for.
 *
 * @typedef {{kind: "sent"}|{kind: "stopped"}|{kind: "broken"}|{kind: "refused", status: number, answer: string}} Outcome
 */

/** So many looks in a row without a byte more, and the connection counts as broken. Looks, not time: a device that slept has not waited. */
const LOOKS = 12;
const LOOK_MS = 10_000;

/**
 * XMLHttpRequest, since fetch tells nothing of what has been sent.
 * @param {import("../api.js").Place} place @param {File} file @param {(progress: number) => void} onProgress from 0 to 1
 * @returns {{done: Promise<Outcome>, stop: () => void}}
 */
export function send({ post }, file, onProgress) {
  const form = new FormData();
  for (const [name, value] of Object.entries(post.fields)) form.append(name, value);
  form.append("file", file);
  const request = new XMLHttpRequest();
  let looks = 0;
  let silent = false;
  const watch = setInterval(() => {
    looks += 1;
    if (looks < LOOKS) return;
    silent = true;
    request.abort();
  }, LOOK_MS);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    looks = 0;
    onProgress(total ? loaded / total : 0);
  });
  /** @type {Promise<Outcome>} */
  const done = new Promise((resolve) => {
    request.addEventListener("load", () => resolve(outcomeOf(request)));
    request.addEventListener("error", () => resolve({ kind: "broken" }));
    request.addEventListener("abort", () => resolve({ kind: silent ? "broken" : "stopped" }));
    request.addEventListener("loadend", () => clearInterval(watch));
  });
  request.open("POST", post.url);
  request.send(form);
  return { done, stop: () => request.abort() };
}

/** @param {XMLHttpRequest} request @returns {Outcome} */
function outcomeOf(request) {
  const { status, responseText } = request;
  if (status >= 200 && status < 300) return { kind: "sent" };
  return { kind: "refused", status, answer: responseText };
}
