// Keeps a page about something that runs up to date: it is asked for again, and the parts of it that
// differ are put in their places. A page about nothing that runs asks for nothing.
"use strict";
(() => {
  const SECONDS = 5;
  const kept = (part) => ({
    checked: [...part.querySelectorAll("input:checked")].map((i) => i.name + "=" + i.value),
    open: [...part.querySelectorAll("details[id]")].map((d) => [d.id, d.open]),
    scroll: [...part.querySelectorAll("[tabindex]")].map((e) => e.scrollTop),
  });

  function replace(part, fresh) {
    if (part.innerHTML === fresh.innerHTML) return;
    const focus = document.activeElement;
    if (part.contains(focus) && focus.matches("input, textarea, select, button, a")) return;
    const state = kept(part);
    part.replaceChildren(...fresh.childNodes);
    for (const input of part.querySelectorAll("input[type=checkbox]"))
      input.checked = state.checked.includes(input.name + "=" + input.value);
    for (const [id, open] of state.open) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    [...part.querySelectorAll("[tabindex]")].forEach((e, i) => (e.scrollTop = state.scroll[i] || 0));
  }

  async function refresh() {
    if (document.hidden) return;
    const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (!answer) return; // the server may come again
    if (!answer.ok) {
      document.body.dataset.live = "";
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    for (const part of document.querySelectorAll("[data-part]")) {
      const fresh = page.getElementById(part.id);
      if (fresh) replace(part, fresh);
    }
    document.body.dataset.live = page.body.dataset.live;
    document.dispatchEvent(new CustomEvent("live", { detail: page }));
  }

  async function go() {
    while (document.body.dataset.live) {
      await new Promise((done) => setTimeout(done, 1000 * SECONDS));
      await refresh();
    }
  }
  go();
})();
