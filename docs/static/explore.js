// The page that explores: everything it shows stands in the page, nothing is fetched.
(() => {
  "use strict";
  const at = (name) => document.getElementById(`explore-${name}`);
  if (!at("data")) return;
  const data = JSON.parse(at("data").textContent);
  const [LEFT, RIGHT, TOP, BOTTOM] = [48, 408, 12, 262];

  const fill = (select, values, chosen) => {
    for (const value of values) select.add(new Option(value, value, value === chosen, value === chosen));
  };
  const distinct = (key) => [...new Set(data.panels.map((panel) => panel[key]))];
  const panel = () =>
    data.panels.find((p) => p.dim === Number(at("dim").value) && p.batch === Number(at("batch").value));
  const digits = (value) => (value === null ? "–" : Number(value.toPrecision(3)).toString());

  const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);
  const tag = (name, attributes, text = "") =>
    `<${name} ${Object.entries(attributes).map(([key, value]) => `${key}="${value}"`).join(" ")}>${text}</${name}>`;
  const line = (points, style) =>
    points.length ? tag("polyline", { points: points.map((p) => p.join(",")).join(" "), class: style }) : "";
  const ticks = (low, high, count) => {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) found.push(tick);
    return found.map((tick) => Number(tick.toPrecision(6)));
  };
  const axes = (x, y, xs, ys, names) =>
    tag("path", { d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}`, class: "axis" }) +
    xs.map((t) => tag("text", { x: x(t), y: BOTTOM + 16, "text-anchor": "middle" }, t)).join("") +
    ys.map((t) => tag("text", { x: LEFT - 6, y: y(t) + 4, "text-anchor": "end" }, t)).join("") +
    tag("text", { x: (LEFT + RIGHT) / 2, y: BOTTOM + 34, "text-anchor": "middle" }, names[0]) +
    tag("text", { x: 12, y: (TOP + BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(TOP + BOTTOM) / 2})` }, names[1]);

  const verdict = (point, graph, step, [variance, divergence]) => {
    const head = `${graph}, step size ${step}: `;
    const ends = ` Infinite variance from ${digits(variance)}, no stationary law from ${digits(divergence)}.`;
    if (!point.stationary) return `${head}no stationary law, and no tail index (ρ = ${digits(point.rho)}).${ends}`;
    if (point.bound) return `${head}the tail is lighter than α = ${digits(data.cap)}.${ends}`;
    const moments = point.alpha < 2 ? "the variance is infinite" : "the variance is finite";
    return `${head}α = ${digits(point.alpha)} ± ${digits(point.stderr)}, ${moments}.${ends}`;
  };

  const drawAlpha = (shown, graph, index) => {
    const steps = shown.step_sizes;
    const x = scale(steps[0], steps.at(-1), LEFT + 8, RIGHT - 8);
    const y = scale(0, data.cap, BOTTOM, TOP);
    const parts = [axes(x, y, ticks(steps[0], steps.at(-1), 5), ticks(0, data.cap, 4), ["step size η", "tail index α"])];
    parts.push(line([[LEFT, y(2)], [RIGHT, y(2)]], "guide"));
    for (const [name, curve] of Object.entries(shown.graphs)) {
      const points = curve.points
        .map((point, k) => [x(steps[k]), point])
        .filter(([, point]) => point.alpha !== null && !point.bound)
        .map(([left, point]) => [left, y(point.alpha)]);
      parts.push(line(points, name === graph ? "curve chosen" : "curve"));
    }
    const [variance, divergence] = shown.graphs[graph].frontiers;
    for (const [end, style] of [[variance, "variance"], [divergence, "divergence"]])
      if (end <= steps.at(-1)) parts.push(line([[x(end), TOP], [x(end), BOTTOM]], style));
    const point = shown.graphs[graph].points[index];
    if (point.alpha !== null)
      parts.push(tag("circle", { cx: x(steps[index]), cy: y(Math.min(point.alpha, data.cap)), r: 5, class: "here" }));
    at("alpha").innerHTML = parts.join("");
    at("alpha-told").textContent =
      `Tail index against step size: ${graph} in full colour, the other graphs pale. Dashed: infinite variance; dotted: no stationary law.`;
  };

  const drawGrowth = (shown, graph, index) => {
    const point = shown.graphs[graph].points[index];
    const known = data.moments.map((s, k) => [s, point.growth[k]]).filter(([, value]) => value !== null);
    if (point.alpha !== null && !point.bound) known.push([point.alpha, 0]);
    known.push([0, 0]);
    known.sort((a, b) => a[0] - b[0]);
    const last = Math.max(data.moments.at(-1), point.bound ? 0 : point.alpha ?? 0);
    const low = Math.min(0, ...known.map(([, value]) => value), point.rho * 0.5);
    // The dip below 0 is what there is to see: what rises far above it is cut off.
    const high = Math.max(0.02, Math.min(Math.max(...known.map(([, value]) => value)), -3 * low || Infinity));
    const x = scale(0, last, LEFT + 8, RIGHT - 8);
    const y = scale(low, high, BOTTOM, TOP);
    const parts = [axes(x, y, ticks(0, last, 5), ticks(low, high, 5), ["moment s", "log h(s)"])];
    parts.push(line([[LEFT, y(0)], [RIGHT, y(0)]], "guide"));
    parts.push(line([[x(0), y(0)], [x(0.5), y(0.5 * point.rho)]], "tangent"));
    const inside = known.filter(([, value]) => value <= high);
    const [end, beyond] = [inside.at(-1), known[inside.length]];
    const cut = beyond && [end[0] + ((high - end[1]) / (beyond[1] - end[1])) * (beyond[0] - end[0]), high];
    parts.push(line([...inside, ...(cut ? [cut] : [])].map(([s, value]) => [x(s), y(value)]), "curve chosen"));
    for (const [s, value] of inside) parts.push(tag("circle", { cx: x(s), cy: y(value), r: 2.5, class: "known" }));
    if (point.alpha !== null && !point.bound)
      parts.push(tag("circle", { cx: x(point.alpha), cy: y(0), r: 5, class: "here" }));
    at("growth").innerHTML = parts.join("");
    at("growth-told").textContent = point.stationary
      ? "Growth of moments: log h(s) leaves 0 with slope ρ < 0 (dashed) and, where it crosses 0 again, is α. Computed at the dots."
      : "Growth of moments: log h(s) leaves 0 with slope ρ ≥ 0 (dashed) and never comes back: no stationary law.";
  };

  const drawTable = (shown, step) => {
    const rows = Object.entries(shown.graphs).map(([name, curve]) => {
      const point = curve.points[step];
      const alpha = !point.stationary ? "none" : point.bound ? `above ${digits(data.cap)}` : digits(point.alpha);
      return `<tr><th scope="row">${name}</th><td>${alpha}</td><td>${digits(point.rho)}</td>` +
        curve.frontiers.map((end) => `<td>${digits(end)}</td>`).join("") + "</tr>";
    });
    at("table").innerHTML =
      `<table class="table"><caption>All graphs at step size ${shown.step_sizes[step]}</caption><thead><tr><th>graph</th>` +
      "<th>α</th><th>ρ</th><th>infinite variance from</th><th>no law from</th></tr></thead><tbody>" +
      `${rows.join("")}</tbody></table>`;
  };

  const show = () => {
    const shown = panel();
    const graph = at("graph").value;
    const index = Number(at("step").value);
    const step = shown.step_sizes[index];
    at("step-shown").textContent = step;
    at("step").setAttribute("aria-valuetext", `step size ${step}`);
    at("verdict").textContent = verdict(shown.graphs[graph].points[index], graph, step, shown.graphs[graph].frontiers);
    drawAlpha(shown, graph, index);
    drawGrowth(shown, graph, index);
    drawTable(shown, index);
  };

  fill(at("dim"), distinct("dim"), 2);
  fill(at("batch"), distinct("batch"), 1);
  fill(at("graph"), Object.keys(data.panels[0].graphs), "cycle");
  at("step").max = data.panels[0].step_sizes.length - 1;
  at("step").value = 4;
  for (const name of ["dim", "batch", "graph", "step"]) at(name).addEventListener("input", show);
  show();
})();
