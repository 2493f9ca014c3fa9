// Curves of a quantity against a clock: median and quartiles over all seeds, or seeds one by one.

// A trajectory that has ended counts as infinite; a line stops where the median does, a band leaves the axis.
// The axis ends at so many times the initial median, and as far below the medians: as in the figures.
const HEADROOM = 1e3;
const LEGROOM = 1e-3;

function curvesFigure(data) {
  const figure = document.getElementById("curves-figure");
  const state = { problem: 0, quantity: "", clock: "flow_time", seeds: "median", xlog: true, ylog: true, hidden: new Set(), at: null };
  const control = (name) => figure.querySelector(`[data-control="${name}"]`);
  const unpacked = new Map();
  /** An array of the data, unpacked once. */
  const array = (packed) => {
    if (!unpacked.has(packed)) unpacked.set(packed, unpack(packed));
    return unpacked.get(packed);
  };
  const problem = () => data.problems[state.problem];
  const quantity = () => problem().quantities.find((found) => found.key === state.quantity) ?? problem().quantities[0];
  const clock = () => problem().clocks.find((found) => found.key === state.clock);
  const methodsShown = () =>
    problem().methods.map((index, k) => ({ k, index, ...data.methods[index] })).filter(({ index }) => !state.hidden.has(index));

  /** The points of a method: {x, y, lower, upper, running, time} over save times, for all seeds or one. */
  function pointsOf(k, seed) {
    const q = quantity();
    const times = array(problem().times).values;
    const over = (packed, ...indices) => array(packed).row(...indices);
    const found = [];
    const x = seed === null ? over(q[clock().key], k) : over(clock().values, k, seed);
    const y = seed === null ? over(q.median, k) : over(q.values, k, seed);
    const range = seed === null ? [over(q.lower, k), over(q.upper, k), over(q.running, k)] : null;
    for (let time = 0; time < times.length; time++) {
      if (!Number.isFinite(y[time]) || !Number.isFinite(x[time]) || (state.xlog && x[time] <= 0)) continue;
      const point = { time, x: x[time], y: y[time] };
      if (range) Object.assign(point, { lower: range[0][time], upper: range[1][time], running: range[2][time] });
      found.push(point);
    }
    return found;
  }

  const raisedToFloor = (y) => (state.ylog ? Math.max(y, quantity().floor) : y);

  /** What is drawn: for each method its lines, each with points, and where they ended early. */
  function series() {
    const median = state.seeds === "median";
    const seeds = state.seeds === "all" || median ? problem().seeds.map((_, s) => s) : [problem().seeds.indexOf(Number(state.seeds))];
    return methodsShown().map((method) => {
      const single = () => seeds.map((seed) => ({ seed, points: pointsOf(method.k, seed) }));
      const lines = median ? [{ seed: null, points: pointsOf(method.k, null) }] : single();
      const ended = (median ? single() : lines)
        .filter(({ seed, points }) => problem().endings[method.k][seed] && points.length)
        .map(({ seed, points }) => ({ seed, ...points[points.length - 1], how: problem().endings[method.k][seed] }));
      return { method, lines, ended };
    });
  }

  function hoverText(method, seed, point) {
    const name = seed === null ? "median" : `seed ${problem().seeds[seed]}`;
    const lines = [`<b>${plain(method.name)}</b>, ${name}`, `${plain(quantity().name)} ${shown(point.y)}`];
    if (seed === null && problem().seed_count > 1) lines.push(`quartiles ${shown(point.lower)} to ${shown(point.upper)}`);
    lines.push(`${clock().name} ${shown(point.x)}`);
    if (seed === null && point.running < problem().seed_count) lines.push(`${point.running} of ${problem().seed_count} seeds still run`);
    return lines.join("<br>");
  }

  function traces(drawn, top) {
    const bands = [];
    const lines = [];
    const marks = [];
    for (const { method, lines: paths, ended } of drawn) {
      const common = { mode: "lines", hoverinfo: "text", name: plain(method.name), meta: method.name };
      const many = paths.length > 1;
      const trace = { ...common, x: [], y: [], hovertext: [], customdata: [] };
      for (const { seed, points } of paths) {
        if (seed === null && problem().seed_count > 1 && points.length) bands.push(band(method, points, top));
        for (const point of points) {
          trace.x.push(point.x);
          trace.y.push(raisedToFloor(point.y));
          trace.hovertext.push(hoverText(method, seed, point));
          trace.customdata.push(point.time);
        }
        if (many) for (const list of [trace.x, trace.y, trace.hovertext, trace.customdata]) list.push(null);
      }
      trace.line = { color: method.colour, width: many ? 1 : method.width, dash: many ? "solid" : method.dash };
      trace.opacity = many ? 0.55 : 1;
      lines.push(trace);
      if (ended.length) marks.push(crosses(method, ended, top));
    }
    // A solid line is seen under the dashes of one that coincides with it.
    lines.sort((one, other) => (one.line.dash === "solid" ? 0 : 1) - (other.line.dash === "solid" ? 0 : 1));
    return [...bands, ...lines, ...marks, ...readingMarks(drawn)];
  }

  function band(method, points, top) {
    const inside = (y) => (y === Infinity ? 1e3 * top : raisedToFloor(y));
    const back = [...points].reverse();
    return {
      x: [...points, ...back].map((point) => point.x),
      y: [...points.map((point) => inside(point.upper)), ...back.map((point) => inside(point.lower))],
      fill: "toself", fillcolor: method.colour + "29", line: { width: 0 }, mode: "lines", hoverinfo: "skip", meta: "band",
    };
  }

  /** Crosses where trajectories ended early; beyond the axis they are put on its end. */
  function crosses(method, ended, top) {
    return {
      x: ended.map((point) => point.x),
      y: ended.map((point) => Math.min(raisedToFloor(point.y), top)),
      mode: "markers", marker: { symbol: "x-thin", size: 8, line: { color: method.colour, width: 1.5 } },
      hoverinfo: "text", cliponaxis: false, meta: "ended",
      hovertext: ended.map(({ seed, how, x, y }) =>
        `<b>${plain(method.name)}</b>, seed ${problem().seeds[seed]}: ${how}<br>last ${plain(quantity().name)} ${shown(y)}<br>${clock().name} ${shown(x)}`),
    };
  }

  /** The points that are read out. */
  function readingMarks(drawn) {
    if (state.at === null) return [];
    const found = drawn.filter(({ lines }) => lines.length === 1).flatMap(({ method, lines }) =>
      lines[0].points.filter(({ time }) => time === state.at).map((point) => ({ method, point })));
    return [{
      x: found.map(({ point }) => point.x), y: found.map(({ point }) => raisedToFloor(point.y)), mode: "markers",
      marker: { size: 8, color: found.map(({ method }) => method.colour) }, hoverinfo: "skip", meta: "reading",
    }];
  }

  /** The whole view: all values, but neither what diverged nor the few that rounding made tiny. */
  function home(drawn) {
    const points = drawn.flatMap(({ lines }) => lines.flatMap((line) => line.points));
    const middle = points.map(({ y }) => raisedToFloor(y));
    const ys = [...middle, ...points.flatMap(({ lower, upper }) => (lower === undefined ? [] : [lower, upper].map(raisedToFloor).filter(Number.isFinite)))];
    const ceiling = HEADROOM * quantity().scale;
    const bounded = ys.some((y) => y <= ceiling) ? ys.map((y) => Math.min(y, ceiling)) : ys;
    const least = state.ylog ? LEGROOM * least_of(middle) : -Infinity;
    return {
      x: limits(points.map(({ x }) => x), state.xlog),
      y: limits(bounded.map((y) => Math.max(y, least)), state.ylog),
    };
  }

  const least_of = (values) => values.reduce((least, value) => Math.min(least, value), Infinity);

  /** Limits with a margin, as Plotly wants them: logarithms on a logarithmic axis. */
  function limits(values, logarithmic) {
    const found = logarithmic ? values.filter((value) => value > 0).map(Math.log10) : values;
    if (!found.length) return [0, 1];
    const low = least_of(found);
    const high = -least_of(found.map((value) => -value));
    const margin = Math.max(0.04 * (high - low), logarithmic ? 0.05 : 1e-3 * Math.abs(high)) || 0.5;
    return [low - margin, high + margin];
  }

  function build(colours) {
    const drawn = series();
    const whole = home(drawn);
    const values = drawn.flatMap(({ lines }) => lines.flatMap((line) => line.points.flatMap(({ y, lower }) => [y, lower ?? y])));
    const floored = state.ylog && values.some((y) => y < quantity().floor);
    const top = state.ylog ? 10 ** whole.y[1] : whole.y[1];
    return {
      data: traces(drawn, top),
      layout: layoutOf(colours, {
        xaxis: axis(colours, clock().label, { type: state.xlog ? "log" : "linear" }),
        yaxis: axis(colours, floored ? quantity().floored : quantity().label, { type: state.ylog ? "log" : "linear" }),
      }),
      home: whole,
      rows: rowsOf(drawn),
      name: slug(`${data.title}-${problem().name}-${quantity().key}-${clock().key}-${state.seeds === "median" || state.seeds === "all" ? state.seeds : `seed-${state.seeds}`}`),
    };
  }

  function rowsOf(drawn) {
    const head = ["problem", "method", "seed", clock().key, quantity().key, "lower_quartile", "upper_quartile", "seeds_running"];
    const rows = drawn.flatMap(({ method, lines }) => lines.flatMap(({ seed, points }) => points.map((point) => [
      problem().name, method.name, seed === null ? "median" : String(problem().seeds[seed]), point.x, point.y,
      point.lower ?? "", point.upper ?? "", point.running ?? "",
    ])));
    return [head, ...rows];
  }

  function caption() {
    const many = problem().seed_count > 1;
    const texts = {
      median: many
        ? `Median (line) and quartiles (band) over all ${problem().seed_count} seeds; one that has ended counts as infinite, and a line stops where the median does.`
        : "The only seed.",
      all: `Each of ${problem().seeds.length} seeds a line${problem().seeds.length < problem().seed_count ? `, of ${problem().seed_count}` : ""}.`,
    };
    const early = problem().outcomes.some((text) => text);
    const all = problem().seeds.length === problem().seed_count;
    const marks = early ? ` A cross marks where ${all ? "a trajectory" : "one of the single seeds"} ended early.` : "";
    const text = texts[state.seeds] ?? `Seed ${state.seeds}.`;
    document.getElementById("curves-caption").textContent =
      `${quantity().name[0].toUpperCase()}${quantity().name.slice(1)} against ${clock().name}, ${problem().name}. ${text}${marks}`;
  }

  /** Say the values at the save time that is read. */
  function read() {
    const target = document.getElementById("curves-readout");
    const times = array(problem().times).values;
    const at = state.at ?? times.length - 1;
    const lines = series().flatMap(({ method, lines: paths }) => {
      if (paths.length !== 1) return [];
      const point = paths[0].points.find((found) => found.time === at);
      if (!point) return [{ method, text: "no value" }];
      const spread = point.lower === undefined || problem().seed_count < 2 ? "" : ` (${shown(point.lower)} to ${shown(point.upper)})`;
      const where = state.clock === "flow_time" ? "" : ` at ${shown(point.x)}`;
      return [{ method, text: shown(point.y) + spread + where }];
    });
    reading(target, lines.length ? `At flow time ${shown(times[at])}` : "", lines);
  }

  function step(direction) {
    const last = array(problem().times).values.length - 1;
    const next = state.at === null ? (direction > 0 ? (state.xlog ? 1 : 0) : last) : state.at + direction;
    readAt(Math.max(0, Math.min(last, next)));
  }

  function readAt(time) {
    state.at = time;
    const first = series().flatMap(({ lines }) => lines.flatMap(({ points }) => points)).find((point) => point.time === time);
    const scaled = (value, logarithmic) => (logarithmic ? Math.log10(value) : value);
    chart.centre = first ? { x: scaled(first.x, state.xlog), y: scaled(raisedToFloor(first.y), state.ylog) } : null;
    read();
    chart.redraw();
  }

  function hover(point) {
    const time = point.customdata;
    if (Number.isInteger(time) && time !== state.at) {
      state.at = time;
      read();
    }
  }

  function update(forget = true) {
    if (forget) chart.forget();
    caption();
    read();
    chart.redraw();
  }

  /** What a problem offers: its quantities, seeds and methods. */
  function offer() {
    fill(figure, "quantity", problem().quantities.map(({ key, name }) => [key, name]), state.quantity);
    state.quantity = control("quantity").value;
    fill(figure, "clock", problem().clocks.map(({ key, name }) => [key, name]), state.clock);
    const all = problem().seeds.length > 1 ? [["all", problem().seeds.length < problem().seed_count ? `${problem().seeds.length} seeds, each a line` : "every seed a line"]] : [];
    const single = problem().seeds.map((seed, k) => [String(seed), problem().seed_labels[k]]);
    const over = problem().seed_count > 1 ? [["median", `median and quartiles of ${problem().seed_count}`]] : [];
    fill(figure, "seeds", [...over, ...all, ...single], state.seeds);
    state.seeds = control("seeds").value;
    methodBoxes(figure, problem().methods, data.methods, problem().outcomes, state.hidden, () => update(false));
    state.at = null;
  }

  const chart = makeChart(figure, { build, step, hover });
  fill(figure, "problem", data.problems.map(({ name }, k) => [String(k), name]), "0");
  control("problem").addEventListener("change", (event) => { state.problem = Number(event.target.value); offer(); update(); });
  for (const name of ["quantity", "clock", "seeds"]) {
    control(name).addEventListener("change", (event) => { state[name] = event.target.value; update(); });
  }
  for (const name of ["xlog", "ylog"]) {
    control(name).checked = state[name];
    control(name).addEventListener("change", (event) => { state[name] = event.target.checked; update(); });
  }
  figure.hidden = false;
  offer();
  update();
  return chart;
}
