// From the data of the page to arrays, and numbers and names as text.

const TYPES = { f8: Float64Array, f4: Float32Array, i2: Int16Array };

/** An array of several dimensions: `values` in row-major order, `row(i, j)` the last axis at the other indices. */
function unpack(packed) {
  const text = atob(packed.base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  const values = new TYPES[packed.kind](bytes.buffer);
  const shape = packed.shape;
  return {
    values,
    shape,
    row(...indices) {
      let start = 0;
      indices.forEach((index, k) => { start = start * shape[k] + index; });
      const rest = shape.slice(indices.length).reduce((product, size) => product * size, 1);
      return values.subarray(start * rest, (start + 1) * rest);
    },
  };
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (exponent) => String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => RAISED[digit]);

/** A number to three digits, as the figures write it. */
function shown(value) {
  if (!Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) {
    const text = size < 1000 ? String(Number(value.toPrecision(3))) : value.toFixed(0);
    return text.replace("-", "−");
  }
  const [mantissa, exponent] = value.toExponential(2).split("e");
  const digits = String(Number(mantissa)).replace("-", "−");
  return (digits === "1" ? "" : `${digits} × `) + "10" + raised(Number(exponent));
}

/** A name as Plotly must be given it: it reads tags and entities in text. */
function plain(name) {
  return name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

const csvCell = (value) => {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  return /[",\n\r]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value;
};
const csvText = (rows) => rows.map((row) => row.map(csvCell).join(",") + "\n").join("");

const slug = (text) => text.replace(/[^A-Za-z0-9.]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").toLowerCase() || "unnamed";

/** Let the reader save text as a file. */
function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** An element with text and children; nothing is ever read as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A piece of a method's line, as in the tables. */
function sample(method) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  const attributes = { x1: 1, y1: 4, x2: 29, y2: 4, stroke: method.colour, "stroke-width": method.width };
  if (method.dash !== "solid") attributes["stroke-dasharray"] = method.dash;
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  for (const [name, value] of Object.entries({ class: "sample", viewBox: "0 0 30 8", width: 30, height: 8, "aria-hidden": "true" })) svg.setAttribute(name, value);
  svg.append(line);
  return svg;
}
