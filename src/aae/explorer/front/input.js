"use strict";
// A row of your own and its code: drawn, dropped as a picture, or filled in.

class InputCard {
  constructor(explorer) {
    this.explorer = explorer;
    if (!explorer.source.encodes) return;
    const { meta } = explorer;
    if (!meta.image && !meta.names) return;
    byId("input-card").hidden = false;
    byId("input-title").textContent = meta.image ? "Draw, or drop a picture" : "Fill in a row";
    this.encoding = new Newest((row) => this.encode(row));
    if (meta.image) this.pad();
    else this.fields();
  }

  async encode(row) {
    try {
      const code = await this.explorer.source.encode(row);
      this.explorer.setCode(code, { held: true });
      byId("input-said").textContent = `Its code: ${Array.from(code.slice(0, 8), short).join(", ")}. Above is what comes back from it.`;
    } catch (error) {
      byId("input-said").textContent = `Not encoded: ${error.message}`;
    }
  }

  // Images

  pad() {
    const { meta } = this.explorer, [h, w] = meta.shape.slice(-2), by = Math.max(1, Math.floor(224 / Math.max(w, h)));
    this.grey = meta.shape.length === 2;
    const canvas = make("canvas", { id: "pad", width: w * by, height: h * by, "aria-label": "Draw here, or drop a picture", role: "img" });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.canvas = canvas;
    const file = make("input", { type: "file", accept: "image/*", "aria-label": "Choose a picture", onchange: () => this.load(file.files[0]) });
    const invert = make("input", { type: "checkbox", id: "invert", onchange: () => this.read() });
    byId("input").replaceChildren(canvas, make("p", {}, file),
      make("p", {}, make("button", { onclick: () => this.clear() }, "Clear"), " ",
        make("label", { class: "check" }, invert, "Dark on light")),
      make("p", { id: "input-said", class: "soft", role: "status" }));
    this.clear();
    let last = null;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = place(event);
      this.stroke(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const now = place(event);
      this.stroke(last, now);
      last = now;
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
    for (const over of ["dragover", "dragenter"]) {
      canvas.addEventListener(over, (event) => {
        event.preventDefault();
        canvas.classList.add("drop");
      });
    }
    canvas.addEventListener("dragleave", () => canvas.classList.remove("drop"));
    canvas.addEventListener("drop", (event) => {
      event.preventDefault();
      canvas.classList.remove("drop");
      this.load(event.dataTransfer.files[0]);
    });
  }

  stroke(from, to) {
    const { context } = this;
    Object.assign(context, { strokeStyle: "#fff", lineWidth: this.canvas.width / 11, lineCap: "round" });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    this.read();
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (byId("input-said")) byId("input-said").textContent = "";
  }

  async load(file) {
    if (!file) return;
    try {
      const image = await createImageBitmap(file), { canvas, context } = this;
      const by = Math.min(canvas.width / image.width, canvas.height / image.height);
      this.clear();
      context.drawImage(image, (canvas.width - image.width * by) / 2, (canvas.height - image.height * by) / 2, image.width * by, image.height * by);
      this.read();
    } catch {
      byId("input-said").textContent = `${file.name} is not a picture that this browser can read.`;
    }
  }

  /** The drawing, made as small as the data's images by averaging, in the data's units. */
  read() {
    const { meta } = this.explorer, [h, w] = meta.shape.slice(-2), channels = this.grey ? 1 : meta.shape[0];
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const by = this.canvas.width / w, row = new Float32Array(channels * h * w), [low, high] = meta.limits;
    const dark = byId("invert").checked;
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++) {
          let sum = 0;
          for (let y = i * by; y < (i + 1) * by; y++)
            for (let x = j * by; x < (j + 1) * by; x++) {
              const at = 4 * (y * this.canvas.width + x);
              sum += channels === 1 ? 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2] : data[at + Math.min(c, 3)];
            }
          const share = sum / (255 * by * by);
          row[(c * h + i) * w + j] = (low ?? 0) + (dark ? 1 - share : share) * ((high ?? 1) - (low ?? 0));
        }
    this.encoding.ask(row);
  }

  // Tables

  fields() {
    const { explorer } = this, { meta } = explorer;
    this.inputs = meta.names.map((name, k) => {
      const how = { id: `field-${k}`, oninput: () => this.readFields() }, names = meta.categories?.[k];
      if (names) return make("select", how, ...names.map((text, value) => make("option", { value }, text)));
      return make("input", { type: "number", step: "any", value: 0, ...how });
    });
    const list = meta.names.flatMap((name, k) => [make("label", { for: `field-${k}` }, name), this.inputs[k]]);
    byId("input").replaceChildren(make("div", { class: "fields" }, ...list),
      make("p", {}, make("button", { onclick: () => this.fill(explorer.decoded) }, "Start from what is decoded")),
      make("p", { id: "input-said", class: "soft", role: "status" }));
  }

  fill(row) {
    this.inputs.forEach((input, k) => { input.value = Number.isNaN(row[k]) ? "" : String(Number(row[k].toPrecision(5))); });
    this.readFields();
  }

  readFields() {
    const row = this.inputs.map((input) => (input.value === "" ? NaN : Number(input.value)));
    if (row.some((x) => !Number.isFinite(x))) byId("input-said").textContent = "Every field needs a number.";
    else this.encoding.ask(row);
  }
}
