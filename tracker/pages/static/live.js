// Keeps a page about something that runs up to date: it is asked for again, and the parts of it that
// differ are put in their places. A page about nothing that runs asks for nothing.
"use strict";
(() => {
  const SECONDS = 5;
  const served = new WeakMap(); // a part, or an item in one -> its HTML before scripts drew in it
  const remember = (page) => {
    for (const element of page.querySelectorAll("[data-part], [data-item]")) served.set(element, element.outerHTML);
  };
  const at_end = (e) => e.scrollTop && e.scrollTop + e.clientHeight >= e.scrollHeight - 2;
  const kept = (part) => ({
    checked: [...part.querySelectorAll("input:checked")].map((i) => i.name + "=" + i.value),
    open: [...part.querySelectorAll("details[id]")].map((d) => [d.id, d.open]),
    scroll: [...part.querySelectorAll("[tabindex]")].map((e) => [e.scrollLeft, at_end(e) ? null : e.scrollTop]),
  });
  const named = (e) => [e.tagName, e.name, e.value, e.href, e.getAttribute("aria-label")].join();

  function replace(part, fresh) {
    if (served.get(part) === served.get(fresh)) return;
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    if (focus && focus.matches("input:not([type=checkbox]), textarea, select")) return;
    const state = kept(part);
    const items = new Map([...part.querySelectorAll("[data-item]")].map((item) => [served.get(item), item]));
    for (const item of fresh.querySelectorAll("[data-item]")) {
      const own = items.get(served.get(item)); // stays: loaded, drawn, turned
      if (own && part.contains(own) && fresh.contains(item)) item.replaceWith(own);
    }
    part.replaceWith(fresh);
    for (const input of fresh.querySelectorAll("input[type=checkbox]"))
      input.checked = state.checked.includes(input.name + "=" + input.value);
    for (const [id, open] of state.open) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    [...fresh.querySelectorAll("[tabindex]")].forEach((e, i) => {
      const [left, top] = state.scroll[i] || [0, 0];
      e.scrollTo(left, top ?? e.scrollHeight);
    });
    const twin = focus && [...fresh.querySelectorAll(focus.tagName)].find((e) => named(e) === named(focus));
    if (twin) twin.focus({ preventScroll: true });
  }

  // Parts come when there is something to say in them: behind what stands before them on the page.
  function add(page) {
    let before = null;
    for (const fresh of page.querySelectorAll("main > [id]")) {
      const own = document.getElementById(fresh.id);
      if (!own && before) before.after(fresh);
      before = own || fresh;
    }
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
    remember(page);
    add(page);
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
  remember(document);
  const end = document.querySelector("#console pre");
  if (end) end.scrollTop = end.scrollHeight; // its last lines are the news
  go();
})();
