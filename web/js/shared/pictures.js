/**
 * Pictures whose address leads to a presigned one. That ends by the clock, and with the credentials
 * it was signed with, which may be sooner
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html): then the API
 * has to sign anew, past what caches remember.
 */

/**
 * Asks once more for a picture that did not come, then says that it `failed`.
 * @param {HTMLImageElement} picture @param {() => void} failed
 */
export function askedAgain(picture, failed) {
  picture.addEventListener("error", () => {
    const { again } = picture.dataset;
    if (!picture.src) return; // called off
    if (again || !navigator.onLine) return failed();
    picture.dataset.again = "yes";
    picture.src = anew(picture.src);
  });
}

/** Another address of the same picture. @param {string} address */
function anew(address) {
  const url = new URL(address);
  url.searchParams.set("v", Date.now().toString(36));
  return url.href;
}
