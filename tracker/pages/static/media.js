// Draws what a run has logged as such: histograms over steps, and point clouds that can be turned.
"use strict";
(() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (v) => ({ NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity })[v] ?? +v;

  const views = new Map(); // how a cloud was turned, for the next of the same name

  function histogram(canvas) {
    const columns = JSON.parse(canvas.dataset.histograms), c = canvas.getContext("2d");
    const edges = columns.flatMap((h) => [number(h.edges[0]), number(h.edges[h.edges.length - 1])]).filter(isFinite);
    if (!edges.length) return;
    const low = Math.min(...edges), high = Math.max(...edges), left = 64, bottom = 24;
    const width = canvas.width - left, height = canvas.height - bottom;
    const y = (v) => height * (1 - (v - low) / (high - low || 1));
    const most = Math.max(...columns.flatMap((h) => h.counts.map(number)).filter(isFinite), 1);
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.fillStyle = style("--accent");
    columns.forEach((h, i) =>
      h.counts.forEach((n, b) => {
        c.globalAlpha = Math.sqrt(number(n) / most) || 0;
        const top = y(number(h.edges[b + 1])), base = y(number(h.edges[b]));
        c.fillRect(left + (i * width) / columns.length, top, width / columns.length + 0.5, Math.max(1, base - top));
      }));
    c.globalAlpha = 1;
    c.fillStyle = style("--soft");
    c.font = "11px system-ui, sans-serif";
    c.fillText(high.toPrecision(4), 2, 11);
    c.fillText(low.toPrecision(4), 2, height);
    c.fillText("step " + columns[0].step, left, canvas.height - 6);
    c.textAlign = "right";
    c.fillText("step " + columns[columns.length - 1].step, canvas.width - 4, canvas.height - 6);
    c.textAlign = "left";
    canvas.dataset.drawn = columns.length;
  }

  async function cloud(canvas) {
    const MOST = 100000;
    const answer = await fetch(canvas.dataset.src, { credentials: "same-origin" });
    if (!answer.ok) return;
    const data = await answer.json().catch(() => []);
    const all = (Array.isArray(data) ? data : data.points || []).filter((p) => Array.isArray(p) && p.length >= 3 && p.slice(0, 3).every(Number.isFinite));
    const stride = Math.ceil(all.length / MOST) || 1, points = all.filter((_, i) => i % stride === 0);
    const middle = [0, 1, 2].map((k) => points.reduce((sum, p) => sum + p[k], 0) / (points.length || 1));
    const radius = Math.sqrt(points.reduce((r, p) => Math.max(r, p.slice(0, 3).reduce((s, v, k) => s + (v - middle[k]) ** 2, 0)), 0)) || 1;
    const palette = ["--accent", "--bad", "--good", "--wait", "--soft"];
    const name = canvas.getAttribute("aria-label");
    let [turn, tilt] = views.get(name) || [0.6, 0.5];
    const draw = () => {
      const c = canvas.getContext("2d"), scale = (Math.min(canvas.width, canvas.height) / 2 - 8) / radius;
      const colours = palette.map(style);
      c.clearRect(0, 0, canvas.width, canvas.height);
      const [ct, st, cu, su] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
      for (const p of points) {
        const [x, y, z] = [p[0] - middle[0], p[1] - middle[1], p[2] - middle[2]];
        const across = x * ct - y * st, deep = x * st + y * ct, up = z * cu - deep * su;
        c.fillStyle = p.length >= 6 ? "rgb(" + p.slice(3, 6).map((v) => +v | 0).join(" ") + ")" : colours[p.length === 4 ? Math.abs(p[3] | 0) % colours.length : 0];
        c.fillRect(canvas.width / 2 + across * scale, canvas.height / 2 - up * scale, 2, 2);
      }
      canvas.dataset.drawn = points.length;
      views.set(name, [turn, tilt]);
    };
    let from = null;
    canvas.addEventListener("pointerdown", (e) => { from = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener("pointerup", () => (from = null));
    canvas.addEventListener("pointermove", (e) => {
      if (!from) return;
      turn += (e.clientX - from[0]) / 100;
      tilt += (e.clientY - from[1]) / 100;
      from = [e.clientX, e.clientY];
      draw();
    });
    canvas.addEventListener("keydown", (e) => {
      const move = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[e.key];
      if (!move) return;
      turn += move[0];
      tilt += move[1];
      e.preventDefault();
      draw();
    });
    draw();
  }

  const seer = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      seer.unobserve(target);
      if (target.matches(".histogram")) histogram(target);
      else cloud(target);
    }
  });
  const known = new WeakSet();
  const watch = () => {
    for (const canvas of document.querySelectorAll("canvas.histogram, canvas.cloud"))
      if (!known.has(canvas)) known.add(canvas), seer.observe(canvas);
  };
  watch();
  document.addEventListener("live", watch);
})();
