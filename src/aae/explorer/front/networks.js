"use strict";
// The decoder (and encoder) of a single file, in plain JavaScript. Layers are as networks.py of the explorer lists them.

/** A list of layers with their weights; `run` takes one row and gives one row. */
class Network {
  constructor(layers, arrays) {
    this.layers = layers.map((layer) => ({ ...layer, ...pick(layer, arrays) }));
  }

  run(row) {
    let x = Float32Array.from(row);
    for (const layer of this.layers) x = LAYERS[layer.kind](x, layer);
    return x;
  }
}

/** The arrays that a layer names. Weights of eight bits come with one scale for each output. */
function pick(layer, arrays) {
  const found = {};
  for (const name of ["weight", "bias"]) if (layer[name]) found[name] = arrays[layer[name]];
  if (layer.steps) {
    const steps = arrays[layer.steps], wide = found.weight.length / steps.length;
    const bytes = found.weight;
    found.weight = Float32Array.from(bytes, (b, i) => (b - 128) * steps[Math.floor(i / wide)]);
  }
  return found;
}

const LAYERS = {
  linear(x, { weight, bias }) {
    const n = x.length, out = Float32Array.from(bias);
    for (let o = 0, at = 0; o < out.length; o++) {
      let a = 0, b = 0, c = 0, d = 0, i = 0;
      for (; i + 3 < n; i += 4, at += 4) {
        a += weight[at] * x[i];
        b += weight[at + 1] * x[i + 1];
        c += weight[at + 2] * x[i + 2];
        d += weight[at + 3] * x[i + 3];
      }
      for (; i < n; i++, at++) a += weight[at] * x[i];
      out[o] += a + b + (c + d);
    }
    return out;
  },
  relu: (x) => x.map((v) => (v > 0 ? v : 0)),
  sigmoid: (x) => x.map((v) => 1 / (1 + Math.exp(-v))),
  /** Zeros behind a row, where noise would stand. */
  pad(x, { to }) {
    const out = new Float32Array(to);
    out.set(x);
    return out;
  },
  conv(x, { weight, bias, input: [ci, h, w], output: [co, oh, ow], kernel: [kh, kw], stride, padding }) {
    const out = new Float32Array(co * oh * ow);
    for (let o = 0; o < co; o++) {
      out.fill(bias[o], o * oh * ow, (o + 1) * oh * ow);
      for (let c = 0; c < ci; c++)
        for (let k = 0; k < kh; k++)
          for (let l = 0; l < kw; l++) {
            const by = weight[((o * ci + c) * kh + k) * kw + l];
            for (let i = 0; i < oh; i++) {
              const y = i * stride + k - padding;
              if (y < 0 || y >= h) continue;
              for (let j = 0; j < ow; j++) {
                const z = j * stride + l - padding;
                if (z >= 0 && z < w) out[(o * oh + i) * ow + j] += by * x[(c * h + y) * w + z];
              }
            }
          }
    }
    return out;
  },
  /** The transpose of a convolution; weights are [in, out, kernel, kernel]. What lies beyond `output` is cut off. */
  conv_transpose(x, { weight, bias, input: [ci, h, w], output: [co, oh, ow], kernel: [kh, kw], stride, padding }) {
    const out = new Float32Array(co * oh * ow);
    for (let o = 0; o < co; o++) out.fill(bias[o], o * oh * ow, (o + 1) * oh * ow);
    for (let c = 0; c < ci; c++)
      for (let o = 0; o < co; o++)
        for (let k = 0; k < kh; k++)
          for (let l = 0; l < kw; l++) {
            const by = weight[((c * co + o) * kh + k) * kw + l];
            for (let i = 0; i < h; i++) {
              const y = i * stride + k - padding;
              if (y < 0 || y >= oh) continue;
              for (let j = 0; j < w; j++) {
                const z = j * stride + l - padding;
                if (z >= 0 && z < ow) out[(o * oh + y) * ow + z] += by * x[(c * h + i) * w + j];
              }
            }
          }
    return out;
  },
};

/** scaled <-> original units, as data/scaling.py has it. */
class Scaling {
  constructor(offset, scale, [low, high]) {
    Object.assign(this, { offset, scale, low: low ?? -Infinity, high: high ?? Infinity });
  }

  apply(row) {
    const one = this.offset.length === 1;
    return Float32Array.from(row, (x, i) => (x - this.offset[one ? 0 : i]) / this.scale[one ? 0 : i]);
  }

  invert(row) {
    const one = this.offset.length === 1;
    return row.map((u, i) => clamp(u * this.scale[one ? 0 : i] + this.offset[one ? 0 : i], this.low, this.high));
  }
}

/** The same for a table: values of columns <-> features; see aae/columns.py. Missing values are NaN. */
class TableScaling {
  constructor(offset, scale, columns) {
    Object.assign(this, { offset, scale, columns });
  }

  at(values, i) {
    return values[values.length === 1 ? 0 : i];
  }

  apply(row) {
    const out = new Float32Array(this.columns[0].features);
    this.columns.forEach(({ kind, first, flag }, i) => {
      if (Number.isNaN(row[i])) {
        if (flag >= 0) out[flag] = 1;
      } else if (kind === "category") out[first + row[i]] = 1;
      else out[first] = (row[i] - this.at(this.offset, first)) / this.at(this.scale, first);
    });
    return out;
  }

  /** From what the decoder gives before its last step: a truth value is positive or not, a category the largest. */
  invert(features) {
    return Float32Array.from(this.columns, ({ kind, first, width, limits: [low, high], step }) => {
      if (kind === "boolean") return features[first] > 0 ? 1 : 0;
      if (kind === "category") {
        let best = 0;
        for (let k = 1; k < width; k++) if (features[first + k] > features[first + best]) best = k;
        return best;
      }
      const x = features[first] * this.at(this.scale, first) + this.at(this.offset, first);
      return clamp(step ? Math.round(x / step) * step : x, low ?? -Infinity, high ?? Infinity);
    });
  }
}
