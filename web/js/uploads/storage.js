/** What S3 says when it does not take a file (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
import { texts } from "../texts.js";

/** Codes of S3 that pass by themselves. */
const PASSING = new Set(["InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"]);
/** Codes of a place, or of the credentials it was signed with, whose time is over; an old policy is told by its message alone. */
const EXPIRED = new Set(["ExpiredToken", "TokenRefreshRequired"]);
const POLICY_EXPIRED = /polic\w* (?:has )?expired/i;

/** @param {{status: number, answer: string}} outcome @returns {{reason: string, expired: boolean, passing: boolean}} */
export function storageFault({ status, answer }) {
  const said = (/** @type {string} */ tag) => new RegExp(`<${tag}>([^<]{1,200})</${tag}>`).exec(answer)?.[1] ?? "";
  const code = said("Code");
  const message = said("Message");
  /** @type {Record<string, string>} */
  const words = texts.storageSays;
  return {
    reason: words[code] ?? (message ? texts.storageSaid(message) : texts.storageFailed(status)),
    expired: EXPIRED.has(code) || (status === 403 && POLICY_EXPIRED.test(message)),
    passing: PASSING.has(code) || status === 429 || status >= 500,
  };
}

/** Whether the file is still where it was chosen, and as it was. @param {File} file */
export async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
