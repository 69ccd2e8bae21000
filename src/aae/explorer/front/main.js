"use strict";
// Puts the page together.

function tabs() {
  const all = [...byId("tabs").children];
  const open = (tab) => {
    for (const one of all) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      byId(one.getAttribute("aria-controls")).hidden = !chosen;
    }
  };
  all.forEach((tab, i) => {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = all[(i + by + all.length) % all.length];
      next.focus();
      open(next);
    });
  });
}

function pickers(explorer) {
  const { meta } = explorer, option = (value, text) => make("option", { value }, text);
  const colours = [option("class", "class"), option("split", "split"),
    ...(meta.finds ? [option("assigned", meta.found ? "class found" : "cluster")] : []),
    ...Array.from({ length: Math.min(explorer.latent, 64) }, (_, k) => option(`code ${k + 1}`, `code ${k + 1}`)),
    ...meta.columns.map(({ name }, k) => option(String(k), name))];
  byId("colour").replaceChildren(...colours);
  byId("colour").addEventListener("change", async () => {
    notice("Colouring ...");
    try {
      await explorer.colour(byId("colour").value);
      notice("");
    } catch (error) {
      notice(`Not coloured: ${error.message}`);
    }
  });
  const axes = explorer.latent > 2;
  for (const label of document.querySelectorAll(".axes")) label.hidden = !axes;
  if (axes) axisPickers(explorer);
  if (meta.beside) {
    byId("class-picker").hidden = false;
    byId("class").replaceChildren(...meta.beside.map((name, k) => option(String(k), name)));
    explorer.label = 0;
    byId("class").addEventListener("change", () => explorer.setLabel(Number(byId("class").value)));
  }
}

function axisPickers(explorer) {
  const { meta } = explorer, count = Math.min(explorer.latent, 64);
  const choices = [];
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
  for (let k = 0; k < count; k++) choices.push([`c${k}`, `code ${k + 1}`]);
  if (meta.axes) for (let k = 0; k < count; k++) choices.push([`p${k}`, `principal ${k + 1} (${percent(meta.axes.share[k])})`]);
  const [x, y] = [byId("axis-x"), byId("axis-y")];
  for (const select of [x, y]) select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
  [x.value, y.value] = ["c0", "c1"];
  const change = (changed, other) => {
    // Both axes are of one kind; a choice of the other kind takes the other axis along.
    if (other.value[0] !== changed.value[0]) other.value = changed.value[0] + (changed.value.slice(1) === "0" ? "1" : "0");
    if (other.value === changed.value) other.value = changed.value[0] + (changed.value.slice(1) === "0" ? "1" : "0");
    const principal = x.value[0] === "p" ? meta.axes : null;
    explorer.setAxes(new Frame(explorer.latent, principal), [x, y].map((s) => Number(s.value.slice(1))));
  };
  x.addEventListener("change", () => change(x, y));
  y.addEventListener("change", () => change(y, x));
}

function head(meta) {
  document.title = `${meta.title}: explorer`;
  byId("title").textContent = meta.title;
  const shown = meta.shown < meta.total ? `${grouped(meta.shown)} of ${grouped(meta.total)} rows, a fair sample` : `all ${grouped(meta.total)} rows`;
  byId("lead").textContent = `${meta.latent}-dimensional codes of ${shown}${meta.prior ? `; ${meta.prior.text}` : ""}.` +
    (meta.said ? ` ${meta.said}` : "");
  byId("foot").textContent = `Made by aae ${meta.version}. ` + (meta.file ? "This page is one file and needs no network." : "Served on this machine only.");
  if (meta.report) byId("foot").append(" ", make("a", { href: "/report" }, "Open the report"));
}

function figures(explorer) {
  const { meta, source } = explorer;
  const none = [make("p", { class: "soft" }, "This run has no figures yet: aae report draws them.")];
  byId("figures").replaceChildren(...(meta.figures.length ? [] : none), ...meta.figures.flatMap((title, k) => [
    make("h2", {}, title), make("figure", {}, make("img", { src: source.figure(k), alt: title, loading: "lazy" }))]));
}

function settings(meta) {
  byId("settings").replaceChildren();
  const row = (name, ...cells) => make("tr", {}, make("th", { scope: "row" }, ...name), ...cells.map((c) => make("td", {}, c)));
  const body = Object.entries(meta.settings).map(([name, value]) => row([name], value === null ? "-" : JSON.stringify(value)));
  const table = (rows, head, kind) => make("div", { class: "scroll" }, make("table", { class: kind },
    make("thead", {}, make("tr", {}, ...head.map((h) => make("th", { scope: "col" }, h)))), make("tbody", {}, ...rows)));
  if (meta.numbers.length) {
    const rows = meta.numbers.map((n) => row([n.name, make("small", {}, n.meaning)], n.value, n.floor));
    byId("settings").append(make("h2", {}, "Numbers"), table(rows, ["Measure", "This run", "The prior itself"], "numbers"));
  }
  byId("settings").append(make("h2", {}, "Configuration"), table(body, ["Setting", "Value"], "settings"));
  for (const c of meta.changes) {
    byId("settings").append(make("p", {}, `From step ${grouped(c.step)} on, the ${c.phase} phase learnt at ${c.learning_rate}, changed by hand.`));
  }
}

async function start() {
  const file = byId("meta");
  if (location.search) history.replaceState(null, "", location.pathname);  // the token has become a cookie
  const source = file ? new FileSource(JSON.parse(file.textContent), byId("payload").textContent) : new ServerSource();
  tabs();
  notice("Loading ...");
  try {
    await source.open();
    head(source.meta);
    const points = await source.points(({ done, total }) => notice(`Encoding the data: ${grouped(done)} of ${grouped(total)} rows`));
    notice("");
    const explorer = new Explorer(source, points);
    pickers(explorer);
    new CodeCard(explorer);
    new ItemCard(explorer);
    new SelectionCard(explorer);
    new CellsCard(explorer);
    new InputCard(explorer);
    explorer.strip = new StripCard(explorer);
    new Gestures(explorer);
    for (const name of ["points", "shown"]) explorer.on(name, () => legend(explorer));
    legend(explorer);
    for (const id of ["show-manifold", "show-prior"]) byId(id).addEventListener("change", () => {
      explorer.retile();
      explorer.redraw();
    });
    byId("show-manifold").parentElement.hidden = !source.meta.image;
    for (const id of ["show-cells", "show-prior"]) byId(id).parentElement.hidden = !source.meta.prior;
    const write = () => { byId("python").textContent = asPython(explorer); };
    for (const name of ["decoded", "item", "selection", "strip"]) explorer.on(name, write);
    byId("copy").addEventListener("click", async () => {
      byId("copy").textContent = await copyPython(explorer);
      setTimeout(() => { byId("copy").textContent = "Copy as Python"; }, 1500);
    });
    curves(source.meta.history);
    verdict(source.meta.verdict);
    figures(explorer);
    settings(source.meta);
    // The middle of what is seen; where the prior has a hole there, such as a ring's, some row's code.
    const [x, y] = [explorer.view.x, explorer.view.y], outline = explorer.outline();
    const hole = outline.length > 0 && explorer.n > 0 && !insideAll(x, y, outline);
    explorer.setCode(hole ? explorer.codeOf(0) : explorer.at(x, y));
    if (source.meta.live) new LivePage(explorer);
    window.aaeExplorer = explorer;  // for tests, and for the curious
  } catch (error) {
    notice(`This page cannot be shown: ${error.message}`);
    throw error;
  }
}

start();
