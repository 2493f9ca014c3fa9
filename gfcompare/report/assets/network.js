// The function that parameters represent: theta is layer by layer, each weight matrix row by row, then its bias.

/** Values before the activation of layer `last` (1 is the first) at n points, n × width of that layer. */
function preactivations(theta, widths, points, last) {
  const count = points.length / widths[0];
  let inputs = points;
  let start = 0;
  for (let layer = 1; ; layer++) {
    const [columns, rows] = [widths[layer - 1], widths[layer]];
    const biases = start + rows * columns;
    const outputs = new Float64Array(count * rows);
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < rows; i++) {
        let sum = theta[biases + i];
        for (let j = 0; j < columns; j++) sum += theta[start + i * columns + j] * inputs[n * columns + j];
        outputs[n * rows + i] = sum;
      }
    }
    if (layer === last) return outputs;
    inputs = outputs.map((value) => Math.max(value, 0));
    start = biases + rows;
  }
}

/** The network itself at n points, n × outputs. */
const realize = (theta, widths, points) => preactivations(theta, widths, points, widths.length - 1);

/**
 * Where neurons of one input switch between a and b, in increasing order: {x, layer, neuron}.
 *
 * Between the kinks of the layers before it each pre-activation is affine, so its zeros there are exact.
 */
function kinks(theta, widths, a, b) {
  let nodes = [a, b];
  const found = [];
  for (let layer = 1; layer < widths.length - 1; layer++) {
    const z = preactivations(theta, widths, Float64Array.from(nodes), layer);
    const width = widths[layer];
    const added = [];
    for (let k = 0; k + 1 < nodes.length; k++) {
      for (let neuron = 0; neuron < width; neuron++) {
        const left = z[k * width + neuron];
        const right = z[(k + 1) * width + neuron];
        if (left * right >= 0) continue;
        added.push({ x: nodes[k] + ((nodes[k + 1] - nodes[k]) * left) / (left - right), layer, neuron });
      }
    }
    found.push(...added);
    nodes = [...nodes, ...added.map((kink) => kink.x)].sort((one, other) => one - other);
  }
  return found.sort((one, other) => one.x - other.x);
}

/** Where first-layer neurons of two inputs switch in a rectangle: {neuron, x: [2], y: [2]}. */
function zeroLines(theta, widths, lower, upper) {
  const found = [];
  for (let neuron = 0; neuron < widths[1]; neuron++) {
    const [u, v] = [theta[2 * neuron], theta[2 * neuron + 1]];
    const bias = theta[2 * widths[1] + neuron];
    const ends = [];
    for (const x of [lower[0], upper[0]]) {
      const y = -(bias + u * x) / v;
      if (y >= lower[1] && y <= upper[1]) ends.push([x, y]);
    }
    for (const y of [lower[1], upper[1]]) {
      const x = -(bias + v * y) / u;
      if (x > lower[0] && x < upper[0]) ends.push([x, y]);
    }
    if (ends.length >= 2) found.push({ neuron, x: [ends[0][0], ends[1][0]], y: [ends[0][1], ends[1][1]] });
  }
  return found;
}
