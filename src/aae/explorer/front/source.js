"use strict";
// Where the page gets its numbers: from the server, or from inside the one file. Both answer the same calls.

/** Asks the server of aae explore. Rows are in original units, channels first. */
class ServerSource {
  static BATCH = 64;

  async json(path, body) {
    return (await this.fetch(path, body)).json();
  }

  async fetch(path, body) {
    const options = body === undefined ? {} : {
      method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" },
    };
    const answer = await fetch(path, options);
    if (answer.status >= 400) throw new Error((await answer.json().catch(() => ({}))).error ?? answer.statusText);
    return answer;
  }

  /** Packed arrays; while the server is still at work, asks again. */
  async arrays(path, body, waiting = () => {}) {
    for (;;) {
      const answer = await this.fetch(path, body);
      if (answer.status !== 202) return unpack(await answer.arrayBuffer());
      waiting(await answer.json());
      await pause(300);
    }
  }

  async open() {
    this.meta = await this.json("/api/meta");
  }

  async points(waiting) {
    const points = await this.arrays("/api/points", undefined, waiting);
    if (!this.meta.axes) this.meta.axes = (await this.json("/api/meta")).axes;
    return points;
  }

  async column(index) {
    return (await this.arrays(`/api/columns/${index}`)).values;
  }

  /** Codes [n * latent] -> rows [n * features]. `labels`: one class for all, one for each, or null where the decoder
   * takes none; `still` says whether the answer is still wanted. */
  async decode(codes, labels, still = () => true) {
    const { latent, features } = this.meta, n = codes.length / latent, out = new Float32Array(n * features);
    for (let i = 0; i < n && still(); i += ServerSource.BATCH) {
      const part = [];
      for (let j = i; j < Math.min(n, i + ServerSource.BATCH); j++) part.push(Array.from(rowOf(codes, j, latent)));
      const body = { codes: part };
      if (labels !== null) body.labels = part.map((_, k) => labels[i + k] ?? labels);
      out.set((await this.arrays("/api/decode", body)).rows, i * features);
    }
    return out;
  }

  /** {code, assigned} of a row, NaN where missing; assigned is the class the model finds, null where it finds none. */
  async encode(row) {
    const { codes, assigned } = await this.arrays("/api/encode", { rows: [Array.from(row)] });
    return { code: codes, assigned: assigned ? assigned[0] : null };
  }

  hasOriginal() {
    return true;
  }

  async originals(points) {
    const parts = [];
    for (let i = 0; i < points.length; i += 512) {
      parts.push((await this.arrays("/api/rows", { points: Array.from(points.slice(i, i + 512)) })).rows);
    }
    if (parts.length === 1) return parts[0];
    const out = new Float64Array(points.length * this.meta.features);
    parts.forEach((part, i) => out.set(part, i * 512 * this.meta.features));
    return out;
  }

  get encodes() {
    return true;
  }

  figure(index) {
    return `/api/figures/${index}`;
  }
}

/** Everything from the page itself. */
class FileSource {
  constructor(meta, text) {
    this.meta = meta;
    this.text = text;
  }

  async open() {
    const bytes = Uint8Array.from(atob(this.text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    this.arrays = unpack(await new Response(stream).arrayBuffer());
    this.text = "";
    const { meta, arrays } = this;
    const { offset, scale } = arrays;
    this.scaling = meta.table ? new TableScaling(offset, scale, meta.table) : new Scaling(offset, scale, meta.limits);
    this.decoder = new Network(meta.decoder, arrays);
    if (meta.encoder) this.encoder = new Network(meta.encoder, arrays);
  }

  async points() {
    return this.arrays;
  }

  async column(index) {
    return this.arrays[`column${index}`];
  }

  async decode(codes, labels, still = () => true) {
    const { latent, features, beside } = this.meta, n = codes.length / latent, out = new Float32Array(n * features);
    const input = new Float32Array(latent + (beside ? beside.length : 0));
    let began = performance.now();
    for (let i = 0; i < n && still(); i++) {
      input.fill(0).set(rowOf(codes, i, latent));
      const label = labels === null ? -1 : labels[i] ?? labels;
      if (label >= 0) input[latent + label] = 1;
      out.set(this.scaling.invert(this.decoder.run(input)), i * features);
      if (performance.now() - began > 12) {  // let the page breathe
        await pause(0);
        began = performance.now();
      }
    }
    return out;
  }

  async encode(row) {
    const { style_at: at, latent } = this.meta, out = this.encoder.run(this.scaling.apply(row));
    // An encoder that finds the class gives the scores of the classes before the code.
    return { code: out.slice(at, at + latent), assigned: at ? out.slice(0, at).indexOf(Math.max(...out.slice(0, at))) : null };
  }

  hasOriginal(point) {
    return point < this.meta.originals;
  }

  async originals(points) {
    const { features } = this.meta, kept = this.arrays.originals, out = new Float64Array(points.length * features);
    points.forEach((point, i) => out.set(rowOf(kept, point, features), i * features));
    return out;
  }

  get encodes() {
    return Boolean(this.encoder);
  }

  figure(index) {
    return this.meta.pictures[index];
  }
}
