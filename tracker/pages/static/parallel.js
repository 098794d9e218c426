// Parallel coordinates: a line for each run over the axes of its sweep and the metric. What is dragged
// over on an axis is kept; the table of runs shows those that are kept on every axis.
"use strict";
(() => {
  const STEP = 150, HEIGHT = 260, TOP = 34, SIDE = 70, TEXT = 18;
  const kept = new Map(); // axis -> the part of it that was dragged over, from 0 to 1
  const within = (range, v) => !range || (v >= range[0] && v <= range[1]);
  let filter = () => {}; // hides the runs that are not kept
  const svg = (name, attributes, parent) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (parent) parent.append(made);
    return made;
  };
  const short = (v) => (typeof v === "number" ? +v.toPrecision(4) + "" : String(v).length > TEXT ? String(v).slice(0, TEXT - 1) + "…" : String(v));

  // Where a value lies on its axis, from 0 (below) to 1; texts stand in their order, at equal distances.
  function scale(values) {
    if (values.every((v) => typeof v === "number")) {
      const low = Math.min(...values), high = Math.max(...values);
      return { at: (v) => (high > low ? (v - low) / (high - low) : 0.5), ticks: high > low ? [low, (low + high) / 2, high] : [low] };
    }
    const known = [...new Set(values.map(String))].sort();
    return { at: (v) => (known.length > 1 ? known.indexOf(String(v)) / (known.length - 1) : 0.5), ticks: known.slice(0, 30) };
  }

  function draw(place) {
    const { axes, lines } = JSON.parse(place.dataset.parallel);
    const width = 2 * SIDE + STEP * (axes.length - 1);
    const root = svg("svg", { width, height: HEIGHT + TOP + 16, role: "img", "aria-label": lines.length + " runs over " + axes.join(", ") }, place);
    const scales = axes.map((_, i) => scale(lines.map((line) => line.values[i])));
    const x = (i) => SIDE + i * STEP, y = (part) => TOP + (1 - part) * HEIGHT;
    const paths = lines.map((line) => {
      const path = svg("path", { d: line.values.map((v, i) => (i ? "L" : "M") + x(i) + " " + y(scales[i].at(v)).toFixed(1)).join("") }, root);
      svg("title", {}, path).textContent = line.title;
      return path;
    });

    filter = () => {
      const gone = new Set();
      lines.forEach((line, n) => {
        const on = line.values.every((v, i) => within(kept.get(axes[i]), scales[i].at(v)));
        paths[n].classList.toggle("off", !on);
        if (!on) gone.add(line.run);
      });
      for (const row of document.querySelectorAll("tr[data-run]")) row.hidden = gone.has(row.dataset.run);
      place.dataset.kept = lines.length - gone.size;
    };

    axes.forEach((axis, i) => {
      const group = svg("g", {}, root);
      svg("line", { x1: x(i), x2: x(i), y1: TOP, y2: TOP + HEIGHT }, group);
      svg("text", { x: x(i), y: 14, "text-anchor": "middle", class: "name" }, group).textContent = short(axis);
      for (const tick of scales[i].ticks) svg("text", { x: x(i) + 5, y: y(scales[i].at(tick)) + 4 }, group).textContent = short(tick);
      const brush = svg("rect", { x: x(i) - 8, width: 16, y: 0, height: 0, class: "brush" }, group);
      const keep = (range) => {
        if (range) kept.set(axis, range);
        else kept.delete(axis);
        brush.setAttribute("y", range ? y(range[1]) : 0);
        brush.setAttribute("height", range ? (range[1] - range[0]) * HEIGHT : 0);
      };
      keep(kept.get(axis));
      const grip = svg("rect", { x: x(i) - 14, width: 28, y: TOP - 6, height: HEIGHT + 12, class: "grip" }, group);
      const part = (event) => Math.max(0, Math.min(1, 1 - (event.clientY - root.getBoundingClientRect().top - TOP) / HEIGHT));
      let from = null;
      grip.addEventListener("pointerdown", (event) => {
        from = part(event);
        grip.setPointerCapture(event.pointerId);
      });
      grip.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const to = part(event);
        keep([Math.min(from, to), Math.max(from, to)]);
        filter();
      });
      grip.addEventListener("pointerup", (event) => {
        if (Math.abs(part(event) - from) < 0.01) {
          keep(null);
          filter();
        }
        from = null;
      });
    });
  }

  function show() {
    for (const place of document.querySelectorAll("[data-parallel]")) if (!place.querySelector("svg")) draw(place);
    filter();
  }
  show();
  document.addEventListener("live", show); // with other runs, or another table of them
})();
