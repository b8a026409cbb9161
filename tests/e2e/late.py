"""Answers of the API that come late to the page."""

from __future__ import annotations

import json

HOLD_FETCHES = """
window.held = [];
const ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await ask(asked[0], {...asked[1], signal: undefined});
  if (!String(asked[0]).includes(%s)) return answer;
  await new Promise((go) => window.held.push(go));
  const text = await answer.text();
  answer.text = async () => {
    setTimeout(() => (window.taken = true)); // after all that follows from the text
    return text;
  };
  return answer;
};
"""


def hold(part: str) -> str:
    """A script that keeps back answers from addresses with `part` until `held` lets them go.
    Nothing the page does calls them off: they come as late as an answer can come. `taken` says
    that the page has dealt with one."""
    return HOLD_FETCHES % json.dumps(part)
