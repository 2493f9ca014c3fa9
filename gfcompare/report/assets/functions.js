// Fitted functions at a save time: curves with the target and the neurons' breakpoints, or maps of a rectangle.

const VIRIDIS = "Viridis";
const GRID = 65; // points of a map's grid on each axis, where none is stored
const MAP_GAP = 60; // pixels between rows of maps
const MAP_MARGINS = { l: 44, r: 8, t: 26, b: 50 };
const CHARACTER = 5.3; // pixels of a character above a map
const FRAME = 140; // milliseconds between save times when they are played

function functionsFigure(data) {
  const figure = document.getElementById("functions-figure");
  const control = (name) => figure.querySelector(`[data-control="${name}"]`);
  const drawable = data.problems.filter(({ functions }) => !functions.reason);
  tellMissing(data.problems);
  if (!drawable.length) return null;

  const state = { problem: 0, output: 0, seed: 0, time: 0, hidden: new Set(), timer: null };
  let theta;
  let risk;
  const problem = () => drawable[state.problem];
  const found = () => problem().functions;
  const methodsShown = () =>
    problem().methods.map((index, k) => ({ k, index, ...data.methods[index] })).filter(({ index }) => !state.hidden.has(index));
  const parameters = (method) => theta.row(method.k, state.seed, state.time);
  const runs = (method) => Number.isFinite(parameters(method)[0]);
  const outputs = () => found().widths.at(-1);
  const label = (name) => `${name} ${found().unit}`.trim();

  /** Which of the outputs is shown, of values n × outputs. */
  const chosen = (values) => Float64Array.from({ length: values.length / outputs() }, (_, n) => values[n * outputs() + state.output]);

  function pointTraces(colours) {
    return found().points.map(({ held_out: heldOut, x, target }) => ({
      x: unpack(x).values, y: chosen(unpack(target).values), mode: "markers", hoverinfo: "skip", meta: "points",
      marker: { size: 5, color: colours.soft, symbol: heldOut ? "circle-open" : "circle" },
    }));
  }

  function lines(colours) {
    const [a, b] = [found().lower[0], found().upper[0]];
    const traces = pointTraces(colours);
    if (found().grid) {
      const { axes, target } = found().grid;
      traces.push({
        x: unpack(axes[0]).values, y: chosen(unpack(target).values), mode: "lines", meta: "target",
        line: { color: colours.ink, width: 2 }, hoverinfo: "text", hovertext: "target",
      });
    }
    const rows = [["problem", "seed", "flow_time", "method", "x", "output", "value"]];
    const marks = [];
    const methods = methodsShown().filter(runs);
    for (const method of methods) {
      const switches = kinks(parameters(method), found().widths, a, b);
      const nodes = Float64Array.from([a, ...switches.map(({ x }) => x), b]);
      const y = chosen(realize(parameters(method), found().widths, nodes));
      traces.push({
        x: nodes, y, mode: "lines", line: { color: method.colour, width: method.width, dash: method.dash }, meta: method.name,
        hoverinfo: "text", hovertext: Array.from(nodes, (x, n) => `<b>${plain(method.name)}</b><br>x ${shown(x)}<br>N(x) ${shown(y[n])}`),
      });
      marks.push(rug(method, switches));
      nodes.forEach((x, n) => rows.push([problem().name, String(found().seeds[state.seed]), found().times[state.time], method.name, x, state.output + 1, y[n]]));
    }
    const height = Math.min(0.4, Math.max(0.15, 0.06 * methodsShown().length));
    const margin = found().grid ? 0 : 0.03 * (b - a);
    return {
      data: [...traces, ...marks],
      layout: layoutOf(colours, {
        xaxis: axis(colours, "input x", { anchor: "y2" }),
        yaxis: axis(colours, label("network and target"), { domain: [height + 0.04, 1] }),
        yaxis2: {
          domain: [0, height], range: [-0.5, Math.max(methodsShown().length, 1) - 0.5], fixedrange: true, showgrid: false, zeroline: false,
          showticklabels: false, title: { text: narrow() ? "" : "breakpoints", font: { size: 12, color: colours.soft } },
        },
      }),
      home: { x: [a - margin, b + margin], y: found().limits[state.output] },
      rows,
    };
  }

  /** The breakpoints of a method below the curves; those of deeper layers are shorter. */
  function rug(method, switches) {
    const level = methodsShown().length - 1 - methodsShown().findIndex(({ k }) => k === method.k);
    return {
      x: switches.map(({ x }) => x), y: switches.map(() => level), yaxis: "y2", mode: "markers", meta: "rug",
      marker: {
        symbol: "line-ns-open", size: switches.map(({ layer }) => (layer === 1 ? 11 : 6)),
        line: { width: 2, color: method.colour }, color: method.colour, opacity: 1,
      },
      hoverinfo: "text",
      hovertext: switches.map(({ x, layer, neuron }) => `${plain(method.name)}: neuron ${neuron + 1} of layer ${layer}<br>switches at x = ${shown(x)}`),
    };
  }

  /** The grid of a map: the stored one, or one over the rectangle that holds the points. */
  function gridAxes() {
    if (found().grid) return found().grid.axes.map((packed) => unpack(packed).values);
    const even = (low, high) => Float64Array.from({ length: GRID }, (_, k) => low + ((high - low) * k) / (GRID - 1));
    return [0, 1].map((k) => even(found().lower[k], found().upper[k]));
  }

  function maps(colours) {
    const [first, second] = gridAxes();
    const points = new Float64Array(2 * first.length * second.length);
    first.forEach((x, i) => second.forEach((y, j) => points.set([x, y], 2 * (i * second.length + j))));
    const table = (values) => Array.from(second, (_, j) => Array.from(first, (_, i) => values[i * second.length + j]));
    const rows = [["problem", "seed", "flow_time", "method", "x_1", "x_2", "output", "value"]];
    const panels = [{ title: "target", colour: colours.ink, values: found().grid ? chosen(unpack(found().grid.target).values) : null }];
    for (const method of methodsShown().filter(runs)) {
      const values = chosen(realize(parameters(method), found().widths, points));
      panels.push({ title: method.name, method, values });
      values.forEach((value, n) => rows.push([problem().name, String(found().seeds[state.seed]), found().times[state.time], method.name, points[2 * n], points[2 * n + 1], state.output + 1, value]));
    }
    const { lines, columns } = arrangement(panels.length);
    const traces = [];
    const layout = layoutOf(colours, {
      coloraxis: {
        colorscale: VIRIDIS, cmin: found().limits[state.output][0], cmax: found().limits[state.output][1],
        colorbar: { thickness: 10, outlinewidth: 0, tickfont: { size: 11 }, nticks: 6, title: { text: label("value").replace(" ", "<br>"), side: "top", font: { size: 12 } } },
      },
      annotations: [],
      margin: MAP_MARGINS,
    });
    panels.forEach((panel, n) => {
      const [row, column] = [Math.floor(n / columns), n % columns];
      const [gapX, gapY] = [0.03, MAP_GAP / plotHeight(lines, columns)];
      const [w, h] = [(1 - gapX * (columns - 1)) / columns, (1 - gapY * (lines - 1)) / lines];
      const [left, bottom] = [column * (w + gapX), 1 - (row + 1) * h - row * gapY];
      const suffix = n ? String(n + 1) : "";
      const last = n + columns >= panels.length;
      layout[`xaxis${suffix}`] = axis(colours, last ? "input x₁" : "", { domain: [left, left + w], anchor: `y${suffix}`, showgrid: false, nticks: 4, showticklabels: last, ...(n ? { matches: "x" } : {}) });
      layout[`yaxis${suffix}`] = axis(colours, column ? "" : "input x₂", { domain: [bottom, bottom + h], anchor: `x${suffix}`, showgrid: false, nticks: 4, showticklabels: column === 0, ...(n ? { matches: "y" } : {}) });
      layout.annotations.push({
        text: plain(shortened(panel.title, (w * (plotWidth() - 130)) / CHARACTER)), x: left + w / 2, y: bottom + h, xref: "paper", yref: "paper", xanchor: "center", yanchor: "bottom", showarrow: false,
        font: { size: 12 },
      });
      traces.push(...mapTraces(panel, first, second, table, { xaxis: `x${suffix}`, yaxis: `y${suffix}` }, colours));
    });
    const [x, y] = [0, 1].map((k) => {
      const margin = found().grid ? 0 : 0.03 * (found().upper[k] - found().lower[k]);
      return [found().lower[k] - margin, found().upper[k] + margin];
    });
    return { data: traces, layout, home: { x, y }, rows };
  }

  function mapTraces(panel, first, second, table, axes, colours) {
    const traces = [];
    if (panel.values) {
      traces.push({ type: "heatmap", x: first, y: second, z: table(panel.values), coloraxis: "coloraxis", zsmooth: "best", ...axes, meta: panel.title,
        hovertemplate: "x₁ %{x:.3g}<br>x₂ %{y:.3g}<br>value %{z:.3g}<extra></extra>" });
    }
    if (!panel.method) {
      for (const { x, target, held_out: heldOut } of found().points) {
        const at = unpack(x);
        const coordinate = (k) => Array.from({ length: at.shape[0] }, (_, n) => at.row(n)[k]);
        traces.push({ x: coordinate(0), y: coordinate(1), mode: "markers", ...axes, meta: "points", hoverinfo: "skip", cliponaxis: false,
          marker: { size: 7, color: Array.from(chosen(unpack(target).values)), coloraxis: "coloraxis", symbol: heldOut ? "diamond" : "circle", line: { width: 0.5, color: colours.soft } } });
      }
      return traces;
    }
    const ends = zeroLines(parameters(panel.method), found().widths, found().lower, found().upper);
    const path = { x: ends.flatMap(({ x }) => [...x, null]), y: ends.flatMap(({ y }) => [...y, null]), mode: "lines", hoverinfo: "skip", ...axes };
    // A light line with a dark edge is seen on every colour of the map.
    traces.push({ ...path, line: { color: "rgba(0,0,0,0.45)", width: 2.2 }, meta: "edge" }, { ...path, line: { color: "rgba(255,255,255,0.9)", width: 0.9 }, meta: "lines" });
    return traces;
  }

  const plotWidth = () => chart.plot.clientWidth || 600;

  /** Panels in as few rows as possible, of nearly the same length. */
  function arrangement(count) {
    const most = Math.max(2, Math.floor(plotWidth() / 190));
    const lines = Math.ceil(count / most);
    return { lines, columns: Math.ceil(count / lines) };
  }

  /** The height of rows of maps, with the gaps between them and without margins. */
  function plotHeight(lines, columns) {
    const sides = [0, 1].map((k) => found().upper[k] - found().lower[k]);
    const aspect = Math.max(0.5, Math.min(1.5, sides[1] / sides[0]));
    return lines * ((plotWidth() - 130) / columns) * aspect + (lines - 1) * MAP_GAP;
  }

  function build(colours) {
    const made = found().kind === "line" ? lines(colours) : maps(colours);
    return { ...made, name: slug(`${data.title}-${problem().name}-functions-seed-${found().seeds[state.seed]}-time-${found().times[state.time].toPrecision(4)}`) };
  }

  /** A map is about as high as the rectangle asks for; curves have the height of the style sheet. */
  function setHeight() {
    chart.plot.style.height = "";
    if (found().kind === "line") return;
    const { lines, columns } = arrangement(1 + methodsShown().filter(runs).length);
    chart.plot.style.height = `${plotHeight(lines, columns) + MAP_MARGINS.t + MAP_MARGINS.b}px`;
  }

  function tell() {
    const time = found().times[state.time];
    control("time").setAttribute("aria-valuetext", `flow time ${shown(time)}`);
    document.getElementById("functions-at").textContent = `t = ${shown(time)}`;
    const texts = methodsShown().map((method) => {
      if (!runs(method)) return { method, text: found().endings[method.k][state.seed] || "no state" };
      const value = risk.row(method.k, state.seed)[state.time];
      return { method, text: `risk ${shown(value)}${inside(method)}` };
    });
    reading(document.getElementById("functions-readout"), "", texts);
  }

  /** How many neurons of the first layer switch inside. */
  function inside(method) {
    const neurons = found().widths[1];
    const count = found().kind === "line"
      ? kinks(parameters(method), found().widths.slice(0, 2).concat(1), found().lower[0], found().upper[0]).length
      : zeroLines(parameters(method), found().widths, found().lower, found().upper).length;
    return `, ${count} of ${neurons} neurons${found().widths.length > 3 ? " of the first layer" : ""} switch inside`;
  }

  function caption() {
    const deep = found().widths.length > 3;
    const common = `${problem().name}, ${found().seed_labels[state.seed]}${outputs() > 1 ? `, output ${state.output + 1} of ${outputs()}` : ""}: `;
    const text = found().kind === "line"
      ? `the network of each method and the target${found().points.length ? " (open circles: held out)" : ""}. Below, where neurons switch, a row for each method${deep ? "; short marks belong to deeper layers" : ""}.`
      : "the target and the network of each method on one scale. Lines are where neurons of the first layer switch.";
    document.getElementById("functions-caption").textContent = common + text;
  }

  function update(forget = false) {
    if (forget) chart.forget();
    caption();
    tell();
    setHeight();
    chart.redraw();
  }

  function toTime(index) {
    const last = found().times.length - 1;
    state.time = Math.max(0, Math.min(last, index));
    control("time").value = String(state.time);
    update();
  }

  function play(on) {
    const button = figure.querySelector('[data-do="play"]');
    clearInterval(state.timer);
    state.timer = null;
    button.textContent = on ? "Pause" : "Play";
    button.setAttribute("aria-pressed", String(on));
    if (!on) return;
    if (state.time === found().times.length - 1) toTime(0);
    state.timer = setInterval(() => {
      toTime(state.time + 1);
      if (state.time === found().times.length - 1) play(false);
    }, FRAME);
  }

  function offer() {
    theta = unpack(found().theta);
    risk = unpack(found().risk);
    state.seed = Math.min(state.seed, found().seeds.length - 1);
    state.output = Math.min(state.output, outputs() - 1);
    fill(figure, "seed", found().seed_labels.map((text, k) => [String(k), text]), String(state.seed));
    fill(figure, "output", Array.from({ length: outputs() }, (_, k) => [String(k), `output ${k + 1}`]), String(state.output));
    methodBoxes(figure, problem().methods, data.methods, [], state.hidden, () => update());
    control("time").max = String(found().times.length - 1);
    state.time = found().times.length - 1;
    control("time").value = String(state.time);
  }

  const chart = makeChart(figure, { build, step: (direction) => { play(false); toTime(state.time + direction); } });
  fill(figure, "problem", drawable.map(({ name }, k) => [String(k), name]), "0");
  control("problem").addEventListener("change", (event) => { play(false); state.problem = Number(event.target.value); offer(); update(true); });
  for (const name of ["seed", "output"]) {
    control(name).addEventListener("change", (event) => { state[name] = Number(event.target.value); update(name === "output"); });
  }
  control("time").addEventListener("input", (event) => { play(false); toTime(Number(event.target.value)); });
  figure.querySelector('[data-do="play"]').addEventListener("click", () => play(state.timer === null));
  figure.hidden = false;
  offer();
  update();
  return { ...chart, redraw: () => { setHeight(); chart.redraw(); } };
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

/** Say which problems have no fitted functions here, and why. */
function tellMissing(problems) {
  const target = document.getElementById("functions-missing");
  for (const { name, functions } of problems) {
    if (functions.reason) target.append(element("p", {}, `${name} ${functions.reason}; the figure “fit” shows its networks against the target.`));
  }
}
