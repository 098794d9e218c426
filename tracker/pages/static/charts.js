// Panels of curves (charts.html): each figure is asked for when it is seen, several at once, and
// drawn with uPlot. What is chosen stands in the address, so that a view can be shared.
"use strict";
(() => {
  const KEYS_AT_ONCE = 6; // after the very first, which is drawn the sooner alone
  const COLOURS = {
    light: ["#1f5c9e", "#a34c12", "#17693f", "#a8322a", "#7a4bb0", "#7a5608", "#b03a83", "#0d6674", "#5b6470", "#44700f"],
    dark: ["#7db4ef", "#f0a063", "#63c692", "#f0877f", "#bb9bea", "#dcb257", "#ec8fc5", "#5cc6d4", "#a9b4c2", "#a5cf68"],
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (i) => {
    const all = COLOURS[scheme.matches ? "dark" : "light"];
    return all[i % all.length];
  };
  const short = (v) => (v == null ? "–" : Math.abs(v) >= 1e5 || (v && Math.abs(v) < 1e-3) ? v.toExponential(2) : +v.toPrecision(5) + "");
  const seconds = (s) => (s < 120 ? short(s) + " s" : s < 7200 ? short(s / 60) + " min" : short(s / 3600) + " h");

  // Curves over one axis. The points of two curves share a place where their x is the same; elsewhere
  // a curve has `undefined`, over which uPlot draws on; `null` is a gap.
  function join(curves) {
    const places = new Map();
    curves.forEach((curve, c) => {
      let again = 0;
      curve.x.forEach((x, i) => {
        again = i && x === curve.x[i - 1] ? again + 1 : 0;
        const at = again ? x + ":" + again : x;
        if (!places.has(at)) places.set(at, { x, again, ys: [] });
        places.get(at).ys[c] = curve.y[i];
      });
    });
    const rows = [...places.values()].sort((a, b) => a.x - b.x || a.again - b.again);
    return [rows.map((r) => r.x), ...curves.map((_, c) => rows.map((r) => r.ys[c]))];
  }

  // Exponential moving average, without its pull towards 0 in the beginning; gaps stay.
  function smoothed(ys, weight) {
    let mean = 0, sum = 0;
    return ys.map((y) => {
      if (y == null) return y;
      mean = weight * mean + (1 - weight) * y;
      sum = weight * sum + (1 - weight);
      return mean / sum;
    });
  }

  class Panel {
    constructor(element) {
      this.element = element;
      this.shows(element);
      this.waiting = new Set();
      this.plots = new Map();
      this.answers = new Map();
      this.texts = new WeakMap(); // figure -> the answer that it shows
      this.own = element.dataset.name === "history"; // whose choices the address holds
      const controls = element.querySelectorAll(".controls [name]");
      this.controls = Object.fromEntries([...controls].map((c) => [c.name, c]));
      this.read();
      for (const control of controls) control.addEventListener("input", () => this.chosen(control));
      this.seer = new IntersectionObserver((seen) => {
        for (const { target, isIntersecting } of seen) {
          target.dataset.seen = isIntersecting ? "yes" : "";
          if (isIntersecting) this.want(target);
        }
      }, { rootMargin: "200px" });
      this.sizes = new ResizeObserver((changed) => {
        for (const { target, contentRect } of changed) {
          const plot = this.plots.get(target.parentElement);
          if (plot && contentRect.width && Math.abs(plot.width - contentRect.width) > 1)
            plot.setSize({ width: contentRect.width, height: plot.height });
        }
      });
      this.watch();
      this.find();
      if (!element.dataset.first) return;
      this.waiting.add(this.figures[0]);
      this.ask(element.dataset.first); // before the browser says what is seen, after its first frame
    }

    shows({ dataset }) {
      this.runs = JSON.parse(dataset.runs);
      this.places = JSON.parse(dataset.colours || "null");
    }

    get figures() {
      return [...this.element.querySelectorAll("figure[data-key]")];
    }

    watch() {
      for (const figure of this.figures) {
        this.seer.observe(figure);
        this.sizes.observe(figure.querySelector(".plot"));
      }
    }

    read() {
      const query = new URLSearchParams(location.search);
      for (const [name, control] of Object.entries(this.controls)) {
        if (!this.own || !query.has(name)) continue;
        if (control.type === "checkbox") control.checked = true;
        else control.value = query.get(name);
      }
      if (this.controls.axis && this.controls.axis.selectedIndex < 0) this.controls.axis.value = "";
    }

    value(name) {
      const control = this.controls[name];
      if (!control) return "";
      return control.type === "checkbox" ? (control.checked ? control.value : "") : control.value;
    }

    chosen(control) {
      if (this.own) {
        const query = new URLSearchParams(location.search);
        const value = this.value(control.name);
        if (value && value !== "0") query.set(control.name, value);
        else query.delete(control.name);
        history.replaceState(null, "", query.size ? "?" + query : location.pathname);
      }
      if (control.name === "find") return this.find();
      if (control.name === "axis" || control.name === "mean") {
        this.answers.clear();
        for (const figure of this.figures) if (figure.dataset.seen) this.want(figure);
      } else for (const [figure, curves] of this.answers) this.draw(figure, curves);
    }

    find() {
      const wanted = this.value("find").toLowerCase().split(/\s+/).filter(Boolean);
      for (const section of this.element.querySelectorAll("details.prefix")) {
        let shown = 0;
        for (const figure of section.querySelectorAll("figure")) {
          const key = figure.dataset.key.toLowerCase();
          figure.hidden = !wanted.every((part) => key.includes(part));
          shown += !figure.hidden;
        }
        section.hidden = !shown;
        if (wanted.length && shown) section.open = true;
      }
    }

    want(figure) {
      if (this.answers.has(figure) || this.waiting.has(figure)) return;
      this.waiting.add(figure);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), 20);
    }

    async ask(first = "") {
      if (this.asking) return;
      this.asking = true;
      for (; this.waiting.size; first = "") {
        const figures = [...this.waiting].slice(0, first ? 1 : KEYS_AT_ONCE);
        if (await this.fetch(figures, first)) for (const figure of figures) this.waiting.delete(figure);
      }
      this.asking = false;
    }

    // What a page that was asked for again says of this panel. Figures stay, and new ones come.
    renew(fresh) {
      if (fresh) {
        this.shows(fresh);
        const open = new Map([...this.element.querySelectorAll("details")].map((d) => [d.dataset.prefix, d.open]));
        const own = new Map(this.figures.map((figure) => [figure.dataset.key, figure]));
        const figures = [...fresh.querySelectorAll("figure")];
        if (figures.some((figure) => !own.has(figure.dataset.key))) {
          for (const details of fresh.querySelectorAll("details")) details.open = open.get(details.dataset.prefix) ?? details.open;
          for (const figure of figures) figure.replaceWith(own.get(figure.dataset.key) || figure);
          this.element.querySelector(".sections").replaceWith(fresh.querySelector(".sections"));
          this.watch();
          this.find();
        }
      }
      for (const figure of this.figures)
        if (figure.dataset.seen) this.waiting.add(figure);
        else this.answers.delete(figure);
      this.ask();
    }

    choice() {
      const query = new URLSearchParams({ of: this.element.dataset.of, axis: this.value("axis") });
      if (this.value("mean")) query.set("mean", this.value("mean"));
      for (const run of this.runs) query.append("run", run);
      return query.toString();
    }

    // Asks for the curves of figures, and draws them. Whether they are what is chosen by then, still.
    async fetch(figures, address) {
      const choice = this.choice(), query = new URLSearchParams(choice);
      for (const figure of figures) query.append("key", figure.dataset.key);
      let curves, error;
      try {
        const answer = await fetch(address || this.element.dataset.url + "?" + query, { credentials: "same-origin" });
        ({ curves, error } = await answer.json());
      } catch (problem) {
        error = "The server did not answer: " + problem.message;
      }
      if (choice !== this.choice()) return false;
      for (const figure of figures) {
        if (error) {
          figure.querySelector(".note").textContent = error;
          this.texts.delete(figure);
        } else {
          const own = curves.filter((curve) => curve.key === figure.dataset.key);
          const text = JSON.stringify([own, this.places]), is_drawn = text === this.texts.get(figure);
          this.texts.set(figure, text);
          this.answers.set(figure, own);
          if (!is_drawn) this.draw(figure, own);
        }
      }
      return true;
    }

    draw(figure, curves) {
      const place = figure.querySelector(".plot"), log = !!this.value("log");
      const weight = +this.value("smooth") || 0;
      const old = this.plots.get(figure);
      const zoom = old && figure.dataset.zoomed ? { min: old.scales.x.min, max: old.scales.x.max } : null;
      if (old) old.destroy();
      this.plots.delete(figure);
      const notes = [];
      let below = 0;
      curves = curves.filter((curve) => curve.x.length);
      const drawn = curves.map((curve) => {
        if (!log) return curve;
        const y = curve.y.map((v) => (v != null && v <= 0 ? (below++, null) : v));
        const mask = (band) => band && band.map((v) => (v != null && v <= 0 ? null : v));
        return { ...curve, y, low: mask(curve.low), high: mask(curve.high) };
      });
      for (const curve of curves) if (curve.note) notes.push((curves.length > 1 ? curve.title + ": " : "") + curve.note);
      if (below) notes.push(below + " at or below 0 are not on a log axis");
      figure.querySelector(".note").textContent = notes.slice(0, 3).join(" · ") + (notes.length > 3 ? " · and " + (notes.length - 3) + " more" : "");
      figure.dataset.points = curves.reduce((sum, curve) => sum + curve.y.filter((y) => y != null).length, 0);
      figure.dataset.curves = curves.length;
      figure.dataset.axis = [...new Set(curves.map((curve) => curve.axis))].join(" ");
      if (!drawn.some((curve) => curve.y.some((y) => y != null))) {
        place.replaceChildren();
        place.textContent = "No finite values" + (figure.dataset.axis ? " over " + figure.dataset.axis : "") + ".";
        place.setAttribute("aria-label", figure.dataset.key + ": no finite values");
        return;
      }
      place.replaceChildren();
      const plot = this.plot(place, drawn, { log, weight, figure });
      this.plots.set(figure, plot);
      if (zoom) plot.setScale("x", zoom);
      const values = curves.flatMap((curve) => curve.y).filter((y) => y != null);
      const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
      place.setAttribute("aria-label", figure.dataset.key + ": " + curves.length + " curve(s) over " + figure.dataset.axis + ", from " + short(low) + " to " + short(high));
    }

    place(run) {
      const own = this.places && this.places[run];
      return own == null ? Math.max(0, this.runs.indexOf(run)) : own;
    }

    plot(place, curves, { log, weight, figure }) {
      const time = curves.every((curve) => curve.axis === "_runtime");
      const lines = [], bands = [];
      for (const curve of curves) {
        const stroke = colour(this.place(curve.run));
        if (curve.low) {
          const n = lines.length + 1;
          bands.push({ series: [n + 1, n], fill: stroke + "33" });
          for (const edge of [curve.low, curve.high])
            lines.push({ curve: { x: curve.x, y: edge }, stroke: "transparent", width: 0, points: { show: false }, label: "", class: "edge" });
        }
        if (weight) {
          lines.push({ curve, stroke: stroke + "59", width: 1, points: { show: false }, label: "", class: "raw" });
          lines.push({ curve: { ...curve, y: smoothed(curve.y, weight) }, stroke, width: 2, points: { show: false }, label: curve.title });
        } else lines.push({ curve, stroke, width: curves.length > 8 ? 1 : 1.5, points: { fill: stroke }, label: curve.title });
      }
      const text = style("--soft"), grid = { stroke: style("--line"), width: 1 };
      const axis = { stroke: text, grid, ticks: grid, font: "11px system-ui, sans-serif" };
      const value = (_, v) => short(v);
      const options = {
        width: place.clientWidth || 320,
        height: 208,
        scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
        series: [
          { label: curves[0].axis, value: (_, v) => (v == null ? "–" : time ? seconds(v) : short(v)) },
          ...lines.map(({ curve, ...line }) => ({ ...line, value })),
        ],
        bands,
        axes: [
          { ...axis, size: 34, values: (_, splits) => splits.map((v) => (time ? seconds(v) : short(v))) },
          { ...axis, size: 58, values: (_, splits) => splits.map((v) => (v == null ? "" : short(v))) },
        ],
        cursor: {
          drag: { x: true, y: false },
          dataIdx: (u, s, hovered) => nearest(u.data[s], hovered),
        },
        legend: { live: true },
        hooks: {
          draw: [(u) => mark(u, curves)],
          setScale: [(u, key) => {
            if (key !== "x" || !u.data[0].length) return;
            const xs = u.data[0], whole = u.scales.x.min <= xs[0] && u.scales.x.max >= xs[xs.length - 1];
            figure.dataset.zoomed = whole ? "" : "yes";
          }],
        },
      };
      const plot = new uPlot(options, join(lines.map((line) => line.curve)), place);
      plot.root.querySelector(".u-legend").tabIndex = 0; // it scrolls where curves are many
      const rows = plot.root.querySelectorAll(".u-legend .u-series");
      lines.forEach((line, i) => line.label || (rows[i + 1].style.display = "none"));
      return plot;
    }
  }

  function nearest(ys, at) {
    if (at == null || ys[at] != null) return at;
    for (let d = 1; d < ys.length; d++) {
      if (ys[at - d] != null) return at - d;
      if (ys[at + d] != null) return at + d;
    }
    return at;
  }

  // Values that are not finite stand as small triangles at the edge to which they went.
  function mark(u, curves) {
    const { left, top, width, height } = u.bbox, size = 5 * devicePixelRatio, c = u.ctx;
    c.save();
    c.fillStyle = style("--bad");
    for (const curve of curves)
      for (const [x, word] of curve.marks || []) {
        const at = u.valToPos(x, "x", true);
        if (at < left || at > left + width) continue;
        const up = word === "Infinity", y = up ? top : top + height, d = up ? size : -size;
        c.beginPath();
        c.moveTo(at, y);
        c.lineTo(at - size, y + d);
        c.lineTo(at + size, y + d);
        c.fill();
      }
    c.restore();
  }

  const panels = new Map(); // element -> panel
  const begin = () => {
    for (const element of document.querySelectorAll(".panel"))
      if (!panels.has(element)) panels.set(element, new Panel(element));
  };
  begin();
  scheme.addEventListener("change", () => {
    for (const panel of panels.values()) for (const [figure, curves] of panel.answers) panel.draw(figure, curves);
  });
  document.addEventListener("live", ({ detail: page }) => {
    for (const panel of panels.values()) panel.renew(page.getElementById(panel.element.id));
    begin();
  });
})();
