// What both interactive figures share: drawing with Plotly, zooming by keys and buttons, saving, choosing.

const narrow = () => window.innerWidth < 640;

/** A colour of the style sheet, as it is in the theme that is shown. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const themeColours = () => ({ ink: colour("ink"), soft: colour("soft"), hair: colour("hair"), paper: colour("paper") });
// What is saved is for paper, whatever is shown.
const PRINTED = { ink: "#1d1c1a", soft: "#5f5b53", hair: "#dcd8cf", paper: "#ffffff" };

/** An axis in the style of the figures; more settings on top. */
function axis(colours, title, more = {}) {
  return {
    title: { text: plain(title), standoff: 10, font: { size: 13 } },
    ticks: "outside",
    ticklen: 4,
    tickcolor: colours.soft,
    tickfont: { size: 12 },
    linecolor: colours.soft,
    linewidth: 1,
    showline: true,
    zeroline: false,
    gridcolor: colours.hair,
    gridwidth: 0.5,
    exponentformat: "power",
    minexponent: 4,
    nticks: narrow() ? 5 : 8,
    automargin: true,
    ...more,
  };
}

/** Ticks at powers of ten only, where a logarithmic axis shows two or more of them. */
function ticks({ type }, [low, high]) {
  if (type !== "log") return {};
  const decades = Math.floor(Math.max(low, high)) - Math.ceil(Math.min(low, high));
  if (decades < 1) return { dtick: null };
  return { dtick: Math.ceil(decades / (narrow() ? 4 : 8)), minor: decades > 8 ? {} : { ticks: "outside", ticklen: 2, dtick: "D1" } };
}

function layoutOf(colours, more) {
  return {
    font: { family: getComputedStyle(document.documentElement).getPropertyValue("--sans"), size: 13, color: colours.ink },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: colours.paper, bordercolor: colours.soft, font: { color: colours.ink, size: 13 }, align: "left" },
    margin: { l: 56, r: 12, t: 12, b: 44 },
    // Where fingers scroll the page, a finger on the figure must do so too; there are buttons to zoom.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    ...more,
  };
}

const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };

/**
 * A figure: `build(colours)` returns {data, layout, home, rows, name}, where home is the whole view {x, y}
 * in axis coordinates and rows what is saved as CSV; `step(direction)` answers the arrow keys.
 */
function makeChart(figure, { build, step, hover }) {
  const plot = figure.querySelector(".plot");
  let home = null;
  let view = null;
  let started = false;

  function built(colours) {
    const made = build(colours);
    const range = view ?? made.home;
    Object.assign(made.layout.xaxis, { range: [...range.x], autorange: false, ...ticks(made.layout.xaxis, range.x) });
    Object.assign(made.layout.yaxis, { range: [...range.y], autorange: false, ...ticks(made.layout.yaxis, range.y) });
    return made;
  }

  function redraw() {
    const { data, layout, home: whole } = built(themeColours());
    home = whole;
    Object.assign(layout, { width: plot.clientWidth, height: plot.clientHeight });
    Plotly.react(plot, data, layout, CONFIG);
    if (started) return;
    started = true;
    plot.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((key) => key.includes("axis"))) return;
      view = { x: [...plot.layout.xaxis.range], y: [...plot.layout.yaxis.range] };
      redraw();
    });
    plot.on("plotly_doubleclick", reset);
    if (hover) plot.on("plotly_hover", (event) => hover(event.points[0]));
  }

  function reset() {
    view = null;
    redraw();
  }

  function zoom(factor, centre) {
    const range = view ?? home;
    const scaled = ([low, high], at) => {
      const middle = at >= Math.min(low, high) && at <= Math.max(low, high) ? at : (low + high) / 2;
      return [middle + (low - middle) * factor, middle + (high - middle) * factor];
    };
    view = { x: scaled(range.x, centre?.x), y: scaled(range.y, centre?.y) };
    redraw();
  }

  function pan(across, up) {
    const range = view ?? home;
    const moved = ([low, high], share) => [low + share * (high - low), high + share * (high - low)];
    view = { x: moved(range.x, across), y: moved(range.y, up) };
    redraw();
  }

  const PANS = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] };
  const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(0.6, chart.centre);
    else if (event.key === "-" || event.key === "_") zoom(1 / 0.6, chart.centre);
    else if (event.key === "0") reset();
    else if (event.shiftKey && event.key in PANS) pan(...PANS[event.key]);
    else if (!event.shiftKey && event.key in STEPS) step(STEPS[event.key]);
    else return;
    event.preventDefault();
  });

  async function saveSvg() {
    const { data, layout, name } = built(PRINTED);
    const size = { width: 900, height: Math.round((900 * plot.clientHeight) / Math.max(plot.clientWidth, 500)) };
    layout.paper_bgcolor = PRINTED.paper;
    const address = await Plotly.toImage({ data, layout, config: CONFIG }, { format: "svg", ...size });
    save(`${name}.svg`, decodeURIComponent(address.slice(address.indexOf(",") + 1)), "image/svg+xml");
  }

  const DOES = {
    in: () => zoom(0.6, chart.centre),
    out: () => zoom(1 / 0.6, chart.centre),
    reset,
    svg: saveSvg,
    csv: () => {
      const { rows, name } = built(PRINTED);
      save(`${name}.csv`, csvText(rows), "text/csv;charset=utf-8");
    },
  };
  for (const button of figure.querySelectorAll(".tools [data-do]")) {
    button.addEventListener("click", DOES[button.dataset.do]);
  }

  const chart = { plot, redraw, forget: () => { view = null; }, centre: null };
  return chart;
}

/** Fill a select; the whole field goes when there is nothing to choose. Returns the select. */
function fill(figure, control, options, chosen) {
  const select = figure.querySelector(`select[data-control="${control}"]`);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0]?.[0] ?? "";
  select.closest(".field").hidden = options.length < 2;
  return select;
}

/** Checkboxes for methods, which are the legend as well; `changed` is told the set of those chosen. */
function methodBoxes(figure, indices, methods, notes, hidden, changed) {
  const box = figure.querySelector('[data-control="methods"]');
  box.replaceChildren(
    ...indices.map((index, k) => {
      const input = element("input", { type: "checkbox", value: index });
      input.checked = !hidden.has(index);
      input.addEventListener("change", () => {
        if (input.checked) hidden.delete(index);
        else hidden.add(index);
        changed();
      });
      const note = notes[k] ? ` (${notes[k]})` : "";
      return element("label", {}, input, sample(methods[index]), element("span", {}, methods[index].name + note));
    }),
  );
}

/** Values of methods in one line each, with a piece of their lines. */
function reading(target, head, lines) {
  const list = element("ul");
  for (const { method, text } of lines) list.append(element("li", {}, sample(method), `${method.name}: ${text}`));
  target.replaceChildren(element("p", {}, head), list);
}
