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
      const { explorer } = this, { meta } = explorer, { code, assigned } = await explorer.source.encode(row);
      if (!this.asked) return;  // what was filled in since is no row
      if (explorer.label !== null && assigned !== null) explorer.setLabel(assigned);
      explorer.setCode(code, { held: true });
      const found = assigned === null ? "" : `${meta.found ? "Found" : "Cluster"}: ${foundName(meta, assigned)}. `;
      const as = explorer.label === null ? "" : `, as ${meta.beside[explorer.label]}`;
      byId("input-said").textContent = `${found}Its code: ${Array.from(code.slice(0, 8), short).join(", ")}${code.length > 8 ? ", ..." : ""}. ` +
        `Above is what comes back from it${as}.`;
    } catch (error) {
      byId("input-said").textContent = `Not encoded: ${error.message}`;
    }
  }

  ask(row) {
    this.asked = true;
    this.encoding.ask(row);
  }

  // Images

  pad() {
    const { meta } = this.explorer, [h, w] = meta.shape.slice(-2), by = Math.max(1, Math.floor(224 / Math.max(w, h)));
    this.grey = meta.shape.length === 2;
    const canvas = make("canvas", { id: "pad", width: w * by, height: h * by, "aria-label": "Draw here, or drop a picture", role: "img" });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.canvas = canvas;
    const file = make("input", { type: "file", accept: "image/*", "aria-label": "Choose a picture", onchange: () => this.load(file.files[0]) });
    const invert = make("input", { type: "checkbox", id: "invert", onchange: () => this.turn() });
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
    this.takeDrops();
  }

  /** A picture may be dropped anywhere on the page, which the browser would otherwise leave for the picture. */
  takeDrops() {
    const on = (name, run) => document.addEventListener(name, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      run(event);
    });
    for (const over of ["dragover", "dragenter"]) on(over, () => this.canvas.classList.add("drop"));
    on("dragleave", () => this.canvas.classList.remove("drop"));
    on("drop", (event) => {
      this.canvas.classList.remove("drop");
      byId("input-card").open = true;
      this.load(event.dataTransfer.files[0]);
    });
  }

  stroke(from, to) {
    const { context } = this;
    Object.assign(context, { strokeStyle: this.paper[1], lineWidth: this.canvas.width / 11, lineCap: "round" });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    this.read();
  }

  /** Colours of paper and ink: white on black, as digits are, or the other way round. */
  get paper() {
    return byId("invert").checked ? ["#fff", "#000"] : ["#000", "#fff"];
  }

  /** Dark on light: the same picture or paper, read the other way round. */
  turn() {
    if (this.image) this.place(this.image);
    else this.clear();
  }

  clear() {
    this.image = null;
    [this.context.fillStyle] = this.paper;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (byId("input-said")) byId("input-said").textContent = "";
  }

  async load(file) {
    if (!file) return;
    try {
      this.place(await createImageBitmap(file));
    } catch {
      byId("input-said").textContent = `${file.name} is not a picture that this browser can read.`;
    }
  }

  /** The picture, as large as fits, on paper. */
  place(image) {
    const { canvas, context } = this, by = Math.min(canvas.width / image.width, canvas.height / image.height);
    this.clear();
    this.image = image;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, (canvas.width - image.width * by) / 2, (canvas.height - image.height * by) / 2, image.width * by, image.height * by);
    this.read();
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
    this.ask(row);
  }

  // Tables

  fields() {
    const { explorer } = this, { meta } = explorer, button = (id, text, row) => make("button", { id, onclick: async () => this.fill(await row()) }, text);
    this.inputs = meta.names.map((name, k) => this.field(k));
    const list = meta.names.flatMap((name, k) => [make("label", { for: `field-${k}` }, name), this.inputs[k]]);
    byId("input").replaceChildren(make("div", { class: "fields" }, ...list),
      make("p", {}, button("fill-decoded", "Start from what is decoded", () => explorer.decoded), " ",
        button("fill-item", "Start from the point", async () => explorer.source.originals([explorer.item]))),
      make("p", { id: "input-said", class: "soft", role: "status" }));
    const offer = () => { byId("fill-item").hidden = explorer.item < 0 || !explorer.source.hasOriginal(explorer.item); };
    explorer.on("item", offer);
    offer();
    byId("input-card").addEventListener("toggle", () => explorer.decoded && this.put(explorer.decoded), { once: true });
  }

  /** What a value of column `k` is filled in with: words, a date, or a number. Empty is missing. */
  field(k) {
    const { meta } = this.explorer, how = { id: `field-${k}`, oninput: () => this.readFields() };
    const words = meta.categories?.[k], kind = meta.kinds?.[k], gap = meta.gaps?.[k];
    if (words) {
      return make("select", how, ...(gap ? [make("option", { value: "" }, "(missing)")] : []), ...words.map((text, value) => make("option", { value }, text)));
    }
    if (kind === "day") return make("input", { type: "date", ...how });
    if (kind === "time") return make("input", { type: "datetime-local", step: 1, ...how });
    return make("input", { type: "number", step: "any", placeholder: gap ? "missing" : "", ...how });
  }

  isTime(k) {
    return ["day", "time"].includes(this.explorer.meta.kinds?.[k]);
  }

  /** Show a row in the fields, without encoding it. */
  put(row) {
    const text = (x, k) => (this.isTime(k) ? timeText(x, this.explorer.meta.kinds[k]) : String(Number(x.toPrecision(7))));
    this.inputs.forEach((input, k) => { input.value = Number.isNaN(row[k]) ? "" : text(row[k], k); });
  }

  fill(row) {
    this.put(row);
    this.readFields();
  }

  readFields() {
    const { meta } = this.explorer, number = (text, k) => (this.isTime(k) ? Date.parse(meta.kinds[k] === "time" ? `${text}Z` : text) / 1000 : Number(text));
    const row = this.inputs.map((input, k) => (input.value === "" ? NaN : number(input.value, k)));
    const wrong = row.findIndex((x, k) => (Number.isNaN(x) ? !(meta.gaps?.[k] && this.inputs[k].value === "") : !Number.isFinite(x)));
    this.asked = wrong < 0;
    if (wrong < 0) this.ask(row);
    else byId("input-said").textContent = `${meta.names[wrong]} needs a value: nothing is missing there in the data that was trained on.`;
  }
}
